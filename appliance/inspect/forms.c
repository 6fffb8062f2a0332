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

size_t form_uuencode(const uint8_t *in, size_t n, unsigned shift, bool space, uint8_t *out)
{
    char alphabet[65] = {0};
    for (int i = 0; i < 64; i++)
        alphabet[i] = (char)(i || space ? ' ' + i : '`');
    return digits(in, n, 8 * (size_t)shift, 6, alphabet, out);
}

size_t form_base85(const uint8_t *in, size_t n, unsigned shift, unsigned which, uint8_t *out)
{
    static const char *const alphabets[FORM_BASE85S] = {
        "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstu",
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~",
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"};
    size_t len = 0;
    for (size_t at = shift ? 4 - shift : 0; at + 4 <= n; at += 4, len += 5) {
        uint32_t v =
            (uint32_t)in[at] << 24 | (uint32_t)in[at + 1] << 16 | (uint32_t)in[at + 2] << 8 | in[at + 3];
        for (unsigned k = 5; k--; v /= 85)
            out[len + k] = (uint8_t)alphabets[which][v % 85];
    }
    return len;
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

size_t form_percent(const uint8_t *in, size_t n, unsigned how, uint8_t *out)
{
    /* all; Python's; JavaScript's for a component, and for a whole URI */
    static const char *const kept[FORM_PERCENTS / 2] = {"", "/", "!'()*", "!'()*;,/?:@&=+$#"};
    const char *hex = how & 1 ? "0123456789ABCDEF" : "0123456789abcdef";
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_unreserved(in[i]) || strchr(kept[how / 2], in[i])) {
            out[len++] = in[i];
            continue;
        }
        out[len++] = '%';
        out[len++] = (uint8_t)hex[in[i] >> 4];
        out[len++] = (uint8_t)hex[in[i] & 15];
    }
    return len;
}

/* How programs write what JSON and HTML do not take as it is: a character, and what stands for it. The last
 * one ends a row. */
static const char *const writings[FORM_WRITINGS][8] = {
    {"\"\\\"", "\\\\\\"}, /* RFC 8259 7 */
    {"\"\\\"", "\\\\\\", "/\\/"}, /* PHP */
    {"\"\\\"", "\\\\\\", "&\\u0026", "<\\u003c", ">\\u003e"}, /* Go, Rails */
    {"\"\\\"", "\\\\\\", "&\\u0026", "<\\u003C", ">\\u003E"}, /* Django */
    {"\"\\u0022", "\\\\\\", "&\\u0026", "<\\u003C", ">\\u003E", "'\\u0027", "+\\u002B",
        "`\\u0060"}, /* .NET */
    {"\"\\\\\\\"", "\\\\\\\\\\"}, /* JSON in JSON */
    {"'\\'", "\\\\\\"}, /* Python's and others' literals */
    {"&&amp;", "<&lt;", ">&gt;"}, /* of the five, those that text needs */
    {"&&amp;", "<&lt;", ">&gt;", "\"&quot;", "'&#39;"}, /* Ruby, JavaScript */
    {"&&amp;", "<&lt;", ">&gt;", "\"&quot;", "'&#x27;"}, /* Python */
    {"&&amp;", "<&lt;", ">&gt;", "\"&quot;", "'&#039;"}, /* PHP */
    {"&&amp;", "<&lt;", ">&gt;", "\"&quot;", "'&apos;"}, /* XML */
    {"&&amp;", "<&lt;", ">&gt;", "\"&#34;", "'&#39;", "+&#43;"}, /* Go */
    {"&&amp;", "<&lt;", ">&gt;", "\"&#34;", "'&#39;"}, /* Jinja */
    {"&&amp;", "<&lt;", ">&gt;", "\"&quot;", "'&#x27;", "/&#x2F;", "`&#x60;", "=&#x3D;"}, /* Mustache */
};

size_t form_written(const uint8_t *in, size_t n, unsigned how, uint8_t *out)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        const char *as = NULL;
        for (unsigned k = 0; k < ARRAY_LEN(writings[how]) && writings[how][k]; k++)
            if ((uint8_t)writings[how][k][0] == in[i])
                as = writings[how][k] + 1;
        size_t k = as ? strlen(as) : 1;
        memcpy(out + len, as ? (const uint8_t *)as : in + i, k);
        len += k;
    }
    return len;
}
