#include "init/text.h"

#include <string.h>
#include <arpa/inet.h>

#include "init/init.h"

void text_add(struct text *t, const char *s, size_t n)
{
    size_t room = t->cap - t->len - 1;
    if (n > room) {
        n = room;
        t->cut = true;
    }
    memcpy(t->data + t->len, s, n);
    t->len += n;
    t->data[t->len] = '\0';
}

static void add_number(struct text *t, unsigned n, unsigned base)
{
    char digits[11];
    size_t i = sizeof digits;
    do {
        digits[--i] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n != 0);
    text_add(t, digits + i, sizeof digits - i);
}

void text_vfmt(struct text *t, const char *fmt, va_list ap)
{
    for (;;) {
        size_t plain = strcspn(fmt, "%");
        text_add(t, fmt, plain);
        fmt += plain;
        if (*fmt == '\0')
            return;
        switch (fmt[1]) {
        case 's': {
            const char *s = va_arg(ap, const char *);
            text_add(t, s, strlen(s));
            break;
        }
        case 'd': {
            int n = va_arg(ap, int);
            if (n < 0)
                text_add(t, "-", 1);
            add_number(t, n < 0 ? 0u - (unsigned)n : (unsigned)n, 10);
            break;
        }
        case 'u': add_number(t, va_arg(ap, unsigned), 10); break;
        case 'x': add_number(t, va_arg(ap, unsigned), 16); break;
        default: text_add(t, "%", 1); break;
        }
        fmt += fmt[1] == '\0' ? 1 : 2;
    }
}

void text_fmt(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    text_vfmt(t, fmt, ap);
    va_end(ap);
}

char *ipv4_format(uint32_t addr, char out[static IPV4_STRLEN])
{
    const uint8_t *b = (const uint8_t *)&addr;
    struct text t = {.data = out, .cap = IPV4_STRLEN};
    text_fmt(&t, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
    return out;
}

const char *number_parse(const char *s, uint32_t max, uint32_t *out)
{
    uint64_t n = 0;
    const char *p = s;
    for (; *p >= '0' && *p <= '9'; p++) {
        n = n * 10 + (uint64_t)(*p - '0');
        if (n > max)
            return NULL;
    }
    if (p == s)
        return NULL;
    *out = (uint32_t)n;
    return p;
}

bool ipv4_parse(const char *s, uint32_t *addr)
{
    uint8_t b[4];
    for (unsigned i = 0; i < 4; i++) {
        uint32_t part;
        const char *end = number_parse(s, 255, &part);
        if (end == NULL || (*s == '0' && end != s + 1) || *end != (i < 3 ? '.' : '\0'))
            return false;
        b[i] = (uint8_t)part;
        s = end + 1;
    }
    memcpy(addr, b, sizeof b);
    return true;
}

bool ipv6_parse(const char *s, struct ipv6 *addr)
{
    return inet_pton(AF_INET6, s, addr->b) == 1;
}

bool ipv6_is_set(const struct ipv6 *addr)
{
    static const struct ipv6 none;
    return memcmp(addr, &none, sizeof none) != 0;
}

static unsigned group(const struct ipv6 *a, size_t i)
{
    return (unsigned)a->b[2 * i] << 8 | a->b[2 * i + 1];
}

/* Not inet_ntop(), which brings stdio along. */
char *ipv6_format(const struct ipv6 *addr, char out[static IPV6_STRLEN])
{
    struct text t = {.data = out, .cap = IPV6_STRLEN};
    unsigned best = 8, longest = 1;
    for (unsigned i = 0, n; i < 8; i += n + 1) {
        for (n = 0; i + n < 8 && group(addr, i + n) == 0; n++)
            continue;
        if (n > longest) {
            longest = n;
            best = i;
        }
    }
    out[0] = '\0';
    for (unsigned i = 0; i < 8; i++) {
        if (i == best) {
            text_fmt(&t, "::");
            i += longest - 1;
            continue;
        }
        text_fmt(&t, i == 0 || i == best + longest ? "%x" : ":%x", group(addr, i));
    }
    return out;
}
