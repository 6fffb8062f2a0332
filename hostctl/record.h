/** \file
 * The registry: one folder a sandbox below a root-only directory, with a lock that lives as long as the
 * sandbox and a record of every resource that was made for it. What is made is written down first, so that a
 * later `gc` finds what a SIGKILL left. Portable.
 *
 * A sandbox is alive while someone holds its lock: egressctl, or with --keep the processes it left behind.
 */
#ifndef EGRESS_HOSTCTL_RECORD_H
#define EGRESS_HOSTCTL_RECORD_H

#include <stdbool.h>
#include <sys/types.h>
#include <jansson.h>

#include "hostctl/sandbox.h"

/* The value of "phase" once CMD has ended. */
#define PHASE_ENDING "ending"

struct record {
    char name[SANDBOX_NAME_MAX + 1];
    json_t *json; /* the record; never NULL */
    int lock_fd; /* held; -1 for one that is only read */
};

/** The registry's directory, made where it is missing. NULL and a message on failure. */
const char *registry_dir(void);
/** Serialises claims, address choice and shared host state. The descriptor to close, or -errno (said). */
int registry_lock(void);

/** Takes the name: -EEXIST where a living sandbox has it (said). A dead one of that name is given to `bury`
 * first. Call with the registry lock held. */
typedef int record_bury_fn(struct record *dead);
int record_claim(struct record *r, const char *name, record_bury_fn *bury);
/** Atomically and durably enough for a crash of egressctl (not of the host: nothing survives that). 0 or
 * -errno, said. */
int record_save(struct record *r);
/** Reads one. `*alive` says whether its lock is held. -ENOENT: no such sandbox (not said). */
int record_open(struct record *r, const char *name, bool *alive);
/** Takes the lock of a dead one. 0, -EWOULDBLOCK: alive. */
int record_lock(struct record *r);
/** Removes the folder and gives the lock up. */
void record_remove(struct record *r);
void record_close(struct record *r);

/** Calls `fn` for every record, in the order of names; stops at the first non-zero result and returns it. */
int record_each(int (*fn)(struct record *r, bool alive, void *arg), void *arg);

/** Fields; the getters give NULL or 0 for what is missing. */
const char *record_str(const struct record *r, const char *key);
long long record_int(const struct record *r, const char *key);
void record_set_str(struct record *r, const char *key, const char *value);
void record_set_int(struct record *r, const char *key, long long value);

/** A process by pid and start time, so that a reused pid is not taken for it. */
void record_set_process(struct record *r, const char *key, pid_t pid);
/** 0 where it is gone. */
pid_t record_process(const struct record *r, const char *key);

#endif
