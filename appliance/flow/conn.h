/** \file
 * A non-blocking byte stream over a TCP socket, with TLS or without: the only place that knows which.
 *
 * Readable and drained are level-triggered callbacks from the loop (engine_watch on the descriptor). No
 * buffer is held while a connection is idle: callers read into the engine's scratch, and OpenSSL reads and
 * writes through two buffers that all connections of an engine share (one system call for as many records as
 * there are). What the socket does not take is queued; a caller that got 1 from conn_send() stops producing
 * until on_drained, which bounds the queue to what one producer turn makes.
 */
#ifndef EGRESS_APPLIANCE_FLOW_CONN_H
#define EGRESS_APPLIANCE_FLOW_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <openssl/types.h>

struct engine;
struct conn;

struct conn_ops {
    void (*on_readable)(struct conn *c, void *arg);
    void (*on_drained)(struct conn *c, void *arg); /* the queue is empty again after conn_send() returned 1 */
    void (*on_error)(
        struct conn *c, void *arg, int err); /* negative errno; the conn is dead, still to be closed */
};

/** Takes `fd` (non-blocking; see tcp_options()). NULL: no memory; fd is closed. Reading starts disabled.
 */
struct conn *conn_new(struct engine *e, int fd, const struct conn_ops *ops, void *arg);
/** For accepted sockets: an orderly conn_close() sends what is queued, then FIN, and takes in for a moment
 * what the peer still sends, so that a last answer is not lost to the RST that closing over unread octets
 * would cause. */
void conn_set_linger(struct conn *c);
void conn_set_ops(struct conn *c, const struct conn_ops *ops, void *arg);

/** TLS from here on; takes `ssl` (accept or connect state set). `done` is called once, never from inside this
 * call: 0, or a negative errno (-EPROTO: `ssl` can say why, see tls.h). Nothing is delivered until `done` has
 * run. No timeout. */
void conn_handshake(struct conn *c, SSL *ssl, void (*done)(struct conn *c, void *arg, int err));
SSL *conn_ssl(const struct conn *c); /* NULL: plain */
int conn_fd(const struct conn *c);

/** Safe from inside any callback; on_readable is never called from within. Ends by itself at the end of
 * input. */
void conn_read_enable(struct conn *c, bool on);
/** > 0 octets; 0 = orderly end (FIN, or close_notify); -EAGAIN; -ECONNABORTED = TLS ended without
 * close_notify; other -errno. Call until -EAGAIN or until you disable reading: TLS may hold decrypted octets
 * that poll cannot see (conn re-arms itself for those). */
ssize_t conn_read(struct conn *c, void *buf, size_t n);

/** All of it is taken. 0 = written, 1 = some is queued (wait for on_drained), < 0 = -errno. */
int conn_send(struct conn *c, const void *buf, size_t n);
/** Collects small sends into one record and one segment until uncork. Nests. */
void conn_cork(struct conn *c);
int conn_uncork(struct conn *c);
size_t conn_queued(const struct conn *c);
/** For who writes to conn_fd() himself (splice): on_drained once the socket takes octets again. */
void conn_want_write(struct conn *c);

/** Orderly end of our direction once the queue is out: close_notify and FIN. Reading goes on. */
void conn_shutdown(struct conn *c);
/** The owner's last call; no callback comes after it. What is queued is dropped, but for conn_set_linger().
 * `reset`: RST instead of FIN. Safe inside its own callbacks. */
void conn_close(struct conn *c, bool reset);

/** Octets of the stream itself, without TLS. */
uint64_t conn_bytes_in(const struct conn *c);
uint64_t conn_bytes_out(const struct conn *c);

/** Every conn there is, at the engine's end: no callbacks. */
void conn_close_all(struct engine *e);

#endif
