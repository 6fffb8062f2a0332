/* Names as DNSSEC compares them. All are lower case. */
#include "dns/dnssec_internal.h"

#define LABELS_MAX 128

/* Offsets of labels from the first to the last, without the root's. Returns how many. */
static unsigned split(const struct dns_name *n, uint8_t at[static LABELS_MAX])
{
    unsigned count = 0;

    for (size_t i = 0; i < n->len && n->b[i] != 0 && count < LABELS_MAX; i += 1u + n->b[i])
        at[count++] = (uint8_t)i;
    return count;
}

unsigned name_labels(const struct dns_name *n)
{
    uint8_t at[LABELS_MAX];

    return split(n, at);
}

struct dns_name name_suffix(const struct dns_name *n, unsigned labels)
{
    uint8_t at[LABELS_MAX];
    unsigned count = split(n, at);
    size_t from = labels == 0 ? n->len - 1u : labels >= count ? 0 : at[count - labels];
    struct dns_name out = {.len = (uint8_t)(n->len - from)};

    memcpy(out.b, n->b + from, out.len);
    return out;
}

bool name_same(const struct dns_name *a, const struct dns_name *b)
{
    return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

bool name_within(const struct dns_name *n, const struct dns_name *top)
{
    unsigned labels = name_labels(n), above = name_labels(top);

    if (labels < above)
        return false;
    struct dns_name end = name_suffix(n, above);
    return name_same(&end, top);
}

static int label_order(const uint8_t *a, const uint8_t *b)
{
    size_t n = a[0] < b[0] ? a[0] : b[0];
    int c = memcmp(a + 1, b + 1, n);

    return c != 0 ? c : (int)a[0] - (int)b[0];
}

int name_order(const struct dns_name *a, const struct dns_name *b)
{
    uint8_t aa[LABELS_MAX], bb[LABELS_MAX];
    unsigned na = split(a, aa), nb = split(b, bb);

    for (unsigned i = 1; i <= na && i <= nb; i++) {
        int c = label_order(a->b + aa[na - i], b->b + bb[nb - i]);
        if (c != 0)
            return c;
    }
    return (int)na - (int)nb;
}

unsigned name_common(const struct dns_name *a, const struct dns_name *b)
{
    uint8_t aa[LABELS_MAX], bb[LABELS_MAX];
    unsigned na = split(a, aa), nb = split(b, bb), i = 0;

    while (i < na && i < nb && label_order(a->b + aa[na - i - 1], b->b + bb[nb - i - 1]) == 0)
        i++;
    return i;
}

bool name_wildcard(const struct dns_name *n, struct dns_name *out)
{
    if (n->len + 2u > DNS_NAME_MAX)
        return false;
    out->b[0] = 1;
    out->b[1] = '*';
    memcpy(out->b + 2, n->b, n->len);
    out->len = (uint8_t)(n->len + 2);
    return true;
}

size_t name_plain(const uint8_t *p, size_t len, struct dns_name *out)
{
    size_t at = 0;

    while (at < len && p[at] != 0) {
        if (p[at] > DNS_LABEL_MAX || at + 1u + p[at] + 1u > DNS_NAME_MAX)
            return 0;
        at += 1u + p[at];
    }
    if (at >= len)
        return 0;
    out->len = (uint8_t)(at + 1);
    memcpy(out->b, p, out->len);
    dns_name_lower(out);
    return out->len;
}
