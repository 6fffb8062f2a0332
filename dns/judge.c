#include "dns/judge.h"

#include "lib/base.h"

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), e = strlen(end);

    return n >= e && strcmp(s + n - e, end) == 0;
}

static bool parse_in_addr(const char *s, struct addr *out)
{
    uint8_t b[4];

    for (int i = 3; i >= 0; i--) {
        unsigned v = 0, digits = 0;
        for (; *s >= '0' && *s <= '9' && digits < 3; s++, digits++)
            v = v * 10 + (unsigned)(*s - '0');
        if (digits == 0 || v > 255 || *s++ != '.')
            return false;
        b[i] = (uint8_t)v;
    }
    *out = addr_v4(b);
    return strcmp(s, "in-addr.arpa") == 0;
}

static bool parse_ip6(const char *s, struct addr *out)
{
    for (int i = 31; i >= 0; i--) {
        unsigned v;
        if (*s >= '0' && *s <= '9')
            v = (unsigned)(*s - '0');
        else if (*s >= 'a' && *s <= 'f')
            v = (unsigned)(*s - 'a') + 10;
        else
            return false;
        if (s[1] != '.')
            return false;
        s += 2;
        if (i % 2 != 0)
            out->b[i / 2] = (uint8_t)v;
        else
            out->b[i / 2] = (uint8_t)(out->b[i / 2] | v << 4);
    }
    return strcmp(s, "ip6.arpa") == 0;
}

bool dns_reverse_addr(const char *host, struct addr *out)
{
    return parse_in_addr(host, out) || parse_ip6(host, out);
}

static bool is_reverse(const char *host)
{
    return ends_with(host, ".in-addr.arpa") || ends_with(host, ".ip6.arpa");
}

static bool is_ours(const char *host)
{
    return strcmp(host, "egressd.internal") == 0 || ends_with(host, ".egressd.internal");
}

static struct dns_judgement judge_type(const struct route *r, uint16_t qtype, bool ipv6)
{
    switch (qtype) {
    case TYPE_A:
    case TYPE_CNAME: return (struct dns_judgement){DNS_ASK, REASON_NONE, r};
    case TYPE_AAAA: return (struct dns_judgement){ipv6 ? DNS_ASK : DNS_EMPTY, REASON_NONE, r};
    /* Their address hints and ECH keys would lead round the sidecar, their other parameters say little: none
     * at all. */
    case TYPE_HTTPS:
    case TYPE_SVCB: return (struct dns_judgement){DNS_EMPTY, REASON_NONE, r};
    case TYPE_ANY: return (struct dns_judgement){DNS_ANY, REASON_NONE, r};
    default: break;
    }
    if (qtype != TYPE_OPT && qtype != 0 && route_has_dns_type(r, qtype))
        return (struct dns_judgement){DNS_ASK, REASON_NONE, r};
    return (struct dns_judgement){DNS_REFUSE_TYPE, REASON_DNS_TYPE, r};
}

struct dns_judgement dns_judge(
    const struct policy *p, const char *host, uint16_t qtype, uint16_t qclass, bool ipv6)
{
    const struct route *r = host != NULL ? policy_route(p, host) : NULL;

    if (qclass != CLASS_IN || (qtype >= TYPE_META_FIRST && qtype < TYPE_ANY) || qtype == TYPE_OPT ||
        qtype == 0)
        return (struct dns_judgement){DNS_REFUSE, r != NULL ? REASON_DNS_TYPE : REASON_NO_ROUTE, r};
    if (host == NULL)
        return (struct dns_judgement){DNS_REFUSE_LOCAL, REASON_NO_ROUTE, NULL};
    if (is_ours(host))
        return strcmp(host, SENTINEL_HOST) == 0
                   ? (struct dns_judgement){DNS_SENTINEL, REASON_NONE, NULL}
                   : (struct dns_judgement){DNS_REFUSE_LOCAL, REASON_NO_ROUTE, NULL};
    if (is_reverse(host))
        return (struct dns_judgement){DNS_REVERSE, REASON_NO_ROUTE, NULL};
    if (r != NULL && !(r->implied && host_is_special(host))) {
        struct dns_judgement j = judge_type(r, qtype, ipv6);
        return policy_only_notes(p, j.reason) ? (struct dns_judgement){DNS_ASK, REASON_NONE, r} : j;
    }
    return (struct dns_judgement){
        host_is_special(host) ? DNS_REFUSE_LOCAL : DNS_REFUSE_NAME, REASON_NO_ROUTE, NULL};
}
