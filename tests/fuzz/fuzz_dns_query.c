/* A client's message: read, answered, and the answer must stand any reader. */
#include <stdint.h>
#include <stdlib.h>

#include "dns/answer.h"
#include "dns/query.h"
#include "dns/reply.h"
#include "dns/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void walk(const uint8_t *msg, size_t len)
{
    struct wire_in w = {.p = msg, .len = len, .at = 4};
    unsigned qd = wire_u16(&w), records = wire_u16(&w);

    records += wire_u16(&w);
    records += wire_u16(&w);
    for (unsigned i = 0; i < qd; i++) {
        wire_skip_name(&w);
        (void)wire_u32(&w);
    }
    for (unsigned i = 0; i < records; i++) {
        wire_skip_name(&w);
        (void)wire_skip(&w, 8);
        (void)wire_skip(&w, wire_u16(&w));
    }
    check(!w.bad && w.at == w.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t out[REPLY_HEAD_MAX + BODY_MAX];
    struct dns_query q;
    struct dns_body body;
    char host[HOSTNAME_MAX + 1], text[DNS_TEXT_MAX];
    struct addr addr = {{0x20, 1, 0xd, 0xb8}};
    enum query_fault fault = query_parse(data, len, &q);

    if (fault == QUERY_JUNK)
        return 0;
    struct reply r = {.rcode = fault == QUERY_BADVERS ? RCODE_BADVERS : 0, .ede = EDE_BLOCKED, .ttl = 5};
    struct body_view v;
    if (fault == QUERY_OK) {
        check(q.name_len > 0 && q.question_len == q.name_len + 4);
        dns_name_text(q.name, q.name_len, text);
        if (dns_name_host(q.name, q.name_len, host)) {
            struct dns_name again;
            dns_name_from_host(host, &again);
            check(again.len == q.name_len && memcmp(again.b, q.name, again.len) == 0);
        }
        body_init(&body, q.name_len);
        for (unsigned i = 0; i < 40; i++)
            body_add_addr(&body, &addr);
        v = body_view(&body);
        r.body = &v;
    }
    size_t limit = reply_udp_limit(&q), n = reply_write(out, limit, &q, &r);
    check(n <= limit || n <= REPLY_HEAD_MAX);
    walk(out, n);
    walk(out, reply_write(out, sizeof out, &q, &r));
    walk(out, reply_reduce(out, q.question_len, RCODE_SERVFAIL));
    return 0;
}
