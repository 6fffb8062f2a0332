/* One HTTP/2 header block: what is taken, and as what; what is refused, and why. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lib/fields.h"
#include "appliance/http/h2_fields.h"
#include "appliance/http/h2_flood.h"

static struct arena arena;
static struct h2_block block;
static struct http_head head;

static void add_all(enum h2_kind kind, const char *const *pairs)
{
    arena_free(&arena);
    arena_init(&arena, H2_ARENA_MAX);
    h2_block_init(&block, kind, &arena);
    for (; *pairs; pairs += 2)
        h2_block_add(&block, pairs[0], strlen(pairs[0]), pairs[1], strlen(pairs[1]));
}

static enum reason request(bool fin, const char *const *pairs)
{
    add_all(H2_REQUEST, pairs);
    return h2_block_request(&block, true, fin, &head);
}
#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define REQ(fin, ...) request(fin, PAIRS(__VA_ARGS__))
#define GET ":method", "GET", ":scheme", "https", ":authority", "a.example", ":path", "/x?y"
#define POST ":method", "POST", ":scheme", "https", ":authority", "a.example", ":path", "/"

Test(h2_fields, a_request)
{
    cr_assert_eq(REQ(true, GET, "accept", "*/*", "te", "trailers", "host", "A.example"), REASON_NONE);
    cr_assert_str_eq(head.method, "GET");
    cr_assert_str_eq(head.target, "/x?y");
    cr_assert_str_eq(head.authority, "a.example");
    cr_assert_str_eq(head.scheme, "https");
    cr_assert(head.te_trailers);
    cr_assert_eq(head.n_fields, 1, "te and host are not fields any more");
    cr_assert_eq(head.content_length, -1);
}

Test(h2_fields, methods)
{
#define METHOD(m) REQ(true, ":method", m, ":scheme", "https", ":authority", "a.example", ":path", "/")
    cr_expect_eq(METHOD("QUERY"), REASON_NONE);
    cr_expect_str_eq(head.method, "QUERY");
    cr_expect_eq(
        METHOD("head"), REASON_MALFORMED, "a lenient server behind HTTP/1 would answer without a body");
    cr_expect_eq(METHOD("connect"), REASON_MALFORMED);
    cr_expect_eq(METHOD("GE:T"), REASON_MALFORMED);
    cr_expect_eq(METHOD("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG"), REASON_MALFORMED);
}

Test(h2_fields, bodies)
{
    cr_assert_eq(REQ(false, POST, "content-length", "3", "expect", "100-continue"), REASON_NONE);
    cr_assert_eq(head.content_length, 3);
    cr_assert(head.expect_continue);
    cr_assert_eq(REQ(true, POST), REASON_NONE);
    cr_assert_eq(head.content_length, 0, "a server of HTTP/1 wants to see that there is none");
    cr_assert_eq(REQ(true, POST, "content-length", "3"), REASON_MALFORMED);
    cr_assert_eq(REQ(false, POST, "content-length", "3", "content-length", "3"), REASON_MALFORMED);
    cr_assert_eq(REQ(false, POST, "content-length", "0x3"), REASON_MALFORMED);
    cr_assert_eq(REQ(false, POST, "content-length", ""), REASON_MALFORMED);
    cr_assert_eq(REQ(false, POST, "content-length", "9999999999999999999"), REASON_MALFORMED);
}

Test(h2_fields, cookie_crumbs_are_joined)
{
    cr_assert_eq(REQ(true, GET, "cookie", "a=1", "x", "y", "cookie", "b=2", "cookie", "c=3"), REASON_NONE);
    cr_assert_eq(head.n_fields, 2);
    const struct field *f = http_field(head.fields, head.n_fields, "cookie");
    cr_assert_eq(f->value_len, 13);
    cr_assert_eq(memcmp(f->value, "a=1; b=2; c=3", 13), 0);
}

Test(h2_fields, websocket_by_extended_connect)
{
#define WS \
    ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "a.example", ":path", \
        "/"
    cr_assert_eq(REQ(false, WS), REASON_NONE);
    cr_assert_str_eq(head.method, "GET");
    cr_assert_eq(head.upgrade, UPGRADE_WEBSOCKET);
    cr_assert_eq(REQ(true, WS), REASON_MALFORMED);
    cr_assert_eq(REQ(false, WS, "content-length", "3"), REASON_MALFORMED);
    cr_assert_eq(REQ(false, GET, "x", "y", ":protocol", "websocket"), REASON_MALFORMED);
    cr_assert_eq(REQ(false, ":method", "CONNECT", ":authority", "a.example:22"), REASON_MALFORMED);
}

Test(h2_fields, octets_that_would_be_a_line_of_http1)
{
    static const char *const bad_values[] = {
        "a\rb", "a\nb", "a\r\nb: c", "a\x01", "a\x7f", " a", "a ", "a\t"};
    static const char *const bad_names[] = {"", "A", "a b", "a:b", "a\r\nb", "a\n", "\x80", "a(b"};
    for (size_t i = 0; i < ARRAY_LEN(bad_values); i++)
        cr_expect_eq(REQ(true, GET, "x", bad_values[i]), REASON_MALFORMED, "value %zu", i);
    for (size_t i = 0; i < ARRAY_LEN(bad_names); i++)
        cr_expect_eq(REQ(true, GET, bad_names[i], "x"), REASON_MALFORMED, "name %zu", i);
    cr_expect_eq(REQ(true, GET, "x", "a b\tc", "y", "", "z", "\xc3\xbc"), REASON_NONE);
    add_all(H2_REQUEST, PAIRS(GET));
    h2_block_add(&block, "x", 1, "a\0b", 3);
    cr_expect_eq(h2_block_request(&block, true, true, &head), REASON_MALFORMED);
}

Test(h2_fields, limits)
{
    char name[16];
    add_all(H2_REQUEST, PAIRS(GET));
    for (int i = 0; i < 250; i++)
        h2_block_add(&block, name, (size_t)snprintf(name, sizeof name, "x-%d", i), "y", 1);
    cr_expect_eq(h2_block_request(&block, true, true, &head), REASON_LIMIT);
    static char big[H2_LIST_MAX];
    memset(big, 'x', sizeof big);
    add_all(H2_REQUEST, PAIRS(GET));
    h2_block_add(&block, "x", 1, big, sizeof big - 300);
    cr_expect_eq(h2_block_request(&block, true, true, &head), REASON_NONE);
    add_all(H2_REQUEST, PAIRS(GET));
    h2_block_add(&block, "x", 1, big, sizeof big);
    cr_expect_eq(h2_block_request(&block, true, true, &head), REASON_LIMIT);
    cr_expect_gt(block.list_size, sizeof big, "what is not kept is counted");
}

Test(h2_fields, responses_may_have_space_around_values)
{
    add_all(H2_RESPONSE, PAIRS(":status", "200", "x", " y "));
    cr_assert(h2_block_response(&block, false, false, &head));
    cr_assert_eq(head.fields[0].value_len, 1);
    add_all(H2_RESPONSE, PAIRS(":status", "304", "content-length", "9"));
    cr_assert(h2_block_response(&block, false, true, &head), "304 has the length of what it does not send");
}

Test(h2_fields, trailers)
{
    add_all(H2_TRAILERS, PAIRS("grpc-status", "0", "content-length", "3", "authorization", "x"));
    cr_assert(h2_block_trailers(&block));
    cr_assert_eq(block.n, 1);
    add_all(H2_TRAILERS, PAIRS(":path", "/"));
    cr_assert(!h2_block_trailers(&block));
    add_all(H2_TRAILERS, PAIRS("connection", "close"));
    cr_assert(!h2_block_trailers(&block));
}

/* ---- floods ---- */

Test(h2_fields, a_flood_is_counted_and_work_earns_back)
{
    struct h2_flood f;
    unsigned n = 0;
    h2_flood_init(&f, 1000);
    while (!h2_flood_control(&f, 1000, 1))
        n++;
    cr_assert_eq(n, H2_CONTROL_BURST);
    cr_assert(!h2_flood_control(&f, 3000, 1), "two seconds later");
    h2_flood_init(&f, 1000);
    for (int i = 0; i < 100000; i++) {
        h2_flood_useful(&f, 1);
        cr_assert(!h2_flood_control(&f, 1000, 1), "a ping for each piece of data");
    }
    for (n = 0; !h2_flood_reset(&f, 1000); n++)
        ;
    cr_assert_eq(n, H2_RESET_BURST);
    for (uint64_t ms = 2000; ms < 100000; ms += 1000 / H2_RESET_RATE)
        cr_assert(!h2_flood_reset(&f, ms), "a client that cancels now and then");
}

Test(h2_fields, frames_are_counted_however_they_are_cut)
{
    static const uint8_t octets[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                    "\0\0\0\4\0\0\0\0\0"
                                    "\0\1\2\273\0\0\0\0\0";
    static uint8_t all[sizeof octets - 1 + 258 + 9];
    memcpy(all, octets, sizeof octets - 1);
    for (size_t step = 1; step <= sizeof all; step++) {
        struct h2_frames f;
        unsigned n = 0;
        h2_frames_init(&f, true);
        for (size_t at = 0; at < sizeof all; at += step)
            n += h2_frames_count(&f, all + at, MIN(step, sizeof all - at));
        cr_assert_eq(n, 3, "%u frames by %zu octets", n, step);
    }
}
