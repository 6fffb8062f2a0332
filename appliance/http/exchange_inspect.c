/** \file
 * Where inspection looks at a request and its response, and what becomes of what it finds.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "appliance/http/exchange_internal.h"
#include "lib/fields.h"

static unsigned detectors(const struct exchange *x, enum inspect_direction dir)
{
    if (!x->e->inspector || !x->route)
        return 0;
    return dir == INSPECT_OUTBOUND ? x->route->outbound : x->route->inbound;
}

enum reason exchange_inspect_found(struct exchange *x, const struct finding *f, enum inspect_direction dir)
{
    bool block = x->route->dlp_action == DLP_BLOCK;
    exchange_audit_finding(x, f, dir, block ? VERDICT_DENY : VERDICT_AUDIT);
    if (!block)
        return REASON_NONE;
    return dir == INSPECT_OUTBOUND ? REASON_DLP_OUTBOUND : REASON_DLP_INBOUND;
}

/* `*told` is set where there is a finding. */
static enum reason look_and_tell(
    struct exchange *x, const char *where, const char *text, size_t len, unsigned but, bool *told)
{
    struct finding f;
    unsigned d = detectors(x, INSPECT_OUTBOUND) | but;
    if (!inspect_text(x->e->inspector, d, INSPECT_OUTBOUND, where, text, len, &f))
        return REASON_NONE;
    *told = true;
    return exchange_inspect_found(x, &f, INSPECT_OUTBOUND);
}

static enum reason look(struct exchange *x, const char *where, const char *text, size_t len, unsigned but)
{
    bool ignored;
    return look_and_tell(x, where, text, len, but, &ignored);
}

/* Over TLS the server name has been looked at; this is for plain HTTP, in a CONNECT's tunnel too. */
static enum reason look_at_host(struct exchange *x)
{
    struct finding f;
    if (x->f->tls || !x->route->wildcard ||
        !inspect_host(x->e->inspector, x->route->outbound, x->host, strlen(x->host), &f))
        return REASON_NONE;
    return exchange_inspect_found(x, &f, INSPECT_OUTBOUND);
}

bool exchange_is_session(const struct field *f)
{
    return FIELD_IS(f, "authorization") || FIELD_IS(f, "cookie");
}

bool exchange_is_signed_url(const char *query)
{
    return strstr(query, "X-Amz-Signature=") || (strstr(query, "sig=") && strstr(query, "se="));
}

/* The name as well: it is as free as the value. */
static enum reason look_at_field(struct exchange *x, const struct field *f, bool *told)
{
    char where[80];
    (void)snprintf(where, sizeof where, "header:%.*s", (int)MIN(f->name_len, 60u), f->name);
    unsigned but = exchange_is_session(f) ? DETECT_NOT_SESSIONS : 0;
    enum reason why = look_and_tell(x, where, f->value, f->value_len, but, told);
    return why != REASON_NONE ? why : look_and_tell(x, "header", f->name, f->name_len, 0, told);
}

static size_t put_line(char *to, const char *text, size_t len)
{
    memcpy(to, text, len);
    memcpy(to + len, "\n\n", 2);
    return len + 2;
}

/* All fields in one text first: most requests have nothing to find in any of them. The values come together:
 * a secret may be cut into several. */
static enum reason look_at_fields(struct exchange *x, const struct field *f, size_t n)
{
    struct finding all;
    bool told = false;
    size_t room = 0, len = 0;
    for (size_t i = 0; i < n; i++)
        room += f[i].name_len + f[i].value_len + 4u;
    cleanup_free char *text = room ? malloc(room) : NULL;
    if (!room)
        return REASON_NONE;
    if (!text)
        return REASON_LIMIT;
    for (size_t i = 0; i < n; i++) {
        if (exchange_strips(x->route, &f[i]))
            continue;
        if (exchange_is_session(&f[i])) {
            enum reason why = look_at_field(x, &f[i], &told);
            if (why != REASON_NONE)
                return why;
            continue;
        }
        len += put_line(text + len, f[i].value, f[i].value_len);
    }
    for (size_t i = 0; i < n; i++)
        if (!exchange_strips(x->route, &f[i]) && !exchange_is_session(&f[i]))
            len += put_line(text + len, f[i].name, f[i].name_len);
    if (!inspect_text(
            x->e->inspector, detectors(x, INSPECT_OUTBOUND), INSPECT_OUTBOUND, "header", text, len, &all))
        return REASON_NONE;
    told = false;
    enum reason why = REASON_NONE;
    for (size_t i = 0; i < n && why == REASON_NONE; i++)
        if (!exchange_strips(x->route, &f[i]) && !exchange_is_session(&f[i]))
            why = look_at_field(x, &f[i], &told);
    if (!told && strncmp(all.detector, "known_secrets", strlen("known_secrets")) == 0)
        why = exchange_inspect_found(x, &all, INSPECT_OUTBOUND);
    return why;
}

static const char *value_of(struct exchange *x, const struct field *f, size_t n, const char *name)
{
    const struct field *at = http_field(f, n, name);
    return at ? arena_strndup(x->arena, at->value, at->value_len) : NULL;
}

/* More than one content-encoding field is one list (RFC 9110 5.3). */
static const char *codings_of(struct exchange *x, const struct field *f, size_t n)
{
    char list[200];
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (!FIELD_IS(&f[i], "content-encoding"))
            continue;
        int k = snprintf(
            list + len, sizeof list - len, "%s%.*s", len ? "," : "", (int)f[i].value_len, f[i].value);
        len += (size_t)MAX(k, 0);
        if (len >= sizeof list)
            return "?"; /* none that we know */
    }
    return len ? arena_strndup(x->arena, list, len) : NULL;
}

static enum reason open_body(struct exchange *x, enum inspect_direction dir, const struct field *f, size_t n)
{
    struct inspect_config c = {.detectors = detectors(x, dir),
        .direction = dir,
        .audit_only = x->route->dlp_action == DLP_AUDIT,
        .redact = dir == INSPECT_INBOUND,
        .content_type = value_of(x, f, n, "content-type"),
        .content_encoding = codings_of(x, f, n)};
    x->inspect[dir] = inspect_open(x->e->inspector, &c);
    return x->inspect[dir] || errno == 0 ? REASON_NONE : REASON_LIMIT;
}

/* Does a credential go along that may come back? */
static bool brings_credential(const struct exchange *x)
{
    return x->route->auth.scheme != AUTH_NONE && inspector_has_secrets(x->e->inspector);
}

/* What the upstream may answer in: codings that we can undo. Where a credential goes along that may come
 * back, none: inside one it could not be overwritten. */
static void limit_codings(struct exchange *x, struct field *f)
{
    static const char *const known[] = {"gzip", "deflate", "br", "zstd", "identity", "x-gzip"};
    char list[128];
    size_t at = 0, len = 0, n = 0;
    const char *item;
    bool plain = brings_credential(x);
    while (!plain && http_list_next(f->value, f->value_len, &at, &item, &len)) {
        const char *weight = memchr(item, ';', len);
        size_t name = weight ? (size_t)(weight - item) : len;
        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            if (http_ieq(item, name, known[i]) && n + len + 2 < sizeof list)
                n += (size_t)snprintf(list + n, sizeof list - n, "%s%.*s", n ? ", " : "", (int)len, item);
    }
    if (!n)
        n = (size_t)snprintf(list, sizeof list, "identity");
    char *copy = arena_strndup(x->arena, list, n);
    f->value = copy ? copy : "identity";
    f->value_len = copy ? (uint32_t)n : 8;
}

static void limit_answers(struct exchange *x)
{
    if (!detectors(x, INSPECT_INBOUND) && !inspector_has_secrets(x->e->inspector))
        return;
    size_t n = 0;
    for (size_t i = 0; i < x->req->n_fields; i++) {
        struct field *f = &x->req->fields[i];
        /* A part of an answer could be cut so that it holds one half of the credential, and the next the
         * other. */
        if (brings_credential(x) && (FIELD_IS(f, "range") || FIELD_IS(f, "if-range")))
            continue;
        if (FIELD_IS(f, "accept-encoding"))
            limit_codings(x, f);
        x->req->fields[n++] = *f;
    }
    x->req->n_fields = n;
}

enum reason exchange_inspect_head(struct exchange *x)
{
    limit_answers(x);
    if (!detectors(x, INSPECT_OUTBOUND))
        return REASON_NONE;
    enum reason why = look_at_host(x);
    if (why == REASON_NONE)
        why = look(x, "path", x->path, strlen(x->path), 0);
    if (why == REASON_NONE && x->query)
        why = look(x, "query", x->query, strlen(x->query),
            exchange_is_signed_url(x->query) ? DETECT_NOT_SIGNED_URLS : 0);
    if (why == REASON_NONE)
        why = look(x, "header", x->req->method, strlen(x->req->method), 0);
    if (why == REASON_NONE)
        why = look_at_fields(x, x->req->fields, x->req->n_fields);
    if (why == REASON_NONE && !x->req_fin && x->req->upgrade == UPGRADE_NONE)
        why = open_body(x, INSPECT_OUTBOUND, x->req->fields, x->req->n_fields);
    return why;
}

static void redact_fields(struct exchange *x, struct field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *copy = NULL;
        if (!inspect_redact(x->e->inspector, x->arena, fields[i].value, fields[i].value_len, &copy))
            continue;
        fields[i].value = copy ? copy : "";
        fields[i].value_len = copy ? fields[i].value_len : 0;
    }
}

const struct field *exchange_redact_trailers(struct exchange *x, const struct field *f, size_t *n)
{
    if (*n == 0 || !x->route || !inspector_has_secrets(x->e->inspector))
        return f;
    struct field *copy = arena_alloc(x->arena, *n * sizeof *copy);
    if (!copy) {
        *n = 0;
        return f;
    }
    memcpy(copy, f, *n * sizeof *copy);
    redact_fields(x, copy, *n);
    return copy;
}

enum reason exchange_inspect_response(struct exchange *x, struct http_head *h, bool fin)
{
    if (!x->e->inspector || !x->route)
        return REASON_NONE;
    if (inspector_has_secrets(x->e->inspector))
        redact_fields(x, h->fields, h->n_fields);
    if (fin || h->status == 101 || h->status < 200)
        return REASON_NONE;
    return open_body(x, INSPECT_INBOUND, h->fields, h->n_fields);
}

enum reason exchange_inspect_data(struct exchange *x, enum inspect_direction dir, const uint8_t *p, size_t n,
    bool fin, struct inspect_out *out)
{
    struct inspect *s = x->inspect[dir];
    if (!s) {
        *out = (struct inspect_out){.span = {{p, n}}, .n_spans = n ? 1 : 0};
        return REASON_NONE;
    }
    int r = inspect_feed(s, p, n, fin, out);
    if (r == -ENOMEM)
        return REASON_LIMIT;
    if (r < 0 && !out->found)
        return exchange_inspect_found(x, NULL, dir);
    return out->found ? exchange_inspect_found(x, &out->finding, dir) : REASON_NONE;
}

enum reason exchange_inspect_trailers(
    struct exchange *x, enum inspect_direction dir, const struct field *f, size_t n)
{
    return detectors(x, dir) && dir == INSPECT_OUTBOUND ? look_at_fields(x, f, n) : REASON_NONE;
}

void exchange_inspect_end(struct exchange *x)
{
    for (unsigned i = 0; i < ARRAY_LEN(x->inspect); i++)
        inspect_close(x->inspect[i]);
    x->inspect[0] = x->inspect[1] = NULL;
}

const char *exchange_loggable(struct engine *e, const char *text, size_t len, char *buf, size_t buflen)
{
    struct finding f;
    if (!e->inspector || !inspect_text(e->inspector, DETECT_TOKEN_PATTERNS | DETECT_KNOWN_SECRETS,
                             INSPECT_OUTBOUND, "path", text, len, &f))
        return text;
    size_t n = 0;
    const char *at = text, *end = text + len;
    while (at < end) { /* by segments: what lies between slashes tells the operator where it was */
        const char *next = memchr(at + 1, '/', (size_t)(end - at - 1));
        size_t seg = next ? (size_t)(next - at) : (size_t)(end - at);
        bool bad = inspect_text(e->inspector, DETECT_TOKEN_PATTERNS | DETECT_KNOWN_SECRETS, INSPECT_OUTBOUND,
            "path", at, seg, &f);
        int k = bad ? snprintf(buf + n, buflen - n, "%s[REDACTED:%s]", *at == '/' ? "/" : "", f.detector)
                    : snprintf(buf + n, buflen - n, "%.*s", (int)seg, at);
        n += (size_t)MAX(k, 0);
        if (n >= buflen)
            return "[REDACTED]";
        at += seg;
    }
    if (!inspect_text(
            e->inspector, DETECT_TOKEN_PATTERNS | DETECT_KNOWN_SECRETS, INSPECT_OUTBOUND, "path", buf, n, &f))
        return buf;
    (void)snprintf(buf, buflen, "/[REDACTED:%s]", f.detector); /* it spans segments */
    return buf;
}
