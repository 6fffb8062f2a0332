#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#include "lib/base.h"
#include "lib/regex.h"

Test(regex, matches_whole_subjects)
{
    static const struct {
        const char *pattern, *subject;
        enum regex_result result;
    } t[] = {
        {"/a", "/a", REGEX_YES},
        {"/a", "/ab", REGEX_NO},
        {"/a", "x/a", REGEX_NO},
        {"a|ab", "ab", REGEX_YES},
        {"/a|/b", "/b", REGEX_YES},
        {"/a|/b", "/a/b", REGEX_NO},
        {"^/a$", "/a", REGEX_YES},
        {"/a$", "/a\n", REGEX_NO},
        {"/a(?x) # comment", "/a", REGEX_YES},
        {"/repos/[^/]+/x", "/repos/a/x", REGEX_YES},
        {"/repos/[^/]+/x", "/repos/a/b/x", REGEX_NO},
        {"(a)\\1", "aa", REGEX_YES},
        {"/(?i)AbC", "/abc", REGEX_YES},
        {"/.", "/\xc3\xbc", REGEX_NO}, /* octets, not characters */
        {"/..", "/\xc3\xbc", REGEX_YES},
        {"", "", REGEX_YES},
    };
    struct regex_set *s = regex_set_new();
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        char err[160];
        size_t at;
        const struct regex *re = regex_compile(s, t[i].pattern, strlen(t[i].pattern), err, sizeof err, &at);
        cr_assert(re, "%s: %s", t[i].pattern, err);
        cr_expect_eq(regex_match(re, t[i].subject, strlen(t[i].subject)), t[i].result, "%s on '%s'",
            t[i].pattern, t[i].subject);
    }
    regex_set_free(s);
}

Test(regex, bad_patterns_say_where)
{
    static const struct {
        const char *pattern;
        size_t offset;
    } t[] = {{"/a(", 3}, {"[a", 2}, {"a**b(", 2}, {"(*UTF)a", 6}, {"\\Ca", 2}};
    struct regex_set *s = regex_set_new();
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        char err[160] = "";
        size_t at;
        const struct regex *re = regex_compile(s, t[i].pattern, strlen(t[i].pattern), err, sizeof err, &at);
        cr_expect_null(re, "%s", t[i].pattern);
        cr_expect_eq(at, t[i].offset, "%s: %zu", t[i].pattern, at);
        cr_expect(err[0] != '\0');
    }
    char *deep = malloc(REGEX_PATTERN_MAX + 1), err[160];
    size_t at;
    memset(deep, '(', 100);
    cr_expect_null(regex_compile(s, deep, 100, err, sizeof err, &at));
    memset(deep, 'a', REGEX_PATTERN_MAX + 1);
    cr_expect(regex_compile(s, deep, REGEX_PATTERN_MAX, err, sizeof err, &at));
    cr_expect_null(regex_compile(s, deep, REGEX_PATTERN_MAX + 1, err, sizeof err, &at));
    free(deep);
    regex_set_free(s);
}

Test(regex, runaways_are_stopped_soon)
{
    static const char *const patterns[] = {"(a+)+[bc]", "(a|aa)+[bc]", "(.*)*(.*)*(.*)*[xy]",
        "(?:a?){40}a{40}[xy]", "((a*)*)*[bc]", "(?:.*a){20}[xy]"};
    struct regex_set *s = regex_set_new();
    char subject[16384];
    memset(subject, 'a', sizeof subject);
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        char err[160];
        size_t at;
        const struct regex *re = regex_compile(s, patterns[i], strlen(patterns[i]), err, sizeof err, &at);
        cr_assert(re, "%s", err);
        clock_t before = clock();
        enum regex_result r = regex_match(re, subject, sizeof subject);
        double ms = (double)(clock() - before) * 1000 / CLOCKS_PER_SEC;
        cr_expect_neq(r, REGEX_YES, "%s", patterns[i]);
        cr_expect_lt(ms, 500, "%s took %.1f ms", patterns[i], ms);
        cr_log_info("%s: %d in %.2f ms", patterns[i], (int)r, ms);
    }
    /* Honest patterns over the longest path are not taken for runaways. */
    static const char *const honest[] = {".*", "(?:a|b)*", "[a-z]+", "a(?:[^/]*)a", "(?:aa)+"};
    for (size_t i = 0; i < ARRAY_LEN(honest); i++) {
        char err[160];
        size_t at;
        const struct regex *re = regex_compile(s, honest[i], strlen(honest[i]), err, sizeof err, &at);
        cr_expect_eq(regex_match(re, subject, sizeof subject), REGEX_YES, "%s", honest[i]);
    }
    regex_set_free(s);
}
