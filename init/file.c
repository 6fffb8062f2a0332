#include "init/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <grp.h>
#include <unistd.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "init/say.h"
#include "init/base.h"

int file_read(const char *path, struct blob *out)
{
    struct stat st;
    *out = (struct blob){0};
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not make us wait */
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > FILE_MAX)
        return -EINVAL;
    cleanup_free uint8_t *data = malloc((size_t)st.st_size + 1);
    if (data == NULL)
        return -ENOMEM;
    size_t len = 0;
    while (len < (size_t)st.st_size) {
        ssize_t n = read(fd, data + len, (size_t)st.st_size - len);
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    data[len] = 0;
    *out = (struct blob){.data = steal_ptr(&data), .len = len};
    return 0;
}

#define NOBODY 65534
#define GROUPS_MAX 64

/* A user of no group, whose number owns nothing. Where the kernel does not take the rights that go with it
 * away, there is none. */
static bool be_nobody(void)
{
    if (prctl(PR_GET_SECUREBITS) & SECBIT_NO_SETUID_FIXUP || setgroups(0, NULL) < 0)
        return false;
    (void)setfsgid(NOBODY);
    (void)setfsuid(NOBODY);
    return setfsgid((gid_t)-1) == NOBODY && setfsuid((uid_t)-1) == NOBODY;
}

int file_read_public(const char *path, struct blob *out)
{
    gid_t groups[GROUPS_MAX];
    int n = getgroups(GROUPS_MAX, groups);
    *out = (struct blob){0};
    if (n < 0)
        return -EACCES;
    int error = be_nobody() ? file_read(path, out) : -EACCES;
    (void)setfsuid(geteuid());
    (void)setfsgid(getegid());
    if (setgroups((size_t)n, groups) < 0 && n > 0)
        fatal("cannot take on the caller's groups again");
    return error;
}

static int write_to(int fd, const void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, (const uint8_t *)data + done, len - done);
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    return 0;
}

/* Nobody is waited for: a FIFO that nobody reads cannot be opened so. */
static int write_all(const char *path, int flags, const void *data, size_t len)
{
    cleanup_fd int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags, 0644);
    return fd < 0 ? -errno : write_to(fd, data, len);
}

int file_create(const char *path, const void *data, size_t len, const struct stat *like)
{
    cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    bool owned = st.st_uid == like->st_uid && st.st_gid == like->st_gid;
    if ((!owned && fchown(fd, like->st_uid, like->st_gid) < 0) || fchmod(fd, like->st_mode & 0777) < 0)
        return -errno;
    return write_to(fd, data, len);
}

int file_write(const char *path, const void *data, size_t len)
{
    return write_all(path, O_CREAT, data, len);
}

int file_rewrite(const char *path, const void *data, size_t len)
{
    return write_all(path, 0, data, len);
}

bool file_holds(const char *path, const struct blob *octets)
{
    uint8_t part[16384];
    size_t at = 0;
    ssize_t n;
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    while ((n = read(fd, part, sizeof part)) > 0) {
        if ((size_t)n > octets->len - at || memcmp(part, octets->data + at, (size_t)n) != 0)
            return false;
        at += (size_t)n;
    }
    return n == 0 && at == octets->len;
}

struct blob blob_concat(const void *a, size_t a_len, const void *b, size_t b_len)
{
    uint8_t *p = malloc(a_len + b_len + 1);
    if (p == NULL)
        fatal("out of memory");
    if (a_len > 0)
        memcpy(p, a, a_len);
    if (b_len > 0)
        memcpy(p + a_len, b, b_len);
    p[a_len + b_len] = 0;
    return (struct blob){.data = p, .len = a_len + b_len};
}

char *path_join(const char *dir, const char *name)
{
    struct blob head = blob_concat(dir, strlen(dir), "/", 1);
    struct blob whole = blob_concat(head.data, head.len, name, strlen(name));
    free(head.data);
    return (char *)whole.data;
}
