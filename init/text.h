/** \file
 * Small text: bounded formatting without stdio (which would double the size of the static file), numbers and
 * addresses.
 */
#ifndef EGRESS_INIT_TEXT_H
#define EGRESS_INIT_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Appends to a fixed buffer, always NUL-terminated; `cut` stays set once something did not fit. */
struct text {
    char *data;
    size_t cap, len;
    bool cut;
};

#define TEXT(name, size) \
    char name##_buf[size]; \
    struct text name = {.data = name##_buf, .cap = sizeof name##_buf}; \
    name##_buf[0] = '\0'

void text_add(struct text *t, const char *s, size_t n);
/** Knows %s, %d, %u, %x and %% only, without widths. */
void text_fmt(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_vfmt(struct text *t, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

#define IPV4_STRLEN 16
/** Dotted form of an address in network order. Returns `out`. */
char *ipv4_format(uint32_t addr, char out[static IPV4_STRLEN]);
/** Strict dotted decimal: four parts, no leading zeros, nothing after it. False where it is not one. */
bool ipv4_parse(const char *s, uint32_t *addr);

struct ipv6;
#define IPV6_STRLEN 46
/** Any form of RFC 4291 2.2 without a zone. False where it is not one. */
bool ipv6_parse(const char *s, struct ipv6 *addr);
/** Lower case, the longest run of zeros left out (RFC 5952 4). Returns `out`. */
char *ipv6_format(const struct ipv6 *addr, char out[static IPV6_STRLEN]);
bool ipv6_is_set(const struct ipv6 *addr);

/** Decimal digits up to `end` (exclusive), at most `max`. Returns the first octet after them, or NULL. */
const char *number_parse(const char *s, uint32_t max, uint32_t *out);

#endif
