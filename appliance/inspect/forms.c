/* A secret's forms inside a longer encoded text. What surrounds it decides on the bits at both ends, so only
 * the characters that depend on nothing but the secret are given. */
#include <string.h>

#include "appliance/inspect/inspect_internal.h"

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
    return digits(in, n, 8u * shift, 6, url ? safe : std, out);
}

size_t form_base32(const uint8_t *in, size_t n, unsigned shift, uint8_t *out)
{
    return digits(in, n, 8u * shift, 5, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", out);
}

size_t form_hex(const uint8_t *in, size_t n, bool upper, uint8_t *out)
{
    return digits(in, n, 0, 4, upper ? "0123456789ABCDEF" : "0123456789abcdef", out);
}
