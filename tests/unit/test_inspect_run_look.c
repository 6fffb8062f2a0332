/* What a look at a run of base64 or hex says, against decoding it. */
#include <criterion/criterion.h>
#include <string.h>

#include "appliance/inspect/run_look.h"
#include "lib/base.h"

static uint32_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

static size_t decode(const uint8_t *p, size_t n, uint8_t *out)
{
    unsigned acc = 0, bits = 0;
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        acc = (acc << 6 | (unsigned)b64_value(p[i])) & 0xffff;
        bits += 6;
        if (bits >= 8)
            out[len++] = (uint8_t)(acc >> (bits -= 8));
    }
    return len;
}

/* Eight characters, NULs among them, or how a compressed stream begins. */
static bool says_something(const uint8_t *p, size_t n)
{
    size_t run = 0;
    if (n >= 2 &&
        ((p[0] == 0x1f && p[1] == 0x8b) || (p[0] == 0x28 && p[1] == 0xb5) || memcmp(p, "PK", 2) == 0))
        return true;
    if (n >= 2 && (p[0] & 0x8f) == 8 && ((unsigned)p[0] << 8 | p[1]) % 31 == 0)
        return true;
    for (size_t i = 0; i < n && run < 8; i++)
        run = p[i] >= 0x20 && p[i] < 0x7f ? run + 1 : p[i] == 0 ? run : 0;
    return run == 8;
}

static void judge(const uint8_t *p, size_t n, size_t *texts, size_t *looks)
{
    uint8_t out[512];
    bool upper = false, lower = false, text = false;
    size_t hex = 0, longest = 0;
    struct run_look l = run_look(p, n);
    for (size_t i = 0; i < n; i++) {
        upper |= p[i] >= 'A' && p[i] <= 'Z';
        lower |= p[i] >= 'a' && p[i] <= 'z';
        hex = hex_value(p[i]) >= 0 ? hex + 1 : 0;
        longest = MAX(longest, hex);
    }
    for (size_t skip = 0; skip < 4; skip++)
        text |= says_something(out, decode(p + skip, n - skip, out));
    cr_assert_eq(l.mixed, upper && lower);
    cr_assert_eq(l.hex, longest >= RUN_LOOK_HEX, "%zu of %zu", longest, n);
    cr_assert(l.text || !text, "%.*s", (int)n, (const char *)p);
    *texts += text;
    *looks += l.text;
}

static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_";

Test(run_look, misses_no_text)
{
    size_t texts = 0, looks = 0;
    uint8_t run[300];
    for (unsigned round = 0; round < 60000; round++) {
        uint32_t n = 16 + draw(draw(8) ? 64 : 280), some = draw(n), chars = 4 + draw(63);
        for (size_t i = 0; i < n; i++)
            run[i] = (uint8_t)set[draw(chars)];
        for (uint32_t i = some; draw(2) && i + 12 <= n && i < some + 12;
             i += 4) { /* eight characters or so */
            unsigned v = (0x20 + draw(95)) << 16 | (0x20 + draw(95)) << 8 | (0x20 + draw(95));
            for (unsigned k = 0; k < 4; k++)
                run[i + k] = (uint8_t)set[v >> (18 - 6 * k) & 63];
        }
        judge(run, n, &texts, &looks);
    }
    cr_assert(texts > 5000 && looks >= texts);
}

Test(run_look, knows_hex_wherever_it_lies)
{
    uint8_t run[200];
    size_t ignored = 0;
    for (size_t n = 1; n <= 40; n++)
        for (size_t at = 0; at + n <= sizeof run; at++) {
            memset(run, 'x', sizeof run);
            memset(run + at, 'a', n);
            judge(run, sizeof run, &ignored, &ignored);
        }
}

Test(run_look, misses_no_text_in_hex)
{
    uint8_t hex[200], out[100];
    size_t texts = 0, looks = 0;
    for (unsigned round = 0; round < 60000; round++) {
        uint32_t n = 16 + draw(150), some = draw(n);
        bool text = false;
        for (uint32_t i = 0; i < n; i++)
            hex[i] = (uint8_t) "0123456789abcdefABCDEF"[draw(22)];
        for (uint32_t i = some; i + 2 <= n && i < some + 24 * (round % 2); i += 2) {
            unsigned c = draw(4) ? 0x20 + draw(95) : 0;
            hex[i] = (uint8_t) "0123456789abcdef"[c >> 4];
            hex[i + 1] = (uint8_t) "0123456789abcdef"[c & 15];
        }
        for (uint32_t skip = 0; skip < 2; skip++) {
            for (uint32_t i = 0; i < (n - skip) / 2; i++)
                out[i] = (uint8_t)(hex_value(hex[skip + 2 * i]) << 4 | hex_value(hex[skip + 2 * i + 1]));
            text |= says_something(out, (n - skip) / 2);
        }
        bool look = run_hex_says(hex, n);
        cr_assert(look || !text, "%.*s", (int)n, (const char *)hex);
        texts += text;
        looks += look;
    }
    cr_assert(texts > 1000 && looks < 60000 * 3 / 4, "%zu texts, %zu looks", texts, looks);
}

Test(run_look, knows_how_streams_begin)
{
    static const char *const begins[] = {"H4sIAAAA", "KLUv/SQA", "eJwrSS0u", "UEsDBBQA"};
    for (size_t i = 0; i < ARRAY_LEN(begins); i++)
        for (size_t skip = 0; skip < 4; skip++) {
            char run[64] = "zzzzzzzzzzzzzzzzzzzzzzzzzzzz";
            memcpy(run + skip, begins[i], 8);
            cr_assert(run_look((const uint8_t *)run, 28).text, "%s", run);
        }
}

Test(run_look, leaves_words_alone)
{
    static const char words[] =
        "The+quick+brown+fox+jumps+over+the+lazy+dog+and+goes+on+without+a+second+look";
    cr_assert_not(run_look((const uint8_t *)words, sizeof words - 1).text);
}

Test(run_look, decodes_what_has_line_breaks)
{
    static const char lines[] = "QUJDREVGR0hJSktMTU5P\nUFFSU1RVVldYWVo";
    cr_assert(run_look((const uint8_t *)lines, sizeof lines - 1).text);
}
