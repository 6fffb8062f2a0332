#include "appliance/gate_log.h"

#include <stdlib.h>
#include <string.h>

#include "appliance/quic.h"
#include "lib/audit.h"
#include "lib/base.h"
#include "lib/rate.h"

#define BUCKETS 512u
#define WAYS 4u /* flows a bucket; the oldest goes first */
#define HELLOS 8u /* QUIC flows whose name is still incomplete */

struct hello {
    struct quic_hello quic;
    struct gate_verdict verdict; /* what the line will say */
    bool used;
};

struct seen {
    struct addr src, dst;
    uint16_t sport, dport;
    uint8_t protocol, icmp_type;
    bool used;
    enum reason reason;
    uint32_t again; /* packets that no line has told of */
    uint64_t since;
    struct hello *hello; /* the line waits for a name */
    char flow[AUDIT_ID_LEN + 1];
};

/* Flows that got no line: by what the summary tells apart. */
enum kind { KIND_TCP, KIND_UDP, KIND_ICMP, KIND_OTHER, KIND_COUNT };
static const char *const kind_names[] = {"tcp", "udp", "icmp", "other"};
static_assert(ARRAY_LEN(kind_names) == KIND_COUNT, "a name each");

struct gate_log {
    struct audit *audit;
    struct rate lines;
    uint64_t summed; /* when the last summary was written */
    uint64_t uncounted[KIND_COUNT][REASON_COUNT];
    uint64_t n_uncounted, lost;
    size_t n_seen;
    struct seen seen[BUCKETS][WAYS];
    struct hello hellos[HELLOS];
};

struct gate_log *gate_log_new(struct audit *audit)
{
    struct gate_log *l = calloc(1, sizeof *l);
    if (l)
        l->audit = audit;
    return l;
}

static enum kind kind_of(uint8_t protocol)
{
    switch (protocol) {
    case PROTO_TCP: return KIND_TCP;
    case PROTO_UDP: return KIND_UDP;
    case PROTO_ICMP:
    case PROTO_ICMPV6: return KIND_ICMP;
    default: return KIND_OTHER;
    }
}

static void count_only(struct gate_log *l, uint8_t protocol, enum reason reason, uint64_t n)
{
    l->uncounted[kind_of(protocol)][reason] += n;
    l->n_uncounted += n;
}

/* ---- lines ---- */

static void put_protocol(struct audit *a, uint8_t protocol)
{
    const char *name = packet_protocol_name(protocol);
    if (name)
        audit_str(a, "proto", name);
    else
        audit_u64(a, "proto", protocol);
}

/* A refused flow has one line, which is its end; the order is that of the engines' lines. */
static void put_tuple(struct audit *a, const struct seen *s, const char *state)
{
    audit_str(a, "state", state);
    put_protocol(a, s->protocol);
    audit_addr(a, "dst", &s->dst);
    if (s->protocol == PROTO_TCP || s->protocol == PROTO_UDP)
        audit_u64(a, "dport", s->dport);
    if (s->protocol == PROTO_ICMP || s->protocol == PROTO_ICMPV6)
        audit_u64(a, "icmp_type", s->icmp_type);
}

static void put_line(struct gate_log *l, const struct seen *s, const struct gate_verdict *v, const char *sni)
{
    const struct audit_common common = {
        .event = "flow",
        .agent = &s->src,
        .verdict = VERDICT_DENY,
        .reason = v->reason,
        .route = v->route ? v->route->host : NULL,
        .host = v->named ? v->lease.name : NULL,
        .flow = s->flow,
    };
    audit_begin(l->audit, &common);
    put_tuple(l->audit, s, "closed");
    audit_str(l->audit, "sni", sni);
    audit_str(l->audit, "alpn", NULL);
    audit_str(l->audit, "mode", "refused");
    audit_u64(l->audit, "bytes_out", 0);
    audit_u64(l->audit, "bytes_in", 0);
    audit_ms(l->audit, "ms", 0);
    if (v->detail)
        audit_str(l->audit, "detail", v->detail);
    if (v->named && v->lease.dns_id[0])
        audit_str(l->audit, "dns_id", v->lease.dns_id);
    audit_end(l->audit);
}

/* What came again of a flow that has its line. */
static void put_again(struct gate_log *l, const struct seen *s)
{
    const struct audit_common common = {
        .event = "flow", .agent = &s->src, .verdict = VERDICT_DENY, .reason = s->reason, .flow = s->flow};
    audit_begin(l->audit, &common);
    put_tuple(l->audit, s, "closed");
    audit_str(l->audit, "mode", "refused");
    audit_u64(l->audit, "count", s->again);
    audit_end(l->audit);
}

static void put_sum(struct gate_log *l, const char *proto, enum reason reason, const char *detail, uint64_t n)
{
    const struct audit_common common = {.event = "flow", .verdict = VERDICT_DENY, .reason = reason};
    audit_begin(l->audit, &common);
    audit_str(l->audit, "state", "closed");
    audit_str(l->audit, "proto", proto);
    audit_str(l->audit, "mode", "refused");
    audit_str(l->audit, "detail", detail);
    audit_u64(l->audit, "count", n);
    audit_end(l->audit);
}

static void put_sums(struct gate_log *l)
{
    for (int c = 0; c < KIND_COUNT && l->n_uncounted; c++)
        for (int r = 0; r < REASON_COUNT; r++)
            if (l->uncounted[c][r])
                put_sum(l, kind_names[c], (enum reason)r, "more than the log's rate", l->uncounted[c][r]);
    if (l->n_uncounted)
        memset(l->uncounted, 0, sizeof l->uncounted);
    l->n_uncounted = 0;
    if (l->lost)
        put_sum(l, NULL, REASON_LIMIT, "the queue was full", l->lost);
    l->lost = 0;
}

/* ---- flows ---- */

static void end_hello(struct gate_log *l, struct seen *s, const char *sni)
{
    put_line(l, s, &s->hello->verdict, sni);
    s->hello->used = false;
    s->hello = NULL;
}

static void forget(struct gate_log *l, struct seen *s, uint64_t now)
{
    if (s->hello)
        end_hello(l, s, NULL);
    if (s->again) {
        if (rate_take(&l->lines, now, GATE_LINES_BURST, GATE_LINES_PER_SECOND))
            put_again(l, s);
        else
            count_only(l, s->protocol, s->reason, s->again);
    }
    s->used = false;
    l->n_seen--;
}

static uint32_t bucket_of(const struct packet *p)
{
    uint32_t h = 2166136261u; /* FNV-1a: an agent that aims at one bucket only gets more lines */
    for (size_t i = 0; i < sizeof p->dst.b; i++)
        h = (h ^ p->dst.b[i] ^ p->src.b[i]) * 16777619u;
    h = (h ^ p->dport) * 16777619u;
    h = (h ^ p->sport) * 16777619u;
    h = (h ^ p->protocol) * 16777619u;
    return (h ^ h >> 16) % BUCKETS;
}

static bool is_flow(const struct seen *s, const struct packet *p)
{
    return s->used && s->protocol == p->protocol && s->dport == p->dport && s->sport == p->sport &&
           s->icmp_type == p->icmp_type && addr_eq(&s->dst, &p->dst) && addr_eq(&s->src, &p->src);
}

static struct seen *find(struct gate_log *l, const struct packet *p, uint64_t now)
{
    struct seen *b = l->seen[bucket_of(p)];
    for (size_t i = 0; i < WAYS; i++) {
        if (!is_flow(&b[i], p))
            continue;
        if (now - b[i].since < GATE_FLOW_MS)
            return &b[i];
        forget(l, &b[i], now);
    }
    return NULL;
}

static struct seen *remember(struct gate_log *l, const struct packet *p, enum reason reason, uint64_t now)
{
    struct seen *b = l->seen[bucket_of(p)], *s = &b[0];
    for (size_t i = 0; i < WAYS && s->used; i++)
        if (!b[i].used || b[i].since < s->since)
            s = &b[i];
    if (s->used)
        forget(l, s, now);
    *s = (struct seen){.src = p->src,
        .dst = p->dst,
        .sport = p->sport,
        .dport = p->dport,
        .protocol = p->protocol,
        .icmp_type = p->icmp_type,
        .used = true,
        .reason = reason,
        .since = now};
    audit_new_id(l->audit, s->flow);
    l->n_seen++;
    return s;
}

static void wait_for_name(
    struct gate_log *l, struct seen *s, const struct packet *p, const struct gate_verdict *v)
{
    char host[HOSTNAME_MAX + 1];
    struct hello *h = NULL;
    for (size_t i = 0; i < HELLOS && !h; i++)
        if (!l->hellos[i].used)
            h = &l->hellos[i];
    if (!h) {
        put_line(l, s, v, NULL);
        return;
    }
    quic_hello_init(&h->quic);
    const enum quic_result r = quic_hello_add(&h->quic, p->payload, p->payload_len, host);
    if (r != QUIC_MORE) {
        put_line(l, s, v, r == QUIC_NAME ? host : NULL);
        return;
    }
    h->used = true;
    h->verdict = *v;
    s->hello = h;
}

static void came_again(struct gate_log *l, struct seen *s, const struct packet *p)
{
    char host[HOSTNAME_MAX + 1];
    s->again++;
    if (!s->hello || !p->payload)
        return;
    const enum quic_result r = quic_hello_add(&s->hello->quic, p->payload, p->payload_len, host);
    if (r == QUIC_NAME || r == QUIC_NAMELESS)
        end_hello(l, s, r == QUIC_NAME ? host : NULL);
}

void gate_log_denied(struct gate_log *l, const struct packet *p, const struct gate_verdict *v, uint64_t now)
{
    struct seen *s = find(l, p, now);
    if (s) {
        came_again(l, s, p);
        return;
    }
    if (!rate_take(&l->lines, now, GATE_LINES_BURST, GATE_LINES_PER_SECOND)) {
        count_only(l, p->protocol, v->reason, 1);
        return;
    }
    s = remember(l, p, v->reason, now);
    if (p->protocol == PROTO_UDP && p->payload && quic_is_initial(p->payload, p->payload_len))
        wait_for_name(l, s, p, v);
    else
        put_line(l, s, v, NULL);
}

void gate_log_lost(struct gate_log *l, uint64_t packets)
{
    l->lost += packets;
}

bool gate_log_tick(struct gate_log *l, uint64_t now)
{
    for (size_t b = 0; b < BUCKETS && l->n_seen; b++) {
        for (size_t i = 0; i < WAYS; i++) {
            struct seen *s = &l->seen[b][i];
            if (!s->used)
                continue;
            if (s->hello && now - s->since >= GATE_QUIC_MS)
                end_hello(l, s, NULL);
            if (now - s->since >= GATE_FLOW_MS)
                forget(l, s, now);
        }
    }
    if ((l->n_uncounted || l->lost) && now - l->summed >= 1000) {
        put_sums(l);
        l->summed = now;
    }
    return l->n_seen || l->n_uncounted || l->lost;
}

void gate_log_free(struct gate_log *l, uint64_t now)
{
    if (!l)
        return;
    for (size_t b = 0; b < BUCKETS; b++)
        for (size_t i = 0; i < WAYS; i++)
            if (l->seen[b][i].used)
                forget(l, &l->seen[b][i], now);
    put_sums(l);
    free(l);
}
