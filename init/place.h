/** \file
 * Where the shim may leave files, and how it changes one that is there already.
 *
 * With CAP_SYS_ADMIN nothing of the image (or of the host, whose files an agent without an image shares) is
 * written: changed files are copies on a tmpfs in a mount namespace of our own, mounted over the originals.
 * Without it, files are written in place, which in a container means its own layer.
 */
#ifndef EGRESS_INIT_PLACE_H
#define EGRESS_INIT_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#define PLACE_PATH_MAX 256

struct place {
    bool can_mount;
    bool apart; /* in a mount namespace of our own, where mounting is known to work */
    char dir[PLACE_PATH_MAX]; /* holds our own files for the agent's life; "" until place_dir() */
    unsigned copies; /* files mounted over others, so far */
};

/** `shared`: stay in the caller's mount namespace, for processes that come after us. Never fails. */
void place_open(struct place *p, bool shared);

/** The directory for our own files, made when first asked for; fatal where there is no room for one. */
const char *place_dir(struct place *p);

/** The directory that an earlier run left for --exec, or NULL. Only what root alone could have made counts.
 */
const char *place_find(struct place *p);

/** Writes DIR/name, readable to all. Fatal where it cannot. Returns the path, to be freed. */
char *place_write(struct place *p, const char *name, const void *data, size_t len);

/** Makes the agent see `data` at `path`, a file that is there, for whoever could read that. Its folders need
 * not be root's: whoever owns them may change them meanwhile, so nothing is made, and where we can mount,
 * nothing written. 0 or -errno.
 */
int place_replace(struct place *p, const char *path, const void *data, size_t len);
/** The same in a folder of root's, where it may be missing or a link to nothing. */
int place_put(struct place *p, const char *path, const void *data, size_t len);

#endif
