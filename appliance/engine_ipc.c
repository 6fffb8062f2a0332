/* What an engine asks of signer and resolver: one question a name at a time, however many wait for it. */
#include "appliance/engine_internal.h"

#include <openssl/rand.h>
#include <string.h>
#include <sys/epoll.h>

#include "appliance/flow/lru.h"
#include "appliance/flow/tls.h"
#include "lib/base.h"
#include "lib/log.h"

#define LEAVES_MAX 4096 /* of about 700 octets */
#define ASKS_MAX 1024 /* names that are being asked for at a time; beyond, refuse */
#define LEAF_TIMEOUT_MS 5000
/* A resolver that was killed is replaced, but what it was working on is lost: ask once more. */
#define RESOLVE_RETRY_MS 3000
#define RESOLVE_TIMEOUT_MS 5000

struct waiter {
    struct waiter *next;
    uint32_t token;
    void (*fn)(void); /* engine_leaf_fn or engine_resolve_fn, as the ask's type is */
    void *arg;
};

struct ask {
    struct ask *next;
    struct engine *e;
    struct engine_timer timer;
    struct waiter *waiters;
    uint32_t id; /* on the wire */
    uint32_t type; /* IPC_LEAF_ASK or IPC_RESOLVE */
    bool sent, retried;
    bool done; /* being answered: nobody joins it any more */
    char host[];
};

struct leaf {
    uint64_t expires; /* loop seconds */
    size_t len;
    uint8_t der[];
};

struct engine_ipc {
    struct engine *e;
    struct engine_watch signer, resolver;
    struct ask *asks;
    size_t n_asks;
    uint32_t last_id; /* random at first: what a predecessor had asked is not taken for an answer */
    struct lru *leaves; /* name -> struct leaf */
};

static uint32_t new_id(struct engine_ipc *i)
{
    do
        i->last_id++;
    while (i->last_id == 0);
    return i->last_id;
}

/* ---- asking ---- */

static int send_ask(struct engine *e, const struct ask *a)
{
    struct ipc_msg m = {.type = a->type};
    size_t len = strlen(a->host) + 1;
    if (a->type == IPC_RESOLVE) {
        m.resolve.id = a->id;
        memcpy(m.resolve.host, a->host, len);
        return ipc_send(e->config->resolver, &m, -1);
    }
    size_t spki_len;
    const uint8_t *spki = tls_leaf_spki(e->tls, &spki_len);
    m.leaf_ask.id = a->id;
    m.leaf_ask.spki_len = (uint16_t)spki_len;
    memcpy(m.leaf_ask.host, a->host, len);
    memcpy(m.leaf_ask.spki, spki, MIN(spki_len, (size_t)IPC_SPKI_MAX));
    return ipc_send(e->config->signer, &m, -1);
}

static void watch(struct engine *e, uint32_t type, uint32_t events)
{
    engine_watch(e, type == IPC_RESOLVE ? &e->ipc->resolver : &e->ipc->signer, events);
}

static void try_send(struct engine *e, struct ask *a)
{
    int err = send_ask(e, a);
    a->sent = err == 0;
    if (err == -EAGAIN)
        watch(e, a->type, EPOLLIN | EPOLLOUT);
}

/* ---- answering ---- */

static void unlink_ask(struct engine_ipc *i, const struct ask *a)
{
    struct ask **p = &i->asks;
    while (*p != a)
        p = &(*p)->next;
    *p = a->next;
    i->n_asks--;
}

/* `r` for resolve, `der` for leaf. Those that wait may ask and cancel from inside. */
static void answer(
    struct engine *e, struct ask *a, const struct ipc_resolved *r, const uint8_t *der, size_t len)
{
    a->done = true;
    engine_timer_clear(&a->timer);
    while (a->waiters) {
        struct waiter w = *a->waiters;
        free(a->waiters);
        a->waiters = w.next;
        if (a->type == IPC_RESOLVE)
            ((engine_resolve_fn *)w.fn)(w.arg, r);
        else
            ((engine_leaf_fn *)w.fn)(w.arg, der, len);
    }
    unlink_ask(e->ipc, a);
    free(a);
}

static void fail(struct engine *e, struct ask *a)
{
    struct ipc_resolved none = {.rcode = 0xffff};
    answer(e, a, &none, NULL, 0);
}

static void on_ask_timeout(struct engine_timer *t)
{
    struct ask *a = (struct ask *)((char *)t - offsetof(struct ask, timer));
    if (a->type == IPC_RESOLVE && !a->retried) {
        a->retried = true;
        engine_timer_set(a->e, t, RESOLVE_TIMEOUT_MS, on_ask_timeout);
        try_send(a->e, a);
        return;
    }
    fail(a->e, a);
}

static void keep_leaf(struct engine *e, const char *host, const uint8_t *der, size_t len)
{
    struct leaf *l = malloc(sizeof *l + len);
    if (!l)
        return;
    *l = (struct leaf){.expires = engine_now_s(e) + tls_leaf_seconds(der, len) * 3 / 4, .len = len};
    memcpy(l->der, der, len);
    (void)lru_put(e->ipc->leaves, host, l);
}

static struct ask *find_by_id(const struct engine_ipc *i, uint32_t type, uint32_t id)
{
    for (struct ask *a = i->asks; a; a = a->next) {
        if (a->id == id && a->type == type && !a->done)
            return a;
    }
    return NULL;
}

static void on_message(struct engine *e, const struct ipc_msg *m)
{
    bool leaf = m->type == IPC_LEAF;
    if (!leaf && m->type != IPC_RESOLVED)
        return;
    struct ask *a = find_by_id(e->ipc, leaf ? IPC_LEAF_ASK : IPC_RESOLVE, leaf ? m->leaf.id : m->resolved.id);
    if (!a)
        return; /* too late, or a predecessor's */
    if (!leaf) {
        answer(e, a, &m->resolved, NULL, 0);
    } else if (m->leaf.len) {
        keep_leaf(e, a->host, m->leaf.der, m->leaf.len);
        answer(e, a, NULL, m->leaf.der, m->leaf.len);
    } else {
        fail(e, a);
    }
}

static void send_waiting(struct engine *e, uint32_t type)
{
    watch(e, type, EPOLLIN);
    for (struct ask *a = e->ipc->asks; a; a = a->next) {
        if (a->type == type && !a->sent && !a->done)
            try_send(e, a);
    }
}

static void on_socket(struct engine *e, struct engine_watch *w, bool signer, uint32_t events)
{
    if (events & EPOLLERR) /* the pair belongs to the monitor, which ends with the signer and so ends us */
        return;
    if (events & EPOLLOUT)
        send_waiting(e, signer ? IPC_LEAF_ASK : IPC_RESOLVE);
    for (int i = 0; i < 64; i++) {
        struct ipc_msg m;
        int r = ipc_recv(w->fd, &m, NULL);
        if (r == 1) {
            on_message(e, &m);
        } else if (r != -EAGAIN) {
            log_warn("the %s's socket is gone or talks nonsense", signer ? "signer" : "resolver");
            engine_watch(e, w, 0);
            return;
        } else {
            return;
        }
    }
}

static void on_signer(struct engine_watch *w, uint32_t events)
{
    struct engine_ipc *i = (struct engine_ipc *)((char *)w - offsetof(struct engine_ipc, signer));
    on_socket(i->e, w, true, events);
}

static void on_resolver(struct engine_watch *w, uint32_t events)
{
    struct engine_ipc *i = (struct engine_ipc *)((char *)w - offsetof(struct engine_ipc, resolver));
    on_socket(i->e, w, false, events);
}

static struct ask *find_by_host(const struct engine_ipc *i, uint32_t type, const char *host)
{
    for (struct ask *a = i->asks; a; a = a->next) {
        if (a->type == type && !a->done && strcmp(a->host, host) == 0)
            return a;
    }
    return NULL;
}

/* 0: cannot be asked now. */
static uint32_t join(struct engine *e, uint32_t type, const char *host, void (*fn)(void), void *arg)
{
    struct engine_ipc *i = e->ipc;
    struct ask *a = find_by_host(i, type, host);
    struct waiter *w = malloc(sizeof *w);
    size_t len = strlen(host) + 1;
    bool fresh = !a;
    if (fresh && i->n_asks < ASKS_MAX && len <= HOSTNAME_MAX + 1)
        a = calloc(1, sizeof *a + len);
    if (!a || !w) {
        free(fresh ? a : NULL);
        free(w);
        return 0;
    }
    *w = (struct waiter){.next = a->waiters, .token = new_id(i), .fn = fn, .arg = arg};
    a->waiters = w;
    if (!fresh)
        return w->token;
    a->e = e;
    a->type = type;
    a->id = new_id(i);
    memcpy(a->host, host, len);
    a->next = i->asks;
    i->asks = a;
    i->n_asks++;
    engine_timer_set(e, &a->timer, type == IPC_RESOLVE ? RESOLVE_RETRY_MS : LEAF_TIMEOUT_MS, on_ask_timeout);
    uint32_t token = w->token;
    try_send(e, a);
    return token;
}

uint32_t engine_leaf(struct engine *e, const char *host, engine_leaf_fn *done, void *arg)
{
    const struct leaf *l = lru_get(e->ipc->leaves, host);
    if (l && l->expires > engine_now_s(e)) {
        done(arg, l->der, l->len);
        return 0;
    }
    uint32_t token = join(e, IPC_LEAF_ASK, host, (void (*)(void))done, arg);
    if (token == 0)
        done(arg, NULL, 0);
    return token;
}

uint32_t engine_resolve(struct engine *e, const char *host, engine_resolve_fn *done, void *arg)
{
    uint32_t token = join(e, IPC_RESOLVE, host, (void (*)(void))done, arg);
    if (token == 0) {
        struct ipc_resolved none = {.rcode = 0xffff};
        done(arg, &none);
    }
    return token;
}

bool engine_leaf_cached(struct engine *e, const char *host)
{
    const struct leaf *l = lru_get(e->ipc->leaves, host);
    return l && l->expires > engine_now_s(e);
}

void engine_cancel(struct engine *e, uint32_t token)
{
    if (token == 0)
        return;
    for (struct ask *a = e->ipc->asks; a; a = a->next) {
        for (struct waiter **p = &a->waiters; *p; p = &(*p)->next) {
            if ((*p)->token != token)
                continue;
            struct waiter *w = *p;
            *p = w->next;
            free(w);
            return;
        }
    }
}

/* ---- life ---- */

int engine_ipc_open(struct engine *e)
{
    struct engine_ipc *i = calloc(1, sizeof *i);
    uint64_t seed = 0;
    if (!i)
        return -ENOMEM;
    if (RAND_bytes((uint8_t *)&seed, sizeof seed) == 1)
        i->leaves = lru_new(LEAVES_MAX, seed, free);
    i->last_id = (uint32_t)(seed >> 16);
    if (!i->leaves) {
        free(i);
        return -ENOMEM;
    }
    i->e = e;
    i->signer = (struct engine_watch){on_signer, e->config->signer, 0};
    i->resolver = (struct engine_watch){on_resolver, e->config->resolver, 0};
    e->ipc = i;
    watch(e, IPC_LEAF_ASK, EPOLLIN);
    watch(e, IPC_RESOLVE, EPOLLIN);
    return 0;
}

void engine_ipc_close(struct engine *e)
{
    struct engine_ipc *i = e->ipc;
    for (struct ask *a = i->asks, *next; a; a = next) {
        next = a->next;
        engine_timer_clear(&a->timer);
        for (struct waiter *w = a->waiters, *after; w; w = after) {
            after = w->next;
            free(w);
        }
        free(a);
    }
    lru_free(i->leaves);
    free(i); /* the loop is closed by now */
    e->ipc = NULL;
}
