/** \file
 * What the files upstream*.c share.
 */
#ifndef EGRESS_DNS_UPSTREAM_INTERNAL_H
#define EGRESS_DNS_UPSTREAM_INTERNAL_H

#include "dns/random.h"
#include "dns/upstream.h"

/** Sockets open towards one server: ports that a forger must guess among, beside the ID. */
#define SOCKETS_MAX 64
/** Questions one port serves before it is given up. */
#define SOCKET_USES_MAX 64
#define SOCKET_IDLE_MS 2000
/** Opened ahead of the questions that will want a port of their own, when there is nothing else to do. */
#define SPARES_MAX 4
#define STREAM_IDLE_MS 10000
/** Datagrams that are not the answer before the question moves to TCP: somebody is guessing. */
#define FOREIGN_MAX 8

struct upstream_server {
    struct upstreams *owner;
    struct endpoint ep;
    char text[96];
    char tls_name[HOSTNAME_MAX + 1]; /* "": not TLS */
    unsigned index;
    uint32_t rtt_ms; /* smoothed */
    unsigned silent; /* tries in a row that nobody answered */
    bool down;
    uint64_t spoke, silent_since; /* loop ms: the last answer, and the first try after it that met silence */
    uint64_t probed, probe_at; /* loop ms: the last try of a server that is down, and the next */
    struct upstream_query probe; /* asks a server that is down, while others serve */
    bool probing;
    uint64_t own_probe_at, probe_wait; /* loop ms: the next of these, and how long after it the one after */
    uint64_t plain_until; /* loop ms: does not know EDNS */
    struct upstream_socket *sockets[SOCKETS_MAX];
    unsigned n_sockets;
    struct upstream_socket *spares[SPARES_MAX]; /* nothing was sent from them yet */
    unsigned n_spares;
    uint64_t asked; /* loop ms: the last question by UDP */
    struct upstream_stream *stream;
};

struct upstreams {
    uv_loop_t *loop;
    uv_timer_t timer;
    struct upstream_server servers[UPSTREAM_SERVERS_MAX];
    unsigned n_servers;
    struct upstream_query *waiting;
    size_t n_waiting;
    struct dns_name last; /* what was asked last: probes ask that, so no name of ours ever goes out */
    uint16_t last_qtype;
    struct random_pool random;
    SSL_CTX *tls; /* NULL: no server wants it */
};

static inline bool server_is_tls(const struct upstream_server *s)
{
    return s->tls_name[0] != '\0';
}

/* upstream_conf.c: fills u->servers from the configuration. */
void servers_configure(struct upstreams *u, const struct upstream_config *c);

/* upstream.c */
/* Writes the question; returns its length. */
size_t upstream_write_query(const struct upstream_query *q, uint8_t out[static 512]);
/* A message came for `q` from its server. True: taken, `q` is gone from its carrier. */
bool upstream_message(struct upstream_query *q, const uint8_t *msg, size_t len);
/* The carrier broke (refused, reset): try another server at once. */
void upstream_broken(struct upstream_query *q);
void carrier_add(struct upstream_query **list, struct upstream_query *q);
void carrier_remove(struct upstream_query *q);

/* upstream_udp.c */
int udp_send(struct upstream_server *s, struct upstream_query *q);
/* The same question once more, as it was: an answer to either will do. */
int udp_resend(struct upstream_query *q);
void udp_forget(struct upstream_query *q);
void udp_close_idle(struct upstream_server *s, uint64_t now);
/* As long as questions come: what the next ones need. */
void udp_prepare(struct upstream_server *s, uint64_t now);

/* upstream_stream.c */
int stream_send(struct upstream_server *s, struct upstream_query *q);
void stream_forget(struct upstream_query *q);
void stream_close_idle(struct upstream_server *s, uint64_t now);
/* NULL: no memory. */
SSL_CTX *stream_tls_context(X509_STORE *trust);

#endif
