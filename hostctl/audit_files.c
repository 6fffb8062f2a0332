#include "hostctl/audit_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostctl/beneath.h"
#include "lib/base.h"

#define LOG "audit.jsonl"
#define FILES_MAX 1000
#define CHUNK KIB(64)

struct part {
    int fd;
    ino_t inode;
    char name[32];
};

struct audit_files {
    int dir;
    struct part *parts; /* oldest first; the last is the one that grows */
    size_t n, at;
    char *buf;
    size_t used, taken, room;
    unsigned long line;
};

static int open_part(int dir, const char *name, struct part *out)
{
    struct stat st;
    *out = (struct part){.fd = beneath_open(dir, name, O_RDONLY)};
    if (out->fd < 0)
        return out->fd;
    if (fstat(out->fd, &st)) {
        int err = errno;
        close(out->fd);
        return -err;
    }
    out->inode = st.st_ino;
    (void)snprintf(out->name, sizeof out->name, "%s", name);
    return 0;
}

/* At the front, unless it is there already: a rotation while we look moves a file to the next name. */
static int prepend(struct audit_files *f, const struct part *p)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->parts[i].inode == p->inode) {
            close(p->fd);
            return 0;
        }
    struct part *parts = realloc(f->parts, (f->n + 2) * sizeof *parts);
    if (!parts)
        return -ENOMEM;
    memmove(parts + 1, parts, f->n * sizeof *parts);
    parts[0] = *p;
    f->parts = parts;
    f->n++;
    return 0;
}

struct audit_files *audit_files_open(const char *state_dir)
{
    struct audit_files *f = calloc(1, sizeof *f);
    struct part p;
    int err = 0;
    if (!f) {
        errno = ENOMEM;
        return NULL;
    }
    f->dir = folder_open(state_dir);
    err = f->dir < 0 ? f->dir : open_part(f->dir, LOG, &p);
    for (unsigned i = 1; !err; i++) {
        char name[32];
        err = prepend(f, &p);
        (void)snprintf(name, sizeof name, LOG ".%u", i);
        if (err || i > FILES_MAX || open_part(f->dir, name, &p))
            break;
    }
    if (!err)
        return f;
    audit_files_close(f);
    errno = -err;
    return NULL;
}

void audit_files_close(struct audit_files *f)
{
    for (size_t i = 0; i < f->n; i++)
        close(f->parts[i].fd);
    free(f->parts);
    free(f->buf);
    if (f->dir >= 0)
        close(f->dir);
    free(f);
}

bool audit_files_rotated(const struct audit_files *f)
{
    return f->n > 1;
}

/* More octets of the present part. 0 at its end. */
static ssize_t fill(struct audit_files *f)
{
    if (f->used > f->taken)
        memmove(f->buf, f->buf + f->taken, f->used - f->taken);
    f->used -= f->taken;
    f->taken = 0;
    if (f->room - f->used < CHUNK) {
        char *p = realloc(f->buf, f->used + 2 * CHUNK);
        if (!p)
            return 0;
        f->buf = p;
        f->room = f->used + 2 * CHUNK;
    }
    ssize_t n = read(f->parts[f->at].fd, f->buf + f->used, f->room - f->used);
    if (n > 0)
        f->used += (size_t)n;
    return n;
}

/* A new audit.jsonl has taken the place of the one we are at the end of. */
static bool rotated_since(struct audit_files *f)
{
    struct part p;
    if (open_part(f->dir, LOG, &p))
        return false;
    if (p.inode == f->parts[f->n - 1].inode) {
        close(p.fd);
        return false;
    }
    struct part *parts = realloc(f->parts, (f->n + 1) * sizeof *parts);
    if (!parts) {
        close(p.fd);
        return false;
    }
    f->parts = parts;
    f->parts[f->n++] = p;
    return true;
}

const char *audit_files_next(struct audit_files *f, size_t *len, const char **file, unsigned long *number)
{
    for (;;) {
        char *start = f->buf + f->taken,
             *nl = f->used > f->taken ? memchr(start, '\n', f->used - f->taken) : NULL;
        if (nl) {
            *len = (size_t)(nl - start);
            *file = f->parts[f->at].name;
            *number = ++f->line;
            f->taken += *len + 1;
            return start;
        }
        if (fill(f) > 0)
            continue;
        /* Its last lines may have come between our read and the rotation: look once more after seeing the
         * latter. */
        if (f->at + 1 == f->n && (!rotated_since(f) || fill(f) > 0))
            return NULL;
        if (f->used > f->taken)
            return NULL; /* half a line, with a file after it */
        f->at++;
        f->line = 0;
    }
}

bool audit_files_torn(const struct audit_files *f)
{
    return f->used > f->taken;
}
