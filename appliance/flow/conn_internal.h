/** \file
 * What conn.c (queue, polling, life) and conn_tls.c (OpenSSL on top of it) share. Nobody else includes this.
 */
#ifndef EGRESS_APPLIANCE_FLOW_CONN_INTERNAL_H
#define EGRESS_APPLIANCE_FLOW_CONN_INTERNAL_H

#include <openssl/ssl.h>

#include "appliance/engine.h"
#include "appliance/flow/conn.h"
#include "lib/base.h"

/** Octets that wait: a buffer that exists only while they do. */
struct octets {
    uint8_t *p;
    uint32_t off, len, cap; /* `len` octets from `off` */
};

int octets_append(struct octets *o, const void *p, size_t n);
void octets_consume(struct octets *o, size_t n);
void octets_free(struct octets *o);

struct conn {
    struct engine_watch watch;
    struct engine *e;
    struct conn *next, **prev;
    const struct conn_ops *ops; /* NULL: closed or lingering */
    void *arg;
    SSL *ssl;
    void (*handshake_done)(struct conn *c, void *arg, int err);
    struct octets corked; /* of the stream, not yet given to TLS */
    struct octets queue; /* ready for the socket */
    struct octets stash; /* from the socket, not yet asked for by OpenSSL */
    struct octets held; /* records that go with the next ones: the end of a handshake */
    struct octets messages; /* kTLS: what is left of a ticket; goes before the queue */
    struct octets alert; /* kTLS: goes behind it */
    uint64_t in, out;
    struct engine_timer linger_timer;
    uint32_t linger_left;
    int err; /* what ended input, or the handshake; 0 */
    int write_err; /* what ended output; 0 */
    uint32_t silent_octets; /* that OpenSSL took since it last gave data */
    uint16_t silent_records; /* in a row, seen from outside */
    uint8_t corks;
    bool read_on;
    bool handshaking, handshake_over;
    bool dry; /* the socket had nothing more; poll will tell */
    bool again; /* conn_read() said -EAGAIN since the callback began */
    bool fin_in; /* the socket's input has ended */
    bool eof; /* the stream's has */
    bool want_write, want_drained;
    bool shut, shut_done;
    bool linger, lingering, progress;
    bool scheduled, closed;
    bool ktls; /* the kernel encrypts what is sent */
    uint8_t record_type; /* of what OpenSSL writes next; 0: data */
};

/** Shared by all conns of an engine: input belongs to one conn at a time; output is used within one call. */
#define WIRE_IN KIB(64)
#define WIRE_OUT (KIB(64) + 1024) /* four full records and their overhead */
struct conn_wire {
    struct conn *owner;
    size_t off, len; /* unread input of the owner's */
    size_t out_len;
    uint8_t in[WIRE_IN];
    uint8_t out[WIRE_OUT];
};

/** Gives octets to the socket, and what it does not take to the queue. 0, 1 = queued, or -errno. */
int conn_put(struct conn *c, const void *p, size_t n);
/** Sets what poll watches. READABLE stays on after use until it fires for nothing, which spares system calls.
 */
void conn_arm(struct conn *c);
/** The last read took all there was, and poll will tell of more. */
bool conn_is_dry(const struct conn *c);
/** Calls back soon, for octets or an outcome that poll cannot see. */
void conn_schedule(struct conn *c);

/* conn_ktls.c */
/** OpenSSL's key to the kernel; false: it does not take it, and OpenSSL goes on itself. */
bool conn_ktls_start(struct conn *c, const void *info);
/** A record of another type than data: in its place among what is sent. 0 or -errno. */
int conn_ktls_record(struct conn *c, uint8_t type, const void *p, size_t n);
/** Goes on with a ticket before the queue, with an alert behind it: 0, 1 = the socket is full, or -errno. */
int conn_ktls_flush_messages(struct conn *c);
int conn_ktls_flush_alert(struct conn *c);

/* conn_tls.c */
ssize_t conn_tls_read(struct conn *c, void *buf, size_t n);
int conn_tls_write(struct conn *c, const void *p, size_t n);
/** Decrypted or undecrypted octets, or the end, wait in memory. */
bool conn_tls_buffered(const struct conn *c);
/** Goes on with the handshake; true once it is over (c->err says how). */
bool conn_tls_handshake(struct conn *c);
void conn_tls_close_notify(struct conn *c);
/** The handshake's end goes out now, since nothing took it along. Must it? A server's ticket may wait for an
 * answer. */
bool conn_tls_must_release(const struct conn *c);
void conn_tls_release(struct conn *c);
void conn_tls_free(struct conn *c);

#endif
