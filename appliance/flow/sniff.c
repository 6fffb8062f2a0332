#include "appliance/flow/sniff.h"

#include <stdbool.h>

static bool method_char(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

enum sniff sniff(const uint8_t *p, size_t n)
{
    if (n == 0)
        return SNIFF_MORE;
    if (p[0] == 22)
        return n == 1 ? SNIFF_MORE : p[1] == 3 ? SNIFF_TLS : SNIFF_NEITHER;
    if (p[0] == '\r' || p[0] == '\n')
        return SNIFF_HTTP; /* RFC 9112 2.2: an empty line may come before a request */
    size_t i = 0;
    while (i < n && i < SNIFF_NEEDS && method_char(p[i]))
        i++;
    if (i == n && n < SNIFF_NEEDS)
        return SNIFF_MORE;
    return i > 0 && i < n && p[i] == ' ' ? SNIFF_HTTP : SNIFF_NEITHER;
}
