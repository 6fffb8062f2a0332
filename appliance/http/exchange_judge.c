/** \file
 * The decision about one request: one name, one route, one target, the route's rules (DESIGN: what is judged
 * is what is sent). Everything that goes upstream is taken from what is put together here.
 */
#include <stdio.h>
#include <string.h>

#include "appliance/http/exchange_internal.h"
#include "lib/fields.h"
#include "lib/framing.h"
#include "lib/lfs.h"
#include "lib/target.h"

/* For the audit line of a request that is refused before its target is canonical. */
static void raw_path(struct exchange *x)
{
    const char *t = x->req->target ? x->req->target : "";
    size_t n = strcspn(t, "?#");
    x->path = arena_strndup(x->arena, t, n);
}

/* SNI, Host and connection must say the same. */
static enum reason judge_name(struct exchange *x)
{
    const struct http_front *f = x->f;
    const char *authority = x->req->authority;
    x->host = f->host; /* HTTP/1.0 without Host; and what is told of a bad one */
    if (!authority)
        return f->host ? REASON_NONE : REASON_MALFORMED;
    char *host = arena_alloc(x->arena, HOSTNAME_MAX + 1);
    uint16_t port = 0;
    if (!host)
        return REASON_LIMIT;
    if (host_port_canon(authority, strlen(authority), host, NULL, &port) == HOST_BAD)
        return REASON_MALFORMED;
    x->host = host;
    if (f->host && strcmp(f->host, host) != 0)
        return REASON_HOST_MISMATCH;
    if (f->proxy)
        x->port = port ? port : 80;
    else if (port && port != f->port)
        return REASON_HOST_MISMATCH;
    return REASON_NONE;
}

/* Audit-only: a refusal that is only noted is none. */
static enum reason note(struct exchange *x, enum reason why)
{
    if (!policy_only_notes(x->e->policy, why))
        return why;
    if (x->noted == REASON_NONE)
        x->noted = why;
    return REASON_NONE;
}

static enum reason judge_port(const struct exchange *x)
{
    const struct route *r = x->route;
    if (!r || r->implied || r->protocol != ROUTE_HTTP || !route_has_port(r, x->port) ||
        engine_revoked(x->e, r))
        return REASON_NO_ROUTE;
    if (!x->f->tls && r->auth.scheme != AUTH_NONE)
        return REASON_PLAINTEXT;
    return REASON_NONE;
}

static enum reason judge_route(struct exchange *x)
{
    const struct http_front *f = x->f;
    x->route = f->host ? f->route : policy_route(x->e->policy, x->host);
    if (f->host && !f->route)
        return f->deny != REASON_NONE ? f->deny : REASON_NO_ROUTE;
    enum reason why = judge_port(x);
    if (why == REASON_NONE || note(x, why) != REASON_NONE)
        return why;
    x->route = x->e->policy->implied;
    return REASON_NONE;
}

static enum reason judge_target(struct exchange *x, struct target *t)
{
    const char *in = x->req->target;
    size_t len = strlen(in), room = 3 * len + 2;
    if (len > TARGET_MAX)
        return REASON_LIMIT;
    char *out = arena_alloc(x->arena, room);
    if (!out)
        return REASON_LIMIT;
    enum target_result r = target_canon(in, len, out, room, t);
    if (r == TARGET_BAD)
        return REASON_MALFORMED;
    if (r == TARGET_AMBIGUOUS)
        return REASON_AMBIGUOUS_PATH;
    return REASON_NONE;
}

/* From here on the request says what was judged: canonical authority and target. */
static bool settle(struct exchange *x, const struct target *t)
{
    x->path = arena_strndup(x->arena, t->path, t->path_len);
    x->query = t->query;
    char *authority = arena_alloc(x->arena, HOSTNAME_MAX + 10);
    if (!x->path || !authority)
        return false;
    bool v6 = strchr(x->host, ':') != NULL;
    const char *l = v6 ? "[" : "", *r = v6 ? "]" : "";
    if (x->port == (x->f->tls ? 443 : 80))
        (void)snprintf(authority, HOSTNAME_MAX + 10, "%s%s%s", l, x->host, r);
    else
        (void)snprintf(authority, HOSTNAME_MAX + 10, "%s%s%s:%u", l, x->host, r, x->port);
    x->req->target = t->path; /* its query follows in place */
    x->req->authority = authority;
    return true;
}

/* LFS batch requests for reading and for writing differ in their body only. */
static bool is_lfs_batch(const struct request *r)
{
    const char *repo;
    size_t len;
    return git_classify(r, &repo, &len) == GIT_LFS_BATCH;
}

bool exchange_needs_body(const struct exchange *x)
{
    return x->lfs != NULL;
}

enum reason exchange_judge_body(struct exchange *x)
{
    const struct field *coding = http_field(x->req->fields, x->req->n_fields, "content-encoding");
    enum lfs_operation op = coding ? LFS_UNCLEAR : lfs_operation((const char *)x->queue, x->queue_len);
    return note(x, policy_judge_lfs(x->route, x->lfs, op != LFS_DOWNLOAD));
}

static enum reason judge_rules(struct exchange *x, const struct target *t)
{
    struct request r = {.method = x->req->method,
        .path = t->path,
        .path_len = t->path_len,
        .ambiguous = t->ambiguous,
        .query = t->query,
        .query_len = t->query_len,
        .fields = x->req->fields,
        .n_fields = x->req->n_fields};
    int match = -1;
    enum reason why = note(x, policy_judge(x->route, &r, &match));
    if (why != REASON_NONE || !is_lfs_batch(&r))
        return why;
    x->lfs = arena_alloc(x->arena, sizeof *x->lfs);
    if (!x->lfs)
        return REASON_LIMIT;
    *x->lfs = r;
    return REASON_NONE;
}

enum reason exchange_judge(struct exchange *x, const char **hint)
{
    struct target t = {0};
    enum reason why = REASON_NONE;
    raw_path(x);
    x->port = x->f->port;
    if (!audit_ok(x->e->audit))
        why = REASON_AUDIT_UNAVAILABLE;
    if (why == REASON_NONE && x->f->host && !x->f->route) {
        x->host = x->f->host;
        why = judge_route(x);
    }
    if (why == REASON_NONE)
        why = judge_name(x);
    if (why == REASON_NONE)
        why = judge_route(x);
    if (why == REASON_NO_ROUTE && engine_revoked(x->e, x->route))
        *hint = REVOKED_HINT;
    if (why == REASON_NONE && framing_is_hidden(x->req->fields, x->req->n_fields))
        why = REASON_MALFORMED;
    if (why == REASON_NONE)
        why = judge_target(x, &t);
    if (why == REASON_NONE && !settle(x, &t))
        why = REASON_LIMIT;
    if (why == REASON_NONE)
        why = judge_rules(x, &t);
    if (why == REASON_NONE)
        why = exchange_inspect_head(x);
    if (why == REASON_NONE)
        why = exchange_credentials(x, hint);
    return why;
}
