/* OpenSSL over a conn: a BIO that reads through the engine's shared input buffer, as much as the socket has
 * in one call, and collects records in the shared output buffer. So SSL_write() never blocks, and an idle
 * connection holds nothing. */
#include "appliance/flow/conn_internal.h"

#include "appliance/flow/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>

/* A peer may send so many records in a row that bring no data: BoringSSL's 32 key updates, each of which may
 * take two calls; and so many octets that OpenSSL deals with by itself within one call (attempts to
 * renegotiate): a record of data at its longest is a quarter of it. */
#define SILENT_RECORDS_MAX 64u
#define SILENT_OCTETS_MAX KIB(64)
/* One call takes so many records, then others have their turn. */
#define TURN_RECORDS 256u

static int put_held(struct conn *c)
{
    int r = c->held.len ? conn_put(c, c->held.p + c->held.off, c->held.len) : 0;
    octets_free(&c->held);
    return MIN(r, 0);
}

static int wire_flush(struct conn *c)
{
    struct conn_wire *w = c->e->wire;
    size_t n = w->out_len, held = c->held.len;
    w->out_len = 0;
    if (n == 0 || c->write_err)
        return c->write_err;
    if (held && held + n <= WIRE_OUT) {
        memmove(w->out + held, w->out, n);
        memcpy(w->out, c->held.p + c->held.off, held);
        octets_free(&c->held);
        n += held;
    }
    int err = put_held(c);
    return err < 0 ? err : MIN(conn_put(c, w->out, n), 0);
}

/* The handshake is over for us, and what we have last of it (a client's Finished, a server's ticket) need not
 * go alone: a segment and a wake-up less for each connection. A server's Finished in TLS 1.2 is waited for.
 */
static int wire_end_handshake(struct conn *c)
{
    struct conn_wire *w = c->e->wire;
    if (c->ktls || (SSL_is_server(c->ssl) && SSL_version(c->ssl) != TLS1_3_VERSION))
        return wire_flush(c);
    int err = octets_append(&c->held, w->out, w->out_len);
    w->out_len = 0;
    return err;
}

static int bio_write(BIO *b, const char *p, int n)
{
    struct conn *c = BIO_get_data(b);
    struct conn_wire *w = c->e->wire;
    BIO_clear_retry_flags(b);
    if (c->record_type) {
        int err = wire_flush(c);
        if (err == 0)
            err = conn_ktls_record(c, c->record_type, p, (size_t)n);
        c->record_type = 0;
        return err < 0 ? -1 : n;
    }
    size_t left = (size_t)n;
    while (left) {
        size_t part = MIN(left, WIRE_OUT - w->out_len);
        memcpy(w->out + w->out_len, p, part);
        w->out_len += part;
        p += part;
        left -= part;
        if (w->out_len == WIRE_OUT && wire_flush(c) < 0)
            return -1;
    }
    return n;
}

/* Makes the shared input buffer this conn's; what another left in it goes to that one's stash. */
static int wire_take(struct conn *c)
{
    struct conn_wire *w = c->e->wire;
    if (w->owner && w->owner != c && w->len) {
        int err = octets_append(&w->owner->stash, w->in + w->off, w->len);
        if (err)
            return err;
    }
    w->owner = c;
    w->off = w->len = 0;
    return 0;
}

static ssize_t wire_fill(struct conn *c)
{
    struct conn_wire *w = c->e->wire;
    if (conn_is_dry(c))
        return -EAGAIN;
    int err = wire_take(c);
    if (err)
        return err;
    ssize_t r;
    do
        r = recv(c->watch.fd, w->in, WIRE_IN, 0);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    c->dry = (size_t)r < WIRE_IN;
    w->len = (size_t)r;
    return r;
}

static bool wire_has(const struct conn *c)
{
    return c->stash.len || (c->e->wire->owner == c && c->e->wire->len);
}

static int taken(struct conn *c, size_t n)
{
    c->silent_octets += (uint32_t)n;
    return (int)n;
}

static int bio_read(BIO *b, char *p, int n)
{
    struct conn *c = BIO_get_data(b);
    struct conn_wire *w = c->e->wire;
    BIO_clear_retry_flags(b);
    size_t want = (size_t)n;
    if (c->silent_octets > SILENT_OCTETS_MAX && !c->handshaking) {
        c->err = -EPROTO;
        return -1;
    }
    if (c->stash.len) {
        want = MIN(want, c->stash.len);
        memcpy(p, c->stash.p + c->stash.off, want);
        octets_consume(&c->stash, want);
        return taken(c, want);
    }
    if (w->owner != c || w->len == 0) {
        if (c->fin_in)
            return 0;
        ssize_t r = wire_fill(c);
        if (r == 0)
            c->fin_in = true;
        if (r == -EAGAIN)
            BIO_set_retry_read(b);
        else if (r < 0)
            c->err = (int)r;
        if (r <= 0)
            return r == 0 ? 0 : -1;
    }
    want = MIN(want, w->len);
    memcpy(p, w->in + w->off, want);
    w->off += want;
    w->len -= want;
    return taken(c, want);
}

/* What OpenSSL asks of a BIO that may encrypt itself (its own names for these are not public; bio.h has the
 * numbers). */
enum { CTRL_SET_KTLS = 72, CTRL_KTLS_NEXT_RECORD = 74, CTRL_KTLS_DATA_AGAIN = 75 };

static bool to_kernel(struct conn *c, bool sending, const void *info)
{
    return sending && wire_flush(c) == 0 && conn_ktls_start(c, info);
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    struct conn *c = BIO_get_data(b);
    switch (cmd) {
    case CTRL_SET_KTLS: return to_kernel(c, num != 0, ptr);
    case BIO_CTRL_GET_KTLS_SEND: return c->ktls;
    case CTRL_KTLS_NEXT_RECORD: c->record_type = (uint8_t)num; return 0;
    case CTRL_KTLS_DATA_AGAIN: c->record_type = 0; return 0;
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP: return 1;
    case BIO_CTRL_EOF: return c->fin_in && !wire_has(c);
    default: return 0;
    }
}

/* Made once a process; OpenSSL keeps methods apart by this pointer. */
static const BIO_METHOD *bio_method(void)
{
    static BIO_METHOD *m;
    if (m)
        return m;
    m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "conn");
    if (m) {
        BIO_meth_set_write(m, bio_write);
        BIO_meth_set_read(m, bio_read);
        BIO_meth_set_ctrl(m, bio_ctrl);
    }
    return m;
}

static bool attach(struct conn *c)
{
    if (SSL_get_rbio(c->ssl))
        return true;
    const BIO_METHOD *m = bio_method();
    BIO *b = m ? BIO_new(m) : NULL;
    if (!b)
        return false;
    BIO_set_data(b, c);
    BIO_set_init(b, 1);
    SSL_set_bio(c->ssl, b, b);
    (void)SSL_clear_mode(
        c->ssl, SSL_MODE_AUTO_RETRY); /* each record without data is told: see read_records() */
    if (c->e->config && c->e->config->ktls)
        (void)SSL_set_options(c->ssl, SSL_OP_ENABLE_KTLS);
    return true;
}

bool conn_tls_handshake(struct conn *c)
{
    if (!attach(c)) {
        c->err = -ENOMEM;
        return true;
    }
    ERR_clear_error();
    int r = SSL_do_handshake(c->ssl);
    int why = r == 1 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, r);
    int err = why == SSL_ERROR_NONE ? wire_end_handshake(c) : wire_flush(c);
    if (c->err == 0 && err < 0)
        c->err = err;
    if (c->err)
        return true;
    if (why == SSL_ERROR_WANT_READ)
        return false;
    c->silent_octets = 0;
    if (why == SSL_ERROR_NONE)
        return true;
    tls_keep_error(c->ssl);
    c->err = c->fin_in ? -ECONNABORTED : -EPROTO;
    return true;
}

/* One SSL_read() takes one record; more of them may wait in memory. */
static size_t read_records(struct conn *c, uint8_t *buf, size_t n, int *why)
{
    size_t got = 0;
    ERR_clear_error();
    for (unsigned i = 0; i < TURN_RECORDS; i++) {
        size_t part = 0;
        int r = SSL_read_ex(c->ssl, buf + got, n - got, &part);
        *why = r == 1 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, r);
        if (r == 1) {
            got += part;
            c->silent_octets = c->silent_records = 0;
            if (got == n || !(wire_has(c) || SSL_has_pending(c->ssl)))
                break;
        } else if (*why != SSL_ERROR_WANT_READ || !wire_has(c)) {
            break;
        } else if (++c->silent_records > SILENT_RECORDS_MAX) {
            c->err = -EPROTO;
            break;
        }
    }
    return got;
}

ssize_t conn_tls_read(struct conn *c, void *buf, size_t n)
{
    int why;
    size_t got = read_records(c, buf, n, &why);
    int err = wire_flush(c); /* a key update is answered, an alert sent */
    if (err < 0)
        c->write_err = err;
    if (got)
        return (ssize_t)got; /* whatever ended it is met again by the next call */
    if (c->err)
        return c->err;
    if (why == SSL_ERROR_WANT_READ)
        return -EAGAIN;
    ERR_clear_error();
    c->eof = true;
    if (why == SSL_ERROR_ZERO_RETURN && !c->fin_in)
        return 0;
    /* Input ended without close_notify (SSL_OP_IGNORE_UNEXPECTED_EOF keeps the other direction usable). */
    if (c->fin_in)
        return -ECONNABORTED;
    c->err = -EPROTO;
    return -EPROTO;
}

int conn_tls_write(struct conn *c, const void *p, size_t n)
{
    if (c->ktls)
        return MIN(conn_put(c, p, n), 0);
    size_t done = 0;
    ERR_clear_error();
    int r = SSL_write_ex(c->ssl, p, n, &done);
    int err = wire_flush(c);
    if (err < 0)
        return err;
    if (r != 1) {
        ERR_clear_error();
        return -EPROTO;
    }
    return 0;
}

bool conn_tls_buffered(const struct conn *c)
{
    return c->ssl && (wire_has(c) || SSL_has_pending(c->ssl) || (c->fin_in && !c->eof));
}

void conn_tls_close_notify(struct conn *c)
{
    if (!SSL_is_init_finished(c->ssl))
        return;
    ERR_clear_error();
    (void)SSL_shutdown(c->ssl);
    ERR_clear_error();
    (void)wire_flush(c);
}

bool conn_tls_must_release(const struct conn *c)
{
    return c->held.len && !SSL_is_server(c->ssl);
}

void conn_tls_release(struct conn *c)
{
    int err = put_held(c);
    if (err < 0)
        c->write_err = err;
}

void conn_tls_free(struct conn *c)
{
    if (c->e->wire && c->e->wire->owner == c)
        c->e->wire->owner = NULL;
    octets_free(&c->stash);
    octets_free(&c->held);
    tls_free(c->ssl);
    c->ssl = NULL;
}
