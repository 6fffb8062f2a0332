#include "dns/answer.h"

#include "dns/record.h"
#include "lib/base.h"

/* Records of one section that are looked at; no sane answer has more. */
#define RECORDS_MAX 512u

enum answer_match answer_match(const uint8_t *msg, size_t len, const struct answer_ask *ask, unsigned *rcode)
{
    struct wire_in w = {.p = msg, .len = len};
    struct dns_name name;
    uint16_t id = wire_u16(&w), flags = wire_u16(&w), qd = wire_u16(&w);

    w.at = DNS_HEADER;
    if (w.bad || len < DNS_HEADER || id != ask->id || (flags & DNS_QR) == 0 || DNS_OPCODE(flags) != 0)
        return ANSWER_FOREIGN;
    *rcode = DNS_RCODE(flags);
    /* Some servers send FORMERR or NOTIMP without the question. Such an answer carries nothing but "no". */
    if (qd == 0 && (*rcode == RCODE_FORMERR || *rcode == RCODE_NOTIMP))
        return ANSWER_OURS;
    wire_name(&w, &name);
    uint16_t type = wire_u16(&w), class = wire_u16(&w);
    if (w.bad || qd != 1 || type != ask->qtype || class != CLASS_IN || !dns_name_eq(&name, ask->name))
        return ANSWER_FOREIGN;
    return flags & DNS_TC ? ANSWER_TRUNCATED : ANSWER_OURS;
}

void answer_init(struct answer *a, struct dns_body *body, const struct dns_name *name)
{
    body_init(body, name->len);
    a->owner = *name;
    a->body = body;
    a->ttl = UINT32_MAX;
    a->rcode = RCODE_NOERROR;
    a->ad = true;
    a->negative = a->has_soa = false;
    a->n_cnames = 0;
    a->n_private = a->n_never = 0;
}

static void use_ttl(struct answer *a, uint32_t ttl)
{
    a->ttl = MIN(a->ttl, ttl);
}

/* Follows aliases from a->owner within the answer section. Their order does not matter. */
static int follow_aliases(struct answer *a, const uint8_t *msg, size_t len, size_t start, unsigned n)
{
    struct record r;

    for (bool found = true; found;) {
        struct wire_in w = {.p = msg, .len = len, .at = start};
        found = false;
        for (unsigned i = 0; i < n && !found; i++) {
            record_read(&w, &r);
            found = !w.bad && r.type == TYPE_CNAME && dns_name_eq(&r.owner, &a->owner);
        }
        if (w.bad)
            return -EBADMSG;
        if (!found)
            break;
        struct wire_in rd = {.p = msg, .len = len, .at = r.rdata};
        wire_name(&rd, &a->owner);
        if (rd.bad || rd.at != r.rdata + r.rdlen || ++a->n_cnames > CNAME_CHAIN_MAX)
            return -EBADMSG;
        dns_name_lower(&a->owner);
        use_ttl(a, r.ttl);
        body_add_cname(a->body, &a->owner);
    }
    return 0;
}

static int use_address(struct answer *a, const uint8_t *rdata, const struct record *r, bool allow_private)
{
    struct addr addr;

    if (r->rdlen != (r->type == TYPE_A ? 4 : 16))
        return -EBADMSG;
    if (r->type == TYPE_A)
        addr = addr_v4(rdata);
    else
        memcpy(addr.b, rdata, sizeof addr.b);
    bool mapped = r->type == TYPE_AAAA && addr_is_v4(&addr); /* no address of a server */
    if (mapped || addr_is_never(&addr)) {
        a->n_never++;
    } else if (!allow_private && !addr_is_global(&addr)) {
        a->n_private++;
    } else {
        use_ttl(a, r->ttl);
        body_add_addr(a->body, &addr);
    }
    return 0;
}

static int use_records(struct answer *a, const uint8_t *msg, size_t len, struct wire_in *w, unsigned n,
    uint16_t qtype, bool private)
{
    uint8_t rdata[BODY_MAX];
    struct record r;
    int err = 0;

    for (unsigned i = 0; i < n && err == 0; i++) {
        record_read(w, &r);
        if (w->bad)
            return -EBADMSG;
        if (r.type != qtype || !dns_name_eq(&r.owner, &a->owner))
            continue;
        if (qtype == TYPE_A || qtype == TYPE_AAAA) {
            err = use_address(a, msg + r.rdata, &r, private);
            continue;
        }
        struct wire_out out = {.p = rdata, .cap = sizeof rdata};
        bool bad = false;
        size_t rdlen = record_expand(msg, len, &r, &out, &bad);
        if (bad)
            return -EBADMSG;
        use_ttl(a, r.ttl);
        body_add(a->body, r.type, rdata, rdlen);
    }
    return err;
}

/* For a negative answer: how long it holds (RFC 2308 5). */
static int use_authority(struct answer *a, const uint8_t *msg, size_t len, struct wire_in *w, unsigned n)
{
    uint8_t rdata[2 * DNS_NAME_MAX + 20];
    struct record r;

    for (unsigned i = 0; i < n; i++) {
        record_read(w, &r);
        if (w->bad)
            return -EBADMSG;
        if (r.type != TYPE_SOA || a->has_soa || !a->negative)
            continue;
        struct wire_out out = {.p = rdata, .cap = sizeof rdata};
        bool bad = false;
        size_t rdlen = record_expand(msg, len, &r, &out, &bad);
        if (bad || rdlen < 22)
            return -EBADMSG;
        struct wire_in minimum = {.p = rdata, .len = rdlen, .at = rdlen - 4};
        use_ttl(a, r.ttl);
        use_ttl(a, wire_u32(&minimum));
        a->has_soa = true;
        body_add_soa(a->body, &r.owner, rdata, rdlen);
    }
    return 0;
}

int answer_read(struct answer *a, const uint8_t *msg, size_t len, uint16_t qtype, bool allow_private)
{
    struct wire_in w = {.p = msg, .len = len};
    (void)wire_u16(&w);
    uint16_t flags = wire_u16(&w), qd = wire_u16(&w), an = wire_u16(&w), ns = wire_u16(&w);
    uint16_t before = a->body->an;
    uint8_t aliases = a->n_cnames;

    (void)wire_u16(&w);
    if (w.bad || qd > 1 || an > RECORDS_MAX || ns > RECORDS_MAX)
        return -EBADMSG;
    if (qd == 1) {
        wire_skip_name(&w);
        (void)wire_u32(&w);
    }
    a->rcode = (uint8_t)DNS_RCODE(flags);
    a->ad &= (flags & DNS_AD) != 0;
    int err = qtype == TYPE_CNAME ? 0 : follow_aliases(a, msg, len, w.at, an);
    if (err == 0)
        err = use_records(a, msg, len, &w, an, qtype, allow_private);
    if (err != 0)
        return err;
    bool data = a->body->an - before > a->n_cnames - aliases || a->n_private > 0 || a->n_never > 0;
    a->negative = !data;
    return use_authority(a, msg, len, &w, ns);
}

bool answer_unfinished(const struct answer *a)
{
    return a->rcode == RCODE_NOERROR && a->negative && !a->has_soa && a->n_cnames > 0;
}
