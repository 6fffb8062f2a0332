/** \file
 * From a name that the policy allowed to a connected socket (happy eyeballs, RFC 8305).
 *
 * Candidates are the address that the agent dialled, if our resolver leased it to this very name, then what
 * the resolver says now. Each is checked at the moment it is dialled, whoever it came from.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "appliance/flow/keepalive.h"
#include "appliance/http/upstream_internal.h"
#include "lib/base.h"

/* RFC 8305 5: a quarter of a second for one address before the next is tried beside it. */
#define STAGGER_MS 250
#define CANDIDATES_MAX (IPC_ADDRS_MAX + 1)

struct attempt {
    struct engine_watch watch;
    struct upstream_dialing *d;
    struct attempt *next;
    struct endpoint peer;
};

struct upstream_dialing {
    struct upstream_dialing *next, **prev;
    struct engine *e;
    upstream_dial_fn *done;
    void *arg;
    char host[HOSTNAME_MAX + 1];
    uint16_t port;
    bool allow_private;
    bool resolved, tried, forbidden; /* forbidden: an address was refused for what it is */
    uint32_t token; /* of the resolver's answer */
    struct addr candidates[CANDIDATES_MAX];
    size_t n, at;
    struct attempt *attempts;
    struct engine_timer stagger, deadline;
    int err; /* the last failure */
};

static void attempt_close(struct attempt *a)
{
    engine_watch_close(a->d->e, &a->watch);
    free(a);
}

static void dialing_free(struct upstream_dialing *d)
{
    engine_timer_clear(&d->stagger);
    engine_timer_clear(&d->deadline);
    if (d->token)
        engine_cancel(d->e, d->token);
    for (struct attempt *a = d->attempts, *next; a; a = next) {
        next = a->next;
        attempt_close(a);
    }
    *d->prev = d->next;
    if (d->next)
        d->next->prev = d->prev;
    free(d);
}

static void finish(struct upstream_dialing *d, int fd, const struct endpoint *peer)
{
    upstream_dial_fn *done = d->done;
    void *arg = d->arg;
    enum reason why = fd >= 0                          ? REASON_NONE
                      : fd == -EMFILE || fd == -ENFILE ? REASON_LIMIT
                      : d->forbidden && !d->tried      ? REASON_PRIVATE_ADDRESS
                                                       : REASON_UPSTREAM_UNREACHABLE;
    struct endpoint at = peer ? *peer : (struct endpoint){0};
    dialing_free(d);
    done(arg, fd, why, peer ? &at : NULL);
}

static bool is_self(const struct engine *e, const struct addr *a)
{
    return e->config && (addr_eq(a, &e->config->self4) || addr_eq(a, &e->config->self6));
}

/* The check at dial time: nothing that is not out there, whatever DNS says (rebinding). */
static bool may_dial(const struct upstream_dialing *d, const struct addr *a)
{
    return !addr_is_never(a) && !is_self(d->e, a) && (d->allow_private || addr_is_global(a));
}

static bool has_family(const struct engine *e, const struct addr *a)
{
    return addr_is_v4(a) || !e->config || e->config->ipv6;
}

static int open_socket(const struct endpoint *ep, struct sockaddr_storage *ss, socklen_t *len)
{
    *len = addr_to_sockaddr(ep, ss);
    int fd = socket(ss->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    tcp_options(fd);
    return fd;
}

static void dial_next(struct upstream_dialing *d);

static void attempt_drop(struct upstream_dialing *d, struct attempt *a)
{
    for (struct attempt **p = &d->attempts; *p; p = &(*p)->next)
        if (*p == a) {
            *p = a->next;
            break;
        }
}

static void on_connect(struct engine_watch *w, uint32_t events)
{
    struct attempt *a = (struct attempt *)((char *)w - offsetof(struct attempt, watch));
    struct upstream_dialing *d = a->d;
    int err = 0;
    socklen_t len = sizeof err;
    if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
        err = errno;
    if ((events & EPOLLERR) && err == 0)
        err = ECONNABORTED;
    attempt_drop(d, a);
    if (err == 0) {
        struct endpoint peer = a->peer;
        engine_unwatch(d->e, w);
        int fd = steal_fd(&w->fd);
        free(a);
        finish(d, fd, &peer);
        return;
    }
    attempt_close(a);
    d->err = -err;
    dial_next(d);
}

static int attempt_start(struct upstream_dialing *d, const struct addr *to)
{
    struct endpoint ep = {*to, d->port};
    struct sockaddr_storage ss;
    socklen_t len;
    cleanup_fd int fd = open_socket(&ep, &ss, &len);
    if (fd < 0)
        return fd;
    if (connect(fd, (struct sockaddr *)&ss, len) != 0 && errno != EINPROGRESS)
        return -errno;
    struct attempt *a = calloc(1, sizeof *a);
    if (!a)
        return -ENOMEM;
    *a = (struct attempt){.watch = {on_connect, steal_fd(&fd), 0}, .d = d, .next = d->attempts, .peer = ep};
    d->attempts = a;
    engine_watch(d->e, &a->watch, EPOLLOUT);
    return 0;
}

static void on_stagger(struct engine_timer *t)
{
    dial_next((struct upstream_dialing *)((char *)t - offsetof(struct upstream_dialing, stagger)));
}

static void on_deadline(struct engine_timer *t)
{
    struct upstream_dialing *d =
        (struct upstream_dialing *)((char *)t - offsetof(struct upstream_dialing, deadline));
    d->err = -ETIMEDOUT;
    finish(d, -ETIMEDOUT, NULL);
}

static void add_candidate(struct upstream_dialing *d, const struct addr *a)
{
    for (size_t i = 0; i < d->n; i++)
        if (addr_eq(&d->candidates[i], a))
            return;
    if (d->n < CANDIDATES_MAX && has_family(d->e, a))
        d->candidates[d->n++] = *a;
}

/* IPv6 first, then by turns (RFC 8305 4). */
static void add_resolved(struct upstream_dialing *d, const struct ipc_resolved *r)
{
    size_t n = MIN((size_t)r->n, (size_t)IPC_ADDRS_MAX), at[2] = {0, 0};
    for (size_t added = 0, turn = 0; added < n; turn ^= 1) {
        while (at[turn] < n && addr_is_v4(&r->addrs[at[turn]]) != (turn == 1))
            at[turn]++;
        if (at[turn] < n) {
            add_candidate(d, &r->addrs[at[turn]++]);
            added++;
        }
    }
}

static void on_resolved(void *arg, const struct ipc_resolved *r)
{
    struct upstream_dialing *d = arg;
    d->token = 0;
    d->resolved = true;
    if (!d->err)
        d->err = -ENXIO;
    if (r && r->rcode == 0)
        add_resolved(d, r);
    else if (r && r->rcode == IPC_RCODE_WITHHELD)
        d->forbidden = true;
    dial_next(d);
}

/* Starts the next candidate, asks the resolver when there is none left, or gives up. `d` may be gone after
 * it. */
static void dial_next(struct upstream_dialing *d)
{
    engine_timer_clear(&d->stagger);
    while (d->at < d->n) {
        const struct addr *to = &d->candidates[d->at++];
        if (!may_dial(d, to)) {
            d->forbidden = true;
            continue;
        }
        int err = attempt_start(d, to);
        if (err == 0) {
            d->tried = true;
            engine_timer_set(d->e, &d->stagger, STAGGER_MS, on_stagger);
            return;
        }
        d->err = err;
    }
    if (!d->resolved && !d->token) {
        uint32_t token = engine_resolve(d->e, d->host, on_resolved, d);
        if (token) /* else the answer has come, and may have ended it all */
            d->token = token;
        return;
    }
    if (!d->attempts && !d->token)
        finish(d, d->err ? d->err : -ENXIO, NULL);
}

void upstream_dial(struct engine *e, const struct upstream_key *k, upstream_dial_fn *done, void *arg)
{
    struct upstream_dialing *d = calloc(1, sizeof *d);
    if (!d) {
        done(arg, -ENOMEM, REASON_UPSTREAM_UNREACHABLE, NULL);
        return;
    }
    d->e = e;
    d->done = done;
    d->arg = arg;
    d->port = k->port;
    d->allow_private = k->route && k->route->allow_private;
    size_t len = strnlen(k->host, HOSTNAME_MAX);
    memcpy(d->host, k->host, len);
    d->next = e->pool->dials;
    d->prev = &e->pool->dials;
    if (d->next)
        d->next->prev = &d->next;
    e->pool->dials = d;
    struct addr literal;
    if (addr_parse(d->host, &literal)) {
        d->resolved = true;
        add_candidate(d, &literal);
    } else if (k->dialled && e->leases && lease_find(e->leases, k->dialled, d->host, engine_now_s(e), NULL)) {
        add_candidate(d, k->dialled);
    }
    engine_timer_set(e, &d->deadline, e->policy->timeouts.connect, on_deadline);
    dial_next(d);
}

void upstream_dial_cancel(struct engine *e, void *arg)
{
    for (struct upstream_dialing *d = e->pool->dials, *next; d; d = next) {
        next = d->next;
        if (d->arg == arg)
            dialing_free(d);
    }
}

void upstream_dials_drop(struct upstream_pool *p)
{
    for (struct upstream_dialing *d = p->dials, *next; d; d = next) {
        next = d->next;
        dialing_free(d);
    }
}
