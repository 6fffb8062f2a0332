#include "lib/target.h"

#include <string.h>

#include "lib/base.h"
#include "lib/hex.h"

/* One pass over the path: octets are decoded and written canonically; at the end of each segment, what has
 * been written is looked at and, for a dot segment, taken back. */
struct canon {
    const char *in;
    size_t len, at;
    char *out;
    size_t n;
    size_t segment; /* in `out`: first octet of the present segment, after its '/' */
    bool encoded_dot, percent; /* in the present segment: %2E, %25 */
    bool taken_back; /* the last segment was a dot segment */
    unsigned ambiguous;
    /* UTF-8: octets that must follow, bounds of the next one, and the code point so far */
    unsigned utf8_left, utf8_lo, utf8_hi;
    uint32_t utf8_code;
};

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* May stand as it is in a path (pchar and '/', RFC 3986 3.3); in a query, '?' too. */
static bool is_plain(unsigned char c)
{
    return is_unreserved(c) || (c && strchr("!$&'()*+,;=:@/", c));
}

static void put_encoded(struct canon *c, unsigned char octet)
{
    static const char digits[] = "0123456789ABCDEF";
    c->out[c->n++] = '%';
    c->out[c->n++] = digits[octet >> 4];
    c->out[c->n++] = digits[octet & 15];
}

/* What compatibility forms of Unicode (NFKC), code pages' nearest characters (Japan's and Korea's have the
 * yen and won sign at the backslash's place) or IDNA make a separator or a dot of; of those that hold one
 * beside letters ("a/c", "1.") only the ones with a slash. */
static bool is_lookalike(uint32_t code)
{
    static const uint16_t t[] = {0xa5, 0x37e, 0x2024, 0x2025, 0x2026, 0x2044, 0x20a9, 0x2100, 0x2101, 0x2105,
        0x2106, 0x2215, 0x2216, 0x29f5, 0x29f8, 0x29f9, 0x3002, 0xfe14, 0xfe19, 0xfe30, 0xfe52, 0xfe54,
        0xfe68, 0xfe6a, 0xff05, 0xff0e, 0xff0f, 0xff1b, 0xff3c, 0xff61};
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        if (t[i] == code)
            return true;
    return false;
}

/* Follows the decoded octets (RFC 3629). False: an overlong form, by which "/" and "." have been smuggled. */
static bool utf8_step(struct canon *c, unsigned char o)
{
    if (c->utf8_left) {
        if (o >= c->utf8_lo && o <= c->utf8_hi) {
            c->utf8_code = c->utf8_code << 6 | (o & 0x3fu);
            c->utf8_lo = 0x80;
            c->utf8_hi = 0xbf;
            if (--c->utf8_left == 0 && is_lookalike(c->utf8_code))
                c->ambiguous |= AMBIGUOUS_LOOKALIKE;
            return true;
        }
        c->utf8_left = 0;
        c->ambiguous |= AMBIGUOUS_UTF8;
        if (o >= 0x80 && o < c->utf8_lo && o <= 0xbf)
            return false;
    }
    if (o < 0x80)
        return true;
    if (o == 0xc0 || o == 0xc1)
        return false;
    c->utf8_lo = o == 0xe0 ? 0xa0 : o == 0xf0 ? 0x90 : 0x80;
    c->utf8_hi = o == 0xed ? 0x9f : o == 0xf4 ? 0x8f : 0xbf;
    c->utf8_left = o >= 0xc2 && o <= 0xdf ? 1 : o >= 0xe0 && o <= 0xef ? 2 : o >= 0xf0 && o <= 0xf4 ? 3 : 0;
    c->utf8_code = c->utf8_left == 1 ? o & 0x1fu : c->utf8_left == 2 ? o & 0x0fu : o & 0x07u;
    if (c->utf8_left == 0)
        c->ambiguous |= AMBIGUOUS_UTF8;
    return true;
}

/* "%XX" at c->at. */
static enum target_result put_percent(struct canon *c)
{
    int hi = c->at + 2 < c->len ? hex_value(c->in[c->at + 1]) : -1;
    int lo = c->at + 2 < c->len ? hex_value(c->in[c->at + 2]) : -1;
    if (hi < 0 || lo < 0)
        return TARGET_AMBIGUOUS;
    unsigned char o = (unsigned char)(hi << 4 | lo);
    if (o < 0x20 || o == 0x7f || !utf8_step(c, o))
        return TARGET_AMBIGUOUS;
    c->at += 3;
    if (is_unreserved(o)) {
        c->encoded_dot |= o == '.';
        c->out[c->n++] = (char)o;
        return TARGET_OK;
    }
    c->percent |= o == '%';
    c->ambiguous |= o == '/'               ? AMBIGUOUS_SLASH
                    : o == '\\'            ? AMBIGUOUS_BACKSLASH
                    : o == '?' || o == '#' ? AMBIGUOUS_DELIMITER
                                           : 0;
    put_encoded(c, o);
    return TARGET_OK;
}

static enum target_result put_octet(struct canon *c)
{
    unsigned char o = (unsigned char)c->in[c->at];
    if (o == '%')
        return put_percent(c);
    if (o == '#' || !utf8_step(c, o))
        return TARGET_AMBIGUOUS;
    if (o <= 0x20 || o == 0x7f)
        return TARGET_BAD;
    c->at++;
    if (o == '\\')
        c->ambiguous |= AMBIGUOUS_BACKSLASH;
    if (is_plain(o))
        c->out[c->n++] = (char)o;
    else
        put_encoded(c, o);
    return TARGET_OK;
}

/* Would a second (third...) decoding of what follows this "%25" change what the path means? */
static bool is_double(const char *s, size_t n)
{
    while (n >= 2 && s[0] == '2' && s[1] == '5') {
        s += 2;
        n -= 2;
    }
    if (n >= 1 && (s[0] == 'u' || s[0] == 'U'))
        return true;
    int hi = n >= 2 ? hex_value(s[0]) : -1, lo = n >= 2 ? hex_value(s[1]) : -1;
    if (hi < 0 || lo < 0)
        return false;
    int o = hi << 4 | lo;
    return o < 0x20 || o >= 0x7f || strchr("/\\.;?#%", o);
}

static bool starts_with(const char *s, size_t n, const char *prefix)
{
    size_t len = strlen(prefix);
    return n >= len && memcmp(s, prefix, len) == 0;
}

/* Only dots and spaces ("%20", to some "+"), and not "." or "..". */
static bool is_dots(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n)
        if (s[i] == '.' || s[i] == '+')
            i++;
        else if (starts_with(s + i, n - i, "%20"))
            i += 3;
        else
            return false;
    return n > 0;
}

static enum target_result take_back(struct canon *c, bool up)
{
    c->n = c->segment;
    c->taken_back = true;
    if (!up)
        return TARGET_OK;
    if (c->n == 1)
        return TARGET_AMBIGUOUS; /* above the root */
    c->n--; /* the '/' before this segment */
    while (c->out[c->n - 1] != '/')
        c->n--;
    return TARGET_OK;
}

static enum target_result end_segment(struct canon *c, bool last)
{
    const char *s = c->out + c->segment;
    size_t n = c->n - c->segment;
    c->taken_back = false;
    if (c->utf8_left)
        c->ambiguous |= AMBIGUOUS_UTF8;
    c->utf8_left = 0;
    if (n == 0 && !last)
        c->ambiguous |= AMBIGUOUS_EMPTY;
    for (size_t i = 0; c->percent && i + 3 <= n; i++)
        if (memcmp(s + i, "%25", 3) == 0 && is_double(s + i + 3, n - i - 3))
            c->ambiguous |= AMBIGUOUS_DOUBLE;
    bool encoded = c->encoded_dot;
    c->encoded_dot = c->percent = false;
    size_t dots = n >= 2 && s[0] == '.' && s[1] == '.' ? 2 : n >= 1 && s[0] == '.' ? 1 : 0;
    if (dots == 0)
        return TARGET_OK;
    if (n == dots)
        return encoded ? TARGET_AMBIGUOUS : take_back(c, dots == 2);
    if (s[dots] == ';' || starts_with(s + dots, n - dots, "%3B"))
        return TARGET_AMBIGUOUS;
    if (is_dots(s, n))
        c->ambiguous |= AMBIGUOUS_DOTS;
    return TARGET_OK;
}

static enum target_result canon_path(struct canon *c)
{
    c->out[c->n++] = '/';
    c->at = c->segment = 1;
    for (;;) {
        bool last = c->at == c->len || c->in[c->at] == '?';
        if (!last && c->in[c->at] != '/') {
            enum target_result r = put_octet(c);
            if (r != TARGET_OK)
                return r;
            continue;
        }
        enum target_result r = end_segment(c, last);
        if (last || r != TARGET_OK)
            return r;
        if (!c->taken_back)
            c->out[c->n++] = '/';
        c->segment = c->n;
        c->at++;
    }
}

/* Meaning is the server's business here: only what cannot stand in a URI is changed. */
static enum target_result canon_query(struct canon *c)
{
    for (; c->at < c->len; c->at++) {
        unsigned char o = (unsigned char)c->in[c->at];
        if (o == '#')
            return TARGET_AMBIGUOUS;
        if (o <= 0x20 || o == 0x7f)
            return TARGET_BAD;
        if (is_plain(o) || o == '?' || o == '%')
            c->out[c->n++] = (char)o;
        else
            put_encoded(c, o);
    }
    return TARGET_OK;
}

enum target_result target_canon(const char *in, size_t len, char *out, size_t outlen, struct target *t)
{
    if (len == 0 || len > TARGET_MAX || outlen < 3 * len + 2)
        return TARGET_BAD;
    if (len == 1 && in[0] == '*') {
        memcpy(out, "*", 2);
        *t = (struct target){.path = out, .path_len = 1};
        return TARGET_OK;
    }
    if (in[0] != '/')
        return TARGET_BAD;
    struct canon c = {.in = in, .len = len, .out = out};
    enum target_result r = canon_path(&c);
    if (r != TARGET_OK)
        return r;
    struct target found = {.path = out, .path_len = c.n, .ambiguous = c.ambiguous};
    if (c.at < len) {
        out[c.n++] = '?';
        c.at++;
        found.query = out + c.n;
        r = canon_query(&c);
        if (r != TARGET_OK)
            return r;
        found.query_len = (size_t)(out + c.n - found.query);
    }
    out[c.n] = '\0';
    *t = found;
    return TARGET_OK;
}
