/** \file
 * What the monitor's files share.
 *
 * Theory of operation. A *generation* is one resolver and N engines that were forked with one policy. A start
 * and a reload are the same thing: a generation is forked ("incoming"), and when all of it has said IPC_READY
 * and the rules are loaded it becomes the present one, while the one before drains. If anything fails until
 * then, the incoming one is killed and nothing has changed.
 *
 * Sockets between children are made once, before the first fork, for GENERATIONS sets of engines; a child
 * that is replaced finds the same sockets. A set is used again only when its generation is gone.
 *
 *   child:  gone -> starting (forked) -> ready -> gone (reaped; to be started again at `restart_at`)
 */
#ifndef EGRESS_APPLIANCE_MONITOR_INTERNAL_H
#define EGRESS_APPLIANCE_MONITOR_INTERNAL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "appliance/monitor.h"
#include "appliance/netfilter.h"
#include "appliance/roles.h"
#include "appliance/sandbox.h"
#include "appliance/uplink.h"
#include "lib/audit.h"
#include "lib/policy.h"

/** Generations at one time: the present one, one that comes, two that drain. */
#define GENERATIONS 4
#define ENGINES_PER_SET (ENGINES_MAX / GENERATIONS)

#define START_DEADLINE_MS 10000
#define STOP_DRAIN_MS 300 /* the agent is gone by then; this is for the last lines of the log */
#define STOP_KILL_MS 2000
#define DRAIN_GRACE_MS 1000 /* for the last lines of engines that end at their deadline */
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 5000
#define BACKOFF_FORGET_MS 10000 /* who lived that long starts at once again */

struct child {
    enum sandbox_role role;
    unsigned index; /* among the engines of its generation: listener and queue are of this number */
    unsigned slot; /* among all engines: the sockets to signer and resolver */
    pid_t pid; /* 0: gone */
    int control; /* our end; -1 */
    bool ready;
    bool hung; /* it is ended for not answering */
    unsigned failures; /* deaths in short succession */
    uint64_t pinged, ping_at; /* ms: asked then and not heard of since (0: heard); to be asked next */
    uint64_t started, restart_at; /* ms; restart_at 0 = not to be */
};

/** What a generation is made from. */
struct inputs {
    struct policy *policy;
    struct secrets *secrets; /* NULL without --secrets */
    X509_STORE *trust;
    struct inspector *inspector;
};

enum generation_state { GEN_NONE, GEN_INCOMING, GEN_PRESENT, GEN_DRAINING };

struct generation {
    enum generation_state state;
    unsigned number; /* from 1 */
    struct inputs in;
    struct child resolver, engines[ENGINES_PER_SET];
    int proxy4[ENGINES_PER_SET]; /* the explicit proxy's listeners */
    uint8_t *kept; /* shared with its engines, one for each route and one more; NULL: nothing is kept */
    unsigned n_proxy; /* 0: this policy has none */
    uint64_t deadline; /* ms: of becoming ready, or of draining */
};

struct monitor {
    const struct monitor_options *options;
    pid_t pid;
    char state_dir[PATH_MAX], ca_dir[PATH_MAX + 4];
    struct uplink net;
    struct netfilter_caps caps;
    bool ktls; /* the kernel has TLS */
    unsigned n_engines;

    /* Descriptors that children inherit; -1 where there is none. */
    int dns_udp4, dns_tcp4, dns_udp6, dns_tcp6;
    int listen4[ENGINES_PER_SET], listen6[ENGINES_PER_SET], queues[ENGINES_PER_SET];
    int to_signer[ENGINES_MAX][2], to_resolver[ENGINES_MAX][2]; /* [slot]: 0 the engine's end, 1 the other */
    void *lease_rw; /* two tables: the leases, and behind them refused names */
    const void *lease_ro;
    size_t lease_len, refused_at; /* of both; where the second begins */
    uint8_t
        ticket_key[TICKET_KEY_LEN]; /* of TLS sessions: whichever engine gets a connection can resume it */

    int dir_fd, log_fd, signal_fd, status_fd; /* status_fd: -1 without --status-socket */
    struct audit *audit;
    struct child signer;
    struct generation generations[GENERATIONS];
    unsigned last_number, n_reloads;
    bool announced, reload_wanted, stopping;
    uint64_t watched_at; /* ms: when the children were last looked after */
    bool stalled; /* that was long ago */
    char reload_error[600]; /* "" = none */
    int exit_status;
};

/** CLOCK_MONOTONIC. */
uint64_t monitor_now_ms(void);

/* monitor_setup.c */

/** Everything up to the first generation's fork and the rules; dies. */
void monitor_set_up(struct monitor *m);

/* monitor_children.c */

/** Forks the child with what is its own of the monitor's descriptors. 0 or -errno. */
int child_start(struct monitor *m, struct generation *g, struct child *c);
void child_kill(struct child *c);
/** The child with this pid; `*g` gets its generation (NULL for the signer). NULL: none of ours. */
struct child *child_find(struct monitor *m, pid_t pid, struct generation **g);
/** "engine 0": of a static buffer. */
const char *child_name(const struct child *c);
/** Takes note of its end, and when it is to be started again. */
void child_gone(struct child *c);
/** Calls `fn` for every child that runs. */
void children_each(struct monitor *m, void (*fn)(struct monitor *m, struct generation *g, struct child *c));

/* monitor_generation.c */

/** Forks a generation; takes what `in` holds. 0 or -errno. */
int generation_start(struct monitor *m, struct inputs *in);
/** All of it is ready: rules, then it is the present one. */
void generation_ready(struct monitor *m, struct generation *g);
/** It cannot become the present one. `why` is for the operator. */
void generation_failed(struct monitor *m, struct generation *g, const char *why);
/** Deadlines and restarts that are due. */
void generations_tick(struct monitor *m, uint64_t now);
/** Milliseconds until the next of them; -1 = none. */
int generations_timeout(const struct monitor *m, uint64_t now);
struct generation *generation_in(struct monitor *m, enum generation_state s);
/** Re-reads the operator's files and starts a generation; on failure nothing changes but status.json and the
 * log. */
void monitor_reload(struct monitor *m);
/** Reads the operator's files; what `in` holds already stays. 0, or -EINVAL with a message for them
 * ("FILE:LINE:COL: text"), and then `in` is empty. */
int inputs_load(const struct monitor *m, struct inputs *in, char *err, size_t errlen);
/** The policy alone, as inputs_load(). */
int inputs_load_policy(const struct monitor *m, struct inputs *in, char *err, size_t errlen);
/** The explicit proxy's listeners, if the policy wants it: those of another generation on the same port, so
 * that no connection is lost in between, else new ones. 0 or -errno. */
int generation_open_proxy(struct monitor *m, struct generation *g);
void generation_close_proxy(struct generation *g);
/** Loads the packet rules for a policy. 0 or -errno. */
int generation_rules(const struct monitor *m, const struct policy *p);

/* monitor_watch.c */

/** Asks who is due, ends who has not answered for too long. */
void watch_children(struct monitor *m, uint64_t now);
/** Something came from it. */
void watch_heard(struct child *c);
/** When watch_children() is due, ms. */
uint64_t watch_next(const struct monitor *m);
/** It serves, and answers in time. */
bool watch_well(const struct child *c);
/** A socket at `path` that tells its owner's processes how we are; the descriptor or -errno. */
int watch_open(const char *path);
/** Tells whoever waits at it. */
void watch_answer(struct monitor *m);

/* monitor_files.c */

/** State directory and log; dies. */
void files_open(struct monitor *m);
void files_write_status(struct monitor *m);
void files_print_status(struct monitor *m, FILE *f);
/** A child says that the log has reached its size: renames, and passes a new one to all; or just passes it.
 */
void files_rotate(struct monitor *m, struct child *asked);
/** Where somebody else has renamed or removed the log: opens a new one and passes it to all. */
void files_reopen(struct monitor *m);
/** One line of the monitor's own; `error` and `child` may be NULL. */
void files_event(
    struct monitor *m, const char *event, enum verdict v, const struct child *child, const char *error);

#endif
