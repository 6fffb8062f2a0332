/** \file
 * The files of one audit log, oldest first, line by line, also while they grow and are rotated. Portable.
 */
#ifndef EGRESS_HOSTCTL_AUDIT_FILES_H
#define EGRESS_HOSTCTL_AUDIT_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct audit_files;

/** The log in `state_dir`: audit.jsonl and what was rotated (audit.jsonl.1 is the newest of these). NULL and
 * errno. */
struct audit_files *audit_files_open(const char *state_dir);
void audit_files_close(struct audit_files *f);
/** Rotated files are among them: the log may have begun earlier than what is there. */
bool audit_files_rotated(const struct audit_files *f);

/** The next whole line without its newline, which lives until the next call; NULL at the present end (a later
 * call may find more). Position for messages in `*file` and `*number`. */
const char *audit_files_next(struct audit_files *f, size_t *len, const char **file, unsigned long *number);

/** At the end of all: is there half a line? A crash in mid-write, or somebody's edit. */
bool audit_files_torn(const struct audit_files *f);

#endif
