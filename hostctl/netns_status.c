/* The sidecar is asked how it is: by its own socket, since a file says how it was. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "hostctl/netns_argv.h"
#include "hostctl/netns_watch.h"
#include "lib/base.h"

#define ANSWER_MS 2000
#define ANSWER_MAX KIB(4)

/* Its private directory is in memory that only its own namespaces can name. */
static int open_status(struct record *r)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    pid_t pid = record_process(r, "sidecar");
    if (!pid)
        return -ESRCH;
    (void)snprintf(to.sun_path, sizeof to.sun_path, "/proc/%d/root" SIDECAR_STATUS, (int)pid);
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) < 0)
        return -errno;
    return steal_fd(&fd);
}

json_t *netns_status(struct record *r)
{
    char text[ANSWER_MAX];
    size_t n = 0;
    cleanup_fd int fd = open_status(r);
    while (fd >= 0 && n < sizeof text) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t got = poll(&p, 1, ANSWER_MS) == 1 ? recv(fd, text + n, sizeof text - n, 0) : -1;
        if (got < 0)
            return NULL;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return n > 0 ? json_loadb(text, n, 0, NULL) : NULL;
}
