#include <criterion/criterion.h>
#include <string.h>

#include "lib/base.h"
#include "lib/target.h"

static enum target_result canon(const char *in, size_t len, char *out, size_t room, struct target *t)
{
    memset(out, 'Z', room);
    return target_canon(in, len, out, room, t);
}

static const struct {
    const char *in, *out;
    unsigned ambiguous;
} good[] = {
    {"/", "/", 0},
    {"*", "*", 0},
    {"/a", "/a", 0},
    {"/a/", "/a/", 0},
    {"/a/b?x=1", "/a/b?x=1", 0},
    {"/a?", "/a?", 0},
    {"/?", "/?", 0},
    {"/a?b?c", "/a?b?c", 0},
    {"/a?/../b", "/a?/../b", 0},
    {"/a?100%", "/a?100%", 0}, /* browsers leave a lone '%' in a query */
    {"/a?%0a%00", "/a?%0a%00", 0},
    {"/~user/a-b_c.d", "/~user/a-b_c.d", 0},
    {"/%7Euser/%61", "/~user/a", 0},
    {"/a%20b", "/a%20b", 0},
    {"/a%c3%bc", "/a%C3%BC", 0},
    {"/a\xc3\xbc?\xc3\xbc", "/a%C3%BC?%C3%BC", 0},
    {"/a!$&'()*+,;=:@", "/a!$&'()*+,;=:@", 0},
    {"/a;v=1/b", "/a;v=1/b", 0},
    {"/%3b", "/%3B", 0},
    {"/[a]{b}|^\"<>`", "/%5Ba%5D%7Bb%7D%7C%5E%22%3C%3E%60", 0},
    {"/100%25", "/100%25", 0},
    {"/a%2525", "/a%2525", 0},
    {"/50%25off", "/50%25off", 0},
    {"/@scope/name", "/@scope/name", 0},
    /* dot segments */
    {"/.", "/", 0},
    {"/./", "/", 0},
    {"/a/.", "/a/", 0},
    {"/a/..", "/", 0},
    {"/a/../", "/", 0},
    {"/a/./b", "/a/b", 0},
    {"/a/b/../c", "/a/c", 0},
    {"/a/b/../../c", "/c", 0},
    {"/a/b/..", "/a/", 0},
    {"/a/.b/..c/d..", "/a/.b/..c/d..", 0},
    {"/.well-known/x", "/.well-known/x", 0},
    {"/%2ewell-known/x", "/.well-known/x", 0},
    {"/a/..?x", "/?x", 0},
    /* two readings, where a rule depends on the path */
    {"/@scope%2fname", "/@scope%2Fname", AMBIGUOUS_SLASH},
    {"/a%5cb", "/a%5Cb", AMBIGUOUS_BACKSLASH},
    {"/a\\b", "/a%5Cb", AMBIGUOUS_BACKSLASH},
    {"/a/..\\b", "/a/..%5Cb", AMBIGUOUS_BACKSLASH},
    {"/a/..%2fb", "/a/..%2Fb", AMBIGUOUS_SLASH},
    {"//", "//", AMBIGUOUS_EMPTY},
    {"//a", "//a", AMBIGUOUS_EMPTY},
    {"/a//b", "/a//b", AMBIGUOUS_EMPTY},
    {"/a//../b", "/a/b", AMBIGUOUS_EMPTY},
    {"/a%252fb", "/a%252fb", AMBIGUOUS_DOUBLE},
    {"/a%25%32%66b", "/a%252fb", AMBIGUOUS_DOUBLE},
    {"/%252e%252e/b", "/%252e%252e/b", AMBIGUOUS_DOUBLE},
    {"/%25252e/b", "/%25252e/b", AMBIGUOUS_DOUBLE},
    {"/%2500", "/%2500", AMBIGUOUS_DOUBLE},
    {"/%255c", "/%255c", AMBIGUOUS_DOUBLE},
    {"/%25u002e", "/%25u002e", AMBIGUOUS_DOUBLE},
    {"/%2561", "/%2561", 0},
    {"/a%3fb", "/a%3Fb", AMBIGUOUS_DELIMITER},
    {"/a%23b", "/a%23b", AMBIGUOUS_DELIMITER},
    {"/a%e9", "/a%E9", AMBIGUOUS_UTF8}, /* Latin-1 */
    {"/a%e9/b", "/a%E9/b", AMBIGUOUS_UTF8},
    {"/%80", "/%80", AMBIGUOUS_UTF8},
    {"/%c3", "/%C3", AMBIGUOUS_UTF8},
    {"/%ed%a0%80", "/%ED%A0%80", AMBIGUOUS_UTF8}, /* surrogate */
    {"/%f4%90%80%80", "/%F4%90%80%80", AMBIGUOUS_UTF8},
    {"/\xff", "/%FF", AMBIGUOUS_UTF8},
    {"/a%ef%bc%8fb", "/a%EF%BC%8Fb", AMBIGUOUS_LOOKALIKE}, /* full-width solidus */
    {"/%ef%bc%8e%ef%bc%8e/b", "/%EF%BC%8E%EF%BC%8E/b", AMBIGUOUS_LOOKALIKE},
    {"/%e3%80%82", "/%E3%80%82", AMBIGUOUS_LOOKALIKE},
    {"/a/%ef%b8%b0/b", "/a/%EF%B8%B0/b", AMBIGUOUS_LOOKALIKE}, /* vertical two dots: NFKC ".." */
    {"/a/..%cd%be/b", "/a/..%CD%BE/b", AMBIGUOUS_LOOKALIKE}, /* Greek question mark: NFC ";" */
    {"/a/..%e2%84%80b", "/a/..%E2%84%80b", AMBIGUOUS_LOOKALIKE}, /* "a/c" in one */
    {"/a/..%c2%a5b", "/a/..%C2%A5b", AMBIGUOUS_LOOKALIKE}, /* the yen sign is '\\' in cp932 */
    {"/a%ef%bc%9f", "/a%EF%BC%9F",
        0}, /* full-width "?" is in titles; who folds it has split the target long before */
    {"/%e2%91%a0", "/%E2%91%A0", 0},
    {"/%e4%b8%ad%e6%96%87", "/%E4%B8%AD%E6%96%87", 0},
    {"/%f0%9f%98%80", "/%F0%9F%98%80", 0},
    {"/...", "/...", AMBIGUOUS_DOTS},
    {"/..%20/b", "/..%20/b", AMBIGUOUS_DOTS},
    {"/.%20", "/.%20", AMBIGUOUS_DOTS},
};

Test(target, canonical)
{
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char out[256], again[512];
        struct target t = {0}, u = {0};
        size_t len = strlen(good[i].in);
        enum target_result r = canon(good[i].in, len, out, 3 * len + 2, &t);
        cr_expect_eq(r, TARGET_OK, "%s: %d", good[i].in, (int)r);
        if (r != TARGET_OK)
            continue;
        cr_expect_str_eq(out, good[i].out);
        cr_expect_eq(t.ambiguous, good[i].ambiguous, "%s: %#x", good[i].in, t.ambiguous);
        const char *q = strchr(good[i].out, '?');
        cr_expect_eq(t.path, out);
        cr_expect_eq(t.path_len, q ? (size_t)(q - good[i].out) : strlen(good[i].out), "%s", good[i].in);
        cr_expect_eq(t.query != NULL, q != NULL, "%s", good[i].in);
        if (q && t.query) {
            cr_expect_eq(t.query, out + t.path_len + 1);
            cr_expect_eq(t.query_len, strlen(q + 1));
        }
        /* What is canonical stays as it is. */
        cr_expect_eq(canon(out, strlen(out), again, sizeof again, &u), TARGET_OK, "%s", out);
        cr_expect_str_eq(again, out);
    }
}

static const struct {
    const char *in;
    enum target_result result;
} bad[] = {
    {"", TARGET_BAD},
    {"a", TARGET_BAD},
    {"**", TARGET_BAD},
    {"?x", TARGET_BAD},
    {"http://a.example/", TARGET_BAD},
    {"a.example:443", TARGET_BAD},
    {"/a b", TARGET_BAD},
    {"/a\tb", TARGET_BAD},
    {"/a\x7f", TARGET_BAD},
    {"/a\r", TARGET_BAD},
    {"/a?b c", TARGET_BAD},
    {"/a?b\x01", TARGET_BAD},
    {"/#x", TARGET_AMBIGUOUS},
    {"/a?b#x", TARGET_AMBIGUOUS},
    {"/%", TARGET_AMBIGUOUS},
    {"/%2", TARGET_AMBIGUOUS},
    {"/%zz", TARGET_AMBIGUOUS},
    {"/%2?x", TARGET_AMBIGUOUS},
    {"/%u002e%u002e/x", TARGET_AMBIGUOUS},
    {"/a%00", TARGET_AMBIGUOUS},
    {"/a%0a", TARGET_AMBIGUOUS},
    {"/a%0d%0aHost:x", TARGET_AMBIGUOUS},
    {"/a%1f", TARGET_AMBIGUOUS},
    {"/a%7f", TARGET_AMBIGUOUS},
    {"/..", TARGET_AMBIGUOUS},
    {"/../a", TARGET_AMBIGUOUS},
    {"/a/../../b", TARGET_AMBIGUOUS},
    {"/a/%2e%2e/b", TARGET_AMBIGUOUS},
    {"/a/.%2e/b", TARGET_AMBIGUOUS},
    {"/a/%2E./b", TARGET_AMBIGUOUS},
    {"/a/%2e/b", TARGET_AMBIGUOUS},
    {"/a/%2e", TARGET_AMBIGUOUS},
    {"/a/..;/b", TARGET_AMBIGUOUS},
    {"/a/..;x=1/b", TARGET_AMBIGUOUS},
    {"/a/.;/b", TARGET_AMBIGUOUS},
    {"/a/..%3b/b", TARGET_AMBIGUOUS},
    {"/a/%2e%2e%3bx/b", TARGET_AMBIGUOUS},
    {"/a/%c0%ae%c0%ae/b", TARGET_AMBIGUOUS},
    {"/a%c0%afb", TARGET_AMBIGUOUS},
    {"/a%c1%9cb", TARGET_AMBIGUOUS},
    {"/a%e0%80%afb", TARGET_AMBIGUOUS},
    {"/a%f0%80%80%afb", TARGET_AMBIGUOUS},
    {"/a\xc0\xaf", TARGET_AMBIGUOUS},
};

Test(target, refused)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char out[256];
        struct target t;
        size_t len = strlen(bad[i].in);
        enum target_result r = canon(bad[i].in, len, out, 3 * len + 2, &t);
        cr_expect_eq(r, bad[i].result, "'%s': %d", bad[i].in, (int)r);
    }
    char out[16];
    struct target t;
    cr_expect_eq(target_canon("/a\0b", 4, out, sizeof out, &t), TARGET_BAD);
    cr_expect_eq(target_canon("/abcdef", 7, out, sizeof out, &t), TARGET_BAD, "too little room");
}

Test(target, length)
{
    char *in = malloc(TARGET_MAX + 1), *out = malloc(3 * (TARGET_MAX + 1) + 2);
    struct target t;
    memset(in, '|', TARGET_MAX + 1);
    in[0] = '/';
    cr_expect_eq(target_canon(in, TARGET_MAX, out, 3 * TARGET_MAX + 2, &t), TARGET_OK);
    cr_expect_eq(t.path_len, 1 + 3 * (TARGET_MAX - 1));
    cr_expect_eq(target_canon(in, TARGET_MAX + 1, out, 3 * (TARGET_MAX + 1) + 2, &t), TARGET_BAD);
    free(in);
    free(out);
}
