/* An upstream's message, taken for the answer to whatever question it holds. What we make of it must be well
 * formed, hold no address that the guard refuses, and read back as the same. */
#include <stdint.h>
#include <stdlib.h>

#include "dns/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void read_back(
    const struct dns_body *body, const struct dns_name *name, const struct answer *first, uint16_t type)
{
    static uint8_t out[REPLY_HEAD_MAX + BODY_MAX];
    static struct dns_body again;
    uint8_t question[DNS_NAME_MAX + 4];
    struct answer a;
    struct body_view v = body_view(body);
    struct dns_query q = {.flags = DNS_RD, .question = question, .question_len = (uint16_t)(name->len + 4)};

    memcpy(question, name->b, name->len);
    question[name->len] = (uint8_t)(type >> 8);
    question[name->len + 1] = (uint8_t)type;
    question[name->len + 2] = 0;
    question[name->len + 3] = CLASS_IN;
    size_t n = reply_write(out, sizeof out, &q, &(struct reply){.rcode = first->rcode, .ttl = 9, .body = &v});
    answer_init(&a, &again, name);
    check(answer_read(&a, out, n, type, true) == 0);
    check(again.an == body->an && again.n_addr == body->n_addr && again.ns == body->ns);
    check(body->n_ttl == 0 || body->ns > 0 || a.ttl == 9);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct dns_body body;
    struct wire_in w = {.p = data, .len = len, .at = DNS_HEADER};
    struct dns_name name;
    struct answer a;
    unsigned rcode;

    if (len < DNS_HEADER)
        return 0;
    wire_name(&w, &name);
    uint16_t type = wire_u16(&w);
    if (w.bad)
        return 0;
    dns_name_lower(&name);
    struct answer_ask ask = {.id = (uint16_t)(data[0] << 8 | data[1]), .qtype = type, .name = &name};
    (void)answer_match(data, len, &ask, &rcode);
    bool private = len % 2 == 0;
    answer_init(&a, &body, &name);
    if (answer_read(&a, data, len, type, private) < 0)
        return 0;
    struct body_view v = body_view(&body);
    for (unsigned i = 0; i < v.n_addr; i++) {
        struct addr addr = body_addr(&v, i);
        check(!addr_is_never(&addr) && (private || addr_is_global(&addr)));
    }
    if (type != TYPE_SOA && !body.full)
        read_back(&body, &name, &a, type);
    return 0;
}
