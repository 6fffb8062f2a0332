#include <stdlib.h>

#include "dns/resolver.h"
#include "lib/base.h"

/* Refusals an agent can cause for nothing, so their lines are bounded: a burst of each reason, then so many a
 * second; what is beyond is counted, and the counts are lines. Questions that a route allows are always lines
 * of their own. */
#define FLOOD_BURST 10000
#define FLOOD_RATE 1000

struct flood_reason {
    uint32_t tokens;
    uint64_t count;
    struct addr agent;
    bool mixed; /* more than one agent */
};

struct flood {
    struct flood_reason reasons[REASON_COUNT];
};

struct flood *flood_new(void)
{
    struct flood *f = calloc(1, sizeof *f);

    for (size_t i = 0; f != NULL && i < REASON_COUNT; i++)
        f->reasons[i].tokens = FLOOD_BURST;
    return f;
}

/* True: this one is only counted. */
static bool is_flood(struct flood *f, enum reason reason, const struct client *from)
{
    struct flood_reason *x = &f->reasons[reason];

    if (from->kind == CLIENT_ENGINE)
        return false;
    if (x->tokens > 0) {
        x->tokens--;
        return false;
    }
    if (x->count++ == 0)
        x->agent = from->peer.addr;
    else if (!addr_eq(&x->agent, &from->peer.addr))
        x->mixed = true;
    return true;
}

void report_finding(struct resolver *r, const struct client *from, const char *host,
    const struct route *route, const char *detector)
{
    const struct audit_common common = {.event = "dlp",
        .agent = from->kind == CLIENT_ENGINE ? NULL : &from->peer.addr,
        .verdict = route->dlp_action == DLP_BLOCK ? VERDICT_DENY : VERDICT_AUDIT,
        .reason = REASON_DLP_OUTBOUND,
        .route = route->host,
        .host = host};

    if (is_flood(r->flood, REASON_DLP_OUTBOUND, from))
        return;
    audit_begin(r->audit, &common);
    audit_str(r->audit, "detector", detector);
    audit_str(r->audit, "direction", "outbound");
    audit_str(r->audit, "where", "host");
    audit_u64(r->audit, "offset", 0);
    audit_end(r->audit);
}

void report_summaries(struct resolver *r)
{
    for (size_t i = 0; i < REASON_COUNT; i++) {
        struct flood_reason *x = &r->flood->reasons[i];
        x->tokens = MIN(x->tokens + FLOOD_RATE, (uint32_t)FLOOD_BURST);
        if (x->count == 0)
            continue;
        audit_begin(r->audit, &(struct audit_common){.event = "dns",
                                  .agent = x->mixed ? NULL : &x->agent,
                                  .verdict = VERDICT_DENY,
                                  .reason = (enum reason)i});
        audit_str(r->audit, "qname", NULL);
        audit_bool(r->audit, "summary", true);
        audit_u64(r->audit, "count", x->count);
        audit_end(r->audit);
        x->count = 0;
        x->mixed = false;
    }
}

static void put_answers(struct resolver *r, const struct body_view *v)
{
    char text[ADDR_STRLEN];

    audit_array_begin(r->audit, "answers");
    for (unsigned i = 0; v != NULL && i < v->n_addr; i++) {
        struct addr a = body_addr(v, i);
        audit_array_str(r->audit, addr_format(&a, text));
    }
    audit_array_end(r->audit);
}

static void put_question(struct resolver *r, const struct dns_query *q, const struct outcome *o)
{
    char text[DNS_TEXT_MAX], type[DNS_TYPE_TEXT];

    if (o->host != NULL) {
        audit_str(r->audit, "qname", o->host);
    } else if (o->name != NULL) {
        dns_name_text(o->name, o->name_len, text);
        audit_str(r->audit, "qname", text);
    } else {
        audit_str(r->audit, "qname", NULL);
    }
    audit_str(r->audit, "qtype", o->name != NULL ? dns_type_text(q->qtype, type) : NULL);
    if (o->name != NULL && q->qclass != CLASS_IN)
        audit_u64(r->audit, "qclass", q->qclass);
    if (DNS_OPCODE(q->flags) != 0)
        audit_u64(r->audit, "opcode", DNS_OPCODE(q->flags));
}

/* Audit-only: why what was answered would have been refused. */
static enum reason noted(const struct resolver *r, const struct dns_query *q, const struct outcome *o)
{
    if (r->policy->implied == NULL || o->verdict != VERDICT_ALLOW || o->route == NULL)
        return REASON_NONE;
    if (o->route->implied)
        return REASON_NO_ROUTE;
    return q->qtype == TYPE_ANY || route_has_dns_type(o->route, q->qtype) ? REASON_NONE : REASON_DNS_TYPE;
}

void report_query(struct resolver *r, const struct client *from, const struct dns_query *q,
    const struct outcome *o, const struct reply *reply, char id[static AUDIT_ID_LEN + 1])
{
    static const char *const via[] = {[CLIENT_UDP] = "udp", [CLIENT_TCP] = "tcp", [CLIENT_ENGINE] = "engine"};

    id[0] = '\0';
    if (o->verdict == VERDICT_DENY && is_flood(r->flood, o->reason, from))
        return;
    audit_new_id(r->audit, id);
    enum reason why = noted(r, q, o);
    audit_begin(r->audit, &(struct audit_common){.event = "dns",
                              .agent = from->kind == CLIENT_ENGINE ? NULL : &from->peer.addr,
                              .verdict = why != REASON_NONE ? VERDICT_AUDIT : o->verdict,
                              .reason = why != REASON_NONE ? why : o->reason,
                              .route = o->route != NULL && !o->route->implied ? o->route->host : NULL,
                              .host = o->host});
    audit_str(r->audit, "id", id);
    put_question(r, q, o);
    audit_str(r->audit, "rcode", o->dropped ? NULL : dns_rcode_text(reply->rcode));
    put_answers(r, reply->body);
    audit_bool(r->audit, "cached", o->cached);
    if (dnssec_state_text(o->dnssec) != NULL)
        audit_str(r->audit, "dnssec", dnssec_state_text(o->dnssec));
    if (o->dnssec == DNSSEC_BOGUS)
        audit_u64(r->audit, "ede", (uint64_t)reply->ede);
    if (o->stale)
        audit_bool(r->audit, "stale", true);
    if (o->server != NULL)
        audit_str(r->audit, "upstream", o->server);
    audit_str(r->audit, "via", via[from->kind]);
    audit_ms(r->audit, "ms", (uv_hrtime() - o->began) / 1000);
    audit_end(r->audit);
}

void report_fetch(struct resolver *r, const struct validation *v, const struct upstream_query *up,
    const struct upstream_answer *a, uint64_t began)
{
    char id[AUDIT_ID_LEN + 1], text[DNS_TEXT_MAX], type[DNS_TYPE_TEXT];
    bool answered = a->status == UPSTREAM_ANSWERED;

    audit_new_id(r->audit, id);
    audit_begin(r->audit, &(struct audit_common){.event = "dns",
                              .verdict = VERDICT_ALLOW,
                              .reason = REASON_NONE,
                              .route = v->route != NULL && !v->route->implied ? v->route->host : NULL,
                              .host = v->host});
    audit_str(r->audit, "id", id);
    dns_name_text(up->name.b, up->name.len, text);
    audit_str(r->audit, "qname", text);
    audit_str(r->audit, "qtype", dns_type_text(up->qtype, type));
    audit_str(r->audit, "rcode", answered ? dns_rcode_text(a->rcode) : "SERVFAIL");
    put_answers(r, NULL);
    audit_bool(r->audit, "cached", false);
    if (a->server != NULL)
        audit_str(r->audit, "upstream", a->server);
    audit_str(r->audit, "via", "validator");
    audit_ms(r->audit, "ms", (uv_hrtime() - began) / 1000);
    audit_end(r->audit);
}
