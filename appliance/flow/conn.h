/** \file
 * A non-blocking byte stream over a TCP socket, with TLS or without: the only place that knows which.
 *
 * Readable and drained are level-triggered callbacks from the loop (uv_poll on the descriptor; OpenSSL works on it
 * directly, so kTLS can be used where the kernel has it). No read buffer is held: callers read into the engine's
 * scratch. What the socket does not take is queued; a caller that got 1 from conn_send() stops producing until
 * on_drained, which bounds the queue to what one producer turn makes.
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
    void (*on_error)(struct conn *c, void *arg, int err); /* negative errno; the conn is dead, still to be closed */
};

/** Takes `fd` (non-blocking, TCP_NODELAY set here). NULL: no memory; fd is closed. Reading starts disabled. */
struct conn *conn_new(struct engine *e, int fd, const struct conn_ops *ops, void *arg);
void conn_set_ops(struct conn *c, const struct conn_ops *ops, void *arg);

/** TLS from here on; takes `ssl` (accept or connect state set). `done` is called once: 0, or a negative errno
 * (-EPROTO; the OpenSSL error queue then holds why). Reading is disabled until `done` has run. */
void conn_handshake(struct conn *c, SSL *ssl, void (*done)(struct conn *c, void *arg, int err));
SSL *conn_ssl(const struct conn *c); /* NULL: plain */
int conn_fd(const struct conn *c);

void conn_read_enable(struct conn *c, bool on);
/** > 0 octets; 0 = orderly end (FIN, or close_notify); -EAGAIN; -ECONNABORTED = TLS ended without close_notify;
 * other -errno. Call until -EAGAIN or until you disable reading: TLS may hold decrypted octets that poll cannot see
 * (conn re-arms itself for those). */
ssize_t conn_read(struct conn *c, void *buf, size_t n);

/** All of it is taken. 0 = written, 1 = some is queued (wait for on_drained), < 0 = -errno. */
int conn_send(struct conn *c, const void *buf, size_t n);
/** Collects small sends into one record and one segment until uncork. Nests. */
void conn_cork(struct conn *c);
int conn_uncork(struct conn *c);
size_t conn_queued(const struct conn *c);

/** Orderly end of our direction once the queue is out: close_notify and FIN. Reading goes on. */
void conn_shutdown(struct conn *c);
/** Frees it now. `reset`: RST instead of FIN. Safe inside its own callbacks (freed when they return). */
void conn_close(struct conn *c, bool reset);

uint64_t conn_bytes_in(const struct conn *c);
uint64_t conn_bytes_out(const struct conn *c);

#endif
