/** \file
 * What is mounted where, as /proc/PID/mountinfo tells it, to find every path at which one file can be reached
 * (Linux).
 */
#ifndef EGRESS_HOSTCTL_NETNS_MOUNTINFO_H
#define EGRESS_HOSTCTL_NETNS_MOUNTINFO_H

#include <limits.h>
#include <stddef.h>

/** One mount: the part `root` of the file system on `device` ("MAJOR:MINOR") is seen at `point`. */
struct mount_line {
    int id;
    char *device, *root, *point;
};

struct mount_table {
    struct mount_line *line;
    size_t n, room;
};

/** `pid` 0: our own. What cannot be read is an empty table. */
void mounts_read(struct mount_table *out, int pid);
void mounts_free(struct mount_table *t);

/** The line that shows `path` (absolute, without symlinks), or that has `id` where it is not negative; NULL:
 * none. */
const struct mount_line *mounts_of(const struct mount_table *t, const char *path, int id);

/** Where `path`, seen through `from`, is seen through `to` (perhaps in another mount namespace). NULL: it is
 * not, else `out`. */
char *mounts_translate(
    const struct mount_line *from, const struct mount_line *to, const char *path, char out[static PATH_MAX]);

#endif
