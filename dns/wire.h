/** \file
 * Octets of DNS messages, read and written through a cursor with a sticky error: after the first fault every
 * further operation does nothing (reads give 0), so a caller checks `bad` once, at the end. Pure.
 */
#ifndef EGRESS_DNS_WIRE_H
#define EGRESS_DNS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dns/proto.h"
#include "lib/hostname.h"

/** A name without compression, root label included; `len` 0 is no name. */
struct dns_name {
    uint8_t len;
    uint8_t b[DNS_NAME_MAX];
};

struct wire_in {
    const uint8_t *p;
    size_t len, at;
    bool bad;
};

struct wire_out {
    uint8_t *p;
    size_t cap, at;
    bool bad;
};

static inline bool wire_need(struct wire_in *w, size_t n)
{
    if (w->bad || w->len - w->at < n)
        w->bad = true;
    return !w->bad;
}

static inline uint8_t wire_u8(struct wire_in *w)
{
    return wire_need(w, 1) ? w->p[w->at++] : 0;
}

static inline uint16_t wire_u16(struct wire_in *w)
{
    if (!wire_need(w, 2))
        return 0;
    const uint8_t *p = w->p + w->at;
    w->at += 2;
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t wire_u32(struct wire_in *w)
{
    uint32_t hi = wire_u16(w);

    return hi << 16 | wire_u16(w);
}

/** Steps over `n` octets and returns where they begin; NULL if there are not so many. */
static inline const uint8_t *wire_skip(struct wire_in *w, size_t n)
{
    if (!wire_need(w, n))
        return NULL;
    const uint8_t *p = w->p + w->at;
    w->at += n;
    return p;
}

static inline uint8_t *wire_room(struct wire_out *w, size_t n)
{
    if (w->bad || w->cap - w->at < n) {
        w->bad = true;
        return NULL;
    }
    uint8_t *p = w->p + w->at;
    w->at += n;
    return p;
}

static inline void wire_put_u16(struct wire_out *w, unsigned v)
{
    uint8_t *p = wire_room(w, 2);

    if (p != NULL) {
        p[0] = (uint8_t)(v >> 8);
        p[1] = (uint8_t)v;
    }
}

static inline void wire_put_u32(struct wire_out *w, uint32_t v)
{
    wire_put_u16(w, v >> 16);
    wire_put_u16(w, v & 0xffffu);
}

static inline void wire_put(struct wire_out *w, const void *data, size_t n)
{
    uint8_t *p = wire_room(w, n);

    if (p != NULL && n > 0)
        memcpy(p, data, n);
}

static inline uint8_t dns_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/** Reads a name, following compression pointers (strictly backwards, so it ends). The cursor is left behind
 * the name as it stands in the message. Case is kept. */
void wire_name(struct wire_in *w, struct dns_name *out);
/** The same without storing it. */
void wire_skip_name(struct wire_in *w);

/** Equal but for ASCII case (RFC 4343). */
bool dns_name_eq(const struct dns_name *a, const struct dns_name *b);
/** Lower-cases in place: label lengths are below 'A', so every octet may be treated alike. */
void dns_name_lower(struct dns_name *n);

/** Canonical host name of a name whose labels are all letters, digits, '-' and '_'. False for all else: a
 * label that holds a dot, a NUL or a space is never mistaken for the name it would look like. */
bool dns_name_host(const uint8_t *wire, size_t len, char out[static HOSTNAME_MAX + 1]);
/** The wire form of a canonical host name. */
void dns_name_from_host(const char *host, struct dns_name *out);
/** Presentation form with \. and \DDD escapes (RFC 1035 5.1), without the last dot; "." for the root. */
void dns_name_text(const uint8_t *wire, size_t len, char out[static DNS_TEXT_MAX]);

#endif
