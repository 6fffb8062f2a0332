#include "appliance/http/h1_parse.h"

#include <llhttp.h>
#include <string.h>

#include "lib/base.h"
#include "lib/fields.h"
#include "lib/framing.h"
#include "lib/hostname.h"
#include "lib/target.h"

/* What llhttp's callbacks collect. The head is one contiguous buffer given in one call, so each span comes
 * whole. */
struct collect {
    char *url;
    size_t url_len;
    struct field *fields;
    size_t n, max;
    bool value_open, bad, complete;
    uint16_t flags; /* llhttp's, which it forgets when the message is over */
    uint64_t length;
};

static int on_url(llhttp_t *p, const char *at, size_t len)
{
    struct collect *c = p->data;
    c->bad |= c->url != NULL;
    c->url = (char *)(uintptr_t)at;
    c->url_len = len;
    return 0;
}

static int on_field(llhttp_t *p, const char *at, size_t len)
{
    struct collect *c = p->data;
    if (c->n == c->max || c->value_open) {
        c->bad = true;
        return -1;
    }
    c->fields[c->n] = (struct field){.name = at, .name_len = (uint32_t)len, .value = "", .value_len = 0};
    c->value_open = true;
    return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t len)
{
    struct collect *c = p->data;
    struct field *f = &c->fields[c->n];
    if (!c->value_open || f->value_len) {
        c->bad = true;
        return -1;
    }
    f->value = at;
    f->value_len = (uint32_t)len;
    return 0;
}

static int on_value_complete(llhttp_t *p)
{
    struct collect *c = p->data;
    if (!c->value_open) {
        c->bad = true;
        return -1;
    }
    c->value_open = false;
    c->n++;
    return 0;
}

/* No body and no next message for llhttp: framing is judged here, and the body decoded by h1_body. */
static int on_headers_complete(llhttp_t *p)
{
    struct collect *c = p->data;
    c->complete = true;
    c->flags = p->flags;
    c->length = p->content_length;
    p->upgrade = 0;
    return 1;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
};

static size_t count_lines(const uint8_t *p, size_t len)
{
    size_t n = 0;
    for (const uint8_t *q = p, *end = p + len; (q = memchr(q, '\n', (size_t)(end - q))) != NULL; q++)
        n++;
    return n;
}

/* llhttp knows a list of methods, and reads nothing else differently for them than for GET but CONNECT's
 * target. So what is not on its list (QUERY, WebDAV's rarer ones) is GET to it; it is judged and sent as it
 * is. */
static size_t method_len(const char *head, size_t len)
{
    const char *sp = memchr(head, ' ', len);
    size_t n = sp ? (size_t)(sp - head) : 0;
    return n && memcmp(head, "CONNECT ", MIN(len, sizeof "CONNECT")) != 0 ? n : 0;
}

static enum llhttp_errno execute(llhttp_t *p, llhttp_type_t type, const char *head, size_t len)
{
    size_t skip = type == HTTP_REQUEST ? method_len(head, len) : 0;
    enum llhttp_errno err = skip ? llhttp_execute(p, "GET", 3) : HPE_OK;
    return err == HPE_OK ? llhttp_execute(p, head + skip, len - skip) : err;
}

/* Runs llhttp over a copy in the arena. */
static bool split(struct arena *a, const uint8_t *head, size_t len, llhttp_type_t type, llhttp_t *p,
    struct collect *c, char **copy)
{
    *copy = arena_strndup(a, (const char *)head, len);
    size_t lines = count_lines(head, len);
    *c = (struct collect){.max = lines >= 2 ? lines - 2 : 0};
    c->fields = arena_alloc(a, (c->max + 1) * sizeof *c->fields);
    if (!*copy || !c->fields)
        return false;
    llhttp_init(p, type, &settings);
    p->data = c;
    enum llhttp_errno err = execute(p, type, *copy, len);
    bool whole = err == HPE_OK || err == HPE_PAUSED_UPGRADE;
    return whole && c->complete && !c->bad && c->n == c->max;
}

static const char *cut_string(struct arena *a, const char *p, size_t n)
{
    return arena_strndup(a, p, n);
}

/* The start line's words, for the audit line of a head that is refused, too. */
static void start_line(const char *copy, size_t len, struct arena *a, struct http_head *h, size_t *target_len)
{
    const char *sp = memchr(copy, ' ', len);
    const char *sp2 = sp ? memchr(sp + 1, ' ', len - (size_t)(sp + 1 - copy)) : NULL;
    if (!sp2)
        return;
    h->method = cut_string(a, copy, (size_t)(sp - copy));
    *target_len = (size_t)(sp2 - sp - 1);
    h->target = cut_string(a, sp + 1, *target_len);
}

static size_t scheme_len(const char *t, size_t n, bool tls)
{
    const char *want = tls ? "https://" : "http://";
    size_t len = strlen(want);
    return n > len && http_ieq(t, len, want) ? len : 0;
}

static bool same_authority(const char *a, size_t alen, const char *b, size_t blen, bool tls)
{
    char ha[HOSTNAME_MAX + 1], hb[HOSTNAME_MAX + 1];
    uint16_t pa, pb, standard = tls ? 443 : 80;
    if (host_port_canon(a, alen, ha, NULL, &pa) == HOST_BAD ||
        host_port_canon(b, blen, hb, NULL, &pb) == HOST_BAD)
        return false;
    return strcmp(ha, hb) == 0 && (pa ? pa : standard) == (pb ? pb : standard);
}

/* absolute-form (RFC 9112 3.2.2): allowed where it says just what the connection and Host say. */
static enum reason absolute_form(struct arena *a, struct http_head *h, size_t len, bool tls)
{
    size_t skip = scheme_len(h->target, len, tls);
    if (!skip)
        return REASON_MALFORMED;
    const char *auth = h->target + skip;
    size_t alen = strcspn(auth, "/?#");
    if (alen == 0 || memchr(auth, '@', alen))
        return REASON_MALFORMED;
    if (h->authority && !same_authority(auth, alen, h->authority, strlen(h->authority), tls))
        return REASON_HOST_MISMATCH;
    const char *authority = cut_string(a, auth, alen);
    const char *rest = auth + alen;
    size_t rest_len = strlen(rest);
    char *target = arena_alloc(a, rest_len + 2);
    if (!authority || !target)
        return REASON_LIMIT;
    size_t at = 0;
    if (rest[0] != '/')
        target[at++] = '/';
    memcpy(target + at, rest, rest_len + 1);
    h->authority = authority;
    h->target = target;
    return REASON_NONE;
}

static enum reason target_form(struct arena *a, struct http_head *h, size_t len, bool tls)
{
    if (len > TARGET_MAX)
        return REASON_LIMIT;
    if (h->target[0] == '/')
        return REASON_NONE;
    if (strcmp(h->target, "*") == 0)
        return strcmp(h->method, "OPTIONS") == 0 ? REASON_NONE : REASON_MALFORMED;
    return absolute_form(a, h, len, tls);
}

/* Ours and llhttp's reading of the framing must be one. */
static bool agrees(const struct collect *c, const struct framing *fr)
{
    bool chunked = (c->flags & F_CHUNKED) != 0, length = (c->flags & F_CONTENT_LENGTH) != 0;
    if (chunked != fr->chunked || length != (fr->lengths == 1))
        return false;
    return !length || c->length == (uint64_t)fr->length;
}

static void common_head(struct h1_head *out, const struct framing *fr, const struct collect *c, size_t kept)
{
    out->h.fields = c->fields;
    out->h.n_fields = kept;
    out->h.content_length = fr->lengths ? fr->length : -1;
    out->h.te_trailers = fr->te_trailers;
    out->chunked = fr->chunked;
    out->body = fr->chunked || (fr->lengths && fr->length > 0);
    out->keep_alive = out->minor ? !fr->close : fr->keep_alive && !fr->close;
}

enum reason h1_parse_request(struct arena *a, const uint8_t *head, size_t len, bool tls, struct h1_head *out)
{
    *out = (struct h1_head){.h = {.content_length = -1, .scheme = tls ? "https" : "http"}};
    llhttp_t p;
    struct collect c;
    char *copy;
    size_t target_len = 0;
    bool ok = split(a, head, len, HTTP_REQUEST, &p, &c, &copy);
    if (!copy)
        return REASON_LIMIT;
    start_line(copy, len, a, &out->h, &target_len);
    if (!ok || !out->h.method || !out->h.target || !http_is_method(out->h.method))
        return REASON_MALFORMED;
    out->minor = p.http_minor;
    struct framing fr = {0};
    size_t kept = framing_take(&fr, c.fields, c.n);
    if (!framing_ok(&fr, out->minor) || fr.hosts > 1 || (fr.hosts == 0 && out->minor == 1))
        return REASON_MALFORMED;
    if (fr.hosts && !(out->h.authority = cut_string(a, fr.host.value, fr.host.value_len)))
        return REASON_LIMIT;
    common_head(out, &fr, &c, kept);
    out->h.expect_continue = fr.expect && out->minor == 1 && out->body;
    bool get = strcmp(out->h.method, "GET") == 0 && !out->body && out->minor == 1;
    out->h.upgrade = fr.websocket && fr.upgrade && get ? UPGRADE_WEBSOCKET : UPGRADE_NONE;
    if (strcmp(out->h.method, "CONNECT") == 0)
        return out->body ? REASON_MALFORMED : REASON_NONE;
    if (!agrees(&c, &fr))
        return REASON_MALFORMED;
    return target_form(a, &out->h, target_len, tls);
}

enum reason h1_parse_response(
    struct arena *a, const uint8_t *head, size_t len, struct h1_asked asked, struct h1_head *out)
{
    *out = (struct h1_head){.h = {.content_length = -1}};
    llhttp_t p;
    struct collect c;
    char *copy;
    if (!split(a, head, len, HTTP_RESPONSE, &p, &c, &copy))
        return REASON_MALFORMED;
    out->minor = p.http_minor;
    out->status = out->h.status = p.status_code;
    struct framing fr = {.response = true};
    size_t kept = framing_take(&fr, c.fields, c.n);
    if (!framing_ok(&fr, out->minor) || !agrees(&c, &fr))
        return REASON_MALFORMED;
    common_head(out, &fr, &c, kept);
    unsigned status = out->status;
    if (status == 101) {
        out->h.upgrade = UPGRADE_WEBSOCKET;
        out->body = false;
        return asked.upgrade && fr.upgrade && fr.websocket ? REASON_NONE : REASON_MALFORMED;
    }
    bool none = status < 200 || status == 204 || status == 304 || asked.head;
    if (status < 200 || status == 204)
        out->h.content_length = -1;
    if (none)
        out->body = out->chunked = false;
    else if (!out->chunked && out->h.content_length < 0)
        out->body = out->h.until_close = true;
    return REASON_NONE;
}

enum reason h1_parse_trailers(
    struct arena *a, const uint8_t *section, size_t len, struct field **fields, size_t *n_fields)
{
    *n_fields = 0;
    char *copy = arena_strndup(a, (const char *)section, len);
    *fields = arena_alloc(a, (count_lines(section, len) + 1) * sizeof **fields);
    if (!copy || !*fields)
        return REASON_LIMIT;
    for (char *line = copy, *nl; (nl = memchr(line, '\n', (size_t)(copy + len - line))) != NULL;
         line = nl + 1) {
        char *colon = memchr(line, ':', (size_t)(nl - line));
        if (!colon)
            break;
        struct field f = {.name = line,
            .name_len = (uint32_t)(colon - line),
            .value = colon + 1,
            .value_len = (uint32_t)(nl - 1 - (colon + 1))};
        field_lower(&f);
        field_trim(&f);
        if (!http_trailer_forbidden(f.name, f.name_len))
            (*fields)[(*n_fields)++] = f;
    }
    return REASON_NONE;
}
