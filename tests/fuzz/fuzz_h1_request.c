/* A request head and body: no octets crash us; how they are split makes no difference; and what is written
 * from the parsed form reads as the same request, with nothing left over. */
#include <stdlib.h>
#include <string.h>

#include "appliance/http/h1_body.h"
#include "appliance/http/h1_parse.h"
#include "appliance/http/h1_write.h"
#include "lib/hostname.h"

static void check(bool ok)
{
    if (!ok)
        abort();
}

static enum h1_scan_result scan(const uint8_t *p, size_t n, size_t cut, struct h1_scan *s, size_t *end)
{
    *s = (struct h1_scan){.kind = H1_REQUEST};
    enum h1_scan_result r = h1_scan(s, p, cut, end);
    return r == H1_MORE ? h1_scan(s, p, n, end) : r;
}

static void same_again(struct arena *a, const struct h1_head *first)
{
    struct h1_buf b;
    struct h1_scan s;
    struct h1_head again;
    size_t end;
    enum h1_framing framing = first->chunked                 ? H1_FRAME_CHUNKED
                              : first->h.content_length >= 0 ? H1_FRAME_LENGTH
                                                             : H1_FRAME_NONE;
    char host[HOSTNAME_MAX + 1];
    uint16_t port;
    const char *authority = first->h.authority; /* the exchange lets only a good one go on */
    if (!authority || host_port_canon(authority, strlen(authority), host, NULL, &port) == HOST_BAD)
        return;
    h1_buf_init(&b);
    check(h1_write_request(&b, &first->h, framing));
    if (b.len < H1_HEAD_MAX && first->h.n_fields < H1_FIELDS_MAX - 8) {
        check(scan((uint8_t *)b.p, b.len, b.len, &s, &end) == H1_DONE && end == b.len && s.skipped == 0);
        check(h1_parse_request(a, (uint8_t *)b.p, b.len, true, &again) == REASON_NONE);
        check(strcmp(again.h.method, first->h.method) == 0 && strcmp(again.h.target, first->h.target) == 0);
        check(again.h.n_fields == first->h.n_fields && again.h.content_length == first->h.content_length);
        check(again.chunked == first->chunked && again.h.upgrade == first->h.upgrade);
    }
    h1_buf_free(&b);
}

static size_t body(struct h1_body *b, const uint8_t *p, size_t n, size_t cut, uint64_t *sum)
{
    const uint8_t *at = p, *data;
    size_t len;
    enum h1_body_result r;
    for (int part = 0; part < 2; part++) {
        const uint8_t *end = part ? p + n : p + cut;
        while ((r = h1_body_next(b, &at, end, &data, &len)) == H1_BODY_DATA)
            for (size_t i = 0; i < len; i++)
                *sum = *sum * 31 + data[i];
        if (r != H1_BODY_MORE)
            return (size_t)r << 32 | (r == H1_BODY_DONE ? (size_t)(at - p) : 0);
    }
    return (size_t)r << 32;
}

static void bodies(const struct h1_head *h, const uint8_t *p, size_t n, size_t cut)
{
    struct h1_body one, two;
    uint64_t a = 0, b = 0;
    enum h1_body_kind kind = h->chunked ? H1_BODY_CHUNKED : H1_BODY_LENGTH;
    uint64_t length = h->chunked ? 0 : (uint64_t)h->h.content_length;
    h1_body_init(&one, kind, length);
    h1_body_init(&two, kind, length);
    size_t whole = body(&one, p, n, n, &a), parts = body(&two, p, n, cut, &b);
    check(whole == parts && a == b);
    check(one.trailers_len == two.trailers_len || whole >> 32 != H1_BODY_DONE);
    h1_body_free(&one);
    h1_body_free(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const uint8_t *p = data + 2;
    size_t n = size - 2, cut = (size_t)(data[0] << 8 | data[1]) % (n + 1), end = 0, end2 = 0;
    struct h1_scan s, s2;
    enum h1_scan_result r = scan(p, n, n, &s, &end), r2 = scan(p, n, cut, &s2, &end2);
    check(r == r2 && (r != H1_DONE || (end == end2 && s.skipped == s2.skipped)));
    if (r != H1_DONE)
        return 0;
    struct arena a;
    struct h1_head h;
    arena_init(&a, 0);
    if (h1_parse_request(&a, p + s.skipped, end - s.skipped, true, &h) == REASON_NONE &&
        strcmp(h.h.method, "CONNECT") != 0) {
        same_again(&a, &h);
        if (h.body)
            bodies(&h, p + end, n - end, cut > end ? cut - end : 0);
    }
    arena_free(&a);
    return 0;
}
