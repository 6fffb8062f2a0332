/* One connection a server, TCP or TLS, for as many questions at once as there are (RFC 7766 6.2.1.1); closed
 * when it has been idle for a while. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "dns/upstream_internal.h"
#include "lib/base.h"
#include "lib/log.h"

#define FRAME_MAX (2 + 65535)
#define BUFFER_MIN 2048
/* Written but not taken by the server: it has stopped reading. */
#define OUT_MAX KIB(256)

struct buffer {
    uint8_t *p;
    size_t len, cap;
};

struct upstream_stream {
    uv_poll_t poll;
    int fd;
    SSL *ssl; /* NULL: plain TCP */
    struct upstream_server *server;
    struct upstream_query *queries;
    struct buffer in, out;
    bool connected, secured, want_write, closed;
    uint64_t used; /* loop ms */
};

static void on_event(uv_poll_t *poll, int status, int events);

static bool buffer_room(struct buffer *b, size_t n, size_t limit)
{
    size_t cap = MAX(b->cap, (size_t)BUFFER_MIN);

    if (b->len + n > limit)
        return false;
    while (cap < b->len + n)
        cap *= 2;
    if (cap != b->cap) {
        uint8_t *p = realloc(b->p, cap);
        if (p == NULL)
            return false;
        b->p = p;
        b->cap = cap;
    }
    return true;
}

static void buffer_take(struct buffer *b, size_t n)
{
    memmove(b->p, b->p + n, b->len - n);
    b->len -= n;
}

static void on_closed(uv_handle_t *h)
{
    struct upstream_stream *s = h->data;

    SSL_free(s->ssl);
    free(s->in.p);
    free(s->out.p);
    free(s);
}

static void stream_close(struct upstream_stream *s)
{
    struct upstream_query *q;

    if (s->closed)
        return;
    s->closed = true;
    if (s->server->stream == s)
        s->server->stream = NULL;
    uv_close((uv_handle_t *)&s->poll, on_closed);
    (void)close(s->fd);
    while ((q = s->queries) != NULL)
        upstream_broken(q);
}

void stream_forget(struct upstream_query *q)
{
    carrier_remove(q);
    q->stream = NULL;
}

static void watch(struct upstream_stream *s)
{
    int events = UV_READABLE;

    if (s->closed)
        return;
    if (!s->connected || s->want_write || (s->out.len > 0 && (s->ssl == NULL || s->secured)))
        events |= UV_WRITABLE;
    (void)uv_poll_start(&s->poll, events, on_event);
}

/* Both give octets moved, 0 for "not now", or -1: the connection is over. */
static ssize_t stream_read(struct upstream_stream *s, uint8_t *p, size_t n)
{
    ssize_t got;

    if (s->ssl == NULL) {
        got = recv(s->fd, p, n, MSG_DONTWAIT);
        return got > 0 ? got : got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    got = SSL_read(s->ssl, p, (int)n);
    return got > 0 ? got : SSL_get_error(s->ssl, (int)got) == SSL_ERROR_WANT_READ ? 0 : -1;
}

static ssize_t stream_write(struct upstream_stream *s, const uint8_t *p, size_t n)
{
    ssize_t put;

    if (s->ssl == NULL) {
        put = send(s->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        return put > 0 ? put : put < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    put = SSL_write(s->ssl, p, (int)n);
    if (put > 0)
        return put;
    int err = SSL_get_error(s->ssl, (int)put);
    return err == SSL_ERROR_WANT_WRITE || err == SSL_ERROR_WANT_READ ? 0 : -1;
}

static int finish_connect(struct upstream_stream *s)
{
    int err = 0;
    socklen_t len = sizeof err;

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || err != 0)
        return -1;
    s->connected = true;
    return 0;
}

static int handshake(struct upstream_stream *s)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(s->ssl), err = rc == 1 ? 0 : SSL_get_error(s->ssl, rc);

    s->want_write = err == SSL_ERROR_WANT_WRITE;
    if (rc == 1) {
        s->secured = true;
        return 0;
    }
    if (err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE)
        return 0;
    long verify = SSL_get_verify_result(s->ssl);
    log_warn("DNS upstream %s: TLS: %s", s->server->text,
        verify != X509_V_OK ? X509_verify_cert_error_string(verify) : "handshake failed");
    return -1;
}

static int flush(struct upstream_stream *s)
{
    while (s->out.len > 0) {
        ssize_t n = stream_write(s, s->out.p, s->out.len);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        buffer_take(&s->out, (size_t)n);
    }
    return 0;
}

static void deliver(struct upstream_stream *s, const uint8_t *msg, size_t len)
{
    struct upstream_query *q = s->queries;

    if (len < DNS_HEADER)
        return;
    while (q != NULL && q->id != (msg[0] << 8 | msg[1]))
        q = q->carrier_next;
    if (q != NULL)
        (void)upstream_message(q, msg, len);
}

static int receive(struct upstream_stream *s)
{
    for (int turns = 0; turns < 16; turns++) {
        if (!buffer_room(&s->in, BUFFER_MIN, FRAME_MAX + BUFFER_MIN))
            return -1;
        ssize_t n = stream_read(s, s->in.p + s->in.len, s->in.cap - s->in.len);
        if (n <= 0)
            return (int)n;
        s->in.len += (size_t)n;
        size_t at = 0;
        while (!s->closed && s->in.len - at >= 2) {
            size_t len = (size_t)s->in.p[at] << 8 | s->in.p[at + 1];
            if (s->in.len - at - 2 < len)
                break;
            deliver(s, s->in.p + at + 2, len);
            at += 2 + len;
        }
        if (s->closed)
            return 0;
        buffer_take(&s->in, at);
    }
    return 0;
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct upstream_stream *s = poll->data;
    int err = status < 0 ? -1 : 0;

    (void)events;
    if (err == 0 && !s->connected)
        err = finish_connect(s);
    if (err == 0 && s->ssl != NULL && !s->secured)
        err = handshake(s);
    if (err == 0 && (s->ssl == NULL || s->secured)) {
        err = flush(s);
        if (err == 0)
            err = receive(s);
    }
    if (err != 0)
        stream_close(s);
    watch(s);
}

static SSL *tls_new(struct upstream_server *server, int fd)
{
    SSL *ssl = server->owner->tls != NULL ? SSL_new(server->owner->tls) : NULL;

    if (ssl == NULL)
        return NULL;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl, server->tls_name) != 1 || SSL_set_tlsext_host_name(ssl, server->tls_name) != 1 ||
        SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_connect_state(ssl);
    return ssl;
}

static struct upstream_stream *stream_open(struct upstream_server *server)
{
    struct sockaddr_storage sa;
    socklen_t len = addr_to_sockaddr(&server->ep, &sa);
    cleanup_fd int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct upstream_stream *s;
    SSL *ssl = NULL;

    if (fd < 0 || (connect(fd, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS))
        return NULL;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (server_is_tls(server) && (ssl = tls_new(server, fd)) == NULL)
        return NULL;
    s = calloc(1, sizeof *s);
    if (s == NULL || uv_poll_init(server->owner->loop, &s->poll, fd) < 0) {
        SSL_free(ssl);
        free(s);
        return NULL;
    }
    s->fd = steal_fd(&fd);
    s->ssl = ssl;
    s->server = server;
    s->poll.data = s;
    s->used = uv_now(server->owner->loop);
    server->stream = s;
    return s;
}

static bool id_taken(const struct upstream_stream *s, uint16_t id)
{
    for (const struct upstream_query *q = s->queries; q != NULL; q = q->carrier_next)
        if (q->id == id)
            return true;
    return false;
}

int stream_send(struct upstream_server *server, struct upstream_query *q)
{
    struct upstream_stream *s = server->stream != NULL ? server->stream : stream_open(server);
    uint8_t msg[512];

    if (s == NULL)
        return -ENOTCONN;
    do {
        q->id = random_u16(&server->owner->random);
    } while (id_taken(s, q->id));
    size_t len = upstream_write_query(q, msg);
    if (!buffer_room(&s->out, 2 + len, OUT_MAX))
        return -ENOBUFS;
    s->out.p[s->out.len] = (uint8_t)(len >> 8);
    s->out.p[s->out.len + 1] = (uint8_t)len;
    memcpy(s->out.p + s->out.len + 2, msg, len);
    s->out.len += 2 + len;
    s->used = uv_now(server->owner->loop);
    carrier_add(&s->queries, q);
    q->stream = s;
    watch(s);
    return 0;
}

void stream_close_idle(struct upstream_server *server, uint64_t now)
{
    if (server->stream != NULL && server->stream->queries == NULL &&
        now - server->stream->used >= STREAM_IDLE_MS)
        stream_close(server->stream);
}

/* Before the sandbox: later there are no files. */
static void load_system_cas(SSL_CTX *ctx)
{
    static const char *const bundles[] = {
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};

    for (size_t i = 0; i < ARRAY_LEN(bundles); i++)
        if (access(bundles[i], R_OK) == 0 && SSL_CTX_load_verify_file(ctx, bundles[i]) == 1)
            return;
    ERR_clear_error();
    log_warn("no CA certificates on this system: DNS upstreams over TLS cannot be verified");
}

SSL_CTX *stream_tls_context(X509_STORE *trust)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (ctx == NULL)
        return NULL;
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_X509_STRICT);
    if (trust != NULL)
        SSL_CTX_set1_cert_store(ctx, trust);
    else
        load_system_cas(ctx);
    return ctx;
}
