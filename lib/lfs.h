/** \file
 * What a git LFS batch request wants (git-lfs docs/api/batch.md): the one question that the path leaves open.
 * Pure.
 */
#ifndef EGRESS_LIB_LFS_H
#define EGRESS_LIB_LFS_H

#include <stddef.h>

enum lfs_operation {
    LFS_UNCLEAR, /* not JSON, or two servers could read two things: treat as an upload */
    LFS_DOWNLOAD,
    LFS_UPLOAD,
};

/** The member "operation" of the JSON object `p`, in whatever case (Go's decoder does not mind), exactly once
 * and spelled without escapes. */
enum lfs_operation lfs_operation(const char *p, size_t n);

#endif
