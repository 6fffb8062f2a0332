#include "lib/hostname.h"

#include <string.h>

#include "lib/base.h"

#define LABEL_MAX 63

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
}

static int digit_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return 99;
}

/* A number as inet_aton() and the WHATWG URL parser read it: 0x.. is hexadecimal ("0x" alone is 0), 0.. is
 * octal. */
static bool parse_number(const char *s, size_t n, uint64_t *out)
{
    int base = 10;
    if (n >= 2 && s[0] == '0' && s[1] == 'x') {
        base = 16;
        s += 2;
        n -= 2;
    } else if (n >= 2 && s[0] == '0') {
        base = 8;
        s++;
        n--;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        int d = digit_value(s[i]);
        if (d >= base)
            return false;
        v = v * (unsigned)base + (unsigned)d;
        if (v > UINT32_MAX)
            return false;
    }
    *out = v;
    return true;
}

/* Would some resolver take this last label for the end of an IPv4 address? (WHATWG URL, "ends in a number".)
 * No top-level domain looks like that, so nothing is lost. */
static bool is_numeric_label(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && is_digit(s[i]))
        i++;
    if (i == n)
        return true;
    if (n < 2 || s[0] != '0' || s[1] != 'x')
        return false;
    for (i = 2; i < n; i++)
        if (digit_value(s[i]) > 15)
            return false;
    return true;
}

/* 1 to 4 numbers; the last one fills the octets that remain. */
static bool parse_v4(const char *s, size_t n, struct addr *out)
{
    uint32_t v = 0;
    unsigned parts = 0;
    for (size_t at = 0; at <= n;) {
        const char *dot = memchr(s + at, '.', n - at);
        size_t end = dot ? (size_t)(dot - s) : n;
        uint64_t part;
        if (parts == 4 || !parse_number(s + at, end - at, &part))
            return false;
        if (dot) {
            if (part > 255 || parts == 3)
                return false;
            v |= (uint32_t)part << (24 - 8 * parts);
        } else {
            if (part >> (32 - 8 * parts))
                return false;
            v |= (uint32_t)part;
        }
        parts++;
        at = end + 1;
    }
    const uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    *out = addr_v4(b);
    return true;
}

static enum host_kind give_ip(const struct addr *a, char *out, struct addr *ip)
{
    char text[ADDR_STRLEN];
    addr_format(a, text);
    memcpy(out, text, strlen(text) + 1);
    if (ip)
        *ip = *a;
    return HOST_IP;
}

/* No zone ids: '%' is not in inet_pton()'s alphabet. */
static enum host_kind canon_v6(const char *in, size_t len, char *out, struct addr *ip)
{
    char text[ADDR_STRLEN];
    struct addr a;
    if (len >= sizeof text || !memchr(in, ':', len) || memchr(in, '\0', len))
        return HOST_BAD;
    memcpy(text, in, len);
    text[len] = '\0';
    return addr_parse(text, &a) ? give_ip(&a, out, ip) : HOST_BAD;
}

enum host_kind host_canon(const char *in, size_t len, char out[static HOSTNAME_MAX + 1], struct addr *ip)
{
    if (len >= 2 && in[0] == '[' && in[len - 1] == ']')
        return canon_v6(in + 1, len - 2, out, ip);
    if (len && memchr(in, ':', len))
        return canon_v6(in, len, out, ip);
    if (len && in[len - 1] == '.')
        len--;
    if (len == 0 || len > HOSTNAME_MAX)
        return HOST_BAD;

    size_t start = 0; /* of the present label */
    for (size_t i = 0; i <= len; i++) {
        if (i < len && in[i] != '.') {
            out[i] = lower(in[i]);
            if (!is_name_char(out[i]))
                return HOST_BAD;
            continue;
        }
        size_t n = i - start;
        if (n == 0 || n > LABEL_MAX || out[start] == '-' || out[i - 1] == '-')
            return HOST_BAD;
        if (i == len)
            break;
        out[i] = '.';
        start = i + 1;
    }
    out[len] = '\0';

    if (is_numeric_label(out + start, len - start)) {
        struct addr a;
        return parse_v4(out, len, &a) ? give_ip(&a, out, ip) : HOST_BAD;
    }
    return HOST_NAME;
}

/* 1 to 65535 without leading zeros; nothing at all (RFC 3986 3.2.3 allows "host:") is 0. */
static bool parse_port(const char *s, size_t n, uint16_t *out)
{
    unsigned v = 0;
    if (n > 5 || (n && s[0] == '0'))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(s[i]))
            return false;
        v = v * 10 + (unsigned)(s[i] - '0');
    }
    *out = (uint16_t)v;
    return v <= UINT16_MAX;
}

enum host_kind host_port_canon(
    const char *in, size_t len, char out[static HOSTNAME_MAX + 1], struct addr *ip, uint16_t *port)
{
    *port = 0;
    size_t host_len = len;
    if (len && in[0] == '[') {
        const char *close = memchr(in, ']', len);
        if (!close)
            return HOST_BAD;
        host_len = (size_t)(close - in) + 1;
    } else {
        const char *colon = len ? memchr(in, ':', len) : NULL;
        if (colon)
            host_len = (size_t)(colon - in);
    }
    if (host_len < len && (in[host_len] != ':' || !parse_port(in + host_len + 1, len - host_len - 1, port)))
        return HOST_BAD;
    return host_canon(in, host_len, out, ip);
}

bool host_is_special(const char *name)
{
    /* IANA's special-use domain names and the private-use top level, without those that stand in tests and
     * examples for real ones (test, example). */
    static const char *const special[] = {
        "alt", "arpa", "internal", "invalid", "local", "localhost", "onion"};
    const char *tld = strrchr(name, '.');
    if (!tld)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(special); i++)
        if (strcmp(tld + 1, special[i]) == 0)
            return true;
    return false;
}
