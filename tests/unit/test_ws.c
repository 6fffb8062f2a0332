/* WebSocket frames, one rule of RFC 6455 a case. */
#include <criterion/criterion.h>
#include <string.h>

#include "appliance/http/ws.h"
#include "appliance/http/ws_filter.h"
#include "lib/base.h"

static char text[1 << 18]; /* what came of it: "1[hello]." is a whole text message, "bad" an error */

static void add(const char *s, size_t n)
{
    size_t at = strlen(text);
    memcpy(text + at, s, n);
    text[at + n] = '\0';
}

static const char *parse_split(bool masked, const void *in, size_t n, size_t step)
{
    struct ws_parser p;
    struct ws_event ev;
    uint8_t room[300];
    ws_parser_init(&p, masked);
    text[0] = '\0';
    for (const uint8_t *at = in, *all = at + n; at < all;) {
        const uint8_t *end = at + MIN(step, (size_t)(all - at));
        for (;;) {
            enum ws_result r = ws_next(&p, &at, end, room, sizeof room, &ev);
            if (r == WS_MORE)
                break;
            if (r == WS_BAD) {
                add("bad", 3);
                return text;
            }
            char op = (char)('0' + ev.opcode);
            if (ev.first || r == WS_CONTROL)
                add(&op, 1);
            add("[", 1);
            add((const char *)ev.data, ev.len);
            add(ev.last ? "]." : "]", ev.last ? 2 : 1);
        }
        cr_assert_eq(at, end, "all is used up");
    }
    return text;
}

#define SERVER(octets) parse_split(false, octets, sizeof(octets) - 1, sizeof(octets))
#define CLIENT(octets) parse_split(true, octets, sizeof(octets) - 1, sizeof(octets))

Test(ws, the_examples_of_the_rfc)
{
    cr_expect_str_eq(SERVER("\x81\x05Hello"), "1[Hello].");
    cr_expect_str_eq(CLIENT("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "1[Hello].");
    cr_expect_str_eq(SERVER("\x01\x03Hel\x80\x02lo"), "1[Hel][lo].");
    cr_expect_str_eq(SERVER("\x89\x05Hello"), "9[Hello].");
    cr_expect_str_eq(CLIENT("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), ":[Hello].");
}

Test(ws, control_frames_between_fragments)
{
    cr_expect_str_eq(SERVER("\x01\x01"
                            "a\x89\x00\x80\x01"
                            "b\x82\x00"),
        "1[a]9[].[b].2[].");
    cr_expect_str_eq(SERVER("\x88\x02\x03\xe8"), "8[\x03\xe8].");
    cr_expect_str_eq(SERVER("\x88\x00"), "8[].");
}

Test(ws, broken_rules)
{
    cr_expect_str_eq(CLIENT("\x81\x05Hello"), "bad", "not masked");
    cr_expect_str_eq(SERVER("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "bad", "masked");
    cr_expect_str_eq(SERVER("\xc1\x01x"), "bad", "RSV1");
    cr_expect_str_eq(SERVER("\xa1\x01x"), "bad", "RSV2");
    cr_expect_str_eq(SERVER("\x91\x01x"), "bad", "RSV3");
    cr_expect_str_eq(SERVER("\x83\x01x"), "bad", "opcode 3");
    cr_expect_str_eq(SERVER("\x8b\x00"), "bad", "opcode 11");
    cr_expect_str_eq(SERVER("\x80\x01x"), "bad", "a continuation of nothing");
    cr_expect_str_eq(SERVER("\x01\x01x\x81\x01y"), "1[x]bad", "a message in a message");
    cr_expect_str_eq(SERVER("\x09\x01x"), "bad", "a ping in parts");
    cr_expect_str_eq(SERVER("\x89\x7e\x00\x7e"), "bad", "a long ping");
    cr_expect_str_eq(SERVER("\x88\x01x"), "bad", "half a close code");
    cr_expect_str_eq(SERVER("\x88\x02\x03\xed"), "bad", "1005");
    cr_expect_str_eq(SERVER("\x88\x02\x03\xe7"), "bad", "999");
    cr_expect_str_eq(SERVER("\x88\x00\x81\x00"), "8[].bad", "after the close");
    cr_expect_str_eq(SERVER("\x81\x7e\x00\x05Hello"), "bad", "a length that needs less");
    cr_expect_str_eq(SERVER("\x81\x7f\0\0\0\0\0\0\0\x05Hello"), "bad", "a length that needs less");
    cr_expect_str_eq(SERVER("\x82\x7f\x80\0\0\0\0\0\0\0"), "bad", "63 bits");
}

Test(ws, every_split)
{
    static const char in[] = "\x01\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x89\x81"
                             "abcd\x19\x80\x85\x37\xfa\x21\x3d"
                             "\x7f\x9f\x4d\x51\x58";
    for (size_t step = 1; step < sizeof in; step++) {
        const char *got = parse_split(true, in, sizeof in - 1, step);
        char joined[100] = "";
        for (const char *p = got; *p; p++)
            if (*p != '[' && *p != ']')
                strncat(joined, p, 1);
        cr_expect_str_eq(joined, "1Hello9x.Hello.", "by %zu: %s", step, got);
    }
}

Test(ws, lengths_are_written_as_they_are_read)
{
    static const uint64_t lengths[] = {0, 1, 125, 126, 65535, 65536, 1ull << 40};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        uint8_t head[WS_HEAD_MAX], room[1];
        struct ws_parser p;
        struct ws_event ev;
        size_t n = ws_head(head, WS_BINARY, true, lengths[i], NULL);
        const uint8_t *at = head;
        ws_parser_init(&p, false);
        cr_assert_eq(ws_next(&p, &at, head + n, room, 1, &ev), lengths[i] ? WS_MORE : WS_DATA);
        cr_assert_eq(at, head + n);
        cr_assert_eq(p.length, lengths[i]);
    }
}

/* ---- the filter ---- */

static enum reason no_x(void *arg, enum inspect_direction dir, const uint8_t *p, size_t n, bool is_text,
    bool first, bool last, struct inspect_out *out)
{
    (void)dir, (void)is_text, (void)last;
    int *messages = arg;
    *messages += first;
    const uint8_t *x = n ? memchr(p, 'x', n) : NULL;
    out->n_spans = 1;
    out->span[0].p = p;
    out->span[0].n = x ? (size_t)(x - p) : n;
    return x ? REASON_DLP_INBOUND : REASON_NONE;
}

static enum reason no_control(void *arg, enum inspect_direction dir, const uint8_t *p, size_t n)
{
    (void)arg, (void)dir;
    return memchr(p, 'x', n) ? REASON_DLP_INBOUND : REASON_NONE;
}

Test(ws, the_filter_passes_frames_that_come_whole_as_they_are)
{
    static const struct ws_inspection none;
    struct ws_filter *f = ws_filter_new(&none);
    struct ws_out out;
    static const char in[] = "\x01\x03Hel\x80\x02lo\x82\x00\x89\x01p";
    cr_assert_eq(ws_filter_feed(f, INSPECT_INBOUND, (const uint8_t *)in, sizeof in - 1, &out), REASON_NONE);
    cr_assert_eq(out.n, sizeof in - 1 + 0);
    cr_assert_eq(memcmp(out.p, "\x01\x03Hel\x80\x02lo\x82\x00\x89\x01p", out.n), 0);
    free(out.p);
    ws_filter_free(f);
}

Test(ws, the_filter_is_always_between_two_frames)
{
    int messages = 0;
    const struct ws_inspection i = {no_x, no_control, &messages};
    struct ws_filter *f = ws_filter_new(&i);
    struct ws_out out;
    uint8_t close[WS_CLOSE_FRAME_MAX];
    cr_assert_eq(ws_filter_feed(f, INSPECT_INBOUND,
                     (const uint8_t *)"\x81\x20"
                                      "abc",
                     5, &out),
        REASON_NONE);
    cr_assert_eq(out.n, 5);
    cr_assert_eq(memcmp(out.p,
                     "\x01\x03"
                     "abc",
                     5),
        0, "what has come is a fragment");
    free(out.p);
    cr_assert_eq(
        ws_filter_feed(f, INSPECT_INBOUND, (const uint8_t *)"dxsecret", 8, &out), REASON_DLP_INBOUND);
    cr_assert_eq(out.n, 3);
    cr_assert_eq(memcmp(out.p,
                     "\x00\x01"
                     "d",
                     3),
        0, "no octet of the match");
    free(out.p);
    cr_assert_eq(ws_filter_close(f, INSPECT_INBOUND, 1008, "why", close), 7);
    cr_assert_eq(memcmp(close, "\x88\x05\x03\xf0why", 7), 0);
    cr_assert_eq(ws_filter_close(f, INSPECT_INBOUND, 1008, "why", close), 0, "once");
    cr_assert_eq(ws_filter_close(f, INSPECT_OUTBOUND, 1008, "why", close), 11, "masked");
    cr_assert_eq(messages, 1);
    ws_filter_free(f);
}

Test(ws, control_payloads_are_looked_at)
{
    int messages = 0;
    const struct ws_inspection i = {no_x, no_control, &messages};
    struct ws_filter *f = ws_filter_new(&i);
    struct ws_out out;
    cr_assert_eq(ws_filter_feed(f, INSPECT_INBOUND, (const uint8_t *)"\x89\x01p\x89\x01x", 6, &out),
        REASON_DLP_INBOUND);
    cr_assert_eq(out.n, 3);
    free(out.p);
    ws_filter_free(f);
}

Test(ws, towards_servers_each_frame_has_a_new_mask)
{
    static const struct ws_inspection none;
    struct ws_filter *f = ws_filter_new(&none);
    struct ws_out out;
    static const char in[] = "\x82\x84\0\0\0\0GET \x82\x84\0\0\0\0GET ";
    cr_assert_eq(ws_filter_feed(f, INSPECT_OUTBOUND, (const uint8_t *)in, sizeof in - 1, &out), REASON_NONE);
    cr_assert_eq(out.n, sizeof in - 1);
    cr_assert_neq(memcmp(out.p + 2, out.p + 12, 4), 0);
    cr_assert_neq(memcmp(out.p + 2, "\0\0\0\0", 4), 0);
    uint8_t plain[4];
    ws_mask(plain, out.p + 16, 4, out.p + 12, 0);
    cr_assert_eq(memcmp(plain, "GET ", 4), 0);
    free(out.p);
    ws_filter_free(f);
}
