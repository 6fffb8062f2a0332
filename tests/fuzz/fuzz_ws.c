/* WebSocket frames: how octets are split makes no difference to the messages, and what the filter lets
 * through is frames by every rule, with the same payload. */
#include <stdlib.h>
#include <string.h>

#include "appliance/http/ws.h"
#include "appliance/http/ws_filter.h"
#include "lib/base.h"

struct seen {
    uint64_t sum; /* of opcodes of messages and payloads, whatever the fragments */
    bool bad;
    uint8_t opcode; /* of the message that has begun without an octet; 0: none */
};

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void mix(struct seen *s, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        s->sum = (s->sum ^ p[i]) * 0x100000001b3u;
}

static void parse(struct ws_parser *p, struct seen *s, const uint8_t *in, size_t n, size_t room_len)
{
    uint8_t room[64];
    struct ws_event ev;
    const uint8_t *end = in + n;
    enum ws_result r;
    while (!s->bad && (r = ws_next(p, &in, end, room, MIN(room_len, sizeof room), &ev)) != WS_MORE) {
        s->bad = r == WS_BAD;
        if (s->bad)
            check(ev.why != NULL);
        if (s->bad)
            break;
        bool control = ev.opcode >= WS_CLOSE;
        if (ev.first && !control)
            s->opcode = (uint8_t)ev.opcode;
        uint8_t mark[2] = {control ? (uint8_t)ev.opcode : s->opcode, 0xff};
        if (mark[0] && (control || ev.len || ev.last))
            mix(s, mark, 2);
        if (!control && (ev.len || ev.last))
            s->opcode = 0;
        mix(s, ev.data, ev.len);
    }
}

static void filtered(bool masked, const uint8_t *p, size_t n, size_t cut, const struct seen *want)
{
    static const struct ws_inspection none;
    struct ws_filter *f = ws_filter_new(&none);
    struct ws_parser again;
    struct seen got = {0};
    enum inspect_direction dir = masked ? INSPECT_OUTBOUND : INSPECT_INBOUND;
    enum reason why = REASON_NONE;
    check(f != NULL);
    ws_parser_init(&again, masked);
    for (int part = 0; part < 2 && why == REASON_NONE; part++) {
        struct ws_out out;
        why = ws_filter_feed(f, dir, part ? p + cut : p, part ? n - cut : cut, &out);
        parse(&again, &got, out.p, out.n, 64);
        check(!got.bad && !again.in_payload && again.have == 0);
        free(out.p);
    }
    check((why != REASON_NONE) == want->bad);
    if (!want->bad)
        check(got.sum == want->sum || n == 0);
    ws_filter_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 2)
        return 0;
    bool masked = p[0] & 1;
    size_t cut = 1 + p[1] % (n - 1);
    struct ws_parser one, two;
    struct seen a = {0}, b = {0};
    p += 1;
    n -= 1;
    cut = MIN(cut, n);
    ws_parser_init(&one, masked);
    ws_parser_init(&two, masked);
    parse(&one, &a, p, n, 64);
    parse(&two, &b, p, cut, 3);
    parse(&two, &b, p + cut, n - cut, 5);
    check(a.bad == b.bad && (a.bad || a.sum == b.sum));
    filtered(masked, p, n, cut, &a);
    return 0;
}
