/* A unix socket with a path is reachable through a shared file system whatever the network namespace. Those
 * that exist when a sandbox starts are found here, in every network namespace of the host, and masked by
 * netns_mount.c. */
#include "hostctl/netns_mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"

#define NETNS_MAX 4096

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

/* "ffff...: 00000002 00000000 00010000 0001 01 12345 /path": the path is the eighth column and may hold
 * blanks. */
static int read_table(const char *file, struct socket_paths *out)
{
    FILE *f = fopen(file, "re");
    if (!f)
        return 0; /* the process is gone */
    char line[512];
    int err = 0;
    while (!err && fgets(line, sizeof line, f)) {
        char *p = line;
        for (int column = 1; column < 8 && p; column++) {
            p = strchr(p, ' ');
            while (p && *p == ' ')
                p++;
        }
        if (!p || *p != '/')
            continue;
        p[strcspn(p, "\n")] = 0;
        err = keep(out, p);
    }
    (void)fclose(f);
    return err;
}

int sockets_find(struct socket_paths *out)
{
    cleanup_free ino_t *seen = calloc(NETNS_MAX, sizeof *seen);
    size_t n_seen = 0;
    DIR *proc = opendir("/proc");
    int err = 0;
    *out = (struct socket_paths){0};
    if (!proc || !seen) {
        if (proc)
            (void)closedir(proc);
        return -ENOMEM;
    }
    for (const struct dirent *d; !err && (d = readdir(proc));) {
        char path[300];
        struct stat st;
        size_t i = 0;
        if (d->d_name[0] < '1' || d->d_name[0] > '9')
            continue;
        (void)snprintf(path, sizeof path, "/proc/%s/ns/net", d->d_name);
        if (stat(path, &st))
            continue;
        while (i < n_seen && seen[i] != st.st_ino)
            i++;
        if (i < n_seen || n_seen == NETNS_MAX)
            continue;
        seen[n_seen++] = st.st_ino;
        (void)snprintf(path, sizeof path, "/proc/%s/net/unix", d->d_name);
        err = read_table(path, out);
    }
    (void)closedir(proc);
    return err;
}

void sockets_free(struct socket_paths *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->path[i]);
    free(s->path);
    *s = (struct socket_paths){0};
}
