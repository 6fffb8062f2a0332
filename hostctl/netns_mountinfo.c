#include "hostctl/netns_mountinfo.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"

/* "\040" is a blank: blanks, tabs, line feeds and backslashes of paths are written so. */
static void unescape(char *s)
{
    char *to = s;
    while (*s) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
            *to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 4;
        } else {
            *to++ = *s++;
        }
    }
    *to = 0;
}

/* "36 35 98:0 /root /point rw ..." */
static bool add(struct mount_table *t, char *text)
{
    char *save = NULL, *field[5];
    for (size_t i = 0; i < ARRAY_LEN(field); i++)
        if (!(field[i] = strtok_r(i ? NULL : text, " ", &save)))
            return true; /* not a line of ours */
    if (t->n == t->room) {
        size_t room = t->room ? t->room * 2 : 64;
        struct mount_line *p = realloc(t->line, room * sizeof *p);
        if (!p)
            return false;
        t->line = p;
        t->room = room;
    }
    unescape(field[3]);
    unescape(field[4]);
    struct mount_line m = {
        (int)strtol(field[0], NULL, 10), strdup(field[2]), strdup(field[3]), strdup(field[4])};
    t->line[t->n++] = m;
    return m.device && m.root && m.point;
}

void mounts_read(struct mount_table *out, int pid)
{
    char path[64] = "/proc/self/mountinfo";
    cleanup_free char *text = NULL;
    size_t room = 0;
    *out = (struct mount_table){0};
    if (pid)
        (void)snprintf(path, sizeof path, "/proc/%d/mountinfo", pid);
    FILE *f = fopen(path, "re");
    while (f && getline(&text, &room, f) > 0)
        if (!add(out, text)) {
            mounts_free(out);
            break;
        }
    if (f)
        (void)fclose(f);
}

void mounts_free(struct mount_table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->line[i].device);
        free(t->line[i].root);
        free(t->line[i].point);
    }
    free(t->line);
    *t = (struct mount_table){0};
}

/* What of `path` is below `dir`, with its slash; NULL: it is elsewhere. */
static const char *below(const char *path, const char *dir)
{
    size_t n = strcmp(dir, "/") == 0 ? 0 : strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == 0 || path[n] == '/') ? path + n : NULL;
}

const struct mount_line *mounts_of(const struct mount_table *t, const char *path, int id)
{
    const struct mount_line *best = NULL;
    for (size_t i = 0; i < t->n; i++) {
        const struct mount_line *m = &t->line[i];
        if (id >= 0 ? m->id == id
                    : below(path, m->point) && (!best || strlen(m->point) >= strlen(best->point)))
            best = m;
    }
    return best;
}

char *mounts_translate(
    const struct mount_line *from, const struct mount_line *to, const char *path, char out[static PATH_MAX])
{
    char inside[PATH_MAX];
    const char *rest = below(path, from->point);
    if (!rest || strcmp(from->device, to->device) != 0)
        return NULL;
    int n = snprintf(inside, sizeof inside, "%s%s", strcmp(from->root, "/") == 0 ? "" : from->root, rest);
    if (n < 0 || n >= PATH_MAX || !(rest = below(inside, to->root)))
        return NULL;
    n = snprintf(out, PATH_MAX, "%s%s", strcmp(to->point, "/") == 0 ? "" : to->point, rest);
    return n > 0 && n < PATH_MAX ? out : NULL;
}
