#include "dns/record.h"

#include "lib/base.h"

void record_read(struct wire_in *w, struct record *r)
{
    wire_name(w, &r->owner);
    r->type = wire_u16(w);
    uint16_t class = wire_u16(w);
    r->ttl = wire_u32(w);
    if (r->ttl > INT32_MAX)
        r->ttl = 0; /* RFC 2181 8 */
    r->rdlen = wire_u16(w);
    r->rdata = w->at;
    (void)wire_skip(w, r->rdlen);
    if (class != CLASS_IN && r->type != TYPE_OPT)
        r->type = 0;
}

/* How RDATA is laid out where names in it may be compressed (RFC 1035 and older types only, RFC 3597 4; SRV
 * and NAPTR because servers do it): fixed octets, character strings, names, fixed octets. */
static const struct layout {
    uint16_t type;
    uint8_t before, strings, names, after;
} layouts[] = {
    {TYPE_NS, 0, 0, 1, 0},
    {TYPE_CNAME, 0, 0, 1, 0},
    {TYPE_SOA, 0, 0, 2, 20},
    {TYPE_PTR, 0, 0, 1, 0},
    {TYPE_MX, 2, 0, 1, 0},
    {TYPE_RP, 0, 0, 2, 0},
    {TYPE_AFSDB, 2, 0, 1, 0},
    {TYPE_SRV, 6, 0, 1, 0},
    {TYPE_NAPTR, 4, 3, 1, 0},
    {TYPE_KX, 2, 0, 1, 0},
    {TYPE_DNAME, 0, 0, 1, 0},
};

/* Octets as they stand; none where there are not so many. (Not as arguments of one call: which of them is
 * looked at first is the compiler's choice.) */
static void copy(struct wire_in *w, size_t n, struct wire_out *out)
{
    const uint8_t *p = wire_skip(w, n);

    if (p != NULL)
        wire_put(out, p, n);
}

size_t record_expand(const uint8_t *msg, size_t len, const struct record *r, struct wire_out *out, bool *bad)
{
    const struct layout *l = NULL;
    struct wire_in w = {.p = msg, .len = len, .at = r->rdata};
    struct dns_name name;

    for (size_t i = 0; i < ARRAY_LEN(layouts) && l == NULL; i++)
        if (layouts[i].type == r->type)
            l = &layouts[i];
    if (l == NULL) {
        wire_put(out, msg + r->rdata, r->rdlen);
    } else {
        copy(&w, l->before, out);
        for (unsigned i = 0; i < l->strings; i++) {
            uint8_t n = wire_u8(&w);
            wire_put(out, &n, 1);
            copy(&w, n, out);
        }
        for (unsigned i = 0; i < l->names; i++) {
            wire_name(&w, &name);
            wire_put(out, name.b, name.len);
        }
        copy(&w, l->after, out);
        *bad |= w.bad || w.at != r->rdata + r->rdlen;
    }
    *bad |= out->bad;
    return out->at;
}
