#include "lib/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/base.h"

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct addr addr_v4(const uint8_t b[static 4])
{
    struct addr a;
    memcpy(a.b, v4_prefix, sizeof v4_prefix);
    memcpy(a.b + 12, b, 4);
    return a;
}

bool addr_is_v4(const struct addr *a)
{
    return memcmp(a->b, v4_prefix, sizeof v4_prefix) == 0;
}

bool addr_parse(const char *s, struct addr *out)
{
    uint8_t v4[4];
    if (inet_pton(AF_INET, s, v4) == 1) {
        *out = addr_v4(v4);
        return true;
    }
    return inet_pton(AF_INET6, s, out->b) == 1;
}

/* 1 to 65535 in plain decimal. */
static bool port_parse(const char *s, uint16_t *out)
{
    unsigned v = 0;
    size_t n = strlen(s);
    if (n < 1 || n > 5 || s[0] == '0')
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (unsigned)(s[i] - '0');
    }
    *out = (uint16_t)v;
    return v <= UINT16_MAX;
}

bool endpoint_parse(const char *s, uint16_t port, struct endpoint *out)
{
    char text[ADDR_STRLEN];
    const char *start = s, *end, *rest;
    if (*s == '[') {
        start = s + 1;
        end = strchr(s, ']');
        if (!end)
            return false;
        rest = end + 1;
    } else {
        /* A second colon makes it a bare IPv6 address, which has no port. */
        const char *colon = strchr(s, ':');
        end = colon && !strchr(colon + 1, ':') ? colon : s + strlen(s);
        rest = end;
    }
    size_t n = (size_t)(end - start);
    if (n >= sizeof text)
        return false;
    memcpy(text, start, n);
    text[n] = '\0';
    if (*s == '[' && !strchr(text, ':'))
        return false;
    if (*rest == '\0')
        out->port = port;
    else if (*rest != ':' || !port_parse(rest + 1, &out->port))
        return false;
    return addr_parse(text, &out->addr);
}

static char *put_octet(char *p, uint8_t v)
{
    if (v >= 100)
        *p++ = (char)('0' + v / 100);
    if (v >= 10)
        *p++ = (char)('0' + v / 10 % 10);
    *p++ = (char)('0' + v % 10);
    return p;
}

char *addr_format(const struct addr *a, char out[static ADDR_STRLEN])
{
    if (!addr_is_v4(a)) {
        if (!inet_ntop(AF_INET6, a->b, out, ADDR_STRLEN))
            abort(); /* only for an unknown family or too little room */
        return out;
    }
    char *p = out; /* inet_ntop() goes through printf, and each line of the log has an address or two */
    for (int i = 12; i < 16; i++) {
        p = put_octet(p, a->b[i]);
        *p++ = i < 15 ? '.' : '\0';
    }
    return out;
}

bool addr_from_sockaddr(const struct sockaddr *sa, struct endpoint *out)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        uint8_t b[4];
        memcpy(b, &in.sin_addr, sizeof b);
        *out = (struct endpoint){.addr = addr_v4(b), .port = ntohs(in.sin_port)};
        return true;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        memcpy(out->addr.b, &in6.sin6_addr, sizeof out->addr.b);
        out->port = ntohs(in6.sin6_port);
        return true;
    }
    return false;
}

unsigned addr_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (addr_is_v4(&ep->addr)) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(ep->port)};
        memcpy(&in.sin_addr, ep->addr.b + 12, 4);
        memcpy(out, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(ep->port)};
    memcpy(&in6.sin6_addr, ep->addr.b, sizeof ep->addr.b);
    memcpy(out, &in6, sizeof in6);
    return sizeof in6;
}
