/** \file
 * Asking the resolvers upstream: one question in, one matching answer or a failure out.
 *
 * Written for this job rather than taken from c-ares: a question costs one send and one receive on a socket
 * that is already open, records of every type come with their TTLs, and each defence against forged answers
 * is in plain sight: random IDs, sockets bound to random ports by the kernel and connected (so only the
 * server's address and port are heard), a new socket for each question while there are few and a limited
 * number of uses when there are many, and the whole question compared. UDP first, TCP where the answer was
 * truncated or many foreign datagrams came, TLS (RFC 7858) where the server is given as tls://. Nothing of a
 * client's message goes upstream but name (lower case) and type.
 */
#ifndef EGRESS_DNS_UPSTREAM_H
#define EGRESS_DNS_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>
#include <uv.h>

#include "dns/wire.h"
#include "lib/addr.h"

#define UPSTREAM_SERVERS_MAX 8
/** No question waits longer: below the five seconds after which stub resolvers ask again (resolv.conf(5)). */
#define UPSTREAM_TOTAL_MS 4000

struct upstreams;
struct upstream_server;
struct upstream_socket;
struct upstream_stream;

enum upstream_status {
    UPSTREAM_ANSWERED, /* NOERROR or NXDOMAIN; `msg` holds it */
    UPSTREAM_FAILED, /* every server said something else: SERVFAIL, REFUSED...; `rcode` is the last one's */
    UPSTREAM_UNREACHABLE, /* no server answered, or all are known to be down */
};

struct upstream_answer {
    enum upstream_status status;
    const uint8_t *msg; /* valid during the call */
    size_t len;
    unsigned rcode;
    bool secure; /* came over verified TLS */
    const char *server; /* as configured; NULL: none */
};

/** Embedded in the asker's own structure. The asker fills the first part; the rest begins as zero. */
struct upstream_query {
    struct dns_name name; /* lower case */
    uint16_t qtype;
    bool dnssec; /* with signatures, and unjudged: we validate (RFC 4035 3.2.1, 4.9.1: DO and CD) */
    uint32_t total_ms; /* at most UPSTREAM_TOTAL_MS */
    void (*done)(struct upstream_query *q, const struct upstream_answer *a);

    struct upstream_query *next, **prev; /* of all that wait */
    struct upstream_query *carrier_next, **carrier_prev; /* of those on one socket or stream */
    struct upstream_server *server;
    struct upstream_socket *socket;
    struct upstream_stream *stream;
    uint64_t began, sent, due; /* loop milliseconds */
    uint16_t id;
    uint8_t tries, foreign;
    uint8_t tries_at[UPSTREAM_SERVERS_MAX];
    uint8_t failed_at; /* bits of servers that refused */
    uint8_t last_rcode;
    bool tcp, plain; /* TCP wanted; without EDNS */
    struct upstream_server *only; /* a probe of this server; NULL: a question like all others */
};

struct upstream_config {
    const char *const *servers; /* "IP[:PORT]" or "tls://IP[:PORT]#NAME" */
    size_t n_servers; /* 0: those of `resolv_conf` */
    const char *resolv_conf;
    X509_STORE *trust; /* what tls:// servers are verified against; NULL: the system's CAs */
};

/** Before the sandbox: reads files. NULL: no memory. A server that cannot be parsed is named in a warning and
 * left out. */
struct upstreams *upstreams_new(uv_loop_t *loop, const struct upstream_config *c);
size_t upstreams_count(const struct upstreams *u);

/** Calls q->done later, never before it returns. */
void upstream_ask(struct upstreams *u, struct upstream_query *q);
/** When a turn is done: makes ready what the next questions need. */
void upstreams_prepare(struct upstreams *u);
/** False where a question would fail at once: every server is known to be down and none is to be tried again
 * yet. */
bool upstream_reachable(const struct upstreams *u);

#endif
