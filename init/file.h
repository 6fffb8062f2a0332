/** \file
 * Whole files, in and out.
 */
#ifndef EGRESS_INIT_FILE_H
#define EGRESS_INIT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** No trust store or bundle comes near it; a larger file is none. */
#define FILE_MAX ((size_t)16 << 20)

struct blob {
    uint8_t *data; /* malloc'd, one NUL octet follows the last; NULL when not read */
    size_t len;
};

/** A regular file of at most FILE_MAX octets. 0 or -errno; the caller frees out->data. */
int file_read(const char *path, struct blob *out);

/** The same, but only what everybody may read: it may be copied to where everybody can. -EACCES for the rest.
 */
int file_read_public(const char *path, struct blob *out);

/** A new file with the mode and the owner that `like` tells. 0 or -errno. */
struct stat;
int file_create(const char *path, const void *data, size_t len, const struct stat *like);

/** Writes all of it to `path`: created with mode 0644, or truncated, where it is. 0 or -errno. */
int file_write(const char *path, const void *data, size_t len);

/** The same, but the file must be there. */
int file_rewrite(const char *path, const void *data, size_t len);

/** Whether the file has just these octets. */
bool file_holds(const char *path, const struct blob *octets);

/** "DIR/name" of any length, malloc'd; fatal where memory is out. */
char *path_join(const char *dir, const char *name);

/** a, then b. Malloc'd; fatal where memory is out. */
struct blob blob_concat(const void *a, size_t a_len, const void *b, size_t b_len);

#endif
