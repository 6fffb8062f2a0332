/* The sidecar's private directory: memory that only its own namespaces can name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostctl/beneath.h"
#include "hostctl/netns_argv.h"
#include "hostctl/netns_watch.h"
#include "hostctl/status.h"
#include "lib/base.h"

#define FILE_MAX MIB(16)

static int private_folder(const struct record *r)
{
    char root[64];
    pid_t pid = record_process(r, "sidecar");
    if (!pid)
        return -ESRCH;
    (void)snprintf(root, sizeof root, "/proc/%d/root", (int)pid);
    cleanup_fd int fd = folder_open(root);
    return fd < 0 ? fd : beneath_folder(fd, &SIDECAR_DIR[1]);
}

json_t *netns_status(struct record *r)
{
    cleanup_fd int dir = private_folder(r);
    return dir < 0 ? NULL : status_ask(dir, SIDECAR_STATUS_NAME);
}

/* Whoever listens there: after a restart that nobody wrote down, too. */
pid_t netns_daemon(const struct record *r)
{
    struct ucred cred = {0};
    socklen_t len = sizeof cred;
    pid_t pid = record_process(r, "egressd");
    if (pid)
        return pid;
    cleanup_fd int dir = private_folder(r);
    cleanup_fd int fd = dir < 0 ? -1 : beneath_connect(dir, SIDECAR_STATUS_NAME);
    return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 ? cred.pid : 0;
}

int netns_get_file(struct record *r, const char *name, struct blob *out)
{
    cleanup_fd int dir = private_folder(r);
    return dir < 0 ? dir : beneath_read(dir, name, FILE_MAX, out);
}

int netns_put_file(struct record *r, const char *name, const struct blob *data)
{
    cleanup_fd int dir = private_folder(r);
    return dir < 0 ? dir : beneath_replace(dir, name, data);
}
