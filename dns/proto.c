#include "dns/proto.h"

#include <stdio.h>

#include "lib/base.h"

static const struct {
    uint16_t type;
    const char *text;
} types[] = {
    {TYPE_A, "A"},
    {TYPE_AAAA, "AAAA"},
    {TYPE_HTTPS, "HTTPS"},
    {TYPE_CNAME, "CNAME"},
    {TYPE_TXT, "TXT"},
    {TYPE_SRV, "SRV"},
    {TYPE_MX, "MX"},
    {TYPE_NS, "NS"},
    {TYPE_SOA, "SOA"},
    {TYPE_PTR, "PTR"},
    {TYPE_SVCB, "SVCB"},
    {TYPE_ANY, "ANY"},
    {TYPE_HINFO, "HINFO"},
    {10, "NULL"},
    {11, "WKS"},
    {TYPE_RP, "RP"},
    {TYPE_AFSDB, "AFSDB"},
    {24, "SIG"},
    {25, "KEY"},
    {29, "LOC"},
    {TYPE_NAPTR, "NAPTR"},
    {TYPE_KX, "KX"},
    {37, "CERT"},
    {TYPE_DNAME, "DNAME"},
    {TYPE_OPT, "OPT"},
    {TYPE_DS, "DS"},
    {44, "SSHFP"},
    {TYPE_RRSIG, "RRSIG"},
    {TYPE_NSEC, "NSEC"},
    {TYPE_DNSKEY, "DNSKEY"},
    {TYPE_NSEC3, "NSEC3"},
    {51, "NSEC3PARAM"},
    {52, "TLSA"},
    {53, "SMIMEA"},
    {59, "CDS"},
    {60, "CDNSKEY"},
    {61, "OPENPGPKEY"},
    {62, "CSYNC"},
    {63, "ZONEMD"},
    {99, "SPF"},
    {249, "TKEY"},
    {250, "TSIG"},
    {TYPE_IXFR, "IXFR"},
    {TYPE_AXFR, "AXFR"},
    {253, "MAILB"},
    {254, "MAILA"},
    {256, "URI"},
    {257, "CAA"},
};

const char *dns_type_text(uint16_t type, char buf[static DNS_TYPE_TEXT])
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].type == type)
            return types[i].text;
    (void)snprintf(buf, DNS_TYPE_TEXT, "TYPE%u", (unsigned)type);
    return buf;
}

const char *dns_rcode_text(unsigned rcode)
{
    static const char *const text[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
        "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE", "RCODE11", "RCODE12", "RCODE13", "RCODE14",
        "RCODE15", "BADVERS"};

    return rcode < ARRAY_LEN(text) ? text[rcode] : "RCODE?";
}
