#include "dns/reply.h"

#include "lib/base.h"

void body_init(struct dns_body *b, size_t qname_len)
{
    b->base = (uint16_t)(DNS_HEADER + qname_len + 4);
    b->owner = DNS_HEADER;
    b->an = b->ns = b->n_ttl = b->addr_at = b->n_addr = b->len = 0;
    b->full = false;
}

/* A record whose owner is given by a pointer or in full. Returns where its RDATA lies, or 0. */
static uint16_t add_record(struct dns_body *b, const uint8_t *owner, size_t owner_len, uint16_t type,
    const uint8_t *rdata, size_t len)
{
    struct wire_out w = {.p = b->b, .cap = sizeof b->b, .at = b->len};

    if (b->n_ttl >= ARRAY_LEN(b->ttl_at) || len > UINT16_MAX) {
        b->full = true;
        return 0;
    }
    wire_put(&w, owner, owner_len);
    wire_put_u16(&w, type);
    wire_put_u16(&w, CLASS_IN);
    size_t ttl_at = w.at;
    wire_put_u32(&w, 0);
    wire_put_u16(&w, (unsigned)len);
    uint16_t at = (uint16_t)w.at;
    wire_put(&w, rdata, len);
    if (w.bad) {
        b->full = true;
        return 0;
    }
    b->ttl_at[b->n_ttl++] = (uint16_t)ttl_at;
    b->len = (uint16_t)w.at;
    return at;
}

static uint16_t add_owned(struct dns_body *b, uint16_t type, const uint8_t *rdata, size_t len)
{
    const uint8_t pointer[2] = {(uint8_t)(0xc0 | b->owner >> 8), (uint8_t)b->owner};
    uint16_t at = 0;

    if (b->an < BODY_RECORDS_MAX)
        at = add_record(b, pointer, sizeof pointer, type, rdata, len);
    if (at != 0)
        b->an++;
    else
        b->full = true;
    return at;
}

void body_add(struct dns_body *b, uint16_t type, const uint8_t *rdata, size_t len)
{
    (void)add_owned(b, type, rdata, len);
}

void body_add_addr(struct dns_body *b, const struct addr *a)
{
    bool v4 = addr_is_v4(a);
    uint16_t start = b->len;

    if (add_owned(b, v4 ? TYPE_A : TYPE_AAAA, v4 ? a->b + 12 : a->b, v4 ? 4 : 16) == 0)
        return;
    if (b->n_addr++ == 0)
        b->addr_at = start;
}

void body_add_cname(struct dns_body *b, const struct dns_name *target)
{
    uint16_t at = add_owned(b, TYPE_CNAME, target->b, target->len);

    if (at != 0)
        b->owner = (uint16_t)(b->base + at);
}

void body_add_soa(struct dns_body *b, const struct dns_name *owner, const uint8_t *rdata, size_t len)
{
    if (add_record(b, owner->b, owner->len, TYPE_SOA, rdata, len) != 0)
        b->ns++;
}

struct body_view body_view(const struct dns_body *b)
{
    return (struct body_view){.b = b->b,
        .ttl_at = b->ttl_at,
        .len = b->len,
        .an = b->an,
        .ns = b->ns,
        .n_ttl = b->n_ttl,
        .addr_at = b->addr_at,
        .n_addr = b->n_addr};
}

struct addr body_addr(const struct body_view *v, unsigned i)
{
    const uint8_t *r =
        v->b + v->addr_at; /* pointer, type, class, ttl, length: 12 octets before the address */
    struct addr a;

    if (r[3] == TYPE_A)
        return addr_v4(r + (size_t)i * 16 + 12);
    memcpy(a.b, r + (size_t)i * 28 + 12, sizeof a.b);
    return a;
}

size_t reply_udp_limit(const struct dns_query *q)
{
    return MIN(q->udp_size, (uint16_t)DNS_UDP_MAX);
}

static void set_u16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void set_ttls(uint8_t *body, const struct body_view *v, uint32_t ttl)
{
    for (size_t i = 0; i < v->n_ttl; i++) {
        set_u16(body + v->ttl_at[i], ttl >> 16);
        set_u16(body + v->ttl_at[i] + 2, ttl & 0xffffu);
    }
}

static void put_opt(struct wire_out *w, const struct dns_query *q, const struct reply *r)
{
    bool ede = r->ede >= 0;

    wire_put(w, "", 1);
    wire_put_u16(w, TYPE_OPT);
    wire_put_u16(w, DNS_UDP_MAX);
    wire_put_u16(w, r->rcode >> 4 << 8);
    wire_put_u16(w, q->dnssec_ok ? 0x8000u : 0);
    wire_put_u16(w, ede ? 6 : 0);
    if (ede) {
        wire_put_u16(w, 15); /* RFC 8914 2 */
        wire_put_u16(w, 2);
        wire_put_u16(w, (unsigned)r->ede);
    }
}

size_t reply_write(uint8_t *out, size_t limit, const struct dns_query *q, const struct reply *r)
{
    size_t opt = q->edns ? (r->ede >= 0 ? 17 : 11) : 0, head = DNS_HEADER + (size_t)q->question_len;
    const struct body_view *v = r->body;
    bool cut = v != NULL && head + v->len + opt > limit;
    unsigned flags = DNS_QR | DNS_RA | (q->flags & (DNS_RD | DNS_CD | 0x7800u)) | (r->rcode & 15u);

    if (r->ad && !cut)
        flags |= DNS_AD;
    if (cut) {
        flags |= DNS_TC;
        v = NULL;
    }
    struct wire_out w = {.p = out, .cap = MAX(limit, (size_t)REPLY_HEAD_MAX)};
    wire_put_u16(&w, q->id);
    wire_put_u16(&w, flags);
    wire_put_u16(&w, q->question_len != 0);
    wire_put_u16(&w, v != NULL ? v->an : 0);
    wire_put_u16(&w, v != NULL ? v->ns : 0);
    wire_put_u16(&w, q->edns);
    wire_put(&w, q->question, q->question_len);
    if (v != NULL) {
        size_t at = w.at;
        wire_put(&w, v->b, v->len);
        set_ttls(out + at, v, r->ttl);
    }
    if (q->edns)
        put_opt(&w, q, r);
    return w.at;
}

size_t reply_reduce(uint8_t *msg, size_t question_len, unsigned rcode)
{
    msg[2] &= (uint8_t) ~((DNS_AA | DNS_TC) >> 8);
    msg[3] = (uint8_t)((msg[3] & ~(DNS_AD | 15u)) | (rcode & 15u));
    memset(msg + 6, 0, 6);
    return DNS_HEADER + question_len;
}
