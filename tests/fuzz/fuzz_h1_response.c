/* A response head: no octets crash us, however they are split, and what is written from the parsed form reads
 * as the same response. */
#include <stdlib.h>

#include "appliance/http/exchange.h"
#include "appliance/http/h1_parse.h"
#include "appliance/http/h1_write.h"

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void same_again(struct arena *a, const struct h1_head *first, struct h1_asked asked)
{
    struct h1_buf b;
    struct h1_scan s = {.kind = H1_RESPONSE};
    struct h1_head again;
    size_t end;
    enum h1_framing framing = first->chunked                 ? H1_FRAME_CHUNKED
                              : first->h.content_length >= 0 ? H1_FRAME_LENGTH
                                                             : H1_FRAME_CLOSE;
    h1_buf_init(&b);
    check(h1_write_response(&b, &first->h, framing, H1_CONN_NONE));
    if (b.len < H1_HEAD_MAX && first->h.n_fields < H1_FIELDS_MAX - 8) {
        check(h1_scan(&s, (uint8_t *)b.p, b.len, &end) == H1_DONE && end == b.len);
        check(h1_parse_response(a, (uint8_t *)b.p, b.len, asked, &again) == REASON_NONE);
        check(again.status == first->status && again.h.n_fields == first->h.n_fields);
        check(again.body == first->body && again.h.content_length == first->h.content_length);
    }
    h1_buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const uint8_t *p = data + 2;
    size_t n = size - 2, cut = data[1] % (n + 1), end = 0, end2 = 0;
    struct h1_asked asked = {.head = data[0] & 1, .upgrade = data[0] & 2};
    struct h1_scan one = {.kind = H1_RESPONSE}, two = one;
    enum h1_scan_result r = h1_scan(&one, p, n, &end), r2 = h1_scan(&two, p, cut, &end2);
    if (r2 == H1_MORE)
        r2 = h1_scan(&two, p, n, &end2);
    check(r == r2 && end == end2);
    if (r != H1_DONE)
        return 0;
    struct arena a;
    struct h1_head h;
    arena_init(&a, 0);
    if (h1_parse_response(&a, p, end, asked, &h) == REASON_NONE)
        same_again(&a, &h, asked);
    arena_free(&a);
    return 0;
}
