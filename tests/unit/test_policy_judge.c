#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/policy.h"
#include "lib/policy_override.h"
#include "lib/target.h"

#define PATHS(list) "matches: [{paths: [" list "]}]"

static struct policy *load(const char *keys)
{
    char text[2048];
    struct policy_error e;
    (void)snprintf(
        text, sizeof text, "version: 1\negress:\n  routes:\n    - host: a.example\n      %s\n", keys);
    struct policy *p = policy_load(text, strlen(text), &e);
    cr_assert(p, "%u:%u: %s\n%s", e.line, e.col, e.text, text);
    return p;
}

static struct field field(const char *name, const char *value)
{
    return (struct field){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

/* "METHOD target", then pairs of name and value; as the exchange does it. */
static enum reason judge(const struct policy *p, const char *line, const char *const *headers, int *match)
{
    char method[20], out[3 * TARGET_MAX + 2];
    struct target t;
    struct field fields[8];
    size_t n = 0;
    const char *space = strchr(line, ' ');
    (void)snprintf(method, sizeof method, "%.*s", (int)(space - line), line);
    switch (target_canon(space + 1, strlen(space + 1), out, 3 * strlen(space + 1) + 2, &t)) {
    case TARGET_BAD: return REASON_MALFORMED;
    case TARGET_AMBIGUOUS: return REASON_AMBIGUOUS_PATH;
    case TARGET_OK: break;
    }
    for (; headers && headers[2 * n]; n++)
        fields[n] = field(headers[2 * n], headers[2 * n + 1]);
    const struct request req = {.method = method,
        .path = t.path,
        .path_len = t.path_len,
        .ambiguous = t.ambiguous,
        .query = t.query,
        .query_len = t.query_len,
        .fields = fields,
        .n_fields = n};
    return policy_judge(policy_route(p, "a.example"), &req, match);
}

struct row {
    const char *line;
    enum reason reason;
};

static void expect(const char *keys, const struct row *t, size_t n)
{
    struct policy *p = load(keys);
    for (size_t i = 0; i < n; i++) {
        int match;
        enum reason r = judge(p, t[i].line, NULL, &match);
        cr_expect_eq(r, t[i].reason, "%s: '%s' is '%s', not '%s'", keys, t[i].line, reason_name(r),
            reason_name(t[i].reason));
    }
    policy_free(p);
}
#define EXPECT(keys, ...) \
    do { \
        static const struct row rows_[] = {__VA_ARGS__}; \
        expect(keys, rows_, ARRAY_LEN(rows_)); \
    } while (0)

#define OK REASON_NONE
#define NO REASON_NO_MATCH
#define TWO REASON_AMBIGUOUS_PATH
#define GIT REASON_GIT
#define PUSH REASON_GIT_PUSH

Test(judge, prefixes)
{
    EXPECT(PATHS("{value: /api}"), {"GET /api", OK}, {"GET /api/", OK}, {"GET /api/x", OK},
        {"GET /api?x", OK}, {"GET /apix", NO}, {"GET /", NO}, {"GET /ap", NO}, {"GET /API", NO},
        {"GET /api;x", NO}, {"GET /x/api", NO}, {"GET /%61pi/x", OK}, {"GET /x/../api", OK},
        {"GET /api/../x", NO}, {"GET /api/%2e%2e/x", TWO}, {"GET /api/..%2fx", TWO}, {"GET /api%2fx", TWO},
        {"GET //api", TWO}, {"GET /api//x", TWO}, {"GET /api/..\\x", TWO}, {"GET /api/..;/x", TWO},
        {"GET /api/%252e%252e/x", TWO}, {"OPTIONS *", NO}, {"GET /api/\xef\xbc\x8e\xef\xbc\x8e/x", TWO},
        {"GET /api/x%00", TWO}, {"GET /api/%c0%ae%c0%ae/x", TWO});
    EXPECT(
        PATHS("{value: /api/}"), {"GET /api/", OK}, {"GET /api/x", OK}, {"GET /api", NO}, {"GET /apix", NO});
    EXPECT(PATHS("{value: /}"), {"GET /", OK}, {"GET /x", OK}, {"OPTIONS *", NO}, {"GET //x", TWO});
    EXPECT(PATHS("{value: /a/../b}"), {"GET /b", OK}, {"GET /a", NO});
    EXPECT(PATHS("{value: /\xc3\xbc}"), {"GET /%c3%bc/x", OK}, {"GET /\xc3\xbc", OK}, {"GET /u", NO});
}

Test(judge, exact_and_regex)
{
    EXPECT(PATHS("{type: exact, value: /a/b}"), {"GET /a/b", OK}, {"GET /a/b?q", OK}, {"GET /a/b/", NO},
        {"GET /a", NO}, {"GET /a//b", TWO});
    EXPECT(PATHS("{type: exact, value: '*'}"), {"OPTIONS *", OK}, {"GET /", NO});
    EXPECT(PATHS("{type: regex, value: '/r/[a-z]+'}"), {"GET /r/abc", OK}, {"GET /r/abc?x=1", OK},
        {"GET /r/", NO}, {"GET /r/abc/", NO}, {"GET /x/r/abc", NO}, {"GET /r/a%2fb", TWO});
    EXPECT(PATHS("{type: regex, value: '/r/(a+)+[bc]'}"), {"GET /r/aab", OK}, {"GET /r/aad", NO},
        {"GET /r/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad", REASON_LIMIT});
    EXPECT(
        PATHS("{value: /x}, {type: exact, value: /y}"), {"GET /x/1", OK}, {"GET /y", OK}, {"GET /y/1", NO});
}

Test(judge, methods_and_entries)
{
    EXPECT("matches: [{methods: [GET, POST]}]", {"GET /", OK}, {"POST /x", OK}, {"HEAD /", NO}, {"get /", NO},
        {"GETX /", NO}, {"DELETE /", NO}, {"GET //odd%2fpath", OK}); /* no rule depends on this path */
    EXPECT("matches: [{paths: [{value: /a}], methods: [GET]}, {paths: [{value: /b}], methods: [POST]}]",
        {"GET /a", OK}, {"POST /b", OK}, {"GET /b", NO}, {"POST /a", NO});
    EXPECT("matches: [{paths: [{value: /a}]}, {methods: [GET]}]", {"GET /x//y", OK}, {"POST /a", OK},
        {"POST /a//y", TWO});
    EXPECT(
        "tls: bump", {"GET /", OK}, {"DELETE /x//y%2f..", OK}, {"GET /@scope%2fname", OK}, {"OPTIONS *", OK});
}

Test(judge, which_entry_decided)
{
    struct policy *p = load("matches: [{methods: [PUT]}, {methods: [GET]}]");
    int match;
    cr_expect_eq(judge(p, "GET /", NULL, &match), OK);
    cr_expect_eq(match, 1);
    cr_expect_eq(judge(p, "POST /", NULL, &match), NO);
    cr_expect_eq(match, -1);
    policy_free(p);
}

Test(judge, headers)
{
    struct policy *p =
        load("matches: [{headers: [{name: X-Kind, value: a}, {name: x-v, value: '[0-9]+', type: regex}]}]");
    static const struct {
        const char *headers[9];
        enum reason reason;
    } t[] = {
        {{"x-kind", "a", "x-v", "12"}, OK},
        {{"accept", "b", "x-v", "1", "x-kind", "a"}, OK},
        {{"x-kind", "a"}, NO},
        {{"x-v", "12"}, NO},
        {{"x-kind", "A", "x-v", "12"}, NO},
        {{"x-kind", "a ", "x-v", "12"}, NO},
        {{"x-kind", "", "x-v", "12"}, NO},
        {{"x-kind", "a", "x-v", "12x"}, NO},
        {{"x-kind", "a", "x-v", ""}, NO},
        {{"x-kind", "a", "x-kind", "a", "x-v", "1"}, NO},
        {{"x-kind", "a", "x-kind", "b", "x-v", "1"}, NO},
        {{NULL}, NO},
    };
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        int match;
        cr_expect_eq(judge(p, "GET /", t[i].headers, &match), t[i].reason, "row %zu", i);
    }
    policy_free(p);
}

Test(judge, fields_that_replace_method_or_path)
{
    struct policy *p = load("matches: [{methods: [GET, POST]}]"), *q = load("tls: bump");
    int match;
    static const char *const deletes[] = {"x-http-method-override", "DELETE", NULL};
    static const char *const gets[] = {"x-http-method-override", "GET", NULL};
    static const char *const other[] = {"x-method-override", "delete", NULL};
    static const char *const moves[] = {"x-original-url", "/admin", NULL};
    static const char *const rewrites[] = {"x-rewrite-url", "/admin", NULL};
    cr_expect_eq(judge(p, "POST /", gets, &match), OK);
    cr_expect_eq(judge(p, "POST /", deletes, &match), NO);
    cr_expect_eq(judge(p, "POST /", other, &match), NO);
    cr_expect_eq(judge(q, "POST /", deletes, &match), OK);
    cr_expect_eq(judge(p, "GET /", moves, &match), TWO);
    cr_expect_eq(judge(q, "GET /", moves, &match), TWO);
    cr_expect_eq(judge(q, "GET /", rewrites, &match), TWO);
    static const struct row parameters[] = {{"POST /?_method=GET", OK}, {"POST /?_method=DELETE", NO},
        {"POST /?a=b&_METHOD=delete", NO}, {"POST /?a;_method=PUT", NO}, {"POST /?%5fm%65thod=PUT", NO},
        {"POST /?_method=%50UT", NO}, {"POST /?_HttpMethod=PATCH&_method=GET", NO},
        {"POST /?_method=GET&_method=DELETE", NO}, {"POST /?x-http-method-override=PUT", NO},
        {"POST /?_method", OK}, {"POST /?method=DELETE&my_method=DELETE&_methods=x", OK}, {"POST /?%5", OK},
        {"POST /?_methodddddddddddddddddddddddddddddddddddd=DELETE", OK}};
    for (size_t i = 0; i < ARRAY_LEN(parameters); i++)
        cr_expect_eq(
            judge(p, parameters[i].line, NULL, &match), parameters[i].reason, "%s", parameters[i].line);
    cr_expect_eq(judge(q, "POST /?_method=DELETE", NULL, &match), OK);
    policy_free(p);
    policy_free(q);
}

Test(judge, trailers_that_would_have_been_judged)
{
    struct policy *p = load("matches: [{headers: [{name: x-kind, value: a}]}, {methods: [GET]}]");
    static const struct {
        const char *name;
        bool dropped;
    } t[] = {{"x-kind", true}, {"x_kind", true}, {"x-http-method", true}, {"x-rewrite-url", true},
        {"destination", true}, {"content.length", true}, {"x-sum", false}, {"grpc-status", false}};
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct field f = field(t[i].name, "a");
        cr_expect_eq(override_trailer(policy_route(p, "a.example"), &f), t[i].dropped, "%s", t[i].name);
    }
    policy_free(p);
}

Test(judge, where_copies_go)
{
    struct policy *p = load(PATHS("{value: /ok}")), *q = load("tls: bump");
    static const struct {
        const char *destination;
        enum reason ruled, open;
    } t[] = {{"https://a.example/ok/y", OK, OK}, {"/ok/y", OK, OK}, {"https://a.example/secret", NO, OK},
        {"/secret", NO, OK}, {"https://a.example", NO, OK}, {"https://a.example?/ok", NO, OK},
        {"https://a.example#/ok", NO, OK}, {"https://a.example:443/ok/../secret", NO, OK},
        {"/ok/%2e%2e/secret", TWO, TWO}, {"/ok/..%2fsecret", TWO, OK}, {"//a.example/ok", TWO, OK},
        {"/ok/y#x", TWO, TWO}, {"x/y", OK, OK}, {"", OK, OK},
        {"https://a.example/ok/r.git/refs/heads/main", PUSH, PUSH},
        {"/ok/r.git/git-receive-pack", PUSH, PUSH}};
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        int match;
        const char *const one[] = {"destination", t[i].destination, NULL};
        const char *const two[] = {"destination", "/ok", "destination", t[i].destination, NULL};
        cr_expect_eq(judge(p, "MOVE /ok/x", one, &match), t[i].ruled, "%s", t[i].destination);
        cr_expect_eq(judge(p, "COPY /ok/x", two, &match), t[i].ruled, "%s", t[i].destination);
        cr_expect_eq(judge(q, "MOVE /x", one, &match), t[i].open, "%s", t[i].destination);
    }
    policy_free(p);
    policy_free(q);
}

Test(judge, git_is_blocked_without_its_key)
{
    EXPECT("tls: bump", {"GET /o/n.git/info/refs?service=git-upload-pack", GIT},
        {"GET /o/n.git/info/refs?service=git-receive-pack", PUSH}, {"POST /o/n.git/git-upload-pack", GIT},
        {"POST /o/n.git/git-receive-pack", PUSH}, {"GET /o/n.git/info/refs", GIT}, {"GET /info/refs", GIT},
        {"POST /git-receive-pack", PUSH}, {"PUT /o/n/git-receive-pack?x", PUSH},
        {"GET /o/n.git/info/refs?service=git-upload-archive", GIT},
        {"POST /o/n.git/info/lfs/objects/batch", GIT}, {"PUT /o/n.git/info/lfs/objects/abc/12", PUSH},
        {"GET /o/n.git/info/lfs/objects/abc", GIT}, {"POST /o/n.git/info/lfs/locks", PUSH},
        /* spelled so that a server may see git where the plain path does not have it */
        {"POST /o/n.git/git%2dreceive%2dpack", PUSH}, {"POST /o/n.git%2fgit-receive-pack", TWO},
        {"POST /o/n.git%5cgit-receive-pack", TWO}, {"POST /o/n.git\\git-receive-pack", TWO},
        {"POST /o/n.git/git-receive-pack/", TWO}, {"POST /o/n.git/git-receive-pack//", TWO},
        {"POST /o/n.git/git-receive-pack;x", TWO}, {"POST /o/n.git/git-receive-pack%3Bx", TWO},
        {"POST /o/n.git/git-receive-pack%3Fx", TWO}, {"POST /o/n.git/git-receive-pack%23x", TWO},
        {"POST /o/n.git/git-receive-pack%20", TWO}, {"POST /o/n.git/git-receive-pack.", TWO},
        {"POST /o/n.git/GIT-Receive-Pack", TWO}, {"POST /o/n.git/git%252dreceive-pack", TWO},
        {"POST /o/n.git/git%25252dreceive-pack", TWO}, {"POST /o/n.git/git%25u002dreceive-pack", TWO},
        {"POST /o/n.git/git%2500receive-pack/../git-receive-pack", PUSH},
        {"POST /o/n.git/git-receive-pack%2500", TWO}, {"POST /o/n.git/git-receive-pack/x%2f..", TWO},
        {"GET /o/n.git/info//refs?service=git-receive-pack", TWO},
        {"GET /o/n.git/info;x/refs?service=git-receive-pack", TWO},
        {"GET /o/n.git/info%2frefs?service=git-receive-pack", TWO}, {"GET /o/n.git/INFO/refs", TWO},
        {"GET /o/n.git/%69nfo/refs?service=git-upload-pack", GIT},
        /* a push by WebDAV, and what else is git's */
        {"PUT /o/n.git/objects/ab/cdef", PUSH}, {"LOCK /o/n.git/refs/heads/main", PUSH},
        {"MKCOL /o/n.git/objects/ab/", PUSH}, {"MOVE /o/n.git/objects/ab/cdef_1", PUSH},
        {"PUT /o/n.git/info/refs", PUSH}, {"PUT /o/n/info/refs", PUSH}, {"DELETE /o/n.git/HEAD", PUSH},
        {"PUT /o/N.GIT/objects/ab/cdef", TWO}, {"PUT /o/n.git;x/objects/ab/cdef", TWO},
        {"PUT /o/n.git//objects/ab/cdef", TWO}, {"POST /o/n.git/git-upload-archive", GIT},
        /* not git */
        {"PROPFIND /o/n.git/objects/", OK}, {"PUT /o/n.git/contents/x", OK}, {"PUT /objects/ab/cdef", OK},
        {"GET /docs/git-receive-pack/2.40", OK}, {"GET /info/refs2", OK}, {"GET /xinfo/refs", OK},
        {"GET /x?service=git-receive-pack", OK}, {"GET /o/n/my-git-upload-pack", OK},
        {"GET /o/n.git/HEAD", OK}, {"GET /@scope%2fName/", OK}, {"GET /a%25b;c", OK});
}

Test(judge, git_fetch)
{
    EXPECT("git: {fetch: true}", {"GET /o/n.git/info/refs?service=git-upload-pack", OK},
        {"POST /o/n.git/git-upload-pack", OK}, {"GET /o/n.git/info/refs", OK}, {"GET /o/n/info/refs?x=1", OK},
        {"GET /o/n.git/info/refs?x=1&service=git-upload-pack", OK},
        {"GET /o/n.git/info/refs?service=git%2Dupload%2Dpack", OK},
        {"GET //o/n.git/info/refs?service=git-upload-pack", OK}, {"GET /x", OK},
        {"GET /o/n.git/info/refs?service=git-receive-pack", PUSH},
        {"GET /o/n.git/info/refs?service=git-upload-pack&service=git-receive-pack", PUSH},
        {"GET /o/n.git/info/refs?service=git-receive-pack&service=git-upload-pack", PUSH},
        {"GET /o/n.git/info/refs?service=git-upload-pack&service=git-upload-pack", GIT},
        {"GET /o/n.git/info/refs?a=b;service=git-receive-pack", PUSH},
        {"GET /o/n.git/info/refs?%73ervice=git-receive-pack", PUSH},
        {"GET /o/n.git/info/refs?%2573ervice=git-receive-pack", PUSH},
        {"GET /o/n.git/info/refs?+service=git-receive-pack", PUSH},
        {"GET /o/n.git/info/refs?Service=git-receive-pack", PUSH},
        {"GET /o/n.git/info/refs?service[]=git-receive-pack", PUSH},
        {"GET /o/n.git/info/refs?service=git%2dreceive-pack", PUSH},
        {"GET /o/n.git/info/refs?service=git%252dreceive-pack", PUSH},
        {"GET /o/n.git/info/refs?service=GIT-RECEIVE-PACK", PUSH},
        {"GET /o/n.git/info/refs?service=git-upload-pack%00", GIT},
        {"GET /o/n.git/info/refs?service=git-upload-archive", GIT}, {"GET /o/n.git/info/refs?service", GIT},
        {"GET /o/n.git/info/refs?service=", GIT}, {"GET /o/n.git/info/refs?Service=git-upload-pack", GIT},
        {"POST /o/n.git/git-receive-pack", PUSH}, {"POST /o/n.git/info/lfs/objects/batch", OK},
        {"GET /o/n.git/info/lfs/objects/abc", OK}, {"PUT /o/n.git/info/lfs/objects/abc", PUSH});
    /* git goes by git, the rest by matches */
    EXPECT("git: {fetch: true}\n      " PATHS("{value: /api}"),
        {"GET /o/n.git/info/refs?service=git-upload-pack", OK}, {"POST /o/n.git/git-upload-pack", OK},
        {"POST /o/n.git/git-receive-pack", PUSH}, {"GET /api/x", OK}, {"GET /x", NO},
        {"POST /api/n.git/git-receive-pack", PUSH});
    /* a rule on paths lets no git through */
    EXPECT(PATHS("{value: /o}"), {"GET /o/n.git/info/refs?service=git-upload-pack", GIT},
        {"POST /o/n.git/git-receive-pack", PUSH}, {"GET /o/n.git/HEAD", OK});
}

Test(judge, git_push_by_repository)
{
    EXPECT("git: {push: true, repos: [o/n, o/m.git, a/b/c]}",
        {"GET /o/n.git/info/refs?service=git-receive-pack", OK}, {"POST /o/n.git/git-receive-pack", OK},
        {"POST /o/n/git-receive-pack", OK}, {"POST /o/m/git-receive-pack", OK},
        {"POST /a/b/c.git/git-receive-pack", OK}, {"POST /o/n.git/git-upload-pack", GIT},
        {"POST /o/x.git/git-receive-pack", PUSH}, {"POST /O/n.git/git-receive-pack", PUSH},
        {"POST /x/o/n.git/git-receive-pack", PUSH}, {"POST /n.git/git-receive-pack", PUSH},
        {"POST /git-receive-pack", PUSH}, {"POST /o/n.git.git/git-receive-pack", PUSH},
        {"POST //o/n.git/git-receive-pack", PUSH}, {"POST /o//n.git/git-receive-pack", PUSH},
        {"POST /o/x/../n.git/git-receive-pack", OK}, {"POST /o/x%2f..%2fn.git/git-receive-pack", PUSH},
        {"POST /o/n.git/info/lfs/objects/batch", OK}, {"POST /o/x.git/info/lfs/objects/batch", GIT},
        {"PUT /o/n.git/info/lfs/objects/abc", OK}, {"PUT /o/x.git/info/lfs/objects/abc", PUSH});
}

Test(judge, lfs_batch_by_operation)
{
    static const struct {
        const char *keys;
        enum reason download, upload;
    } t[] = {
        {"tls: bump", GIT, PUSH},
        {"git: {fetch: true}", OK, PUSH},
        {"git: {push: true, repos: [o/n]}", GIT, OK},
        {"git: {fetch: true, push: true, repos: [o/n]}", OK, OK},
        {"git: {fetch: true, push: true, repos: [o/x]}", OK, PUSH},
    };
    static const char path[] = "/o/n.git/info/lfs/objects/batch";
    const struct request req = {.method = "POST", .path = path, .path_len = sizeof path - 1};
    const char *repo;
    size_t len;
    cr_expect_eq(git_classify(&req, &repo, &len), GIT_LFS_BATCH);
    cr_expect(len == 3 && memcmp(repo, "o/n", 3) == 0);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct policy *p = load(t[i].keys);
        const struct route *r = policy_route(p, "a.example");
        cr_expect_eq(policy_judge_lfs(r, &req, false), t[i].download, "%s", t[i].keys);
        cr_expect_eq(policy_judge_lfs(r, &req, true), t[i].upload, "%s", t[i].keys);
        policy_free(p);
    }
}

Test(judge, longest_targets_cost_little, .timeout = 10)
{
    struct policy *p = load("git: {fetch: true}");
    static const char *const fill[] = {"%3F", "%23", "%25", "a//", "%2f", ";;;", "/%5C", "%252"};
    char *line = malloc(TARGET_MAX + 64);
    for (size_t i = 0; i < ARRAY_LEN(fill); i++) {
        int match;
        size_t n = strlen("GET /"), step = strlen(fill[i]);
        memcpy(line, "GET /", n);
        while (n + step < TARGET_MAX)
            for (size_t k = 0; k < step; k++)
                line[n++] = fill[i][k];
        line[n] = '\0';
        (void)judge(p, line, NULL, &match);
        /* and the same as a query */
        memcpy(line, "GET /o/n.git/info/refs?", 23);
        for (int again = 0; again < 20; again++)
            (void)judge(p, line, NULL, &match);
    }
    free(line);
    policy_free(p);
}

/* What a CGI server makes of names (RFC 3875 4.1.18). */
Test(policy_judge, names_that_servers_take_for_each_other)
{
    static const struct {
        const char *name, *as;
        bool same;
    } t[] = {{"x-kind", "x-kind", true}, {"x_kind", "x-kind", true}, {"x.kind", "x-kind", true},
        {"x-kin", "x-kind", false}, {"x-kind1", "x-kind", false}, {"xxkind", "x-kind", false},
        {"content_length", "content-length", true}, {"x-kine", "x-kind", false}};
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct field f = {.name = t[i].name, .name_len = (uint32_t)strlen(t[i].name)};
        cr_assert_eq(field_reads_as(&f, t[i].as), t[i].same, "%s as %s", t[i].name, t[i].as);
    }
}
