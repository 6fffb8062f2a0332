#include "dns/query.h"

#include <string.h>

#include "dns/wire.h"
#include "lib/base.h"

/* The question's name: plain labels. A pointer has nothing before it to point to. */
static void read_qname(struct wire_in *w, struct dns_query *q)
{
    size_t used = 0;

    for (;;) {
        uint8_t n = wire_u8(w);
        const uint8_t *label = wire_skip(w, n);
        if (w->bad || n > DNS_LABEL_MAX || used + 1u + n > DNS_NAME_MAX) {
            w->bad = true;
            return;
        }
        q->name[used++] = n;
        for (size_t i = 0; i < n; i++)
            q->name[used++] = dns_lower(label[i]);
        if (n == 0)
            break;
    }
    q->name_len = (uint8_t)used;
}

/* Options are read past, never passed on: cookies, client subnet and padding among them (RFC 6891 6.1.2). */
static void read_options(const uint8_t *p, size_t len, struct wire_in *w)
{
    struct wire_in o = {.p = p, .len = len};

    while (!o.bad && o.at < o.len) {
        (void)wire_u16(&o);
        (void)wire_skip(&o, wire_u16(&o));
    }
    w->bad |= o.bad;
}

static bool read_opt(struct wire_in *w, struct dns_query *q)
{
    uint8_t root = wire_u8(w);
    uint16_t type = wire_u16(w);
    uint16_t size = wire_u16(w);
    uint32_t ttl = wire_u32(w);
    uint16_t rdlen = wire_u16(w);
    const uint8_t *rdata = wire_skip(w, rdlen);

    if (w->bad || root != 0 || type != TYPE_OPT) {
        w->bad = true;
        return false;
    }
    read_options(rdata, rdlen, w);
    q->edns = true;
    q->udp_size = MAX(size, (uint16_t)DNS_UDP_PLAIN);
    q->dnssec_ok = (ttl & 0x8000u) != 0;
    return (ttl >> 16 & 0xffu) == 0;
}

enum query_fault query_parse(const uint8_t *msg, size_t len, struct dns_query *q)
{
    struct wire_in w = {.p = msg, .len = len};
    bool version_known = true;

    q->question = NULL;
    q->question_len = 0;
    q->name_len = 0;
    q->qtype = q->qclass = 0;
    q->edns = q->dnssec_ok = false;
    q->udp_size = DNS_UDP_PLAIN;
    q->id = wire_u16(&w);
    q->flags = wire_u16(&w);
    unsigned qd = wire_u16(&w), an = wire_u16(&w), ns = wire_u16(&w), ar = wire_u16(&w);
    if (w.bad || (q->flags & DNS_QR) != 0)
        return QUERY_JUNK;
    if (qd >= 1) {
        read_qname(&w, q);
        q->qtype = wire_u16(&w);
        q->qclass = wire_u16(&w);
        if (w.bad) {
            q->name_len = 0;
        } else {
            q->question = msg + DNS_HEADER;
            q->question_len = (uint16_t)(w.at - DNS_HEADER);
        }
    }
    if (DNS_OPCODE(q->flags) != 0)
        return QUERY_NOTIMP;
    if (w.bad || qd != 1 || an != 0 || ns != 0 || ar > 1)
        return QUERY_FORMERR;
    if (ar == 1)
        version_known = read_opt(&w, q);
    if (w.bad || w.at != w.len)
        return QUERY_FORMERR;
    return version_known ? QUERY_OK : QUERY_BADVERS;
}

uint64_t dns_name_hash(const uint8_t *name, size_t len, uint16_t qtype, uint64_t seed)
{
    uint64_t h = seed ^ (uint64_t)len << 32 ^ qtype, word;

    for (; len >= sizeof word; name += sizeof word, len -= sizeof word) {
        memcpy(&word, name, sizeof word);
        h = (h ^ word) * 0x9fb21c651e98df25u;
        h ^= h >> 29;
    }
    word = 0;
    memcpy(&word, name, len);
    h = (h ^ word) * 0x9fb21c651e98df25u;
    return h ^ h >> 32;
}
