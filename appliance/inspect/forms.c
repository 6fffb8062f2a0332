/* A secret's forms inside a longer encoded text. What surrounds it decides on the bits at both ends, so only
 * the characters that depend on nothing but the secret are given. */
#include <string.h>

#include "appliance/inspect/inspect_internal.h"

#define OCTETS_MIN 12u

/* Digits of `bits` bits each, of a bit string that begins `skip` bits into a group. */
static size_t digits(
    const uint8_t *in, size_t n, size_t skip, unsigned bits, const char *alphabet, uint8_t *out)
{
    size_t first = (skip + bits - 1) / bits * bits, end = skip + 8 * n, len = 0;
    for (size_t at = first; at + bits <= end; at += bits) {
        unsigned v = 0;
        for (size_t b = at - skip; b < at - skip + bits; b++)
            v = v << 1 | ((unsigned)in[b / 8] >> (7 - b % 8) & 1u);
        out[len++] = (uint8_t)alphabet[v];
    }
    return len;
}

size_t form_base64(const uint8_t *in, size_t n, unsigned shift, bool url, uint8_t *out)
{
    static const char std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    return digits(in, n, 8 * (size_t)shift, 6, url ? safe : std, out);
}

size_t form_base32(const uint8_t *in, size_t n, unsigned shift, bool hex, uint8_t *out)
{
    const char *alphabet = hex ? "0123456789ABCDEFGHIJKLMNOPQRSTUV" : "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    return digits(in, n, 8 * (size_t)shift, 5, alphabet, out);
}

/* Of `bits` bits each: hex or base64. */
static size_t octets(const uint8_t *in, size_t n, unsigned bits, uint8_t *out)
{
    unsigned acc = 0, have = 0;
    size_t len = 0;
    while (bits == 6 && n && in[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++) {
        int v = bits == 4 ? hex_value(in[i]) : b64_value(in[i]);
        if (v < 0 && bits == 4 && in[i] == '-')
            continue;
        if (v < 0)
            return 0;
        acc = (acc << bits | (unsigned)v) & 0xffffu;
        have += bits;
        if (have >= 8)
            out[len++] = (uint8_t)(acc >> (have -= 8));
    }
    return have == 4 && bits == 4 ? 0 : len;
}

size_t form_octets(const uint8_t *in, size_t n, uint8_t *out)
{
    size_t len = octets(in, n, 4, out);
    if (!len)
        len = octets(in, n, 6, out);
    return len >= OCTETS_MIN ? len : 0;
}

size_t form_hex(const uint8_t *in, size_t n, bool upper, uint8_t *out)
{
    return digits(in, n, 0, 4, upper ? "0123456789ABCDEF" : "0123456789abcdef", out);
}

static bool is_unreserved(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("-._~", c);
}

size_t form_percent(const uint8_t *in, size_t n, bool upper, uint8_t *out)
{
    const char *hex = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_unreserved(in[i])) {
            out[len++] = in[i];
            continue;
        }
        out[len++] = '%';
        out[len++] = (uint8_t)hex[in[i] >> 4];
        out[len++] = (uint8_t)hex[in[i] & 15];
    }
    return len;
}

/* `slash`: PHP and some others escape it too. */
size_t form_json(const uint8_t *in, size_t n, bool slash, uint8_t *out)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (in[i] == '"' || in[i] == '\\' || (slash && in[i] == '/'))
            out[len++] = '\\';
        out[len++] = in[i];
    }
    return len;
}

static const char *entity(uint8_t c, bool named)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return named ? "&quot;" : "&#34;";
    case '\'': return named ? "&#39;" : "&#x27;";
    default: return NULL;
    }
}

size_t form_html(const uint8_t *in, size_t n, bool named, uint8_t *out)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        const char *e = entity(in[i], named);
        size_t k = e ? strlen(e) : 1;
        memcpy(out + len, e ? (const uint8_t *)e : in + i, k);
        len += k;
    }
    return len;
}
