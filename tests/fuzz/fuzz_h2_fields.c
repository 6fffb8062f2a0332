/* Fields of one HTTP/2 header block, as HPACK yields them: whatever is taken can be written as an HTTP/1 head
 * that reads as the same request, so that nothing is smuggled through us.
 *
 * Input: a flag octet (1 = fin, 2 = response, 4 = trailers), then for each field two length octets, name and
 * value. */
#include <stdlib.h>
#include <string.h>

#include "appliance/http/h1_parse.h"
#include "appliance/http/h1_write.h"
#include "appliance/http/h2_fields.h"
#include "appliance/http/h2_nv.h"
#include "lib/hostname.h"

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void clean(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check(((unsigned char)s[i] >= 0x20 || s[i] == '\t') && s[i] != 0x7f);
}

static void fields_clean(const struct field *f, size_t n)
{
    check(n <= H2_FIELDS_MAX);
    for (size_t i = 0; i < n; i++) {
        check(f[i].name_len > 0 && f[i].name[0] != ':');
        clean(f[i].name, f[i].name_len);
        clean(f[i].value, f[i].value_len);
        for (size_t k = 0; k < f[i].name_len; k++)
            check(!strchr(" :", f[i].name[k]) && (f[i].name[k] < 'A' || f[i].name[k] > 'Z'));
    }
}

static void same_in_http1(struct arena *a, const struct http_head *h, bool fin)
{
    struct h1_buf b;
    struct h1_scan s = {.kind = H1_REQUEST};
    struct h1_head again;
    size_t end;
    char host[HOSTNAME_MAX + 1];
    uint16_t port;
    if (host_port_canon(h->authority, strlen(h->authority), host, NULL, &port) == HOST_BAD)
        return; /* the exchange lets only a good one go on */
    enum h1_framing framing = h->content_length >= 0              ? H1_FRAME_LENGTH
                              : fin || h->upgrade != UPGRADE_NONE ? H1_FRAME_NONE
                                                                  : H1_FRAME_CHUNKED;
    h1_buf_init(&b);
    check(h1_write_request(&b, h, framing));
    if (b.len < H1_HEAD_MAX && h->n_fields < H1_FIELDS_MAX - 8) {
        check(h1_scan(&s, (uint8_t *)b.p, b.len, &end) == H1_DONE && end == b.len);
        if (h1_parse_request(a, (uint8_t *)b.p, b.len, true, &again) == REASON_NONE) {
            check(strcmp(again.h.method, h->method) == 0 && strcmp(again.h.target, h->target) == 0);
            check(again.h.n_fields == h->n_fields && again.h.content_length == h->content_length);
            check(again.chunked == (framing == H1_FRAME_CHUNKED) && again.h.upgrade == h->upgrade);
        }
    }
    h1_buf_free(&b);
}

static void same_in_http2(const struct http_head *h)
{
    struct h2_nv nv;
    check(h2_nv_request(&nv, h));
    check(nv.n >= h->n_fields + 4);
    h2_nv_free(&nv);
}

static void whole_block(struct h2_block *b, struct arena *a, bool fin)
{
    struct http_head h;
    if (b->kind == H2_REQUEST && h2_block_request(b, true, fin, &h) == REASON_NONE) {
        clean(h.method, strlen(h.method));
        clean(h.target, strlen(h.target));
        clean(h.authority, strlen(h.authority));
        check(!strchr(h.target, ' ') && !strchr(h.authority, ' ') && strlen(h.method) > 0);
        fields_clean(h.fields, h.n_fields);
        same_in_http1(a, &h, fin);
        same_in_http2(&h);
    } else if (b->kind == H2_RESPONSE && h2_block_response(b, false, fin, &h)) {
        check(h.status >= 100 && h.status <= 999 && h.status != 101);
        fields_clean(h.fields, h.n_fields);
    } else if (b->kind == H2_TRAILERS && h2_block_trailers(b)) {
        fields_clean(b->fields, b->n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 1)
        return 0;
    struct arena a;
    struct h2_block b;
    arena_init(&a, KIB(2048));
    h2_block_init(&b, p[0] & 4 ? H2_TRAILERS : p[0] & 2 ? H2_RESPONSE : H2_REQUEST, &a);
    for (size_t at = 1; at + 2 <= n;) {
        size_t name = p[at], value = p[at + 1];
        at += 2;
        if (name + value > n - at)
            break;
        h2_block_add(&b, (const char *)p + at, name, (const char *)p + at + name, value);
        at += name + value;
    }
    whole_block(&b, &a, p[0] & 1);
    arena_free(&a);
    return 0;
}
