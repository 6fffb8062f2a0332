/* Messages for tests, built octet by octet: what is wrong in them is wrong on purpose. */
#ifndef EGRESS_TESTS_DNS_MESSAGE_H
#define EGRESS_TESTS_DNS_MESSAGE_H

#include <string.h>

#include "dns/wire.h"

struct message {
    uint8_t b[65536];
    size_t len;
};

static inline void m_bytes(struct message *m, const void *p, size_t n)
{
    memcpy(m->b + m->len, p, n);
    m->len += n;
}

static inline void m_u8(struct message *m, unsigned v)
{
    m->b[m->len++] = (uint8_t)v;
}

static inline void m_u16(struct message *m, unsigned v)
{
    m_u8(m, v >> 8);
    m_u8(m, v & 255u);
}

static inline void m_u32(struct message *m, uint32_t v)
{
    m_u16(m, v >> 16);
    m_u16(m, v & 0xffffu);
}

static inline void m_header(
    struct message *m, unsigned flags, unsigned qd, unsigned an, unsigned ns, unsigned ar)
{
    m->len = 0;
    m_u16(m, 0x1234);
    m_u16(m, flags);
    m_u16(m, qd);
    m_u16(m, an);
    m_u16(m, ns);
    m_u16(m, ar);
}

/* Dotted text; no escapes. */
static inline void m_name(struct message *m, const char *s)
{
    while (*s != '\0') {
        size_t n = strcspn(s, ".");
        m_u8(m, (unsigned)n);
        m_bytes(m, s, n);
        s += n + (s[n] == '.');
    }
    m_u8(m, 0);
}

static inline void m_question(struct message *m, const char *name, unsigned type)
{
    m_name(m, name);
    m_u16(m, type);
    m_u16(m, CLASS_IN);
}

/* Up to RDATA's length. */
static inline void m_record(struct message *m, const char *owner, unsigned type, uint32_t ttl, unsigned rdlen)
{
    m_name(m, owner);
    m_u16(m, type);
    m_u16(m, CLASS_IN);
    m_u32(m, ttl);
    m_u16(m, rdlen);
}

static inline void m_a(struct message *m, const char *owner, uint32_t ttl, const char *dotted)
{
    struct addr a;

    (void)addr_parse(dotted, &a);
    m_record(m, owner, addr_is_v4(&a) ? TYPE_A : TYPE_AAAA, ttl, addr_is_v4(&a) ? 4 : 16);
    m_bytes(m, addr_is_v4(&a) ? a.b + 12 : a.b, addr_is_v4(&a) ? 4 : 16);
}

static inline void m_cname(struct message *m, const char *owner, uint32_t ttl, const char *target)
{
    m_record(m, owner, TYPE_CNAME, ttl, (unsigned)strlen(target) + 2);
    m_name(m, target);
}

static inline void m_soa(struct message *m, const char *owner, uint32_t ttl, uint32_t minimum)
{
    m_record(m, owner, TYPE_SOA, ttl, 22);
    m_u8(m, 0);
    m_u8(m, 0);
    for (int i = 0; i < 4; i++)
        m_u32(m, 1);
    m_u32(m, minimum);
}

#endif
