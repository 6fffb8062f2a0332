#include "appliance/offline.h"

#include <string.h>

#include "appliance/http/exchange_internal.h"
#include "appliance/inspect/inspect.h"
#include "lib/base.h"
#include "lib/fields.h"
#include "lib/log.h"

struct offline {
    FILE *out;
    struct inspector *inspector;
    const struct policy_query *query;
    const struct route *route;
    const struct request *request;
};

static bool told(const struct offline *o, const struct finding *f)
{
    (void)fprintf(
        o->out, "inspection: %s in %s at %llu\n", f->detector, f->where, (unsigned long long)f->offset);
    return true;
}

static bool look(const struct offline *o, unsigned but, const char *where, const char *text, size_t len)
{
    struct finding f;
    return inspect_text(o->inspector, o->route->outbound | but, INSPECT_OUTBOUND, where, text, len, &f) &&
           told(o, &f);
}

static bool look_at_field(const struct offline *o, const struct field *f)
{
    char where[80];
    (void)snprintf(where, sizeof where, "header:%.*s", (int)MIN(f->name_len, 60u), f->name);
    return look(o, exchange_is_session(f) ? DETECT_NOT_SESSIONS : 0, where, f->value, f->value_len) ||
           look(o, 0, "header", f->name, f->name_len);
}

/* A secret may be cut into the values of several fields. */
static bool look_at_fields(const struct offline *o)
{
    const struct request *r = o->request;
    cleanup_free char *all = NULL;
    size_t len = 0;
    FILE *text = open_memstream(&all, &len);
    bool found = false;
    for (size_t i = 0; i < r->n_fields && !found; i++) {
        if (exchange_strips(o->route, &r->fields[i]))
            continue;
        found = look_at_field(o, &r->fields[i]);
        if (text && !exchange_is_session(&r->fields[i]))
            (void)fprintf(text, "%.*s\n\n", (int)r->fields[i].value_len, r->fields[i].value);
    }
    if (text && fclose(text) == 0 && !found && o->route->outbound & DETECT_KNOWN_SECRETS) {
        struct finding f;
        found = inspect_text(o->inspector, DETECT_KNOWN_SECRETS, INSPECT_OUTBOUND, "header", all, len, &f) &&
                told(o, &f);
    }
    return found;
}

static char *value_of(const struct request *r, const char *name)
{
    const struct field *f = http_field(r->fields, r->n_fields, name);
    return f ? strndup(f->value, f->value_len) : NULL;
}

static bool look_at_body(const struct offline *o)
{
    cleanup_free char *type = value_of(o->request, "content-type");
    cleanup_free char *encoding = value_of(o->request, "content-encoding");
    const struct inspect_config c = {.detectors = o->route->outbound,
        .direction = INSPECT_OUTBOUND,
        .content_type = type,
        .content_encoding = encoding};
    struct inspect *s = inspect_open(o->inspector, &c);
    bool found = false;
    for (size_t at = 0, n; s && at < o->query->body_len && !found; at += n) {
        struct inspect_out out = {0};
        n = MIN(o->query->body_len - at, (size_t)KIB(16));
        int r = inspect_feed(s, (const uint8_t *)o->query->body + at, n, at + n == o->query->body_len, &out);
        const struct finding odd = {"encoding that cannot be followed", "body", 0};
        if (out.found || r < 0)
            found = told(o, out.found ? &out.finding : &odd);
    }
    inspect_close(s);
    return found;
}

static bool look_at_host(const struct offline *o, const char *host)
{
    struct finding f;
    return o->route->wildcard && inspect_host(o->inspector, o->route->outbound, host, strlen(host), &f) &&
           told(o, &f);
}

static enum reason inspect_request(
    void *arg, FILE *out, const struct route *route, const char *host, const struct request *r)
{
    struct offline *o = arg;
    o->out = out;
    o->route = route;
    o->request = r;
    cleanup_free char *query = r->query ? strndup(r->query, r->query_len) : NULL;
    unsigned signed_url = query && exchange_is_signed_url(query) ? DETECT_NOT_SIGNED_URLS : 0;
    bool found = look_at_host(o, host) || look(o, 0, "path", r->path, r->path_len) ||
                 (query && look(o, signed_url, "query", query, r->query_len)) ||
                 look(o, 0, "method", r->method, strlen(r->method)) || look_at_fields(o) ||
                 (o->query->body && look_at_body(o));
    if (found && route->dlp_action == DLP_AUDIT)
        (void)fputs("note: that is only logged\n", out);
    return found && route->dlp_action == DLP_BLOCK ? REASON_DLP_OUTBOUND : REASON_NONE;
}

static void note_missing(FILE *out, const struct secrets *s, const char *name)
{
    if (name && !secrets_get(s, name))
        (void)fprintf(out, "note: %s is not in the environment, so it is not looked for\n", name);
}

enum reason offline_test(FILE *out, const struct policy *p, const struct policy_query *q)
{
    char err[256] = "no memory";
    struct policy_query own = *q;
    struct secrets *secrets = secrets_of_environment(p);
    struct offline o = {
        .query = &own, .inspector = secrets ? inspector_new(p, secrets, err, sizeof err) : NULL};
    if (!o.inspector || inspector_thread_init(o.inspector) != 0)
        log_warn("inspection does not work here: %s", err);
    else
        own.inspect = inspect_request;
    own.inspect_arg = &o;
    enum reason why = policy_explain(out, p, &own);
    for (size_t i = 0; why == REASON_NONE && i < p->n_routes; i++)
        note_missing(out, secrets, p->routes[i].auth.token_ref);
    for (size_t i = 0; why == REASON_NONE && i < p->inspect.n_secrets; i++)
        note_missing(out, secrets, p->inspect.secrets[i]);
    inspector_free(o.inspector);
    secrets_free(secrets);
    return why;
}
