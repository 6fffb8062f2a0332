/** \file
 * One `http` line for each request, also for those that were refused: written when all is over, so that it
 * says what came of it.
 */
#include <string.h>
#include <stdio.h>

#include "appliance/flow/flow.h"
#include "appliance/http/exchange_internal.h"
#include "lib/fields.h"

/* A path may be 16 KiB; the log need not repeat it. */
#define PATH_LOG_MAX 2048

/* Whatever a detector knows is not in the log, also where it was refused for another reason. */
static void path(struct engine *e, const char *value, size_t len)
{
    char buf[PATH_LOG_MAX];
    const char *safe = exchange_loggable(e, value, len, buf, sizeof buf);
    audit_strn(e->audit, "path", safe, safe == value ? MIN(len, (size_t)PATH_LOG_MAX) : strlen(safe));
}

static const char *route_host(const struct route *r)
{
    return r && !r->implied ? r->host : NULL;
}

static struct audit_common common(const struct http_front *f, enum reason why)
{
    return (struct audit_common){.event = "http",
        .agent = f->flow ? flow_agent(f->flow) : NULL,
        .verdict = why == REASON_NONE ? VERDICT_ALLOW : VERDICT_DENY,
        .reason = why,
        .route = route_host(f->route ? f->route : f->refused),
        .host = f->host,
        .flow = f->flow ? flow_id(f->flow) : NULL};
}

static void text(struct audit *a, const char *key, const char *value)
{
    if (value)
        audit_strn(a, key, value, strnlen(value, PATH_LOG_MAX));
    else
        audit_str(a, key, NULL);
}

/* The values of the fields that the policy names, as the agent sent them but for stripped ones. */
static void headers(struct audit *a, const struct exchange *x)
{
    const struct policy_audit *p = &x->e->policy->audit;
    if (!p->n_headers || !x->req)
        return;
    audit_array_begin(a, "headers");
    for (size_t i = 0; i < p->n_headers; i++) {
        const struct field *f = http_field(x->req->fields, x->req->n_fields, p->headers[i]);
        char line[512];
        if (!f || exchange_is_secret(x, f->value))
            continue;
        char buf[sizeof line];
        (void)snprintf(line, sizeof line, "%s: %.*s", p->headers[i], (int)MIN(f->value_len, 400u), f->value);
        audit_array_str(a, exchange_loggable(x->e, line, strlen(line), buf, sizeof buf));
    }
    audit_array_end(a);
}

/* Plain HTTP names its host in each request; so it is not the flow that knows the look-up. */
static void put_dns_id(const struct http_front *f, const char *host)
{
    const struct engine *e = f->engine;
    const struct endpoint *dst = f->flow ? flow_dst(f->flow) : NULL;
    const char *id = f->flow ? flow_dns_id(f->flow) : NULL;
    char found[AUDIT_ID_LEN + 1];
    if (!id && dst && host && engine_dns_id(e, &dst->addr, host, found))
        id = found;
    if (id)
        audit_str(e->audit, "dns_id", id);
}

void exchange_audit(const struct exchange *x)
{
    struct audit *a = x->e->audit;
    struct audit_common c = common(x->f, x->reason);
    uint64_t now = exchange_clock();
    c.host = x->host ? x->host : x->f->host;
    if (x->route || x->f->route) /* else what the connection was refused by */
        c.route = route_host(x->route);
    if (x->reason == REASON_NONE && x->noted != REASON_NONE) {
        c.verdict = VERDICT_AUDIT;
        c.reason = x->noted;
    }
    audit_begin(a, &c);
    put_dns_id(x->f, c.host);
    text(a, "method", x->req->method);
    if (x->path)
        path(x->e, x->path, strlen(x->path));
    else
        audit_str(a, "path", NULL);
    if (x->e->policy->audit.query_strings && x->query) {
        char buf[PATH_LOG_MAX];
        text(a, "query", exchange_loggable(x->e, x->query, strlen(x->query), buf, sizeof buf));
    }
    audit_u64(a, "status", x->status);
    audit_u64(a, "bytes_out", x->sent);
    audit_u64(a, "bytes_in", x->received);
    audit_ms(a, "ms", now - x->started_us);
    if (x->first_us)
        audit_ms(a, "ttfb_ms", x->first_us - x->started_us);
    headers(a, x);
    if (x->detail)
        text(a, "detail", x->detail);
    audit_end(a);
}

void exchange_audit_finding(
    const struct exchange *x, const struct finding *f, enum inspect_direction dir, enum verdict v)
{
    struct audit *a = x->e->audit;
    struct audit_common c = common(x->f, dir == INSPECT_OUTBOUND ? REASON_DLP_OUTBOUND : REASON_DLP_INBOUND);
    c.event = "dlp";
    c.verdict = v;
    c.host = x->host ? x->host : x->f->host;
    c.route = route_host(x->route);
    audit_begin(a, &c);
    audit_str(a, "detector", f ? f->detector : "encoding");
    audit_str(a, "direction", dir == INSPECT_OUTBOUND ? "outbound" : "inbound");
    audit_str(a, "where", f ? f->where : "body");
    audit_u64(a, "offset", f ? f->offset : 0);
    if (!f)
        audit_str(a, "detail", "encoded in a way that cannot be followed");
    audit_end(a);
}

void exchange_audit_reject(
    struct http_front *f, enum reason why, uint16_t status, const char *method, const char *target)
{
    struct audit *a = f->engine->audit;
    struct audit_common c = common(f, why);
    audit_begin(a, &c);
    put_dns_id(f, f->host);
    text(a, "method", method);
    size_t n = target ? strcspn(target, "?#") : 0;
    if (target)
        path(f->engine, target, n);
    else
        audit_str(a, "path", NULL);
    audit_u64(a, "status", status);
    audit_u64(a, "bytes_out", 0);
    audit_u64(a, "bytes_in", 0);
    audit_ms(a, "ms", 0);
    audit_end(a);
}

void exchange_reject_connection(struct http_front *f, enum reason why, const char *detail)
{
    struct audit *a = f->engine->audit;
    struct audit_common c = common(f, why);
    audit_begin(a, &c);
    put_dns_id(f, f->host);
    audit_str(a, "method", NULL);
    audit_str(a, "path", NULL);
    audit_u64(a, "status", 0);
    audit_u64(a, "bytes_out", 0);
    audit_u64(a, "bytes_in", 0);
    audit_ms(a, "ms", 0);
    audit_str(a, "detail", detail);
    audit_end(a);
}
