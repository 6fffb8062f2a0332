#include <netinet/in.h>
#include <sys/socket.h>

#include "dns/upstream_internal.h"
#include "lib/base.h"

struct upstream_socket {
    uv_poll_t poll;
    int fd;
    struct upstream_server *server;
    struct upstream_query *queries;
    unsigned n_queries, uses;
    bool retired; /* no longer in server->sockets; closes with its last question */
    bool closed; /* waits for its memory to be released */
    uint64_t used; /* loop ms */
};

/* An answer fits in what we announce; larger ones are cut by the kernel and then do not parse. */
#define DATAGRAM_MAX 4096
#define READS_A_TURN 16

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

static void socket_close(struct upstream_socket *s)
{
    s->closed = true;
    uv_close((uv_handle_t *)&s->poll, on_closed);
    (void)close(s->fd);
}

static void retire(struct upstream_socket *s)
{
    struct upstream_server *server = s->server;

    for (unsigned i = 0; i < server->n_sockets; i++)
        if (server->sockets[i] == s)
            server->sockets[i] = server->sockets[--server->n_sockets];
    for (unsigned i = 0; i < server->n_spares; i++)
        if (server->spares[i] == s)
            server->spares[i] = server->spares[--server->n_spares];
    s->retired = true;
    if (s->n_queries == 0)
        socket_close(s);
}

void udp_forget(struct upstream_query *q)
{
    struct upstream_socket *s = q->socket;

    carrier_remove(q);
    q->socket = NULL;
    s->n_queries--;
    if (s->retired && s->n_queries == 0)
        socket_close(s);
}

static struct upstream_query *find_id(const struct upstream_socket *s, uint16_t id)
{
    for (struct upstream_query *q = s->queries; q != NULL; q = q->carrier_next)
        if (q->id == id)
            return q;
    return NULL;
}

/* The kernel told us that nobody listens there: every question on this socket goes elsewhere. */
static void refused(struct upstream_socket *s)
{
    struct upstream_query *q = s->queries, *next;

    if (!s->retired)
        retire(s);
    for (; q != NULL; q = next) {
        next = q->carrier_next;
        upstream_broken(q); /* the last one closes the socket */
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct upstream_socket *s = poll->data;
    uint8_t msg[DATAGRAM_MAX];

    (void)events;
    /* What else there is when no question waits any more, the next turn throws away. */
    for (int i = 0; i < READS_A_TURN && !s->closed && (i == 0 || s->n_queries > 0); i++) {
        ssize_t n = status < 0 ? -1 : recv(s->fd, msg, sizeof msg, MSG_DONTWAIT);
        if (n < 0 && status >= 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0) {
            refused(s);
            return;
        }
        if (n < DNS_HEADER)
            continue;
        struct upstream_query *q = find_id(s, (uint16_t)(msg[0] << 8 | msg[1]));
        if (q == NULL)
            q = s->queries; /* a guess: held against a question that waits, which flees to TCP when there are
                               many */
        if (q != NULL)
            (void)upstream_message(q, msg, (size_t)n);
    }
}

static struct upstream_socket *socket_open(struct upstream_server *server)
{
    struct sockaddr_storage sa;
    socklen_t len = addr_to_sockaddr(&server->ep, &sa);
    struct upstream_socket *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&sa, len) < 0 ||
        uv_poll_init(server->owner->loop, &s->poll, s->fd) < 0) {
        if (s->fd >= 0)
            (void)close(s->fd);
        free(s);
        return NULL;
    }
    s->server = server;
    s->poll.data = s;
    (void)uv_poll_start(&s->poll, UV_READABLE, on_readable);
    return s;
}

/* A port that no question left from yet; NULL: there are no more. */
static struct upstream_socket *socket_fresh(struct upstream_server *server)
{
    struct upstream_socket *s = NULL;

    if (server->n_sockets == SOCKETS_MAX)
        return NULL;
    s = server->n_spares > 0 ? server->spares[--server->n_spares] : socket_open(server);
    if (s != NULL)
        server->sockets[server->n_sockets++] = s;
    return s;
}

int udp_send(struct upstream_server *server, struct upstream_query *q)
{
    struct upstreams *u = server->owner;
    struct upstream_socket *s = socket_fresh(server);
    uint8_t msg[512];

    if (s == NULL && server->n_sockets > 0)
        s = server->sockets[random_u16(&u->random) % server->n_sockets];
    if (s == NULL)
        return -ENOTCONN;
    do {
        q->id = random_u16(&u->random);
    } while (find_id(s, q->id) != NULL);
    size_t len = upstream_write_query(q, msg);
    s->used = server->asked = uv_now(u->loop);
    if (send(s->fd, msg, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN && errno != ENOBUFS) {
        int err = -errno;
        retire(s);
        return err;
    }
    carrier_add(&s->queries, q);
    q->socket = s;
    s->n_queries++;
    if (++s->uses >= SOCKET_USES_MAX)
        retire(s);
    return 0;
}

int udp_resend(struct upstream_query *q)
{
    uint8_t msg[512];
    size_t len = upstream_write_query(q, msg);

    q->socket->used = uv_now(q->server->owner->loop);
    return send(q->socket->fd, msg, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN ? -errno : 0;
}

void udp_close_idle(struct upstream_server *server, uint64_t now)
{
    for (unsigned i = server->n_sockets; i-- > 0;)
        if (server->sockets[i]->n_queries == 0 && now - server->sockets[i]->used >= SOCKET_IDLE_MS)
            retire(server->sockets[i]);
    while (server->n_spares > 0 && now - server->asked >= SOCKET_IDLE_MS)
        retire(server->spares[0]);
}

void udp_prepare(struct upstream_server *server, uint64_t now)
{
    struct upstream_socket *s;

    while (server->asked != 0 && now - server->asked < SOCKET_IDLE_MS && server->n_spares < SPARES_MAX &&
           (s = socket_open(server)) != NULL)
        server->spares[server->n_spares++] = s;
}
