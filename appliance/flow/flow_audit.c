/* Two lines for each connection: what was decided, and what came of it. */
#include "appliance/flow/flow_internal.h"

#include <string.h>

static void begin(struct flow *f, const char *state)
{
    struct audit *a = f->e->audit;
    bool implied = f->route && f->route->implied;
    enum reason noted = f->noted ? (enum reason)f->noted : implied ? REASON_NO_ROUTE : REASON_NONE;
    const struct audit_common common = {
        .event = "flow",
        .agent = &f->agent.addr,
        .verdict = f->reason != REASON_NONE ? VERDICT_DENY
                   : noted != REASON_NONE   ? VERDICT_AUDIT
                                            : VERDICT_ALLOW,
        .reason = f->reason != REASON_NONE ? (enum reason)f->reason : noted,
        .route = f->route && !implied ? f->route->host : NULL,
        .host = f->name,
        .flow = f->id,
    };
    audit_begin(a, &common);
    audit_str(a, "state", state);
    audit_str(a, "proto", "tcp");
    audit_addr(a, "dst", &f->dst.addr);
    audit_u64(a, "dport", f->dst.port);
    audit_str(a, "sni", f->has_sni ? f->name : NULL);
    if (f->proxy || f->connect || f->front.proxy)
        audit_bool(a, "proxied", true);
}

static const char *alpn(const struct flow *f)
{
    if (f->front.alpn_h2)
        return "h2";
    return f->offer & OFFER_HTTP11 ? "http/1.1" : NULL;
}

static void end(struct flow *f)
{
    struct audit *a = f->e->audit;
    if (f->dns_id[0])
        audit_str(a, "dns_id", f->dns_id);
    if (f->detail)
        audit_str(a, "detail", f->detail);
    audit_end(a);
}

void flow_audit_finding(struct flow *f, const char *detector, bool block)
{
    struct audit *a = f->e->audit;
    const struct audit_common common = {
        .event = "dlp",
        .agent = &f->agent.addr,
        .verdict = block ? VERDICT_DENY : VERDICT_AUDIT,
        .reason = REASON_DLP_OUTBOUND,
        .route = f->route->implied ? NULL : f->route->host,
        .host = f->name,
        .flow = f->id,
    };
    audit_begin(a, &common);
    audit_str(a, "detector", detector);
    audit_str(a, "direction", "outbound");
    audit_str(a, "where", "host");
    audit_u64(a, "offset", 0);
    audit_end(a);
}

void flow_audit_open(struct flow *f, const char *mode)
{
    if (f->opened)
        return;
    f->opened = true;
    f->mode = f->reason == REASON_NONE ? mode : "refused";
    begin(f, "open");
    audit_str(f->e->audit, "alpn", alpn(f));
    audit_str(f->e->audit, "mode", f->mode);
    end(f);
}

void flow_audit_connect(struct flow *f, const char *target, int status)
{
    struct audit *a = f->e->audit;
    const struct audit_common common = {.event = "http",
        .agent = &f->agent.addr,
        .verdict = VERDICT_DENY,
        .reason = f->reason,
        .route = f->route && !f->route->implied ? f->route->host : NULL,
        .host = f->name,
        .flow = f->id};
    audit_begin(a, &common);
    audit_str(a, "method", "CONNECT");
    audit_str(a, "path", target);
    audit_u64(a, "status", (uint64_t)status);
    audit_u64(a, "bytes_out", 0);
    audit_u64(a, "bytes_in", 0);
    audit_ms(a, "ms", uv_hrtime() / 1000 - f->started);
    audit_end(a);
}

void flow_audit_closed(struct flow *f)
{
    struct audit *a = f->e->audit;
    begin(f, "closed");
    audit_str(a, "alpn", alpn(f));
    audit_str(a, "mode", f->mode);
    audit_u64(a, "bytes_out", f->from_agent);
    audit_u64(a, "bytes_in", f->to_agent);
    audit_ms(a, "ms", uv_hrtime() / 1000 - f->started);
    end(f);
}
