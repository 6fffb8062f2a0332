/* What is passed over holds no seed phrase. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "appliance/inspect/inspect_internal.h"
#include "appliance/inspect/seed.h"
#include "appliance/inspect/skip.h"
#include "lib/base.h"

static uint32_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

static const char *const listed[] = {"abandon", "zoo", "add", "cat", "dog", "fox", "abstract", "umbrella"};
static const char *const others[] = {"of", "a", "configuration", "Strange", "\\n", "12345 67 890", "the",
    "\"", "internationally", "to", "          ", "\\\"it"};
Test(seed_skip, knows_the_words)
{
    for (size_t i = 0; i < ARRAY_LEN(listed); i++)
        cr_assert_geq(seed_word((const uint8_t *)listed[i], strlen(listed[i])), 0, "%s", listed[i]);
}

static const char *const between[] = {" ", "\\n", "\", \"", "\\n12. ", "\\\\n", ",", "\\u0020"};

static size_t put(char *to, const char *word, bool parted)
{
    return (size_t)sprintf(to, "%s%s", word, parted ? between[draw(ARRAY_LEN(between))] : " ");
}

Test(seed_skip, passes_over_no_phrase)
{
    static char text[4096];
    size_t passed = 0;
    for (unsigned round = 0; round < 20000; round++) {
        size_t n = 0, begin;
        for (unsigned k = draw(60); k; k--)
            n += put(text + n, draw(3) ? listed[draw(8)] : others[draw(ARRAY_LEN(others))], draw(2));
        begin = n;
        for (unsigned k = 0; k < 12; k++)
            n += put(text + n, listed[draw(8)], true);
        for (unsigned k = draw(20); k; k--)
            n += put(text + n, others[draw(ARRAY_LEN(others))], draw(2));
        size_t skipped = seed_skip((const uint8_t *)text, n);
        cr_assert_leq(skipped, begin, "%zu of %zu: %s", skipped, begin, text);
        passed += skipped;
    }
    cr_assert_gt(passed, 1000000);
}

Test(seed_skip, passes_over_prose)
{
    static const char prose[] =
        "It is told in the manual of the program that a text of this kind has many short words, "
        "as in all of English, so it is not looked at word by word. ";
    cr_assert_gt(seed_skip((const uint8_t *)prose, sizeof prose - 1), sizeof prose - 1 - 80);
}

/* Octet by octet. */
Test(skip, knows_numbers_and_dots)
{
    uint8_t text[300];
    size_t passed = 0;
    for (unsigned round = 0; round < 20000; round++) {
        size_t n = draw(sizeof text), first = n, dots = n;
        for (size_t i = 0; i < n; i++)
            text[i] = (uint8_t) "ab. -/:5"[draw(draw(8) ? 6 : 8)];
        for (size_t i = n; i-- > 0;) {
            first = text[i] >= '0' && text[i] <= '9' ? i : first;
            dots = text[i] == '.' && i + 7 < n && text[i + 7] == '.' ? i : dots;
        }
        for (size_t k = 0; k < skip_ways(); k++) {
            cr_assert_leq(skip_way(k)->without_numbers(text, n), first, "way %zu", k);
            cr_assert_leq(skip_way(k)->to_dots(text, n), dots, "way %zu", k);
        }
        passed += skip_without_numbers(text, n) + skip_to_dots(text, n);
    }
    cr_assert(skip_ways() == 1 || passed > 100000, "%zu", passed);
}

Test(skip, knows_where_text_begins)
{
    uint8_t octets[300];
    for (unsigned round = 0; round < 20000; round++) {
        size_t n = draw(sizeof octets), first = n, row = 0;
        for (size_t i = 0; i < n; i++)
            octets[i] = (uint8_t)(draw(10) ? draw(0x7f) : draw(256));
        for (size_t i = n; i-- > 0;) {
            row = octets[i] == 0 || (octets[i] >= ' ' && octets[i] < 0x7f) ? row + 1 : 0;
            first = row >= 8 ? i : first;
        }
        cr_assert_leq(skip_to_text(octets, n), first);
    }
}
