#include "appliance/inspect/run_look.h"

#include <string.h>

#include "lib/base.h"

/* Eight characters in a row have two whole groups of base64 among them, four digits each. Where all three
 * octets of a group are below 0x80, its first digit is under 32, bit 3 of the second and bit 1 of the third
 * are 0. */
#define GROUPS 2u
#define AHEAD (4u * (GROUPS - 1) + 2)

static bool may_be_text(const struct run_bits *b)
{
    uint64_t group = b->under32 & b->bit3 >> 1 & b->bit1 >> 2;
    return group & group >> 4;
}

/* gzip, zstd, zlib (RFC 1950 2.2), ZIP; as far as two octets tell. */
static bool is_magic(unsigned two)
{
    return ((two & 0x8f00) == 0x0800 && two % 31 == 0) || two == 0x1f8b || two == 0x28b5 || two == 0x504b;
}

bool run_hex_says(const uint8_t *p, size_t n)
{
    if (memchr(p, '\n', n) || memchr(p, '\r', n)) /* which the decoder leaves out */
        return true;
    for (size_t i = 0; i < 2 && i + 4 <= n; i++)
        if (is_magic((unsigned)hex_value(p[i]) << 12 | (unsigned)hex_value(p[i + 1]) << 8 |
                     (unsigned)hex_value(p[i + 2]) << 4 | (unsigned)hex_value(p[i + 3])))
            return true;
    for (size_t i = 0; i < n; i += RUN_LOOK_STEP - 14) {
        uint8_t last[RUN_LOOK_STEP] = {0};
        const uint8_t *at = p + i;
        if (n - i < RUN_LOOK_STEP)
            at = memcpy(last, at, n - i);
        uint64_t m = run_hex_firsts(at); /* eight of them, each with a digit between */
        m &= m >> 2;
        m &= m >> 4;
        if (m & m >> 8)
            return true;
    }
    return false;
}

/* From each of the first four digits on. */
static bool may_be_packed(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < 4 && i + 3 <= n; i++) {
        unsigned v = (unsigned)b64_value(p[i]) << 12 | (unsigned)b64_value(p[i + 1]) << 6 |
                     (unsigned)b64_value(p[i + 2]);
        if (is_magic(v >> 2 & 0xffff))
            return true;
    }
    return false;
}

/* RUN_LOOK_HEX set bits in a row, of which some may come before. */
static bool in_a_row(uint64_t before, uint64_t now)
{
    unsigned lead = ~now ? (unsigned)__builtin_ctzll(~now) : RUN_LOOK_STEP;
    unsigned tail = ~before ? (unsigned)__builtin_clzll(~before) : RUN_LOOK_STEP;
    uint64_t m = now & now >> 1;
    m &= m >> 2;
    m &= m >> 4;
    return lead + tail >= RUN_LOOK_HEX || m & m >> 8;
}

struct run_look run_look(const uint8_t *p, size_t n)
{
    struct run_look l = {.text = may_be_packed(p, n)};
    uint64_t upper = 0, lower = 0, line = 0, hex = 0;
    for (size_t i = 0, k; i < n; i += k) {
        uint8_t last[RUN_LOOK_STEP];
        const uint8_t *at = p + i;
        k = RUN_LOOK_STEP - AHEAD;
        if (n - i < RUN_LOOK_STEP) { /* nothing behind it is a digit of either kind, nor a letter */
            memset(last, '~', sizeof last);
            memcpy(last, at, n - i);
            at = last;
            k = n - i;
        }
        struct run_bits b = run_bits(at);
        upper |= b.upper;
        lower |= b.lower;
        line |= b.line;
        l.text |= may_be_text(&b);
        l.hex |= in_a_row(i ? hex << AHEAD : 0, b.hex);
        hex = b.hex;
    }
    l.mixed = upper && lower;
    l.text |= line != 0; /* which the decoders leave out */
    return l;
}
