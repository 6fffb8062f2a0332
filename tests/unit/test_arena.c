#include <criterion/criterion.h>

#include <stdint.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/utf8.h"

Test(arena, aligned_zeroed_and_bounded)
{
    struct arena a;
    arena_init(&a, 8192);
    for (size_t n = 1; n < 100; n++) {
        unsigned char *p = arena_alloc(&a, n);
        cr_assert(p);
        cr_assert_eq((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++)
            cr_assert_eq(p[i], 0);
        memset(p, 0xff, n);
    }
    cr_assert_null(arena_alloc(&a, 8192));
    cr_assert_null(arena_alloc(&a, SIZE_MAX));
    arena_free(&a);
    cr_assert(arena_alloc(&a, 8000));
    arena_free(&a);
}

Test(utf8, well_formed_only)
{
    static const struct {
        const char *s;
        size_t n;
    } cases[] = {{"a", 1}, {"\xc2\x80", 2}, {"\xe2\x82\xac", 3}, {"\xf0\x9f\x98\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4}, {"\xc0\xaf", 0}, {"\xe0\x80\xaf", 0}, {"\xed\xa0\x80", 0},
        {"\xf4\x90\x80\x80", 0}, {"\xf8\x88\x80\x80", 0}, {"\x80", 0}, {"\xe2\x82", 0}, {"\xc2", 0},
        {"\xe2\x28\xa1", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_assert_eq(utf8_sequence(cases[i].s, strlen(cases[i].s)), cases[i].n, "case %zu", i);
}
