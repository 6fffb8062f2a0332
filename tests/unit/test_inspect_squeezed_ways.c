/* Every way of squeezing a text that this processor has leaves the same of it, however it is cut; every way
 * of looking for seed phrases passes over the same. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/inspect/seed.h"
#include "appliance/inspect/squeezed.h"
#include "lib/base.h"

#define TEXT_MAX 700

static uint32_t seed = 11;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

static size_t squeeze(size_t way, const uint8_t *p, size_t n, size_t cut, uint8_t *out)
{
    struct squeezed s = {.way = way};
    size_t len = 0;
    if (cut)
        len = squeezed_feed(&s, 0, p, cut, false, out);
    return len + squeezed_feed(&s, cut, p + cut, n - cut, true, out + len);
}

static size_t any_text(uint8_t *text)
{
    static const char *const parts[] = {"a", "Z", "0 ", "9", "@[`{/:", "word", "A longer word", "\\n", "\\\"",
        "\\b", "\\x4b", "\\113", "\\u004", "\\u004b", "%", "%2", "%25", "%4b", "&#75;", "&#x4", "&amp;", "&",
        "%20", "%0d%0A", "&x=1", "&nbsp;&", "\\\\", "\\", "\x80\xff\xc3\xa9",
        "----------------------------------------------------------------", "                ",
        "Kq7-zR2v/W9+pL4xT6_m0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"};
    size_t n = 0, upto = draw(TEXT_MAX);
    uint32_t kinds = 1 + draw(ARRAY_LEN(parts));
    while (n < upto) {
        const char *part = parts[draw(kinds)];
        size_t k = MIN(strlen(part), upto - n);
        memcpy(text + n, part, k);
        n += k;
        if (draw(60) == 0) { /* a gap, about as long as one that parts */
            size_t gap = 250 + draw(12);
            k = MIN(gap, upto - n);
            memset(text + n, '.', k);
            n += k;
        }
    }
    return n;
}

Test(squeezed_ways, leave_the_same)
{
    static uint8_t text[TEXT_MAX], plain[2 * TEXT_MAX + 256], other[2 * TEXT_MAX + 256];
    cr_log_info("%zu ways", squeezed_ways());
    for (unsigned round = 0; round < 20000; round++) {
        size_t n = any_text(text), len = squeeze(0, text, n, 0, plain), cut = n ? draw((uint32_t)n) : 0;
        for (size_t way = 0; way < squeezed_ways(); way++) {
            size_t whole = squeeze(way, text, n, 0, other);
            cr_assert(whole == len && memcmp(plain, other, len) == 0, "way %zu: %.*s", way, (int)n, text);
            whole = squeeze(way, text, n, cut, other);
            cr_assert(whole == len && memcmp(plain, other, len) == 0, "way %zu, cut at %zu: %.*s", way, cut,
                (int)n, text);
        }
    }
}

Test(squeezed_ways, know_every_octet)
{
    uint8_t text[65], plain[386], other[386];
    for (unsigned c = 0; c < 256; c++)
        for (size_t at = 0; at < 2 * sizeof text; at += 7) {
            memset(text, at < sizeof text ? '.' : 'a', sizeof text);
            text[at % sizeof text] = (uint8_t)c;
            if (at > sizeof text)
                text[at % sizeof text - 1] = '\\';
            size_t len = squeeze(0, text, sizeof text, 0, plain);
            for (size_t way = 1; way < squeezed_ways(); way++)
                cr_expect(squeeze(way, text, sizeof text, 0, other) == len && memcmp(plain, other, len) == 0,
                    "way %zu: %u at %zu", way, c, at);
        }
}

/* Words that phrases are made of, and what parts them: short words, long ones, gaps, escapes, any octet. */
static size_t any_words(uint8_t *text)
{
    static const char *const parts[] = {"abandon ", "zoo ", "cat\\n", "umbrella, ", "of ", "a ", "\\\\n",
        "\\\"it ", "configuration", "          ", "@[`{", "\x80\xff\xc1\xe1"};
    size_t n = 0, upto = draw(2 * TEXT_MAX);
    uint32_t kinds = draw(4) ? 4 : ARRAY_LEN(parts);
    while (n < upto) {
        const char *part = parts[draw(draw(30) ? kinds : ARRAY_LEN(parts))];
        size_t k = MIN(strlen(part), upto - n);
        memcpy(text + n, part, k);
        n += k;
    }
    return n;
}

Test(seed_skip_ways, pass_over_the_same)
{
    static uint8_t text[2 * TEXT_MAX];
    size_t passed = 0, stopped = 0;
    cr_log_info("%zu ways", seed_skip_ways());
    for (unsigned round = 0; round < 30000; round++) {
        size_t n = any_words(text);
        if (n && draw(3) == 0)
            text[draw((uint32_t)n)] = (uint8_t)draw(256);
        size_t plain = seed_skip_by(0, text, n);
        passed += plain > 64;
        stopped += plain + 128 < n;
        for (size_t way = 1; way < seed_skip_ways(); way++)
            cr_assert_eq(seed_skip_by(way, text, n), plain, "way %zu: %.*s", way, (int)n, text);
        cr_assert_eq(seed_skip(text, n), plain);
    }
    cr_expect_gt(passed, 1000);
    cr_expect_gt(stopped, 1000);
}

Test(seed_skip_ways, know_every_octet)
{
    uint8_t text[128];
    for (unsigned c = 0; c < 256; c++)
        for (size_t at = 0; at < sizeof text; at++) {
            for (size_t i = 0; i < sizeof text; i++)
                text[i] = i % 10 == 9 ? ' ' : 'a';
            text[at] = (uint8_t)c;
            size_t plain = seed_skip_by(0, text, sizeof text);
            for (size_t way = 1; way < seed_skip_ways(); way++)
                cr_expect_eq(seed_skip_by(way, text, sizeof text), plain, "way %zu: %u at %zu", way, c, at);
        }
}
