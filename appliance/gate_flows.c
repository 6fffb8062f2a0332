#include "appliance/gate_flows.h"

#include <stdlib.h>
#include <string.h>

#include "lib/audit.h"
#include "lib/base.h"

/* A packet that the gate sees so long after the first is of a new flow. */
#define SAME_FLOW_MS 1000u

struct flow {
    struct addr src, dst;
    uint16_t sport, dport;
    bool noted; /* audit-only */
    const char *route; /* the policy's */
    char host[HOSTNAME_MAX + 1], dns_id[sizeof((struct lease *)0)->dns_id], id[AUDIT_ID_LEN + 1];
    uint64_t since, asked, grown; /* ms: first packet, last question, last time that there was more */
    uint64_t out, in;
};

struct gate_flows {
    struct audit *audit;
    gate_ask_fn *ask;
    void *arg;
    size_t n, top; /* in use; one more than the last place in use has ever been */
    uint64_t ended; /* when no more were to open; 0: not yet */
    uint32_t keys[GATE_FLOWS_MAX]; /* of each flow; 0: a free place */
    struct flow flows[GATE_FLOWS_MAX];
};

struct gate_flows *gate_flows_new(struct audit *audit, gate_ask_fn *ask, void *arg)
{
    struct gate_flows *f = calloc(1, sizeof *f);
    if (f) {
        f->audit = audit;
        f->ask = ask;
        f->arg = arg;
    }
    return f;
}

/* ---- lines ---- */

static void begin_line(struct audit *a, const struct flow *x, const char *state)
{
    const struct audit_common common = {
        .event = "flow",
        .agent = &x->src,
        .verdict = x->noted ? VERDICT_AUDIT : VERDICT_ALLOW,
        .reason = x->noted ? REASON_NO_ROUTE : REASON_NONE,
        .route = x->route,
        .host = x->host,
        .flow = x->id,
    };
    audit_begin(a, &common);
    audit_str(a, "state", state);
    audit_str(a, "proto", "udp");
    audit_addr(a, "dst", &x->dst);
    audit_u64(a, "dport", x->dport);
    audit_str(a, "sni", NULL);
    audit_str(a, "mode", "udp");
    if (x->dns_id[0])
        audit_str(a, "dns_id", x->dns_id);
}

static void close_flow(struct gate_flows *f, struct flow *x)
{
    begin_line(f->audit, x, "closed");
    audit_u64(f->audit, "bytes_out", x->out);
    audit_u64(f->audit, "bytes_in", x->in);
    audit_ms(f->audit, "ms", (x->grown - x->since) * 1000);
    audit_end(f->audit);
    f->keys[x - f->flows] = 0;
    f->n--;
}

/* ---- flows ---- */

/* FNV-1a, never 0. */
static uint32_t key_of(const struct addr *src, const struct addr *dst, uint16_t sport, uint16_t dport)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < sizeof dst->b; i++)
        h = (h ^ dst->b[i] ^ (uint32_t)src->b[i] << 8) * 16777619u;
    h = (h ^ sport) * 16777619u;
    h = (h ^ dport) * 16777619u;
    return h ? h : 1;
}

static struct flow *find(
    struct gate_flows *f, const struct addr *src, const struct addr *dst, uint16_t sport, uint16_t dport)
{
    const uint32_t key = key_of(src, dst, sport, dport);
    for (size_t i = 0; i < f->top; i++) {
        struct flow *x = &f->flows[i];
        if (f->keys[i] == key && x->sport == sport && x->dport == dport && addr_eq(&x->dst, dst) &&
            addr_eq(&x->src, src))
            return x;
    }
    return NULL;
}

/* NULL: there is none. */
static struct flow *take_place(struct gate_flows *f, uint32_t key)
{
    size_t i = 0;
    while (i < f->top && f->keys[i])
        i++;
    if (i == GATE_FLOWS_MAX)
        return NULL;
    f->keys[i] = key;
    f->top = MAX(f->top, i + 1);
    f->n++;
    return &f->flows[i];
}

bool gate_flows_open(struct gate_flows *f, const struct packet *p, const struct gate_verdict *v, uint64_t now)
{
    struct flow *x = find(f, &p->src, &p->dst, p->sport, p->dport);
    if (x && now - x->since < SAME_FLOW_MS)
        return true;
    if (x)
        close_flow(f, x); /* the kernel had forgotten it, or it would not have come here */
    x = take_place(f, key_of(&p->src, &p->dst, p->sport, p->dport));
    if (!x)
        return false;
    *x = (struct flow){.src = p->src,
        .dst = p->dst,
        .sport = p->sport,
        .dport = p->dport,
        .noted = v->route->implied,
        .route = v->route->implied ? NULL : v->route->host,
        .since = now,
        .asked = now,
        .grown = now};
    memcpy(x->host, v->lease.name, MIN(sizeof x->host, sizeof v->lease.name));
    memcpy(x->dns_id, v->lease.dns_id, sizeof x->dns_id);
    audit_new_id(f->audit, x->id);
    begin_line(f->audit, x, "open");
    audit_end(f->audit);
    return true;
}

static uint64_t whole(const uint32_t half[static 2])
{
    return (uint64_t)half[1] << 32 | half[0];
}

void gate_flows_counted(struct gate_flows *f, const struct ipc_count *c, uint64_t now)
{
    struct flow *x = find(f, &c->src, &c->dst, c->sport, c->dport);
    if (!x)
        return;
    if (c->found && (whole(c->out) != x->out || whole(c->in) != x->in)) {
        x->out = whole(c->out);
        x->in = whole(c->in);
        x->grown = now;
    }
    if (!c->found || f->ended)
        close_flow(f, x);
}

static bool ask(struct gate_flows *f, struct flow *x, uint64_t now)
{
    const struct ipc_count c = {.src = x->src, .dst = x->dst, .sport = x->sport, .dport = x->dport};
    x->asked = now;
    return f->ask(f->arg, &c);
}

static void close_all(struct gate_flows *f)
{
    for (size_t i = 0; i < f->top && f->n; i++)
        if (f->keys[i])
            close_flow(f, &f->flows[i]);
}

void gate_flows_end(struct gate_flows *f, uint64_t now)
{
    f->ended = now;
    for (size_t i = 0; i < f->top && f->n; i++)
        if (f->keys[i] && !ask(f, &f->flows[i], now))
            break;
}

bool gate_flows_any(const struct gate_flows *f)
{
    return f->n > 0;
}

bool gate_flows_tick(struct gate_flows *f, uint64_t now)
{
    if (f->ended && now - f->ended >= GATE_LAST_MS)
        close_all(f);
    for (size_t i = 0; i < f->top && f->n && !f->ended; i++)
        if (f->keys[i] && now - f->flows[i].asked >= GATE_COUNT_MS && !ask(f, &f->flows[i], now))
            break;
    return f->n > 0;
}

void gate_flows_free(struct gate_flows *f)
{
    if (!f)
        return;
    close_all(f);
    free(f);
}
