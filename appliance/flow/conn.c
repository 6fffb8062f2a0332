#include "appliance/flow/conn_internal.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* A last answer has this long without progress to get out; then the peer has this long to end its side, and
 * this much of what it goes on sending is taken in meanwhile. */
#define LINGER_SEND_MS 30000
#define LINGER_MS 2000
#define LINGER_MAX MIB(64) /* clients that read no answer before they have sent all */
/* A corked record is not kept back beyond one TLS record. */
#define CORK_MAX KIB(16)

int octets_append(struct octets *o, const void *p, size_t n)
{
    if (n == 0)
        return 0;
    if (n > UINT32_MAX / 2 - o->len)
        return -ENOBUFS;
    if (o->off + o->len + n > o->cap) {
        size_t cap = MAX((size_t)512, o->len + n + o->len / 2);
        uint8_t *b = malloc(cap);
        if (!b)
            return -ENOMEM;
        if (o->len)
            memcpy(b, o->p + o->off, o->len);
        free(o->p);
        *o = (struct octets){.p = b, .len = o->len, .cap = (uint32_t)cap};
    }
    memcpy(o->p + o->off + o->len, p, n);
    o->len += (uint32_t)n;
    return 0;
}

void octets_consume(struct octets *o, size_t n)
{
    o->off += (uint32_t)n;
    o->len -= (uint32_t)n;
    if (o->len == 0)
        octets_free(o);
}

void octets_free(struct octets *o)
{
    free(o->p);
    *o = (struct octets){0};
}

static void on_ready(struct engine_watch *w, uint32_t events);

struct conn *conn_new(struct engine *e, int fd, const struct conn_ops *ops, void *arg)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c) {
        (void)close(fd);
        return NULL;
    }
    c->watch = (struct engine_watch){on_ready, fd, 0};
    c->e = e;
    c->ops = ops;
    c->arg = arg;
    c->next = e->conns;
    c->prev = &e->conns;
    if (c->next)
        c->next->prev = &c->next;
    e->conns = c;
    return c;
}

void conn_set_ops(struct conn *c, const struct conn_ops *ops, void *arg)
{
    c->ops = ops;
    c->arg = arg;
}

void conn_set_linger(struct conn *c)
{
    c->linger = true;
}

SSL *conn_ssl(const struct conn *c)
{
    return c->ssl;
}

int conn_fd(const struct conn *c)
{
    return c->watch.fd;
}

size_t conn_queued(const struct conn *c)
{
    return c->queue.len + c->corked.len;
}

/* Something is to go out that the socket has not taken. */
static bool is_waiting(const struct conn *c)
{
    return c->queue.len || c->messages.len || c->alert.len;
}

uint64_t conn_bytes_in(const struct conn *c)
{
    return c->in;
}

uint64_t conn_bytes_out(const struct conn *c)
{
    return c->out;
}

/* ---- polling ---- */

static void arm(struct conn *c, bool keep_readable)
{
    if (c->closed)
        return;
    uint32_t events = 0;
    if (((c->read_on && !c->eof) || c->handshaking || c->lingering) && !c->fin_in)
        events |= EPOLLIN;
    if (is_waiting(c) || c->want_write)
        events |= EPOLLOUT;
    if (keep_readable && !c->fin_in)
        events |= c->watch.events & EPOLLIN;
    engine_watch(c->e, &c->watch, events);
}

void conn_arm(struct conn *c)
{
    arm(c, true);
}

/* The end, whatever came before: descriptor, TLS and buffers now, the struct once whoever called us has
 * returned. */
static void destroy(struct conn *c, bool reset)
{
    if (c->closed)
        return;
    conn_schedule(c);
    c->closed = true;
    c->ops = NULL;
    if (c->lingering)
        c->e->n_lingering--;
    engine_timer_clear(&c->linger_timer);
    conn_tls_free(c);
    octets_free(&c->corked);
    octets_free(&c->queue);
    octets_free(&c->messages);
    octets_free(&c->alert);
    *c->prev = c->next;
    if (c->next)
        c->next->prev = c->prev;
    if (reset) {
        struct linger l = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    }
    engine_watch_close(c->e, &c->watch);
}

static void deliver_readable(struct conn *c);

/* The socket takes nothing more. What the peer sent before it went (an early answer) can still be read, so
 * the owner is told only when it has had that. */
static void fail_output(struct conn *c, int err)
{
    c->write_err = err;
    c->want_write = false;
    octets_free(&c->queue);
    octets_free(&c->messages);
    octets_free(&c->alert);
    if (c->lingering) {
        destroy(c, false);
        return;
    }
    if (c->read_on && !c->eof && c->ops && !c->handshaking) {
        c->dry = false;
        deliver_readable(c);
    }
    if (c->closed || !c->ops)
        return;
    conn_arm(c);
    if (c->read_on && !c->handshaking)
        c->ops->on_error(c, c->arg, err);
}

/* ---- output ---- */

/* The queue is out: what was to follow it. */
static void finish_output(struct conn *c)
{
    if (c->shut && !c->shut_done) {
        c->shut_done = true;
        (void)shutdown(c->watch.fd, SHUT_WR);
    }
}

static ssize_t socket_send(struct conn *c, const void *p, size_t n)
{
    ssize_t r;
    do
        r = send(c->watch.fd, p, n, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    if (r >= 0)
        return r;
    return errno == EAGAIN ? 0 : -errno;
}

int conn_put(struct conn *c, const void *p, size_t n)
{
    size_t done = 0;
    if (c->queue.len == 0 && c->messages.len == 0) {
        ssize_t r = socket_send(c, p, n);
        if (r < 0)
            return (int)r;
        done = (size_t)r;
        if (done == n)
            return 0;
    }
    int err = octets_append(&c->queue, (const uint8_t *)p + done, n - done);
    if (err)
        return err;
    conn_arm(c);
    return 1;
}

static int emit(struct conn *c, const void *p, size_t n)
{
    int r = n == 0 ? 0 : c->ssl ? conn_tls_write(c, p, n) : conn_put(c, p, n);
    if (r < 0) {
        c->write_err = r;
        return r;
    }
    if (c->queue.len == 0)
        return 0;
    c->want_drained = true;
    return 1;
}

static int emit_corked(struct conn *c)
{
    int r = emit(c, c->corked.p + c->corked.off, c->corked.len);
    octets_free(&c->corked);
    return r;
}

int conn_send(struct conn *c, const void *buf, size_t n)
{
    if (c->write_err)
        return c->write_err;
    if (c->closed || c->shut || c->handshaking)
        return -EPIPE;
    c->out += n;
    if (c->corks) {
        if (c->corked.len + n <= CORK_MAX) {
            int err = octets_append(&c->corked, buf, n);
            return err ? err : c->queue.len != 0;
        }
        int r = c->corked.len ? emit_corked(c) : 0;
        if (r < 0)
            return r;
    }
    return emit(c, buf, n);
}

void conn_cork(struct conn *c)
{
    c->corks++;
}

int conn_uncork(struct conn *c)
{
    assert(c->corks);
    c->corks--;
    if (c->write_err)
        return c->write_err;
    if (c->corks || c->corked.len == 0)
        return c->queue.len != 0;
    return c->closed ? -EPIPE : emit_corked(c);
}

void conn_want_write(struct conn *c)
{
    c->want_write = c->want_drained = true;
    conn_arm(c);
}

void conn_shutdown(struct conn *c)
{
    if (c->shut || c->closed || c->write_err)
        return;
    if (c->corked.len && emit_corked(c) < 0)
        return;
    if (c->ssl)
        conn_tls_close_notify(c);
    c->shut = true;
    if (!is_waiting(c))
        finish_output(c);
}

/* 0, 1 = the socket is full, or -errno. */
static int flush_queue(struct conn *c)
{
    if (c->queue.len) {
        ssize_t r = socket_send(c, c->queue.p + c->queue.off, c->queue.len);
        if (r < 0)
            return (int)r;
        c->progress = c->progress || r > 0;
        octets_consume(&c->queue, (size_t)r);
    }
    return c->queue.len != 0;
}

static void on_writable(struct conn *c)
{
    c->want_write = false;
    int r = conn_ktls_flush_messages(c);
    if (r == 0)
        r = flush_queue(c);
    if (r == 0)
        r = conn_ktls_flush_alert(c);
    if (r < 0) {
        fail_output(c, r);
        return;
    }
    conn_arm(c);
    if (is_waiting(c))
        return;
    finish_output(c);
    if (c->want_drained && c->ops) {
        c->want_drained = false;
        if (c->ops->on_drained)
            c->ops->on_drained(c, c->arg);
    }
}

/* ---- input ---- */

bool conn_is_dry(const struct conn *c)
{
    return c->dry && (c->read_on || c->handshaking);
}

static ssize_t plain_read(struct conn *c, void *buf, size_t n)
{
    if (conn_is_dry(c))
        return -EAGAIN;
    ssize_t r;
    do
        r = recv(c->watch.fd, buf, n, 0);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return errno == EAGAIN ? -EAGAIN : -errno;
    if (r == 0)
        c->fin_in = c->eof = true;
    c->dry = (size_t)r < n;
    return r;
}

ssize_t conn_read(struct conn *c, void *buf, size_t n)
{
    if (c->err)
        return c->err;
    if (c->eof || n == 0)
        return 0;
    ssize_t r = c->ssl ? conn_tls_read(c, buf, n) : plain_read(c, buf, n);
    if (r > 0)
        c->in += (uint64_t)r;
    else if (r == -EAGAIN)
        c->again = true;
    return r;
}

static void deliver_readable(struct conn *c)
{
    c->again = false;
    c->ops->on_readable(c, c->arg);
    if (c->closed || !c->read_on || c->eof)
        return;
    if (c->ssl && !c->again && conn_tls_buffered(c))
        conn_schedule(c);
}

static void deliver_handshake(struct conn *c)
{
    c->handshake_over = false;
    void (*done)(struct conn *, void *, int) = c->handshake_done;
    c->handshake_done = NULL;
    if (done)
        done(c, c->arg, c->err);
    if (c->closed)
        return;
    conn_arm(c);
    if (conn_tls_must_release(c) || (c->read_on && !c->eof && conn_tls_buffered(c)))
        conn_schedule(c);
}

static void deliver_unseen(struct conn *c)
{
    if (conn_tls_must_release(c))
        conn_tls_release(c);
    if (c->ops && c->read_on && !c->handshaking && !c->eof && conn_tls_buffered(c))
        deliver_readable(c);
}

static void on_scheduled(void *arg)
{
    struct conn *c = arg;
    c->scheduled = false;
    if (c->closed)
        free(c);
    else if (c->handshake_over)
        deliver_handshake(c);
    else
        deliver_unseen(c);
}

void conn_schedule(struct conn *c)
{
    if (c->scheduled || c->closed)
        return;
    c->scheduled = true;
    engine_defer(c->e, on_scheduled, c);
}

void conn_read_enable(struct conn *c, bool on)
{
    c->read_on = on;
    if (!on || c->closed || c->eof || c->handshaking || c->handshake_over)
        return;
    conn_arm(c);
    if (c->ssl && conn_tls_buffered(c))
        conn_schedule(c);
}

void conn_handshake(struct conn *c, SSL *ssl, void (*done)(struct conn *c, void *arg, int err))
{
    assert(!c->ssl);
    c->ssl = ssl;
    c->handshake_done = done;
    c->handshaking = true;
    if (conn_tls_handshake(c)) {
        c->handshaking = false;
        c->handshake_over = true;
        conn_schedule(c);
    }
    conn_arm(c);
}

/* ---- the end ---- */

static void discard_input(struct conn *c)
{
    uint8_t *buf = c->e->wire->out; /* unused between calls */
    ssize_t r;
    while ((r = recv(c->watch.fd, buf, WIRE_OUT, 0)) > 0) {
        if ((size_t)r >= c->linger_left) {
            destroy(c, true);
            return;
        }
        c->linger_left -= (uint32_t)r;
    }
    if (r == 0 || (errno != EAGAIN && errno != EINTR))
        destroy(c, false);
}

static void on_linger_timeout(struct engine_timer *t)
{
    struct conn *c = (struct conn *)((char *)t - offsetof(struct conn, linger_timer));
    if (!c->progress) {
        destroy(c, is_waiting(c));
        return;
    }
    c->progress = false;
    engine_timer_set(c->e, t, is_waiting(c) ? LINGER_SEND_MS : LINGER_MS, on_linger_timeout);
}

void conn_close(struct conn *c, bool reset)
{
    if (c->closed || c->lingering)
        return;
    if (!reset && !c->handshaking)
        conn_shutdown(c);
    bool ended = (c->eof || c->fin_in) && !is_waiting(c);
    if (reset || c->handshaking || c->write_err || !c->linger || ended) {
        destroy(c, reset);
        return;
    }
    c->ops = NULL;
    c->lingering = true;
    c->e->n_lingering++;
    c->linger_left = LINGER_MAX;
    conn_tls_free(c);
    engine_timer_set(c->e, &c->linger_timer, is_waiting(c) ? LINGER_SEND_MS : LINGER_MS, on_linger_timeout);
    conn_arm(c);
}

static void on_readable(struct conn *c)
{
    c->dry = false;
    if (c->lingering) {
        discard_input(c);
    } else if (c->handshaking) {
        if (!conn_tls_handshake(c))
            return;
        c->handshaking = false;
        deliver_handshake(c);
    } else if (c->read_on && !c->eof && c->ops) {
        deliver_readable(c);
        if (!c->closed)
            conn_arm(c);
    } else {
        arm(c, false); /* nobody wants it: stop watching */
    }
}

/* The socket is in error (reset, timed out). Reading or writing says which; with neither wanted nobody needs
 * to know. */
static void on_socket_error(struct conn *c)
{
    if ((c->read_on && !c->eof) || c->handshaking || c->lingering)
        on_readable(c);
    else if (is_waiting(c) || c->want_write)
        fail_output(c, -EPIPE);
    if (!c->closed)
        conn_arm(c);
}

static void on_ready(struct engine_watch *w, uint32_t events)
{
    struct conn *c = (struct conn *)((char *)w - offsetof(struct conn, watch));
    if (events & EPOLLERR) {
        on_socket_error(c);
        return;
    }
    if (events & EPOLLOUT)
        on_writable(c);
    if (!c->closed && (events & EPOLLIN))
        on_readable(c);
}

void conn_close_all(struct engine *e)
{
    for (struct conn *c = e->conns, *next; c; c = next) {
        next = c->next;
        destroy(c, true);
    }
}
