#include "appliance/http/h2_fields.h"

#include <string.h>

#include "lib/fields.h"
#include "lib/target.h"

#define FIELD_OVERHEAD 32 /* RFC 9113 6.5.2 */

static const struct {
    const char *name;
    enum h2_kind kind;
} pseudos[H2_PSEUDO_COUNT] = {
    [H2_METHOD] = {":method", H2_REQUEST},
    [H2_SCHEME] = {":scheme", H2_REQUEST},
    [H2_AUTHORITY] = {":authority", H2_REQUEST},
    [H2_PATH] = {":path", H2_REQUEST},
    [H2_PROTOCOL] = {":protocol", H2_REQUEST},
    [H2_STATUS] = {":status", H2_RESPONSE},
};

/* ---- field by field ---- */

void h2_block_init(struct h2_block *b, enum h2_kind kind, struct arena *a)
{
    *b = (struct h2_block){.kind = kind, .arena = a};
}

static bool name_ok(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!http_is_tchar((uint8_t)s[i]) || (s[i] >= 'A' && s[i] <= 'Z'))
            return false;
    return n > 0;
}

static bool value_ok(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Space around a value is malformed (RFC 9113 8.2.1). Agents are held to it; of servers' it is cut off. */
static bool trim(struct h2_block *b, const char **v, size_t *n)
{
    if (*n == 0 || (!is_blank((*v)[0]) && !is_blank((*v)[*n - 1])))
        return true;
    if (b->kind == H2_REQUEST)
        return false;
    while (*n && is_blank((*v)[0])) {
        (*v)++;
        (*n)--;
    }
    while (*n && is_blank((*v)[*n - 1]))
        (*n)--;
    return true;
}

static bool store(
    struct h2_block *b, struct field *f, const char *name, size_t nlen, const char *value, size_t vlen)
{
    f->name = arena_strndup(b->arena, name, nlen);
    f->value = arena_strndup(b->arena, value, vlen);
    f->name_len = (uint32_t)nlen;
    f->value_len = (uint32_t)vlen;
    if (f->name && f->value)
        return true;
    b->bad = REASON_LIMIT;
    return false;
}

static void add_pseudo(struct h2_block *b, const char *name, size_t nlen, const char *value, size_t vlen)
{
    b->bad = REASON_MALFORMED;
    if (b->regular || b->kind == H2_TRAILERS)
        return;
    for (size_t i = 0; i < H2_PSEUDO_COUNT; i++) {
        if (pseudos[i].kind != b->kind || strlen(pseudos[i].name) != nlen ||
            memcmp(pseudos[i].name, name, nlen) != 0)
            continue;
        /* no pseudo-header has a use for spaces, and in a request line of HTTP/1 they would be separators */
        if (b->pseudo[i].name || vlen == 0 || memchr(value, ' ', vlen) || memchr(value, '\t', vlen))
            return;
        b->bad = REASON_NONE;
        (void)store(b, &b->pseudo[i], name, nlen, value, vlen);
        return;
    }
}

static bool grow(struct h2_block *b)
{
    if (b->n < b->cap)
        return true;
    size_t cap = b->cap ? b->cap * 2 : 16;
    struct field *f = arena_alloc(b->arena, cap * sizeof *f);
    if (!f)
        return false;
    if (b->n)
        memcpy(f, b->fields, b->n * sizeof *f);
    b->fields = f;
    b->cap = cap;
    return true;
}

void h2_block_add(struct h2_block *b, const char *name, size_t name_len, const char *value, size_t value_len)
{
    size_t nlen = name_len, vlen = value_len;
    b->list_size += nlen + vlen + FIELD_OVERHEAD;
    if (b->bad != REASON_NONE)
        return;
    bool pseudo = nlen > 0 && name[0] == ':';
    if (b->list_size > (b->kind == H2_TRAILERS ? H2_TRAILER_LIST_MAX : H2_LIST_MAX) ||
        b->n >= H2_FIELDS_MAX) {
        b->bad = REASON_LIMIT;
    } else if (!value_ok(value, vlen) || !trim(b, &value, &vlen) || (!pseudo && !name_ok(name, nlen))) {
        b->bad = REASON_MALFORMED;
    } else if (pseudo) {
        add_pseudo(b, name, nlen, value, vlen);
    } else {
        b->regular = true;
        if (!grow(b))
            b->bad = REASON_LIMIT;
        else if (store(b, &b->fields[b->n], name, nlen, value, vlen))
            b->n++;
    }
}

/* ---- the whole ---- */

struct sorted {
    struct field host; /* name NULL: none */
    int64_t length; /* -1: none */
    unsigned lengths, cookies;
    bool te_trailers, expect, bad;
};

/* RFC 9113 8.2.2: they have no meaning here, and a different one for whoever is behind us. */
static bool is_connection_specific(const struct field *f)
{
    return FIELD_IS(f, "connection") || FIELD_IS(f, "keep-alive") || FIELD_IS(f, "proxy-connection") ||
           FIELD_IS(f, "transfer-encoding") || FIELD_IS(f, "upgrade") || FIELD_IS(f, "http2-settings");
}

/* True: a field that the codecs own, not one of the list. */
static bool framing_field(struct sorted *s, const struct field *f, enum h2_kind kind)
{
    if (is_connection_specific(f)) {
        s->bad = true;
        return true;
    }
    if (FIELD_IS(f, "content-length")) {
        s->lengths++;
        s->length = http_length(f->value, f->value_len);
        s->bad |= s->length < 0 || s->lengths > 1;
        return true;
    }
    if (kind != H2_REQUEST)
        return false;
    if (FIELD_IS(f, "te")) {
        s->bad |= !http_ieq(f->value, f->value_len, "trailers");
        s->te_trailers = true;
        return true;
    }
    if (FIELD_IS(f, "expect")) {
        s->bad |= !http_ieq(f->value, f->value_len, "100-continue");
        s->expect = true;
        return true;
    }
    if (FIELD_IS(f, "host")) {
        s->bad |= s->host.name != NULL;
        s->host = *f;
        return true;
    }
    s->cookies += FIELD_IS(f, "cookie");
    return false;
}

static void sort_fields(struct h2_block *b, struct sorted *s)
{
    *s = (struct sorted){.length = -1};
    size_t kept = 0;
    for (size_t i = 0; i < b->n; i++)
        if (!framing_field(s, &b->fields[i], b->kind))
            b->fields[kept++] = b->fields[i];
    b->n = kept;
}

/* Cookie crumbs are one field again for whoever reads it as such (RFC 9113 8.2.3). */
static bool join_cookies(struct h2_block *b)
{
    size_t len = 0, kept = 0, at = 0, first = SIZE_MAX;
    for (size_t i = 0; i < b->n; i++)
        if (FIELD_IS(&b->fields[i], "cookie"))
            len += b->fields[i].value_len + 2;
    char *v = arena_alloc(b->arena, len + 1);
    if (!v)
        return false;
    for (size_t i = 0; i < b->n; i++) {
        struct field f = b->fields[i];
        bool cookie = FIELD_IS(&f, "cookie");
        if (cookie) {
            memcpy(v + at, f.value, f.value_len);
            at += f.value_len;
            v[at++] = ';';
            v[at++] = ' ';
        }
        if (cookie && first == SIZE_MAX)
            first = kept;
        else if (cookie)
            continue;
        b->fields[kept++] = f;
    }
    b->n = kept;
    if (first == SIZE_MAX)
        return true;
    b->fields[first].value = v;
    b->fields[first].value_len = (uint32_t)(at - 2);
    return true;
}

static bool pseudo_is(const struct h2_block *b, enum h2_pseudo p, const char *text)
{
    const struct field *f = &b->pseudo[p];
    return f->name && f->value_len == strlen(text) && memcmp(f->value, text, f->value_len) == 0;
}

static bool same_host(const struct field *a, const struct field *b)
{
    if (a->value_len != b->value_len)
        return false;
    for (uint32_t i = 0; i < a->value_len; i++) {
        char x = a->value[i], y = b->value[i];
        if (x >= 'A' && x <= 'Z')
            x = (char)(x | 0x20);
        if (y >= 'A' && y <= 'Z')
            y = (char)(y | 0x20);
        if (x != y)
            return false;
    }
    return true;
}

/* One name, said once or twice the same. */
static enum reason take_authority(const struct h2_block *b, const struct sorted *s, struct http_head *out)
{
    const struct field *authority = b->pseudo[H2_AUTHORITY].name ? &b->pseudo[H2_AUTHORITY] : &s->host;
    if (!authority->name || authority->value_len == 0 || memchr(authority->value, '@', authority->value_len))
        return REASON_MALFORMED;
    if (s->host.name && !same_host(&s->host, authority))
        return REASON_MALFORMED;
    out->authority = authority->value;
    return REASON_NONE;
}

static enum reason take_target(const struct h2_block *b, struct http_head *out)
{
    if (b->pseudo[H2_PATH].value_len > TARGET_MAX)
        return REASON_LIMIT;
    if (out->target[0] == '/' || (strcmp(out->target, "*") == 0 && strcmp(out->method, "OPTIONS") == 0))
        return REASON_NONE;
    return REASON_MALFORMED;
}

/* Only WebSocket is carried by CONNECT (RFC 8441); a tunnel to anywhere is not ours to give. */
static bool take_protocol(const struct h2_block *b, const struct sorted *s, bool fin, struct http_head *out)
{
    bool connect = strcmp(out->method, "CONNECT") == 0;
    if (!b->pseudo[H2_PROTOCOL].name)
        return !connect;
    if (!connect || fin || s->lengths || !pseudo_is(b, H2_PROTOCOL, "websocket"))
        return false;
    out->method = "GET";
    out->upgrade = UPGRADE_WEBSOCKET;
    return true;
}

/* Servers want to see that there is none (RFC 9110 8.6). */
static bool expects_body(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

enum reason h2_block_request(struct h2_block *b, bool tls, bool fin, struct http_head *out)
{
    const char *scheme = tls ? "https" : "http";
    *out = (struct http_head){.scheme = scheme,
        .method = b->pseudo[H2_METHOD].value,
        .target = b->pseudo[H2_PATH].value,
        .content_length = -1};
    if (b->bad != REASON_NONE)
        return b->bad;
    struct sorted s;
    sort_fields(b, &s);
    if (s.bad || !out->method || !out->target || !pseudo_is(b, H2_SCHEME, scheme) ||
        !http_is_method(out->method) || !take_protocol(b, &s, fin, out))
        return REASON_MALFORMED;
    if (fin && s.length > 0)
        return REASON_MALFORMED;
    enum reason why = take_authority(b, &s, out);
    if (why == REASON_NONE)
        why = take_target(b, out);
    if (why == REASON_NONE && s.cookies > 1 && !join_cookies(b))
        why = REASON_LIMIT;
    out->fields = b->fields;
    out->n_fields = b->n;
    out->te_trailers = s.te_trailers;
    out->content_length = fin && s.length < 0 && expects_body(out->method) ? 0 : s.length;
    out->expect_continue = s.expect && !fin;
    return why;
}

bool h2_block_response(struct h2_block *b, bool head_asked, bool fin, struct http_head *out)
{
    *out = (struct http_head){.content_length = -1};
    const struct field *status = &b->pseudo[H2_STATUS];
    if (b->bad != REASON_NONE || !status->name || status->value_len != 3)
        return false;
    for (int i = 0; i < 3; i++) {
        if (status->value[i] < '0' || status->value[i] > '9')
            return false;
        out->status = (uint16_t)(out->status * 10 + (status->value[i] - '0'));
    }
    /* 101 has no meaning here (RFC 9113 8.6); an interim response is never the last */
    if (out->status < 100 || out->status == 101 || (out->status < 200 && fin))
        return false;
    struct sorted s;
    sort_fields(b, &s);
    bool promises = !head_asked && out->status >= 200 && out->status != 204 && out->status != 304;
    if (s.bad || (promises && fin && s.length > 0))
        return false;
    out->fields = b->fields;
    out->n_fields = b->n;
    out->content_length = out->status < 200 || out->status == 204 ? -1 : s.length;
    return true;
}

bool h2_block_trailers(struct h2_block *b)
{
    if (b->bad != REASON_NONE)
        return false;
    size_t kept = 0;
    for (size_t i = 0; i < b->n; i++) {
        const struct field *f = &b->fields[i];
        if (is_connection_specific(f))
            return false;
        if (!http_trailer_forbidden(f->name, f->name_len))
            b->fields[kept++] = *f;
    }
    b->n = kept;
    return true;
}
