#include "appliance/http/h2_nv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/fields.h"
#include "lib/base.h"

static bool reserve(struct h2_nv *b)
{
    if (b->n < b->cap)
        return true;
    size_t cap = b->cap * 2;
    nghttp2_nv *v = b->v == b->small ? malloc(cap * sizeof *v) : reallocarray(b->v, cap, sizeof *v);
    if (!v)
        return false;
    if (b->v == b->small)
        memcpy(v, b->small, b->n * sizeof *v);
    b->v = v;
    b->cap = cap;
    return true;
}

/* nghttp2 only reads them. */
static uint8_t *octets(const char *s)
{
    return (uint8_t *)(uintptr_t)s;
}

static void put(struct h2_nv *b, const char *name, size_t nlen, const char *value, size_t vlen)
{
    if (b->failed || memchr(value, '\r', vlen) || memchr(value, '\n', vlen) || memchr(value, '\0', vlen) ||
        !reserve(b)) {
        b->failed = true;
        return;
    }
    /* what must not be guessed from sizes stays out of the compression table (RFC 7541 7.1.3) */
    bool secret = (nlen == 13 && memcmp(name, "authorization", 13) == 0) ||
                  (nlen == 6 && memcmp(name, "cookie", 6) == 0 && vlen < 20);
    b->v[b->n++] = (nghttp2_nv){.name = octets(name),
        .namelen = nlen,
        .value = octets(value),
        .valuelen = vlen,
        .flags = secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE};
}
#define PUT(b, name, value) put((b), "" name, sizeof(name) - 1, (value), strlen(value))

static void put_fields(struct h2_nv *b, const struct field *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!http_is_token(f[i].name, f[i].name_len))
            b->failed = true;
        put(b, f[i].name, f[i].name_len, f[i].value, f[i].value_len);
    }
}

static void init(struct h2_nv *b)
{
    b->v = b->small;
    b->n = 0;
    b->cap = ARRAY_LEN(b->small);
    b->failed = false;
}

void h2_nv_free(struct h2_nv *b)
{
    if (b->v != b->small)
        free(b->v);
}

static void put_length(struct h2_nv *b, const struct http_head *h)
{
    if (h->content_length < 0)
        return;
    (void)snprintf(b->number, sizeof b->number, "%" PRId64, h->content_length);
    PUT(b, "content-length", b->number);
}

bool h2_nv_request(struct h2_nv *b, const struct http_head *h)
{
    init(b);
    bool websocket = h->upgrade == UPGRADE_WEBSOCKET;
    if (strchr(h->method, ' ') || strchr(h->target, ' ') || strchr(h->authority, ' '))
        b->failed = true;
    PUT(b, ":method", websocket ? "CONNECT" : h->method);
    if (websocket)
        PUT(b, ":protocol", "websocket");
    PUT(b, ":scheme", h->scheme);
    PUT(b, ":authority", h->authority);
    PUT(b, ":path", h->target);
    put_fields(b, h->fields, h->n_fields);
    put_length(b, h);
    if (h->te_trailers)
        PUT(b, "te", "trailers");
    if (h->expect_continue)
        PUT(b, "expect", "100-continue");
    return !b->failed;
}

bool h2_nv_response(struct h2_nv *b, const struct http_head *h)
{
    init(b);
    unsigned status = h->status == 101 ? 200 : h->status;
    (void)snprintf(b->digits, sizeof b->digits, "%03u", status % 1000);
    PUT(b, ":status", b->digits);
    put_fields(b, h->fields, h->n_fields);
    put_length(b, h);
    return !b->failed;
}

bool h2_nv_trailers(struct h2_nv *b, const struct field *f, size_t n)
{
    init(b);
    put_fields(b, f, n);
    return !b->failed;
}
