/* The hash chains of an audit log: what was changed, left out, repeated or cut is found. */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "hostctl/audit_chain.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static char why[300];

static void hex(const char *line, char out[65])
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    cr_assert_eq(EVP_Digest(line, strlen(line), md, &n, EVP_sha256(), NULL), 1);
    for (unsigned i = 0; i < n; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", md[i]);
}

/* Line `seq` of `writer`, following `before`. */
static const char *make(char out[512], const char *writer, int seq, const char *before, const char *extra)
{
    char prev[65] = ZEROS;
    if (before)
        hex(before, prev);
    (void)snprintf(
        out, 512, "{\"w\":\"%s\",\"seq\":%d,\"prev\":\"%s\",\"event\":\"%s\"}", writer, seq, prev, extra);
    return out;
}

static int feed(struct chains *c, const char *line)
{
    return chains_line(c, line, strlen(line), why, sizeof why);
}

Test(chains, two_writers_side_by_side)
{
    struct chains *c = chains_new(false);
    char a1[512], a2[512], b1[512], b2[512];
    cr_assert_eq(feed(c, make(a1, "a", 1, NULL, "x")), 0);
    cr_assert_eq(feed(c, make(b1, "b", 1, NULL, "x")), 0);
    cr_assert_eq(feed(c, make(b2, "b", 2, b1, "y")), 0);
    cr_assert_eq(feed(c, make(a2, "a", 2, a1, "y")), 0, "%s", why);
    cr_assert_eq(chains_writers(c), 2u);
    cr_assert_eq(chains_lines(c), 4u);
    chains_free(c);
}

Test(chains, a_changed_line_is_found_at_the_next)
{
    struct chains *c = chains_new(false);
    char l1[512], l2[512], changed[512];
    make(l1, "a", 1, NULL, "x");
    make(l2, "a", 2, l1, "y");
    cr_assert_eq(feed(c, make(changed, "a", 1, NULL, "z")), 0);
    cr_assert_eq(feed(c, l2), -1);
    cr_assert(strstr(why, "changed"), "%s", why);
    chains_free(c);
}

Test(chains, a_missing_a_repeated_and_a_swapped_line)
{
    char l1[512], l2[512], l3[512];
    make(l1, "a", 1, NULL, "x");
    make(l2, "a", 2, l1, "y");
    make(l3, "a", 3, l2, "z");
    struct chains *c = chains_new(false);
    cr_assert_eq(feed(c, l1), 0);
    cr_assert_eq(feed(c, l3), -1);
    cr_assert(strstr(why, "missing"), "%s", why);
    chains_free(c);
    c = chains_new(false);
    cr_assert_eq(feed(c, l1), 0);
    cr_assert_eq(feed(c, l1), -1);
    chains_free(c);
    c = chains_new(false);
    cr_assert_eq(feed(c, l2), -1, "nothing was rotated away, so the first line must be number 1");
    chains_free(c);
}

Test(chains, a_rotated_log_may_begin_late_but_not_twice)
{
    char l1[512], l2[512], l3[512], l9[512];
    make(l1, "a", 1, NULL, "x");
    make(l2, "a", 2, l1, "y");
    make(l3, "a", 3, l2, "z");
    make(l9, "a", 9, l3, "z");
    struct chains *c = chains_new(true);
    cr_assert_eq(feed(c, l2), 0);
    cr_assert_eq(chains_cut(c), 1u);
    cr_assert_eq(feed(c, l3), 0);
    cr_assert_eq(feed(c, l9), -1);
    chains_free(c);
}

Test(chains, a_first_line_must_not_claim_a_past)
{
    char l1[512], other[512];
    make(other, "b", 1, NULL, "x");
    struct chains *c = chains_new(false);
    cr_assert_eq(feed(c, make(l1, "a", 1, other, "x")), -1);
    chains_free(c);
}

Test(chains, what_is_no_line_is_said)
{
    struct chains *c = chains_new(false);
    cr_assert_eq(feed(c, ""), -1);
    cr_assert_eq(feed(c, "{}"), -1);
    cr_assert_eq(feed(c, "{\"w\":\"a\",\"seq\":1,\"prev\":\"" ZEROS "\",\"w\":\"b\"}"), -1,
        "a key twice reads two ways");
    chains_free(c);
}
