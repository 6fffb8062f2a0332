/* A unix socket with a path is reachable through a shared file system whatever the network namespace. Those
 * that exist when a sandbox starts are found here, in every network namespace of the host, and masked by
 * netns_mount.c.
 *
 * The kernel lists a socket under the name that it was bound to, which may be relative, belong to another
 * root or other mounts, or be that of a file renamed since. Where there is no socket at that name, one of the
 * processes that hold it is looked for, and the kernel asked for the file itself. */
#include "hostctl/netns_sockets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hostctl/netns_mountinfo.h"
#include "lib/base.h"

#define NETNS_MAX 4096
#define CONNECTED 3 /* SS_CONNECTED of <linux/net.h> */
#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE 0x89E0 /* <linux/un.h>: a descriptor of the socket's file */
#endif
/* Newer than some C libraries' lists; the same on all architectures. */
#define NR_pidfd_open 434
#define NR_pidfd_getfd 438

/** `lost`: those that are not at their names. */
struct search {
    struct socket_paths *out;
    struct mount_table mounts; /* ours */
    unsigned long *lost; /* inodes as /proc/PID/fd names them */
    size_t n_lost, room_lost;
};

static int keep(struct socket_paths *s, const char *path)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->path[i], path) == 0)
            return 0;
    if (s->n == s->room) {
        size_t room = s->room ? s->room * 2 : 64;
        char **p = realloc(s->path, room * sizeof *p);
        if (!p)
            return -ENOMEM;
        s->path = p;
        s->room = room;
    }
    s->path[s->n] = strdup(path);
    return s->path[s->n] ? (s->n++, 0) : -ENOMEM;
}

/* The file seen as `path` through `from`, at every place where our mounts show it. */
static int keep_all(
    struct search *s, const struct mount_line *from, const char *path, const struct stat *file)
{
    char place[PATH_MAX];
    struct stat st;
    int err = 0;
    for (size_t i = 0; from && !err && i < s->mounts.n; i++)
        if (mounts_translate(from, &s->mounts.line[i], path, place) && lstat(place, &st) == 0 &&
            st.st_dev == file->st_dev && st.st_ino == file->st_ino)
            err = keep(s->out, place);
    return err;
}

static int lose(struct search *s, unsigned long inode)
{
    if (s->n_lost == s->room_lost) {
        size_t room = s->room_lost ? s->room_lost * 2 : 64;
        unsigned long *p = realloc(s->lost, room * sizeof *p);
        if (!p)
            return -ENOMEM;
        s->lost = p;
        s->room_lost = room;
    }
    s->lost[s->n_lost++] = inode;
    return 0;
}

static int named(struct search *s, const char *name, unsigned long inode)
{
    char real[PATH_MAX];
    struct stat st;
    if (name[0] != '/' || lstat(name, &st) || !S_ISSOCK(st.st_mode))
        return lose(s, inode);
    for (size_t i = 0; i < s->out->n; i++)
        if (strcmp(s->out->path[i], name) == 0)
            return 0; /* another of the same name was at this place before */
    int err = keep(s->out, name);
    if (!err && realpath(name, real))
        err = keep_all(s, mounts_of(&s->mounts, real, -1), real, &st);
    return err;
}

/* "ffff...: 00000002 00000000 00010000 0001 01 12345 name": the name is the eighth column and may hold
 * anything, line feeds too. '@' stands for the NUL of an abstract one, which belongs to its network
 * namespace. */
static int read_table(const char *file, struct search *s)
{
    FILE *f = fopen(file, "re");
    if (!f)
        return 0; /* the process is gone */
    char line[512];
    int err = 0;
    while (!err && fgets(line, sizeof line, f)) {
        char *p = line;
        unsigned long inode = 0, type = 0, state = 0;
        for (int column = 1; column < 8 && p; column++) {
            if (column == 5)
                type = strtoul(p, NULL, 16);
            else if (column == 6)
                state = strtoul(p, NULL, 16);
            else if (column == 7)
                inode = strtoul(p, NULL, 10);
            p = strchr(p, ' ');
            while (p && *p == ' ')
                p++;
        }
        /* A server's end of a connection has the server's name, but nobody can connect to it. */
        if (!p || *p == '@' || inode == 0 || (type != SOCK_DGRAM && state == CONNECTED))
            continue;
        p[strcspn(p, "\n")] = 0;
        err = named(s, p, inode);
    }
    (void)fclose(f);
    return err;
}

/* The number of a mount is in the descriptor's own file only. */
static int mount_id(int fd)
{
    char path[64], text[256];
    (void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    cleanup_fd int info = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = info < 0 ? -1 : read(info, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    const char *id = strstr(text, "mnt_id:");
    return id ? (int)strtol(id + strlen("mnt_id:"), NULL, 10) : -1;
}

/* The file of a socket that a process holds, as that process's mounts name it, and as ours do. */
static int ask(struct search *s, int pid, int held)
{
    char link[64], path[PATH_MAX];
    struct stat st;
    cleanup_fd int process = (int)syscall(NR_pidfd_open, pid, 0);
    cleanup_fd int sock = process < 0 ? -1 : (int)syscall(NR_pidfd_getfd, process, held, 0);
    cleanup_fd int file = sock < 0 ? -1 : ioctl(sock, SIOCUNIXFILE, 0);
    if (file < 0 || fstat(file, &st) || st.st_nlink == 0)
        return 0;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0)
        return 0;
    path[n] = 0;
    int id = mount_id(file);
    struct mount_table theirs = {0};
    const struct mount_line *from = mounts_of(&s->mounts, path, id);
    if (!from) {
        mounts_read(&theirs, pid);
        from = mounts_of(&theirs, path, id);
    }
    if (!from) /* what is above a process's own root is not in its table, but the path is whole */
        from = mounts_of(&s->mounts, path, -1);
    int err = keep_all(s, from, path, &st);
    mounts_free(&theirs);
    return err;
}

static bool is_lost(struct search *s, unsigned long inode)
{
    for (size_t i = 0; i < s->n_lost; i++)
        if (s->lost[i] == inode) {
            s->lost[i] = s->lost[--s->n_lost];
            return true;
        }
    return false;
}

static int search_process(struct search *s, const char *pid)
{
    char path[300], target[64];
    (void)snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *d = opendir(path);
    int err = 0;
    for (const struct dirent *e; d && !err && s->n_lost > 0 && (e = readdir(d));) {
        ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof target - 1);
        target[n > 0 ? n : 0] = 0;
        if (strncmp(target, "socket:[", 8) == 0 && is_lost(s, strtoul(target + 8, NULL, 10)))
            err = ask(s, (int)strtol(pid, NULL, 10), (int)strtol(e->d_name, NULL, 10));
    }
    if (d)
        (void)closedir(d);
    return err;
}

/* `tables`: the list of each network namespace; else the descriptors of each process. */
static int each_process(struct search *s, bool tables)
{
    cleanup_free ino_t *seen = calloc(NETNS_MAX, sizeof *seen);
    size_t n_seen = 0;
    DIR *proc = opendir("/proc");
    int err = proc && seen ? 0 : -ENOMEM;
    for (const struct dirent *d; !err && (d = readdir(proc));) {
        char path[300];
        struct stat st;
        size_t i = 0;
        if (d->d_name[0] < '1' || d->d_name[0] > '9')
            continue;
        if (!tables) {
            err = search_process(s, d->d_name);
            continue;
        }
        (void)snprintf(path, sizeof path, "/proc/%s/ns/net", d->d_name);
        if (stat(path, &st))
            continue;
        while (i < n_seen && seen[i] != st.st_ino)
            i++;
        if (i < n_seen || n_seen == NETNS_MAX)
            continue;
        seen[n_seen++] = st.st_ino;
        (void)snprintf(path, sizeof path, "/proc/%s/net/unix", d->d_name);
        err = read_table(path, s);
    }
    if (proc)
        (void)closedir(proc);
    return err;
}

int sockets_find(struct socket_paths *out)
{
    struct search s = {.out = out};
    *out = (struct socket_paths){0};
    mounts_read(&s.mounts, 0);
    int err = each_process(&s, true);
    if (!err && s.n_lost > 0)
        err = each_process(&s, false);
    mounts_free(&s.mounts);
    free(s.lost);
    return err;
}

void sockets_free(struct socket_paths *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->path[i]);
    free(s->path);
    *s = (struct socket_paths){0};
}
