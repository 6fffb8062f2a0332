/** \file
 * Writing STATE_DIR/audit.jsonl: one JSON object a line, a hash chain for each writer.
 *
 * A process opens one `struct audit` on a descriptor it was given (O_APPEND). Lines are collected and written
 * once a turn of the event loop by audit_flush(), whole lines only, under a POSIX record lock (so that a
 * short write can be taken back; record locks belong to the process, so roles may share an inherited
 * descriptor). While lines cannot be written audit_ok() is false and the caller denies everything. Past
 * AUDIT_PENDING_MAX further lines are only counted; the count is the first line once writing works again
 * (event "lost").
 *
 * System calls after audit_open(): fcntl, write, lseek, ftruncate, clock_gettime, getrandom.
 *
 * Chain: "w" names the writer (unique for each process that ever writes), "seq" counts its lines from 1,
 * "prev" is the SHA-256 in hex of its line before, without the newline; 64 zeros at first.
 */
#ifndef EGRESS_LIB_AUDIT_H
#define EGRESS_LIB_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/base.h"
#include "lib/reason.h"

/** Bytes of lines that may wait for a full disk. */
#define AUDIT_PENDING_MAX MIB(1)

struct audit;

enum verdict { VERDICT_ALLOW, VERDICT_DENY, VERDICT_AUDIT };

/** Takes `fd`. `role` is "engine", "resolver"...; the writer's name is role, index and random octets. NULL:
 * no memory. */
struct audit *audit_open(int fd, const char *role, unsigned index);
void audit_close(struct audit *a);
/** A file that replaces the present one (rotation); pending lines go to the new one. Takes `fd`. */
void audit_replace_fd(struct audit *a, int fd);

/** False while lines wait that could not be written. Tries again first, so it may be asked before each
 * decision. */
bool audit_ok(struct audit *a);
/** Writes what waits. 0 or -errno. */
int audit_flush(struct audit *a);
/** Bytes that wait; the owner flushes before its next turn of the loop. */
size_t audit_pending(const struct audit *a);
/** Size of the file, for rotation: what others wrote of late may be missing. */
uint64_t audit_size(const struct audit *a);

/** One line: begin, any number of fields, end. Common fields come from `audit_common`; the rest by name.
 * Strings are escaped; octets that are not UTF-8 become U+FFFD. */
struct audit_common {
    const char *event; /* "dns", "flow"... */
    const struct addr *agent; /* NULL: null */
    enum verdict verdict;
    enum reason reason;
    const char *route; /* NULL: null */
    const char *host; /* NULL: null */
    const char *flow; /* id; NULL where no connection is meant */
};
void audit_begin(struct audit *a, const struct audit_common *c);
void audit_str(struct audit *a, const char *key, const char *value); /* NULL: null */
void audit_strn(struct audit *a, const char *key, const char *value, size_t len);
void audit_u64(struct audit *a, const char *key, uint64_t value);
void audit_ms(struct audit *a, const char *key, uint64_t microseconds); /* 1.234 */
void audit_bool(struct audit *a, const char *key, bool value);
void audit_addr(struct audit *a, const char *key, const struct addr *value);
void audit_array_begin(struct audit *a, const char *key);
void audit_array_str(struct audit *a, const char *value);
void audit_array_end(struct audit *a);
void audit_end(struct audit *a);

/** Ids of connections and queries: 16 characters, unique, not guessable. */
#define AUDIT_ID_LEN 16
void audit_new_id(struct audit *a, char out[static AUDIT_ID_LEN + 1]);

#endif
