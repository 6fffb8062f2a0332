/** \file
 * Files in folders that a sidecar, or who runs as the agent does, may change at any time: no link is
 * followed, nothing but a regular file is opened, nobody is waited for. Portable.
 */
#ifndef EGRESS_HOSTCTL_BENEATH_H
#define EGRESS_HOSTCTL_BENEATH_H

#include <sys/types.h>

#include "hostctl/sandbox.h"

/** A folder by a path that is trusted. The descriptor, or -errno. */
int folder_open(const char *path);
/** The folder `path` ("a/b") below `dir`. The descriptor, or -errno. */
int beneath_folder(int dir, const char *path);
/** The regular file `path` below `dir`; `flags` as open(2)'s. The descriptor, or -errno: -ELOOP a link,
 * -EINVAL something else that is no file. */
int beneath_open(int dir, const char *path, int flags);
/** As blob_read(). */
int beneath_read(int dir, const char *path, size_t max, struct blob *out);
/** Connects to the socket `path` below `dir`. The descriptor, which does not block, or -errno. */
int beneath_connect(int dir, const char *path);
/** Puts a file of mode 0600 in the place of `name`, whole or not at all. 0 or -errno. */
int beneath_replace(int dir, const char *name, const struct blob *data);

#endif
