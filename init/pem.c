#include "init/pem.h"

#include <string.h>

#include "init/base.h"
#include "init/say.h"

static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";

/* The value of a base64 digit; -1 for anything else. */
static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes [from, to) into `out`, which has room. Returns the length; 0 where it is not base64. */
static size_t decode(const char *from, const char *to, uint8_t *out)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t len = 0;
    for (; from < to && *from != '='; from++) {
        int d = digit(*from);
        if (d < 0 && strchr(" \t\r\n", *from) == NULL)
            return 0;
        if (d < 0)
            continue;
        bits = bits << 6 | (uint32_t)d;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            out[len++] = (uint8_t)(bits >> n_bits);
        }
    }
    for (; from < to; from++)
        if (strchr("= \t\r\n", *from) == NULL)
            return 0;
    return len;
}

/* The next certificate at or after `*text`: where it begins; `*text` moves behind it. NULL without one. */
static const char *next_block(const char **text, struct blob *out)
{
    const char *from, *to;
    while ((from = strstr(*text, begin)) != NULL && (to = strstr(from + sizeof begin - 1, end)) != NULL) {
        *text = to + sizeof end - 1;
        uint8_t *der = malloc((size_t)(to - from));
        if (der == NULL)
            fatal("out of memory");
        size_t len = decode(from + sizeof begin - 1, to, der);
        if (len > 0) {
            *out = (struct blob){.data = der, .len = len};
            return from;
        }
        free(der);
    }
    return NULL;
}

bool pem_next_certificate(const char **text, struct blob *out)
{
    return next_block(text, out) != NULL;
}

struct blob pem_certificates(const char *text)
{
    struct blob out = {.data = malloc(2 * strlen(text) + 1)},
                der; /* a line's end for each: shorter than it is */
    if (out.data == NULL)
        fatal("out of memory");
    for (const char *from; (from = next_block(&text, &der)) != NULL; free(der.data)) {
        memcpy(out.data + out.len, from, (size_t)(text - from));
        out.len += (size_t)(text - from);
        out.data[out.len++] = '\n';
    }
    out.data[out.len] = 0;
    return out;
}
