/* What is passed over sixteen octets at a time is what a look at each octet would pass over. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "appliance/inspect/inspect_internal.h"
#include "appliance/inspect/skip.h"

#define RUN 16u

static uint32_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

static bool is_digit_or_line(uint8_t c)
{
    return b64_value(c) >= 0 || c == '\n' || c == '\r';
}

static bool is_letter_or_number(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Runs of digits of many lengths, and any octet between them. */
static void make(uint8_t *p, size_t n)
{
    static const char set[] = "ABYZabyz0189+/-_\n\r";
    for (size_t i = 0; i < n;) {
        for (size_t k = draw(24); k && i < n; k--)
            p[i++] = (uint8_t)set[draw(draw(4) ? 16 : 18)];
        if (i < n)
            p[i++] = (uint8_t)draw(256);
    }
}

Test(skip, passes_over_no_run)
{
    uint8_t p[400];
    for (seed = 0; seed < 20000; seed++) {
        uint32_t kept = seed;
        size_t n = draw(sizeof p), at;
        make(p, n);
        at = skip_to_run(p, n);
        for (size_t k = 0; k < skip_ways(); k++)
            at = MAX(at, skip_way(k)->to_run(p, n));
        cr_assert_leq(at, n);
        for (size_t i = 0, run = 0; i < n; i++) {
            run = is_digit_or_line(p[i]) ? run + 1 : 0;
            cr_assert(run < RUN || i + 1 - RUN >= at, "a run at %zu before %zu", i + 1 - RUN, at);
            /* and none that goes on behind the end */
            cr_assert(i + 1 < n || run == 0 || i + 1 - run >= at, "the last run, before %zu", at);
        }
        seed = kept;
    }
}

/* Octet by octet; what is before p[0] may be digits. */
static size_t first_rare_escape(const uint8_t *p, size_t n, bool quotes, bool tabs)
{
    size_t i = 0, row = RUN;
    while (i < n) {
        uint8_t c = p[i], next = i + 1 < n ? p[i + 1] : '%';
        bool common = (next == '"' && quotes) || (next == 't' && tabs) || (next == 'n' && row < RUN);
        if (c == '\\' && !common)
            return i;
        if (c == '%' && (i + 1 == n || isxdigit(next) || next == 'u'))
            return i;
        if (c == '&' && (i + 1 == n || next == '#' || (next >= 'a' && next <= 's')))
            return i;
        for (size_t upto = i + (c == '\\' ? 2 : 1); i < upto; i++)
            row = b64_value(p[i]) >= 0 ? row + 1 : 0;
    }
    return n;
}

Test(skip, passes_over_common_escapes)
{
    static const char *const parts[] = {"\\n", "\\\"", "\\t", " ", "; ", "word ", "&& ", "% ", "&\" ", "&z ",
        "%x ", "ABCDEFGHIJKLMNOPQ", "abcdefgh01234567", "\\\\n", "\\u0041", "%41", "&#65;", "&lt;", "\\", "%",
        "&", "\n", "\r"};
    uint8_t p[600];
    size_t passed = 0;
    for (unsigned round = 0; round < 30000; round++) {
        size_t n = 0, upto = draw(sizeof p);
        uint32_t kinds = draw(3) ? 11 : ARRAY_LEN(parts);
        bool quotes = draw(2), tabs = draw(2);
        while (n < upto) {
            const char *part = parts[draw(draw(20) ? kinds : ARRAY_LEN(parts))];
            size_t k = MIN(strlen(part), upto - n);
            memcpy(p + n, part, k);
            n += k;
        }
        size_t rare = first_rare_escape(p, n, quotes, tabs);
        for (size_t k = 0; k < skip_ways(); k++)
            cr_assert_leq(skip_way(k)->escapes(p, n, quotes, tabs), rare, "way %zu: %.*s", k, (int)n, p);
        passed += skip_escapes(p, n, quotes, tabs);
    }
    cr_assert(skip_ways() < 3 || passed > 100000, "%zu", passed);
}

Test(skip, passes_over_a_string)
{
    uint8_t p[400];
    size_t passed = 0;
    for (unsigned round = 0; round < 30000; round++) {
        bool within[sizeof p + 1] = {false};
        size_t n = draw(sizeof p), end = 0;
        uint32_t rare = 2 + draw(100);
        for (size_t i = 0; i < n; i++)
            p[i] = draw(rare) ? 'x' : (uint8_t) "\\\"\\n"[draw(4)];
        for (; end < n && p[end] != '"'; end++)
            if (p[end] == '\\')
                within[++end] = true;
        for (size_t k = 0; k < skip_ways(); k++) {
            size_t at = skip_way(k)->string(p, n);
            cr_assert(at <= end && !within[at], "way %zu: %zu of %zu in %.*s", k, at, end, (int)n, p);
            passed += at;
        }
    }
    cr_assert(skip_ways() < 3 || passed > 100000, "%zu", passed);
}

#ifdef __SSE2__ /* elsewhere nothing is passed over */

Test(skip, knows_every_octet)
{
    for (unsigned c = 0; c < 256; c++) {
        uint8_t p[64];
        memset(p, (int)c, sizeof p);
        bool digit = b64_value((uint8_t)c) >= 0;
        cr_assert_eq(skip_digits_only(p, sizeof p) > 0, digit, "%#x", c);
        for (size_t k = 1; k < skip_ways(); k++) {
            const struct skip_way *w = skip_way(k);
            cr_assert_eq(w->to_run(p, sizeof p) == 0, is_digit_or_line((uint8_t)c), "%#x", c);
            cr_assert_eq(w->without_numbers(p, sizeof p) == 0, c >= '0' && c <= '9', "%#x", c);
            cr_assert_eq(
                w->to(p, sizeof p, '%', '\\', '&') == 0, c == '%' || c == '\\' || c == '&', "%#x", c);
        }
        cr_assert_eq(skip_word(p), is_letter_or_number((uint8_t)c) ? 16u : 0u, "%#x", c);
        cr_assert_eq(skip_to(p, sizeof p, '%', '\\', '&') == 0, c == '%' || c == '\\' || c == '&', "%#x", c);
    }
}

Test(skip, stops_at_what_is_looked_for)
{
    uint8_t p[212];
    const size_t whole = sizeof p / 16 * 16;
    for (size_t at = 0; at < sizeof p; at++) {
        memset(p, 'x', sizeof p);
        p[at] = '&';
        cr_assert_eq(skip_to(p, sizeof p, '%', '\\', '&'), at < whole ? at : whole, "%zu", at);
        for (size_t k = 1; k < skip_ways(); k++)
            cr_assert_eq(skip_way(k)->to(p, sizeof p, '&', '%', '\\'), at < whole ? at : whole, "%zu", at);
        p[at] = ' ';
        cr_assert_eq(skip_digits_only(p, sizeof p), at < whole ? at / 16 * 16 : whole);
    }
}

#endif
