/* Which addresses may be dialled: the IANA special-purpose registries (RFC 6890, 8190) as tables. */
#include "lib/addr.h"

#include "lib/base.h"

enum scope {
    SCOPE_GLOBAL,
    SCOPE_PRIVATE, /* not globally routable; a route may allow it */
    SCOPE_NEVER, /* of this machine, this link, or everyone: no route may allow it */
};

struct range {
    uint8_t b[16];
    uint8_t bits;
    enum scope scope;
};

/* The longest prefix decides, so a table is ordered from the longest to the shortest. */
static const struct range v4_ranges[] = {
    {{255, 255, 255, 255}, 32, SCOPE_NEVER}, /* limited broadcast, RFC 919 */
    {{168, 63, 129, 16}, 32,
        SCOPE_PRIVATE}, /* Azure's host agent: not in the registry, but never "the world" */
    {{192, 0, 0, 0}, 24, SCOPE_PRIVATE}, /* IETF protocol assignments, RFC 6890 */
    {{192, 0, 2, 0}, 24, SCOPE_PRIVATE}, /* documentation, RFC 5737 */
    {{192, 88, 99, 0}, 24, SCOPE_PRIVATE}, /* 6to4 relay anycast, RFC 7526 */
    {{198, 51, 100, 0}, 24, SCOPE_PRIVATE}, /* documentation */
    {{203, 0, 113, 0}, 24, SCOPE_PRIVATE}, /* documentation */
    {{169, 254, 0, 0, false}, 16, SCOPE_NEVER}, /* link-local, RFC 3927; cloud metadata lives here */
    {{192, 168, 0, 0}, 16, SCOPE_PRIVATE}, /* RFC 1918 */
    {{198, 18, 0, 0}, 15, SCOPE_PRIVATE}, /* benchmarking, RFC 2544 */
    {{172, 16, 0, 0}, 12, SCOPE_PRIVATE}, /* RFC 1918 */
    {{100, 64, 0, 0, false}, 10, SCOPE_PRIVATE}, /* shared address space (CGNAT), RFC 6598 */
    {{0, 0, 0, 0}, 8, SCOPE_NEVER}, /* "this network", RFC 791; Linux takes 0.0.0.0 for itself */
    {{10, 0, 0, 0}, 8, SCOPE_PRIVATE}, /* RFC 1918 */
    {{127, 0, 0, 0}, 8, SCOPE_NEVER}, /* loopback, RFC 1122 */
    {{224, 0, 0, 0}, 4, SCOPE_NEVER}, /* multicast, RFC 5771 */
    {{240, 0, 0, 0}, 4, SCOPE_PRIVATE}, /* reserved, RFC 1112 */
};

/* Only 2000::/3 is given out as global unicast (RFC 4291 2.4); all else is not. */
static const struct range v6_ranges[] = {
    {{0}, 128, SCOPE_NEVER}, /* unspecified */
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, SCOPE_NEVER}, /* loopback */
    {{0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 128, SCOPE_NEVER}, /* EC2 metadata */
    {{0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 128, SCOPE_NEVER}, /* GCE metadata */
    {{0x20, 0x01, 0x00, 0x04, 0x01, 0x12}, 48, SCOPE_GLOBAL}, /* AS112, RFC 7535 */
    {{0x20, 0x01, 0x00, 0x03}, 32, SCOPE_GLOBAL}, /* AMT, RFC 7450 */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, SCOPE_PRIVATE}, /* documentation, RFC 3849 */
    {{0x20, 0x01, 0x00, 0x00}, 23,
        SCOPE_PRIVATE}, /* IETF protocol assignments, RFC 2928: ORCHID, benchmarking */
    {{0x3f, 0xff}, 20, SCOPE_PRIVATE}, /* documentation, RFC 9637 */
    {{0xfe, 0x80}, 10, SCOPE_NEVER}, /* link-local */
    {{0xff}, 8, SCOPE_NEVER}, /* multicast */
    {{0x20}, 3, SCOPE_GLOBAL}, /* global unicast */
};

static bool in_range(const uint8_t *a, const struct range *r)
{
    size_t whole = r->bits / 8u;
    if (memcmp(a, r->b, whole) != 0)
        return false;
    unsigned rest = r->bits % 8u;
    return rest == 0 || ((a[whole] ^ r->b[whole]) & (0xff00u >> rest) & 0xffu) == 0;
}

static enum scope lookup(const struct range *t, size_t n, const uint8_t *a, enum scope otherwise)
{
    for (size_t i = 0; i < n; i++)
        if (in_range(a, &t[i]))
            return t[i].scope;
    return otherwise;
}

static enum scope scope_v4(const uint8_t *a)
{
    return lookup(v4_ranges, ARRAY_LEN(v4_ranges), a, SCOPE_GLOBAL);
}

/* Forms that carry an IPv4 address to which somebody on the way may hand the packet: the worse of what the
 * form is itself and of what is inside counts. */
static const struct {
    struct range range;
    uint8_t at; /* where the IPv4 address begins */
    uint8_t skip; /* octet that is left out (RFC 6052 2.2: bits 64 to 71), 0 = none */
    uint8_t flip; /* Teredo inverts its client's address */
    bool guess; /* the address may as well stand elsewhere */
} embedded[] = {
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, SCOPE_GLOBAL}, 12, 0, 0, false}, /* v4-mapped */
    {{{0}, 96, SCOPE_PRIVATE}, 12, 0, 0, false}, /* v4-compatible, deprecated by RFC 4291 2.5.5.1 */
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, SCOPE_PRIVATE}, 12, 0, 0,
        false}, /* v4-translated, RFC 2765 */
    {{{0x00, 0x64, 0xff, 0x9b}, 96, SCOPE_GLOBAL}, 12, 0, 0, false}, /* NAT64, RFC 6052 */
    /* Local-use NAT64 (RFC 8215) is not global; the operator picks the prefix length, so each position is
       looked at. */
    {{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, SCOPE_PRIVATE}, 6, 8, 0, true},
    {{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, SCOPE_PRIVATE}, 7, 8, 0, true},
    {{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, SCOPE_PRIVATE}, 9, 0, 0, true},
    {{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, SCOPE_PRIVATE}, 12, 0, 0, true},
    {{{0x20, 0x02}, 16, SCOPE_GLOBAL}, 2, 0, 0, false}, /* 6to4, RFC 3056 */
    {{{0x20, 0x01, 0x00, 0x00}, 32, SCOPE_GLOBAL}, 4, 0, 0, false}, /* Teredo's server, RFC 4380 */
    {{{0x20, 0x01, 0x00, 0x00}, 32, SCOPE_GLOBAL}, 12, 0, 0xff, false}, /* and its client */
};

static enum scope scope_of(const struct addr *a)
{
    bool found = false;
    enum scope worst = SCOPE_GLOBAL;
    for (size_t i = 0; i < ARRAY_LEN(embedded); i++) {
        if (!in_range(a->b, &embedded[i].range))
            continue;
        uint8_t v4[4];
        for (size_t k = 0, at = embedded[i].at; k < sizeof v4; k++, at++) {
            if (embedded[i].skip && at == embedded[i].skip)
                at++;
            v4[k] = a->b[at] ^ embedded[i].flip;
        }
        found = true;
        worst = MAX(worst, embedded[i].range.scope);
        /* Where only the position is guessed, zeros are padding and not 0.0.0.0/8. */
        if (!embedded[i].guess || v4[0] != 0)
            worst = MAX(worst, scope_v4(v4));
    }
    if (addr_is_v4(a))
        return worst;
    enum scope own = lookup(v6_ranges, ARRAY_LEN(v6_ranges), a->b, SCOPE_PRIVATE);
    /* What stands for an IPv4 address is as good as that address; the outer range says nothing more. */
    return found && own != SCOPE_NEVER ? worst : own;
}

bool addr_is_global(const struct addr *a)
{
    return scope_of(a) == SCOPE_GLOBAL;
}

bool addr_is_never(const struct addr *a)
{
    return scope_of(a) == SCOPE_NEVER;
}
