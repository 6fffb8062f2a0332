/* DNS over TCP (RFC 7766): many questions on one connection, answered in whatever order the answers come. A
 * connection's descriptor goes when it is closed; its structure stays while questions of it wait, and counts
 * as long. */
#include <sys/socket.h>

#include "dns/resolver.h"
#include "lib/base.h"

#define CONNS_MAX 256
#define CONNS_EACH_MAX 64 /* of one address */
#define CONNS_HELD_MAX (4 * (size_t)CONNS_MAX) /* with those that are closed, but for their questions */
#define PENDING_MAX 64 /* questions of one connection that wait; no more are read until one is answered */
#define OUT_MAX KIB(128) /* answers that the client does not take */
#define IDLE_MS 10000 /* without a whole question or an answer */
#define QUESTION_MAX 4096 /* larger ones are no questions */

struct tcp_conn {
    uv_poll_t poll;
    struct tcp_conn *next, **prev;
    struct resolver *r;
    int fd;
    struct endpoint peer;
    unsigned pending;
    bool closed, unused; /* unused: the loop knows it no more */
    bool stalled; /* whole questions may be in the buffer */
    uint64_t active; /* loop ms */
    size_t in_len, out_len, out_cap;
    uint8_t *out;
    uint8_t in[2 + QUESTION_MAX];
};

static void on_event(uv_poll_t *poll, int status, int events);

static void release_memory(struct tcp_conn *c)
{
    if (!c->unused || c->pending > 0)
        return;
    c->r->n_conns_held--;
    free(c);
}

static void on_closed(uv_handle_t *h)
{
    struct tcp_conn *c = h->data;

    c->unused = true;
    release_memory(c);
}

static void conn_close(struct tcp_conn *c)
{
    if (c->closed)
        return;
    c->closed = true;
    *c->prev = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    c->r->n_conns--;
    uv_close((uv_handle_t *)&c->poll, on_closed);
    (void)shutdown(c->fd, SHUT_RDWR);
    (void)close(c->fd);
    free(c->out);
    c->out = NULL;
    c->out_len = 0;
}

static void watch(struct tcp_conn *c)
{
    int events = (c->pending < PENDING_MAX && c->out_len < OUT_MAX && !c->r->draining ? UV_READABLE : 0) |
                 (c->out_len > 0 ? UV_WRITABLE : 0);

    if (!c->closed)
        (void)uv_poll_start(&c->poll, events | UV_DISCONNECT, on_event);
}

void server_tcp_hold(struct tcp_conn *c)
{
    c->pending++;
}

void server_tcp_release(struct tcp_conn *c)
{
    c->pending--;
    watch(c);
    release_memory(c);
}

static void flush(struct tcp_conn *c)
{
    ssize_t n = c->out_len > 0 ? send(c->fd, c->out, c->out_len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        conn_close(c);
        return;
    }
    if (n > 0) {
        c->out_len -= (size_t)n;
        memmove(c->out, c->out + n, c->out_len);
        c->active = uv_now(&c->r->loop);
    }
}

static bool out_room(struct tcp_conn *c, size_t n)
{
    size_t cap = MAX(c->out_cap * 2, c->out_len + n);

    if (c->out_cap - c->out_len >= n)
        return true;
    uint8_t *p = realloc(c->out, cap);
    if (p == NULL)
        return false;
    c->out = p;
    c->out_cap = cap;
    return true;
}

void server_tcp_reply(struct tcp_conn *c, const uint8_t *msg, size_t len)
{
    if (!c->closed && out_room(c, len + 2)) {
        c->out[c->out_len] = (uint8_t)(len >> 8);
        c->out[c->out_len + 1] = (uint8_t)len;
        memcpy(c->out + c->out_len + 2, msg, len);
        c->out_len += len + 2;
        flush(c);
    } else {
        conn_close(c);
    }
    server_tcp_release(c);
}

/* Whole questions in the buffer. A length that no question has ends the connection. */
static void take_questions(struct tcp_conn *c)
{
    struct client from = {.kind = CLIENT_TCP, .peer = c->peer, .conn = c};
    size_t at = 0;

    while (!c->closed && c->in_len - at >= 2 && c->pending < PENDING_MAX && c->out_len < OUT_MAX) {
        size_t len = (size_t)c->in[at] << 8 | c->in[at + 1];
        if (len > QUESTION_MAX || len == 0) {
            resolver_message(c->r, &from, c->in, 0, uv_hrtime()); /* for the log */
            conn_close(c);
            return;
        }
        if (c->in_len - at - 2 < len)
            break;
        c->active = uv_now(&c->r->loop);
        resolver_message(c->r, &from, c->in + at + 2, len, uv_hrtime());
        at += 2 + len;
    }
    memmove(c->in, c->in + at, c->in_len - at);
    c->in_len -= at;
    c->stalled = c->pending >= PENDING_MAX || c->out_len >= OUT_MAX;
}

bool server_tcp_resume(struct resolver *r)
{
    bool any = false;

    for (struct tcp_conn *c = r->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (!c->stalled || c->closed || c->pending >= PENDING_MAX || c->out_len >= OUT_MAX)
            continue;
        take_questions(c);
        watch(c);
        any = true;
    }
    return any;
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct tcp_conn *c = poll->data;

    if (status < 0 || (events & UV_DISCONNECT && !(events & UV_READABLE))) {
        conn_close(c);
        return;
    }
    if (events & UV_WRITABLE)
        flush(c);
    if (events & UV_READABLE && !c->closed && c->in_len < sizeof c->in) {
        ssize_t n = recv(c->fd, c->in + c->in_len, sizeof c->in - c->in_len, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            conn_close(c);
            return;
        }
        c->in_len += n > 0 ? (size_t)n : 0;
    }
    take_questions(c);
    watch(c);
}

static size_t conns_of(const struct resolver *r, const struct addr *peer)
{
    size_t n = 0;

    for (const struct tcp_conn *c = r->conns; c != NULL; c = c->next)
        n += addr_eq(&c->peer.addr, peer);
    return n;
}

/* The one that was silent for longest makes room. */
static void close_idlest(struct resolver *r, const struct addr *peer)
{
    struct tcp_conn *idlest = NULL;

    for (struct tcp_conn *c = r->conns; c != NULL; c = c->next)
        if ((peer == NULL || addr_eq(&c->peer.addr, peer)) && (idlest == NULL || c->active < idlest->active))
            idlest = c;
    if (idlest != NULL)
        conn_close(idlest);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct resolver *r = poll->data;
    struct sockaddr_storage sa;
    int listener;

    (void)events;
    if (status < 0 || uv_fileno((uv_handle_t *)poll, &listener) < 0)
        return;
    for (int i = 0; i < 16; i++) {
        socklen_t len = sizeof sa;
        int fd = accept4(listener, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct tcp_conn *c = r->n_conns_held < CONNS_HELD_MAX ? malloc(sizeof *c) : NULL;
        if (c == NULL || !addr_from_sockaddr((struct sockaddr *)&sa, &c->peer) ||
            uv_poll_init(&r->loop, &c->poll, fd) < 0) {
            free(c);
            (void)close(fd);
            continue;
        }
        if (conns_of(r, &c->peer.addr) >= CONNS_EACH_MAX)
            close_idlest(r, &c->peer.addr);
        if (r->n_conns >= CONNS_MAX)
            close_idlest(r, NULL);
        c->r = r;
        c->fd = fd;
        c->poll.data = c;
        c->pending = 0;
        c->closed = c->unused = c->stalled = false;
        c->active = uv_now(&r->loop);
        c->in_len = c->out_len = c->out_cap = 0;
        c->out = NULL;
        c->next = r->conns;
        c->prev = &r->conns;
        if (r->conns != NULL)
            r->conns->prev = &c->next;
        r->conns = c;
        r->n_conns++;
        r->n_conns_held++;
        watch(c);
    }
}

void server_tcp_tick(struct resolver *r)
{
    uint64_t now = uv_now(&r->loop);

    for (struct tcp_conn *c = r->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (c->pending == 0 && now - c->active >= IDLE_MS)
            conn_close(c);
    }
}

void server_tcp_drain(struct resolver *r)
{
    for (struct tcp_conn *c = r->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (c->pending == 0 && c->out_len == 0)
            conn_close(c);
        else
            watch(c);
    }
}

int server_tcp_start(struct resolver *r, uv_poll_t *poll, int fd)
{
    int err = uv_poll_init(&r->loop, poll, fd);

    poll->data = r;
    return err != 0 ? err : uv_poll_start(poll, UV_READABLE, on_connection);
}
