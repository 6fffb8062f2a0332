#include <criterion/criterion.h>
#include <string.h>

#include "lib/base.h"
#include "lib/policy_text.h"

static struct policy *load(const char *text)
{
    struct policy_error e;
    struct policy *p = policy_load(text, strlen(text), &e);
    cr_assert(p, "%u:%u: %s", e.line, e.col, e.text);
    return p;
}

static const char policy_a[] = //
    "version: 1\n"
    "egress:\n"
    "  routes:\n"
    "    - host: a.example\n"
    "      auth: {scheme: token, token_ref: A_TOKEN}\n"
    "      matches: [{paths: [{value: /api}], methods: [GET], headers: [{name: x-a, value: b}]}]\n"
    "      git: {fetch: true, push: true, repos: [o/n]}\n"
    "    - {host: '*.s.example', tls: splice}\n"
    "    - {host: t.example, protocol: tcp, ports: [22, 100-110], allow_private: true, dns: [SRV]}\n"
    "    - {host: open.example, dlp: {outbound_detectors: false, action: audit}}\n"
    "dns: {refused: nxdomain, dnssec: validate, insecure: [corp.example], trust_anchor: /etc/root.ds}\n";

Test(policy_text, summary)
{
    struct policy *p = load(policy_a);
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    policy_summary(f, p);
    (void)fclose(f);
    static const char *const says[] = {"4 routes;", "\na.example\n",
        "GET to /api and below with header x-a: b", "clone and fetch; push to o/n",
        "authorization: token <A_TOKEN>, over https only", "*.s.example", "passed sealed",
        "22, 100-110 (any TCP stream", "private ones too", "also types SRV", "not scanned",
        "a finding is only logged", "dns.refused: nxdomain", "dns.dnssec: validate",
        "dns.insecure: corp.example", "dns.trust_anchor: /etc/root.ds"};
    for (size_t i = 0; i < ARRAY_LEN(says); i++)
        cr_expect(strstr(text, says[i]), "no '%s' in\n%s", says[i], text);
    cr_expect_null(strstr(text, "timeouts"));
    free(text);
    policy_free(p);
}

struct asked {
    const char *method, *url, *header;
    enum reason reason;
    const char *says;
};

static void explains(const char *policy, const struct asked *t, size_t n)
{
    struct policy *p = load(policy);
    for (size_t i = 0; i < n; i++) {
        char *text = NULL;
        size_t len;
        FILE *f = open_memstream(&text, &len);
        const struct policy_query q = {.method = t[i].method,
            .url = t[i].url,
            .headers = &t[i].header,
            .n_headers = t[i].header != NULL};
        cr_expect_eq(policy_explain(f, p, &q), t[i].reason, "%s %s", t[i].url, t[i].header);
        (void)fclose(f);
        cr_expect(strstr(text, t[i].says), "%s: no '%s' in\n%s", t[i].url, t[i].says, text);
        free(text);
    }
    policy_free(p);
}

Test(policy_text, explain)
{
    static const struct asked t[] = {
        {NULL, "https://a.example/api/x", "X-A: b", REASON_NONE, "matches[0]"},
        {NULL, "https://A.Example:443/api?q#f", "x-a:b ", REASON_NONE, "sends A_TOKEN in authorization"},
        {NULL, "https://a.example/api", NULL, REASON_NO_MATCH, "none of its matches"},
        {NULL, "https://a.example/api", NULL, REASON_NO_MATCH, "matches[0]: not the headers\n"},
        {"PUT", "https://a.example/other", "x-a: b", REASON_NO_MATCH, "matches[0]: not the method, path\n"},
        {"POST", "https://a.example/api", "x-a: b", REASON_NO_MATCH, "(no_match)"},
        {NULL, "https://a.example", "x-a: b", REASON_NO_MATCH, "(no_match)"},
        {NULL, "http://a.example/api", "x-a: b", REASON_PLAINTEXT, "(plaintext)"},
        {NULL, "https://a.example:8443/", NULL, REASON_NO_ROUTE, "does not have this port"},
        {NULL, "https://b.example/", NULL, REASON_NO_ROUTE, "no route names this host"},
        {NULL, "https://x.s.example/any", NULL, REASON_NONE, "passed sealed"},
        {NULL, "https://t.example:22/", NULL, REASON_NONE, "passed sealed"},
        {NULL, "https://10.0.0.1/", NULL, REASON_NO_SNI, "by name"},
        {NULL, "https://0x7f.1/", NULL, REASON_NO_SNI, "by name"},
        {NULL, "http://[::1]/", NULL, REASON_NO_ROUTE, "by name"},
        {NULL, "ftp://a.example/", NULL, REASON_MALFORMED, "must begin with"},
        {NULL, "https://u@a.example/", NULL, REASON_MALFORMED, "not a host name"},
        {NULL, "https://a.example/%2e%2e/x", NULL, REASON_AMBIGUOUS_PATH, "whatever the rules"},
        {NULL, "https://a.example/api/%2f", "x-a: b", REASON_AMBIGUOUS_PATH, "(ambiguous_path)"},
        {NULL, "https://open.example", NULL, REASON_NONE, "no matches"},
        {NULL, "https://\xef\xbd\x8fpen.example:443/", NULL, REASON_NONE, "no matches"},
        {NULL,
            "https://b\xc3\xbc"
            "cher.example/",
            NULL, REASON_NO_ROUTE, "no route names this host"},
        {NULL, "https://open.example/x.git/info/refs?service=git-upload-pack", NULL, REASON_GIT, "git.fetch"},
        {NULL, "https://a.example/x.git/info/refs?service=git-upload-pack", NULL, REASON_NONE,
            "repository 'x'"},
        {"POST", "https://a.example/o/n.git/git-receive-pack", NULL, REASON_NONE, "repository 'o/n'"},
        {"POST", "https://a.example/o/x.git/git-receive-pack", NULL, REASON_GIT_PUSH, "git push"},
        {NULL, "https://a.example/", "bad header", REASON_MALFORMED, "Name: value"},
    };
    explains(policy_a, t, ARRAY_LEN(t));
}

/* What the daemon's parser and its handling of credentials make of a request, whatever the rules. */
Test(policy_text, explain_as_live)
{
    static const char policy[] = //
        "version: 1\n"
        "egress:\n"
        "  routes:\n"
        "    - {host: open.example}\n"
        "    - {host: sealed.example, tls: splice}\n"
        "    - {host: auth.example, auth: {scheme: token, token_ref: A_TOKEN}}\n"
        "    - {host: named.example, matches: [{headers: [{name: x-a, value: b}]}]}\n";
    static const struct asked t[] = {
        {NULL, "https://none.example/%2e%2e/x", NULL, REASON_NO_ROUTE, "no route names this host"},
        {NULL, "https://sealed.example/%2e%2e/x", NULL, REASON_NONE, "passed sealed"},
        {NULL, "https://open.example/#f", NULL, REASON_NONE, "no matches"},
        {"get", "https://open.example/", NULL, REASON_MALFORMED, "not a method"},
        {"G T", "https://open.example/", NULL, REASON_MALFORMED, "not a method"},
        {"CONNECT", "https://open.example/", NULL, REASON_MALFORMED, "not a method"},
        {"TRACE", "https://open.example/", NULL, REASON_NONE, "no matches"},
        {"TRACE", "https://auth.example/", NULL, REASON_NO_MATCH, "the request itself"},
        {NULL, "https://open.example/", "a b: c", REASON_MALFORMED, "may not be there"},
        {NULL, "https://open.example/", "a : c", REASON_MALFORMED, "may not be there"},
        {NULL, "https://open.example/", "a: b\1", REASON_MALFORMED, "may not be there"},
        {NULL, "https://open.example/", "a: b\tc\xe4", REASON_NONE, "no matches"},
        {NULL, "https://open.example/", "Host: open.example:443", REASON_NONE, "no matches"},
        {NULL, "https://open.example/", "Host: a.example", REASON_HOST_MISMATCH, "host_mismatch"},
        {NULL, "https://open.example/", "host: open.example:80", REASON_HOST_MISMATCH, "host_mismatch"},
        {NULL, "https://open.example/", "Host: x@y", REASON_MALFORMED, "Host header"},
        {NULL, "https://open.example/", "Content-Length: +5", REASON_MALFORMED, "framing"},
        {NULL, "https://open.example/", "Content_Length: 5", REASON_MALFORMED, "framing"},
        {NULL, "https://open.example/", "Transfer-Encoding: gzip, chunked", REASON_MALFORMED, "framing"},
        {NULL, "https://open.example/", "Expect: 200-ok", REASON_MALFORMED, "framing"},
        {NULL, "https://open.example/", "Connection: host", REASON_MALFORMED, "framing"},
    };
    explains(policy, t, ARRAY_LEN(t));
    static const struct {
        const char *url, *headers[4];
        enum reason reason;
    } several[] = {
        {"https://named.example/", {"X-A: b", "Connection: X-A"}, REASON_NO_MATCH}, /* taken off the list */
        {"https://open.example/", {"Upgrade: websocket", "Connection: upgrade"}, REASON_MALFORMED},
        {"https://open.example/",
            {"Upgrade: websocket", "Connection: upgrade", "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="},
            REASON_NONE},
        {"https://open.example/",
            {"Upgrade: websocket", "Connection: upgrade", "Sec-WebSocket-Version: 8",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="},
            REASON_MALFORMED},
        {"https://open.example/", {"Content-Length: 5", "Transfer-Encoding: chunked"}, REASON_MALFORMED},
        {"https://open.example/", {"Host: open.example", "Host: open.example"}, REASON_MALFORMED},
    };
    struct policy *p = load(policy);
    for (size_t i = 0; i < ARRAY_LEN(several); i++) {
        struct policy_query q = {.url = several[i].url, .headers = several[i].headers};
        while (q.n_headers < 4 && several[i].headers[q.n_headers])
            q.n_headers++;
        char *text = NULL;
        size_t len;
        FILE *f = open_memstream(&text, &len);
        cr_expect_eq(policy_explain(f, p, &q), several[i].reason, "%zu", i);
        (void)fclose(f);
        free(text);
    }
    policy_free(p);
}

Test(policy_text, explain_body)
{
    static const struct {
        const char *body;
        enum reason reason;
        const char *says;
    } t[] = {
        {NULL, REASON_NONE, "an LFS upload would be refused"},
        {"{\"operation\":\"download\"}", REASON_NONE,
            "a live request's path, query, headers and body are scanned"},
        {"{\"operation\":\"upload\"}", REASON_GIT_PUSH, "asks for an LFS upload"},
        {"?", REASON_GIT_PUSH, "asks for an LFS upload"},
    };
    struct policy *p = load(policy_a);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        char *text = NULL;
        size_t len;
        FILE *f = open_memstream(&text, &len);
        const struct policy_query q = {.method = "POST",
            .url = "https://a.example/o/x.git/info/lfs/objects/batch",
            .body = t[i].body,
            .body_len = t[i].body ? strlen(t[i].body) : 0};
        cr_expect_eq(policy_explain(f, p, &q), t[i].reason, "%zu", i);
        (void)fclose(f);
        cr_expect(strstr(text, t[i].says), "no '%s' in\n%s", t[i].says, text);
        free(text);
    }
    policy_free(p);
}

static enum reason finds(
    void *arg, FILE *out, const struct route *r, const char *host, const struct request *req)
{
    unsigned *calls = arg;
    ++*calls;
    (void)fprintf(out, "%s %s %.*s", r->host, host, (int)req->path_len, req->path);
    return REASON_DLP_OUTBOUND;
}

/* Inspection is asked about what the rules let through, where the route wants it. */
Test(policy_text, explain_with_inspection)
{
    unsigned calls = 0;
    struct policy *p =
        load("version: 1\negress:\n  routes:\n    - {host: a.example, matches: [{methods: [GET]}]}\n"
             "    - {host: off.example, dlp: {outbound_detectors: false}}\n");
    struct policy_query q = {.url = "https://a.example/x?y", .inspect = finds, .inspect_arg = &calls};
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    cr_expect_eq(policy_explain(f, p, &q), REASON_DLP_OUTBOUND);
    (void)fclose(f);
    cr_expect(strstr(text, "a.example a.example /x") && strstr(text, "deny (dlp_outbound)"), "%s", text);
    free(text);
    q.method = "POST";
    f = fopen("/dev/null", "w");
    cr_expect_eq(policy_explain(f, p, &q), REASON_NO_MATCH);
    q.url = "https://off.example/";
    cr_expect_eq(policy_explain(f, p, &q), REASON_NONE);
    (void)fclose(f);
    cr_expect_eq(calls, 1);
    policy_free(p);
}

Test(policy_text, what_a_reload_keeps)
{
    static const char base[] = "version: 1\n"
                               "egress:\n"
                               "  routes:\n"
                               "    - {host: same.example}\n"
                               "    - {host: gone.example}\n"
                               "    - {host: changed.example}\n"
                               "    - {host: '*.wide.example'}\n"
                               "    - {host: '*.whole.example'}\n";
    static const char next[] = "version: 1\n"
                               "egress:\n"
                               "  routes:\n"
                               "    - {host: '*.whole.example'}\n"
                               "    - {host: changed.example, ports: [443]}\n"
                               "    - {host: '*.wide.example'}\n"
                               "    - {host: x.wide.example, matches: [{methods: [GET]}]}\n"
                               "    - {host: same.example}\n";
    struct policy *a = load(base), *b = load(next);
    uint8_t kept[5] = {1, 1, 1, 1, 1}, want[5] = {1, 0, 0, 0, 1};
    policy_keep(a, b, kept);
    cr_expect_arr_eq(kept, want, 5);
    policy_keep(a, a, kept);
    cr_expect_arr_eq(kept, want, 5, "what was lost once stays lost");
    policy_free(a);
    policy_free(b);
}

Test(policy_text, diff)
{
    struct policy *a = load(policy_a), *same = load(policy_a);
    struct policy *b = load( //
        "version: 1\n"
        "egress:\n"
        "  routes:\n"
        "    - {host: new.example}\n"
        "    - host: a.example\n"
        "      auth: {scheme: token, token_ref: B_TOKEN}\n"
        "      matches: [{paths: [{value: /api}], methods: [GET], headers: [{name: x-a, value: b}]}]\n"
        "      git: {fetch: true, push: true, repos: [o/n]}\n"
        "    - {host: t.example, protocol: tcp, ports: [22, 100-110], allow_private: true, dns: [SRV]}\n"
        "    - {host: open.example, dlp: {outbound_detectors: false, action: audit}}\n"
        "proxy: {port: 3128}\n");
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    cr_expect_not(policy_diff(f, a, same));
    (void)fflush(f);
    cr_expect_eq(len, 0);
    cr_expect(policy_diff(f, a, b));
    (void)fclose(f);
    static const char *const says[] = {"- *.s.example\n", "+ new.example\n", "  a.example\n",
        "-     credential authorization: token <A_TOKEN>", "+     credential authorization: token <B_TOKEN>",
        "-     dns.refused: nxdomain\n", "+     proxy.port: 3128\n"};
    for (size_t i = 0; i < ARRAY_LEN(says); i++)
        cr_expect(strstr(text, says[i]), "no '%s' in\n%s", says[i], text);
    cr_expect_null(strstr(text, "t.example"), "%s", text);
    free(text);
    policy_free(a);
    policy_free(same);
    policy_free(b);
}
