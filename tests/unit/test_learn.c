#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/learn.h"
#include "lib/base.h"
#include "lib/policy.h"

#define TS "\"ts\":\"2026-01-02T03:04:05.000000Z\","

static char *learned(const char *const *lines, size_t n)
{
    char *text = NULL;
    size_t len;
    struct learn *l = learn_new(LEARN_SIBLINGS);
    for (size_t i = 0; i < n; i++)
        cr_assert(learn_line(l, lines[i], strlen(lines[i])), "%s", lines[i]);
    FILE *f = open_memstream(&text, &len);
    learn_write(l, f, "the test");
    (void)fclose(f);
    learn_free(l);
    return text;
}

static struct policy *loaded(const char *text)
{
    struct policy_error e;
    struct policy *p = policy_load(text, strlen(text), &e);
    cr_assert(p, "%u:%u: %s in\n%s", e.line, e.col, e.text, text);
    return p;
}

static enum reason judge(const struct policy *p, const char *host, const char *method, const char *path)
{
    const struct route *r = policy_route_port(p, host, 443);
    const struct request q = {.method = method, .path = path, .path_len = strlen(path)};
    int match;
    return r ? policy_judge(r, &q, &match) : REASON_NO_ROUTE;
}

Test(learn, what_is_seen_becomes_routes)
{
    static const char *const lines[] = {
        "{" TS "\"event\":\"start\",\"verdict\":\"allow\"}",
        "{" TS "\"event\":\"dns\",\"verdict\":\"audit\",\"qname\":\"db.x.example\",\"qtype\":\"A\","
        "\"answers\":[\"10.0.0."
        "1\"]}",
        "{" TS "\"event\":\"dns\",\"verdict\":\"audit\",\"qname\":\"db.x.example\",\"qtype\":\"SRV\","
        "\"answers\":[]}",
        "{" TS "\"event\":\"flow\",\"verdict\":\"audit\",\"state\":\"open\",\"host\":\"db.x.example\","
        "\"mode\":\"tcp\","
        "\"dport\":5432,\"flow\":\"f1\"}",
        "{" TS "\"event\":\"flow\",\"verdict\":\"audit\",\"state\":\"open\",\"host\":\"ntp.example\","
        "\"mode\":\"udp\","
        "\"dport\":123,\"flow\":\"f2\"}",
        "{" TS
        "\"event\":\"flow\",\"verdict\":\"allow\",\"state\":\"open\",\"host\":\"sealed.example\",\"mode\":"
        "\"splice\",\"dport\":443,\"flow\":\"f3\"}",
        "{" TS "\"event\":\"flow\",\"verdict\":\"audit\",\"state\":\"open\",\"host\":\"api.example\","
        "\"mode\":\"bump\","
        "\"dport\":8443,\"flow\":\"f4\"}",
        "{" TS "\"event\":\"http\",\"verdict\":\"audit\",\"host\":\"api.example\",\"flow\":\"f4\",\"method\":"
        "\"POST\","
        "\"path\":\"/it's\"}",
        "{" TS "\"event\":\"http\",\"verdict\":\"audit\",\"host\":\"git.example\",\"method\":\"GET\","
        "\"path\":\"/o/r.git/"
        "info/refs\"}",
        "{" TS
        "\"event\":\"http\",\"verdict\":\"audit\",\"host\":\"git.example\",\"method\":\"POST\",\"path\":\"/o/"
        "r.git/git-receive-pack\"}",
        "{" TS
        "\"event\":\"http\",\"verdict\":\"deny\",\"reason\":\"private_address\",\"host\":\"bad.example\","
        "\"method\":\"GET\",\"path\":\"/\"}",
        "{" TS
        "\"event\":\"http\",\"verdict\":\"audit\",\"host\":\"192.0.2.1\",\"method\":\"GET\",\"path\":\"/\"}",
        "{" TS "\"event\":\"dlp\",\"verdict\":\"audit\",\"host\":\"api.example\",\"detector\":\"a\\nb\"}",
    };
    cleanup_free char *text = learned(lines, ARRAY_LEN(lines));
    static const char *const says[] = {"- host: db.x.example\n",
        "protocol: tcp\n      ports: [5432]\n      allow_private: true\n      dns: [SRV]\n",
        "protocol: udp\n      ports: [123]\n", "tls: splice\n", "ports: [8443]\n", "value: '/it''s'",
        "git: {push: true, repos: ['o/r']}\n", "#   bad.example: private_address\n", "#   192.0.2.1\n",
        "inspection found a?b and will block it\n", "first 2026-01-02T03:04:05.000000Z"};
    for (size_t i = 0; i < ARRAY_LEN(says); i++)
        cr_expect(strstr(text, says[i]), "no '%s' in\n%s", says[i], text);
    cr_expect_null(strstr(text, "host: bad.example"));
    struct policy *p = loaded(text);
    cr_expect_eq(p->n_routes, 5);
    cr_expect_eq(judge(p, "git.example", "GET", "/o/other.git/info/refs"), REASON_GIT);
    policy_free(p);
}

Test(learn, many_siblings_are_data_and_few_are_not)
{
    char lines[2 * LEARN_SIBLINGS][300];
    const char *at[2 * LEARN_SIBLINGS];
    size_t n = 0;
    for (unsigned i = 0; i < LEARN_SIBLINGS; i++, n++)
        (void)snprintf(lines[n], sizeof lines[n],
            "{\"event\":\"http\",\"verdict\":\"audit\",\"host\":\"a.example\",\"method\":\"GET\",\"path\":\"/"
            "api/items/%u/"
            "x\"}",
            i);
    for (unsigned i = 1; i < LEARN_SIBLINGS; i++, n++)
        (void)snprintf(lines[n], sizeof lines[n],
            "{\"event\":\"http\",\"verdict\":\"allow\",\"host\":\"a.example\",\"method\":\"PUT\",\"path\":\"/"
            "few/%u\"}",
            i);
    for (size_t i = 0; i < n; i++)
        at[i] = lines[i];
    cleanup_free char *text = learned(at, n);
    struct policy *p = loaded(text);
    cr_expect_eq(judge(p, "a.example", "GET", "/api/items/other"), REASON_NONE);
    cr_expect_eq(judge(p, "a.example", "PUT", "/api/items/1/x"), REASON_NO_MATCH);
    cr_expect_eq(judge(p, "a.example", "GET", "/api/other"), REASON_NO_MATCH);
    cr_expect_eq(judge(p, "a.example", "PUT", "/few/1"), REASON_NONE);
    cr_expect_eq(judge(p, "a.example", "PUT", "/few/99"), REASON_NO_MATCH);
    policy_free(p);
}

/* ---- property: what was seen is allowed, and the order of the log does not matter ---- */

struct event {
    char host[40], method[8], path[200], line[500];
};

static unsigned dice(unsigned *seed, unsigned n)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 16) % n;
}

static void make_event(struct event *e, unsigned *seed)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "M-SEARCH"};
    static const char *const segments[] = {
        "api", "v1", "", "users", "it's", "a%20b", "x;y=1", "@s%2Fn", "~", "%C3%A9"};
    size_t at = 0;
    (void)snprintf(e->host, sizeof e->host, "h%u.%s.example", dice(seed, 4), dice(seed, 2) ? "a" : "b");
    (void)snprintf(e->method, sizeof e->method, "%s", methods[dice(seed, ARRAY_LEN(methods))]);
    for (unsigned i = 0, n = 1 + dice(seed, 4); i < n; i++) {
        if (dice(seed, 2))
            at += (size_t)snprintf(e->path + at, sizeof e->path - at, "/%u", dice(seed, 20));
        else
            at += (size_t)snprintf(
                e->path + at, sizeof e->path - at, "/%s", segments[dice(seed, ARRAY_LEN(segments))]);
    }
    (void)snprintf(e->line, sizeof e->line,
        "{" TS "\"event\":\"http\",\"verdict\":\"%s\",\"host\":\"%s\",\"method\":\"%s\",\"path\":\"%s\"}",
        dice(seed, 2) ? "audit" : "allow", e->host, e->method, e->path);
}

static unsigned ambiguous(const char *path)
{
    return strstr(path, "//") || strstr(path, "%2F") ? 1 : 0;
}

Test(learn, the_policy_allows_the_log)
{
    enum { EVENTS = 300, ROUNDS = 60 };
    static struct event events[EVENTS];
    const char *lines[EVENTS], *backwards[EVENTS];
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned seed = round * 7919 + 1, n = 1 + dice(&seed, EVENTS);
        for (unsigned i = 0; i < n; i++) {
            make_event(&events[i], &seed);
            lines[i] = backwards[n - 1 - i] = events[i].line;
        }
        cleanup_free char *text = learned(lines, n), *other = learned(backwards, n);
        cr_assert_str_eq(text, other, "round %u", round);
        struct policy *p = loaded(text);
        for (unsigned i = 0; i < n; i++) {
            const struct event *e = &events[i];
            const struct route *r = policy_route_port(p, e->host, 443);
            const struct request q = {.method = e->method,
                .path = e->path,
                .path_len = strlen(e->path),
                .ambiguous = ambiguous(e->path)};
            int match;
            cr_assert(
                r && policy_judge(r, &q, &match) == REASON_NONE, "round %u: %s\n%s", round, e->line, text);
        }
        cr_assert_eq(judge(p, "h0.a.example", "PATCH", "/"),
            policy_route(p, "h0.a.example") ? REASON_NO_MATCH : REASON_NO_ROUTE);
        policy_free(p);
    }
}

Test(learn, hidden_and_long_paths_become_prefixes)
{
    static char longest[2300];
    int n = snprintf(longest, sizeof longest,
        "{\"event\":\"http\",\"verdict\":\"audit\",\"host\":\"b.example\",\"method\":\"GET\",\"path\":\"/"
        "deep/");
    memset(longest + n, 'x', 2042);
    (void)snprintf(longest + n + 2042, sizeof longest - (size_t)n - 2042, "\"}");
    const char *lines[] = {
        "{\"event\":\"http\",\"verdict\":\"audit\",\"host\":\"a.example\",\"method\":\"GET\",\"path\":"
        "\"/bot/[REDACTED:token]/send\"}",
        longest};
    cleanup_free char *text = learned(lines, ARRAY_LEN(lines));
    struct policy *p = loaded(text);
    cr_expect_eq(judge(p, "a.example", "GET", "/bot/anything"), REASON_NONE, "%s", text);
    cr_expect_eq(judge(p, "a.example", "GET", "/other"), REASON_NO_MATCH);
    cr_expect_eq(judge(p, "b.example", "GET", "/deep/y"), REASON_NONE);
    policy_free(p);
}

Test(learn, nothing_seen_allows_nothing)
{
    cleanup_free char *text = learned(NULL, 0);
    struct policy *p = loaded(text);
    cr_expect_eq(p->n_routes, 0);
    policy_free(p);
    struct learn *l = learn_new(2);
    cr_expect_not(learn_line(l, "no JSON", 7));
    cr_expect_not(learn_line(l, "[]", 2));
    learn_free(l);
}
