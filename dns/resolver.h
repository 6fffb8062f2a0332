/** \file
 * What the resolver's files share: one process, one loop, one thread.
 *
 * A question's way: a transport (server_udp.c, server_tcp.c, lookup.c) reads a message and calls
 * resolver_message() or resolver_ask() -> handle.c parses, looks into the cache, judges -> ask.c joins the
 * questions that wait for the same answer and asks upstream -> every outcome ends in resolver_reply(), which
 * writes the audit line and puts the answer into the turn's outbox. At the end of the turn the lines go to
 * the log first; only then do the answers leave. An answer whose line could not be written leaves as
 * SERVFAIL.
 */
#ifndef EGRESS_DNS_RESOLVER_H
#define EGRESS_DNS_RESOLVER_H

#include <uv.h>

#include "appliance/ipc.h"
#include "appliance/roles.h"
#include "dns/cache.h"
#include "dns/dnssec.h"
#include "dns/judge.h"
#include "dns/lease.h"
#include "dns/query.h"
#include "dns/random.h"
#include "dns/reply.h"
#include "dns/upstream.h"
#include "lib/audit.h"

#define OUTBOX_ITEMS 128
#define OUTBOX_BYTES KIB(48)
/** Questions under way upstream, and clients that wait for them. */
#define ASKS_MAX 4096
#define WAITERS_MAX 8192
/** What an answer's size may be over TCP. */
#define REPLY_MAX (REPLY_HEAD_MAX + BODY_MAX)

struct tcp_conn; /* server_tcp.c */
struct lookup; /* lookup.c */
struct asks; /* ask.c */
struct budgets; /* budget.h */
struct validation;

enum client_kind { CLIENT_UDP, CLIENT_TCP, CLIENT_ENGINE };

/** Where an answer goes. Small: it is copied into what waits. */
struct client {
    enum client_kind kind;
    struct endpoint peer; /* the agent; not for CLIENT_ENGINE */
    struct addr local; /* UDP: the address that was asked, which the answer comes from */
    uint32_t scope; /* UDP: interface of a link-local peer, 0 for none */
    union {
        int fd; /* UDP */
        struct tcp_conn *conn; /* TCP; counts this client among its pending ones */
        struct lookup *lookup; /* engine */
    };
};

/** How a question was judged and what came of it: the audit line. */
struct outcome {
    enum verdict verdict;
    enum reason reason;
    const struct route *route;
    const char *host; /* canonical; NULL where the name is not a host name */
    const uint8_t *name; /* wire form; NULL where there is none */
    size_t name_len;
    const char *id; /* audit id; NULL: a new one is made */
    const char *server; /* upstream that answered; NULL */
    bool cached, stale;
    bool dropped; /* no answer is sent */
    bool leased; /* its addresses need no new lease */
    enum dnssec_state dnssec;
    uint64_t began; /* uv_hrtime() */
};

struct outbox_item {
    struct client to;
    uint32_t at;
    uint16_t len, question_len;
};

struct outbox {
    size_t n, used;
    struct outbox_item items[OUTBOX_ITEMS];
    uint8_t bytes[OUTBOX_BYTES];
};

struct flood; /* report.c */

struct resolver {
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t second; /* housekeeping, once a second */
    uv_poll_t control, udp4, udp6, tcp4, tcp6;
    uv_poll_t engines[ENGINES_MAX];
    const struct resolver_config *config;
    const struct policy *policy;
    struct audit *audit;
    struct lease_table *leases;
    struct lease_table *refused; /* for the log alone; NULL: none */
    struct cache *cache;
    struct upstreams *upstreams;
    struct asks *asks;
    struct budgets *budgets;
    struct dnssec *dnssec; /* NULL: nothing is validated */
    struct anchors anchors;
    struct fetch *fetches; /* validate.c */
    unsigned n_fetches;
    struct flood *flood;
    struct random_pool random;
    int udp_batch; /* how many questions were read at once the last time, and when */
    uint64_t udp_batch_at;
    struct outbox outbox;
    struct tcp_conn *conns;
    size_t n_conns, n_conns_held;
    bool audit_ok; /* as of this turn */
    bool draining, rotate_asked, stopped;
    uint64_t drain_began; /* loop ms */
};

/** CLOCK_MONOTONIC seconds. */
static inline uint32_t resolver_now(const struct resolver *r)
{
    return (uint32_t)(uv_now(&r->loop) / 1000);
}

/* outbox.c */
/** Writes what this turn decided: log first, then answers. */
void resolver_flush(struct resolver *r);
/** Room for one answer; flushes if there is none. Filled by outbox_commit(). */
uint8_t *outbox_room(struct resolver *r, size_t n);
void outbox_commit(struct resolver *r, const struct client *to, size_t len, size_t question_len);

/* report.c */
struct flood *flood_new(void);
/** Once a second: counts of what was not written line by line. */
void report_summaries(struct resolver *r);
/** The line for `q`; `id` gets the question's audit id. */
void report_query(struct resolver *r, const struct client *from, const struct dns_query *q,
    const struct outcome *o, const struct reply *reply, char id[static AUDIT_ID_LEN + 1]);

/** A question that validation asked for the sake of `v`. */
void report_fetch(struct resolver *r, const struct validation *v, const struct upstream_query *up,
    const struct upstream_answer *a, uint64_t began);

/** What a name carries out; `detector` says what found it. */
void report_finding(struct resolver *r, const struct client *from, const char *host,
    const struct route *route, const char *detector);

/* handle.c */
/** A judgement that would ask for a name which carries something out is turned into a refusal. */
void resolver_inspect(
    struct resolver *r, const struct client *from, const char *host, struct dns_judgement *j);
/** One message of a client's. */
void resolver_message(
    struct resolver *r, const struct client *from, const uint8_t *msg, size_t len, uint64_t began);
/** Audits, leases and answers. */
void resolver_reply(struct resolver *r, const struct client *to, const struct dns_query *q, struct outcome *o,
    const struct reply *reply);
/** A name that is refused, or an answer that must not be given: as policy dns.refused says. */
void resolver_refuse(
    struct resolver *r, const struct client *to, const struct dns_query *q, struct outcome *o);
/** From the cache's entry. */
void resolver_reply_cached(struct resolver *r, const struct client *to, const struct dns_query *q,
    struct outcome *o, struct cache_entry *e);
void resolver_fail(struct resolver *r, const struct client *to, const struct dns_query *q, struct outcome *o,
    enum reason reason);
/** A question that was judged and is to be asked: cache, then upstream. */
void resolver_ask(
    struct resolver *r, const struct client *from, const struct dns_query *q, struct outcome *o);

/* ask.c */
struct asks *asks_new(struct resolver *r);
size_t asks_pending(const struct asks *a);
/** Joins or begins the upstream question for `q`. `stale`: an old answer is at hand, so do not wait for long.
 */
void ask_upstream(struct resolver *r, const struct client *from, const struct dns_query *q,
    const struct outcome *o, bool stale);
/** Asks upstream for what the entry holds, while the entry still answers. */
void ask_refresh(
    struct resolver *r, struct cache_entry *e, const struct dns_query *q, const struct outcome *o);

/* validate.c */
/** Before the sandbox: policy dns.dnssec and dns.trust_anchor. Dies where they cannot be had. */
void validate_start(struct resolver *r);
/** What waits for a key or a delegation; embedded in the waiting one's own structure. */
struct validation {
    struct validation *next;
    /** Called later, never before validate_need() returns. `a` NULL: it is known now; else nobody answered.
     */
    void (*done)(struct validation *v, const struct upstream_answer *a);
    const struct route *route; /* for the log: which name it is needed for */
    const char *host;
};
/** Asks upstream for what a verdict needs. False: too much is asked for already. */
bool validate_need(
    struct resolver *r, struct validation *v, const struct dnssec_verdict *verdict, uint32_t total_ms);
struct dnssec_clock validate_clock(const struct resolver *r);

/* server_udp.c, server_tcp.c */
int server_udp_start(struct resolver *r, uv_poll_t *poll, int fd);
int server_tcp_start(struct resolver *r, uv_poll_t *poll, int fd);
void server_tcp_reply(struct tcp_conn *c, const uint8_t *msg, size_t len);
/** Another question of this connection waits, or no longer. */
void server_tcp_hold(struct tcp_conn *c);
void server_tcp_release(struct tcp_conn *c);
/** Takes up questions that were read but had to wait for others. True: there were some. */
bool server_tcp_resume(struct resolver *r);
void server_tcp_tick(struct resolver *r);
void server_tcp_drain(struct resolver *r);

/* lookup.c */
int lookup_start(struct resolver *r, size_t slot, int fd);
/** One of a lookup's questions has its answer. */
void lookup_answer(
    struct resolver *r, struct lookup *l, const struct reply *reply, enum reason why, const char *id);
/** The whole is decided and its lines are in the log, or not. */
void lookup_send(struct lookup *l, const uint8_t *msg, size_t len);

#endif
