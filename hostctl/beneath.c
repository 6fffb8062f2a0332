#include "hostctl/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base.h"

#define FOLDER (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

int folder_open(const char *path)
{
    int fd = open(path, FOLDER);
    return fd < 0 ? -errno : fd;
}

/* The folder that holds the last part of `path`, and that part. */
static int walk(int dir, const char *path, const char **last)
{
    char part[NAME_MAX + 1];
    cleanup_fd int at = openat(dir, ".", FOLDER);
    for (const char *slash; at >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
        if ((size_t)(slash - path) >= sizeof part)
            return -ENAMETOOLONG;
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        int next = openat(at, part, FOLDER | O_NOFOLLOW);
        close(at);
        at = next;
    }
    *last = path;
    return at < 0 ? -errno : steal_fd(&at);
}

int beneath_folder(int dir, const char *path)
{
    const char *last;
    cleanup_fd int at = walk(dir, path, &last);
    int fd = at < 0 ? at : openat(at, last, FOLDER | O_NOFOLLOW);
    return at < 0 ? at : fd < 0 ? -errno : fd;
}

int beneath_open(int dir, const char *path, int flags)
{
    const char *last;
    struct stat st;
    cleanup_fd int at = walk(dir, path, &last);
    if (at < 0)
        return at;
    cleanup_fd int fd = openat(at, last, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &st))
        return -errno;
    return S_ISREG(st.st_mode) ? steal_fd(&fd) : -EINVAL;
}

int beneath_read(int dir, const char *path, size_t max, struct blob *out)
{
    *out = (struct blob){0};
    cleanup_fd int fd = beneath_open(dir, path, O_RDONLY);
    return fd < 0 ? fd : blob_read_fd(fd, max, out);
}

#ifdef O_PATH
/* By the descriptor of what was found, so that it cannot become something else meanwhile. */
int beneath_connect(int dir, const char *path)
{
    const char *last;
    struct stat st;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    cleanup_fd int at = walk(dir, path, &last);
    if (at < 0)
        return at;
    cleanup_fd int found = openat(at, last, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (found < 0 || fstat(found, &st))
        return -errno;
    if (!S_ISSOCK(st.st_mode))
        return -ENOTSOCK;
    (void)snprintf(to.sun_path, sizeof to.sun_path, "/proc/self/fd/%d", found);
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) < 0)
        return -errno;
    return steal_fd(&fd);
}
#else
/* Sidecars run in machines of their own there: their sockets are not the host's. */
int beneath_connect(int dir, const char *path)
{
    (void)dir;
    (void)path;
    return -ENOTSUP;
}
#endif

int beneath_replace(int dir, const char *name, const struct blob *data)
{
    char fresh[NAME_MAX + 1];
    (void)snprintf(fresh, sizeof fresh, "%s.new", name);
    (void)unlinkat(dir, fresh, 0);
    cleanup_fd int fd = beneath_open(dir, fresh, O_WRONLY | O_CREAT | O_EXCL);
    if (fd < 0)
        return fd;
    if ((data->n && write(fd, data->p, data->n) != (ssize_t)data->n) || renameat(dir, fresh, dir, name))
        return errno ? -errno : -EIO;
    return 0;
}
