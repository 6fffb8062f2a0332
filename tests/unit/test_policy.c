#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base.h"
#include "lib/policy.h"

static struct policy *load(const char *text)
{
    struct policy_error e;
    struct policy *p = policy_load(text, strlen(text), &e);
    cr_assert(p, "%u:%u: %s\n%s", e.line, e.col, e.text, text);
    return p;
}

/* A route's keys inside a policy; `- host...` is line 4, keys begin in column 7. */
#define ROUTE(keys) "version: 1\negress:\n  routes:\n    - host: a.example\n" keys
#define KEY "      "

/* Nothing of ours in it: as another program writes it. */
static const char manifest[] = //
    "version: 1\n"
    "egress:\n"
    "  routes:\n"
    "    - host: gitea.dideric.is\n"
    "      auth:\n"
    "        scheme: token # Bearer | token\n"
    "        token_ref: BOT_BOTTLE_GITEA_TOKEN\n"
    "      matches: # optional\n"
    "        - paths:\n"
    "            - {type: prefix, value: /api/v1/}\n"
    "            - value: /healthz\n"
    "            - {type: exact, value: /version}\n"
    "            - {type: regex, value: '/r/[a-z]+'}\n"
    "          methods: [GET, POST, PATCH, DELETE]\n"
    "        - headers:\n"
    "            - {name: X-Kind, value: a}\n"
    "            - {name: x-other, value: 'b.*', type: regex}\n"
    "      dlp:\n"
    "        outbound_detectors: [token_patterns]\n"
    "        inbound_detectors: false\n"
    "      git:\n"
    "        fetch: true\n"
    "    - host: api.anthropic.com\n"
    "      role: claude_code_oauth # wires Claude Code OAuth; do not change\n"
    "      auth:\n"
    "        scheme: Bearer\n"
    "        token_ref: BOT_BOTTLE_CLAUDE_OAUTH_TOKEN\n"
    "    - host: packages.example.net\n";

Test(policy, manifest_loads_verbatim)
{
    struct policy *p = load(manifest);
    cr_assert_eq(p->n_routes, 3);
    const struct route *r = policy_route(p, "gitea.dideric.is");
    cr_assert(r);
    cr_expect_str_eq(r->host, "gitea.dideric.is");
    cr_expect_eq(r->line, 4);
    cr_expect_eq(r->col, 13);
    cr_expect_eq(r->auth.scheme, AUTH_TOKEN);
    cr_expect_str_eq(r->auth.token_ref, "BOT_BOTTLE_GITEA_TOKEN");
    cr_expect_str_eq(r->auth.header, "authorization");
    cr_expect_eq(r->outbound, DETECT_TOKEN_PATTERNS);
    cr_expect_eq(r->inbound, 0);
    cr_expect(r->git_fetch && !r->git_push);
    cr_assert_eq(r->n_matches, 2);
    const struct match *m = &r->matches[0];
    cr_assert_eq(m->n_paths, 4);
    cr_expect_eq(m->paths[0].type, MATCH_PREFIX);
    cr_expect_str_eq(m->paths[0].value, "/api/v1/");
    cr_expect_eq(m->paths[1].type, MATCH_PREFIX);
    cr_expect_eq(m->paths[2].type, MATCH_EXACT);
    cr_expect_eq(m->paths[3].type, MATCH_REGEX);
    cr_expect(m->paths[3].regex);
    cr_assert_eq(m->n_methods, 4);
    cr_expect_str_eq(m->methods[3], "DELETE");
    m = &r->matches[1];
    cr_assert_eq(m->n_headers, 2);
    cr_expect_str_eq(m->headers[0].name, "x-kind");
    cr_expect_eq(m->headers[0].type, MATCH_EXACT);
    cr_expect_eq(m->headers[1].type, MATCH_REGEX);

    r = policy_route(p, "api.anthropic.com");
    cr_expect_str_eq(r->role, "claude_code_oauth");
    cr_expect_eq(r->n_strip_headers, 3);
    cr_expect_eq(r->auth.scheme, AUTH_BEARER);

    r = policy_route(p, "packages.example.net");
    cr_expect_eq(r->auth.scheme, AUTH_NONE);
    cr_expect_eq(r->outbound, DETECT_TOKEN_PATTERNS | DETECT_KNOWN_SECRETS);
    cr_expect_eq(r->inbound, DETECT_INJECTION);
    cr_expect_eq(r->dlp_action, DLP_BLOCK);
    cr_expect(r->tls == ROUTE_TLS_BUMP && r->protocol == ROUTE_HTTP && !r->allow_private);
    cr_expect(route_has_port(r, 80) && route_has_port(r, 443) && !route_has_port(r, 8443));
    cr_expect(route_has_dns_type(r, 1) && route_has_dns_type(r, 28) && route_has_dns_type(r, 65));
    cr_expect_not(route_has_dns_type(r, 16));
    policy_free(p);
}

Test(policy, as_other_systems_editors_write_it)
{
    struct policy *p = load("\xef\xbb\xbfversion: 1\r\negress:\r\n  routes:\r\n    - host: a.example\r\n");
    const struct route *r = policy_route(p, "a.example");
    cr_assert(r);
    cr_expect_eq(r->line, 4);
    cr_expect_eq(r->col, 13);
    policy_free(p);
}

Test(policy, everything_at_once)
{
    struct policy *p = load( //
        "---\n"
        "version: 1\n"
        "egress:\n"
        "  routes:\n"
        "    - {host: \"*.Sub.Example.\", ports: [8080, 9000-9010], allow_private: true, dns: [SRV, TXT, "
        "TYPE65280]}\n"
        "    - {host: b\xc3\xbc"
        "cher.example, auth: {scheme: Basic, token_ref: B}, dlp: {action: audit}}\n"
        "    - {host: k.example, auth: {header: X-Api-Key, token_ref: K, placeholder: sk-placeholder}}\n"
        "    - {host: ssh.example, protocol: tcp, ports: [22]}\n"
        "    - {host: ntp.example, protocol: udp, ports: [123]}\n"
        "    - {host: sealed.example, tls: splice}\n"
        "    - {host: push.example, git: {fetch: true, push: true, repos: [org/name.git, a/b/c]}}\n"
        "    - {host: role.example, role: claude_code_oauth, auth: {token_ref: R}}\n"
        "timeouts: {connect: 5s, idle: 1h, drain: 1500ms, keepalive: 30000}\n"
        "dns: {refused: refused, upstreams: [9.9.9.9, '[2620:fe::fe]:53', 'tls://9.9.9.9#dns.quad9.net'],\n"
        "      dnssec: validate, trust_anchor: /etc/egressd/root.ds, ttl_max: 1d, cache_bytes: 1MiB, "
        "wildcard_label_max: 20}\n"
        "audit: {query_strings: true, headers: [User-Agent], rotate_bytes: 1GiB, keep: 3}\n"
        "inspect: {secrets: [NPM_TOKEN], max_depth: 2}\n"
        "proxy: {port: 3128}\n");
    const struct route *r = policy_route(p, "x.y.sub.example");
    cr_assert(r);
    cr_expect_str_eq(r->host, "*.sub.example");
    cr_expect(r->wildcard && r->allow_private);
    cr_expect(route_has_port(r, 8080) && route_has_port(r, 9000) && route_has_port(r, 9010));
    cr_expect(!route_has_port(r, 80) && !route_has_port(r, 9011));
    cr_expect(route_has_dns_type(r, 33) && route_has_dns_type(r, 16) && route_has_dns_type(r, 65280));
    r = policy_route(p, "xn--bcher-kva.example");
    cr_assert(r);
    cr_expect_eq(r->auth.scheme, AUTH_BASIC);
    cr_expect_eq(r->dlp_action, DLP_AUDIT);
    cr_expect_eq(r->outbound, DETECT_TOKEN_PATTERNS | DETECT_KNOWN_SECRETS);
    r = policy_route(p, "k.example");
    cr_expect_eq(r->auth.scheme, AUTH_HEADER);
    cr_expect_str_eq(r->auth.header, "x-api-key");
    cr_expect_str_eq(r->auth.placeholder, "sk-placeholder");
    r = policy_route(p, "ssh.example");
    cr_expect(
        r->protocol == ROUTE_TCP && route_has_port(r, 22) && !route_has_port(r, 443) && r->inbound == 0);
    cr_expect_eq(policy_route(p, "ntp.example")->protocol, ROUTE_UDP);
    cr_expect_eq(policy_route(p, "sealed.example")->tls, ROUTE_TLS_SPLICE);
    r = policy_route(p, "push.example");
    cr_assert_eq(r->n_git_repos, 2);
    cr_expect_str_eq(r->git_repos[0], "org/name");
    cr_expect_str_eq(r->git_repos[1], "a/b/c");
    cr_expect_eq(policy_route(p, "role.example")->auth.scheme, AUTH_BEARER);
    cr_expect(p->timeouts.connect == 5000 && p->timeouts.idle == 3600000 && p->timeouts.drain == 1500);
    cr_expect(p->timeouts.keepalive == 30000 && p->timeouts.client_hello == 30000);
    cr_expect(p->dns.refused == DNS_REFUSED_REFUSED && p->dns.n_upstreams == 3);
    cr_expect(p->dns.ttl_max == 86400 && p->dns.cache_bytes == MIB(1) && p->dns.wildcard_label_max == 20);
    cr_expect(p->audit.query_strings && p->audit.rotate_bytes == MIB(1024) && p->audit.keep == 3);
    cr_expect_str_eq(p->audit.headers[0], "user-agent");
    cr_expect_str_eq(p->inspect.secrets[0], "NPM_TOKEN");
    cr_expect(p->inspect.max_depth == 2 && p->proxy_port == 3128);
    policy_free(p);
}

Test(policy, empty_ones)
{
    struct policy *p = policy_empty();
    cr_assert(p);
    cr_expect_null(policy_route(p, "a.example"));
    cr_expect_eq(p->dns.refused, DNS_REFUSED_EXPLAIN);
    policy_free(p);
    p = load("version: 1");
    cr_expect_null(policy_route(p, "a.example"));
    policy_free(p);
    p = load("version: 1\negress: {routes: []}\n");
    cr_expect_null(policy_route(p, "a.example"));
    policy_free(p);
    policy_free(NULL);
}

struct bad {
    const char *text;
    unsigned line, col;
    const char *says;
};

static void expect_errors(const struct bad *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct policy_error e;
        struct policy *p = policy_load(t[i].text, strlen(t[i].text), &e);
        cr_expect_null(p, "loads: %s", t[i].text);
        if (!p) {
            cr_expect(
                e.line == t[i].line && e.col == t[i].col, "%u:%u: %s\n%s", e.line, e.col, e.text, t[i].text);
            cr_expect(strstr(e.text, t[i].says), "'%s' does not say '%s'", e.text, t[i].says);
        }
        policy_free(p);
    }
}

Test(policy, text_errors)
{
    static const struct bad t[] = {
        {"", 1, 1, "empty"},
        {"# nothing\n", 1, 1, "empty"},
        {"---\n", 2, 1, "must be a mapping"},
        {"[]", 1, 1, "must be a mapping"},
        {"hello", 1, 1, "must be a mapping"},
        {"{}", 1, 1, "needs version: 1"},
        {"version: 2", 1, 10, "must be 1"},
        {"version: '1'", 1, 10, "must be 1"},
        {"version: 1.0", 1, 10, "must be 1"},
        {"version: 1\nversion: 1", 2, 1, "twice; first in line 1"},
        {"version: 1\n---\nversion: 1", 2, 1, "second document"},
        {"version: 1\n...\n---\n", 3, 1, "second document"},
        {"version: 1\negress: &a {}\n", 2, 9, "anchors"},
        {"version: 1\negress: *a\n", 2, 9, "aliases"},
        {"version: 1\negress: !!map {}\n", 2, 9, "tags"},
        {"version: !x 1\n", 1, 10, "tags"},
        {"version: 1\n<<: {}\n", 2, 1, "unknown key '<<'"},
        {"version: 1\n? [a]\n: b\n", 2, 3, "a key must be a plain word"},
        {"version: 1\negress:\n\troutes: []\n", 3, 1, "not YAML"},
        {"version: 1\negress: {routes: [}\n", 2, 19, "not YAML"},
        {"version: \"1\n", 2, 1, "not YAML"},
        {"version: 1\nx: \xff\n", 2, 4, "not UTF-8"},
        {"version: 1\nx: \xc0\xaf\n", 2, 4, "not UTF-8"},
        {"version: 1\nx: \"\\0\"\n", 2, 4, "NUL"},
        {"version: 1\nroutes: []\n", 2, 1, "unknown key 'routes' in a policy"},
        {"version: 1\nEgress: {}\n", 2, 1, "did you mean 'egress'?"},
        {"version: 1\negress: {route: []}\n", 2, 10, "did you mean 'routes'?; allowed: routes"},
        {"version: 1\negress:\n", 2, 8, "egress must be a mapping (key: value), not null"},
        {"version: 1\negress: {routes: {}}\n", 2, 18,
            "routes must be a list ([] allows nothing), not a mapping"},
        {"version: 1\negress: {routes: [a]}\n", 2, 19,
            "a route must be a mapping (key: value), not a string"},
        {"version: 1\negress: {routes: [[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]}\n", 2, 32,
            "nested too deep"},
        {"version: 1\nproxy: {port: 65536}\n", 2, 15, "out of range: 0 to 65535"},
        {"version: 1\nproxy: {port: -1}\n", 2, 15, "a whole number"},
        {"version: 1\nproxy: {port: 0x50}\n", 2, 15, "a whole number"},
        {"version: 1\nproxy: {port: '80'}\n", 2, 15, "a whole number"},
        {"version: 1\nproxy: {port: 443}\n", 2, 15, "is in use otherwise"},
        {"version: 1\ntimeouts: {connect: 5 s}\n", 2, 21, "a time such as"},
        {"version: 1\ntimeouts: {connect: 1.5s}\n", 2, 21, "a time such as"},
        {"version: 1\ntimeouts: {connect: 1ms}\n", 2, 21, "out of range"},
        {"version: 1\ntimeouts: {conect: 1s}\n", 2, 12, "did you mean 'connect'?"},
        {"version: 1\ndns: {refused: nxdomian}\n", 2, 16,
            "explain, nxdomain or refused; did you mean 'nxdomain'?"},
        {"version: 1\ndns: {refused: [nxdomain]}\n", 2, 16, "explain, nxdomain or refused"},
        {"version: 1\ndns: {dnssec: yes}\n", 2, 15, "dnssec must be passthrough or validate"},
        {"version: 1\ndns: {insecure: ['a b']}\n", 2, 18, "'a b' is not a name"},
        {"version: 1\ndns: {trust_anchor: [a]}\n", 2, 21, "trust_anchor"},
        {"version: 1\ndns: {upstreams: 9.9.9.9}\n", 2, 18, "must be a list of DNS servers"},
        {"version: 1\ndns: {upstreams: []}\n", 2, 18, "an empty list"},
        {"version: 1\ndns: {upstreams: [dns.example]}\n", 2, 19, "not a DNS server"},
        {"version: 1\ndns: {upstreams: ['9.9.9.9#x.example']}\n", 2, 19, "not a DNS server"},
        {"version: 1\ndns: {upstreams: ['tls://9.9.9.9']}\n", 2, 19, "not a DNS server"},
        {"version: 1\ndns: {ttl_min: 100, ttl_max: 10}\n", 2, 6,
            "ttl_min (100 s) is more than ttl_max (10 s)"},
        {"version: 1\ndns: {cache_bytes: 1kb}\n", 2, 20, "a size such as"},
        {"version: 1\naudit: {query_strings: yes}\n", 2, 24, "must be true or false, in these words"},
        {"version: 1\naudit: {query_strings: True}\n", 2, 24, "must be true or false, in these words"},
        {"version: 1\naudit: {query_strings: 'true'}\n", 2, 24, "must be true or false"},
        {"version: 1\naudit: {headers: [cookie]}\n", 2, 18, "never logged"},
        {"version: 1\ninspect: {secrets: [ghp_abc-def]}\n", 2, 21, "by name"},
    };
    expect_errors(t, ARRAY_LEN(t));
    struct policy_error e;
    cr_expect_null(policy_load("version: 1\n\0", 12, &e));
    cr_expect(e.line == 2 && e.col == 1 && strstr(e.text, "NUL"), "%u:%u %s", e.line, e.col, e.text);
    cr_expect_null(policy_load("\xff\xfev\0e\0", 6, &e));
    cr_expect(strstr(e.text, "not UTF-8"));
    struct policy *p = policy_load("\xef\xbb\xbfversion: 1\n", 14, &e); /* a byte order mark is harmless */
    cr_expect(p, "%s", e.text);
    policy_free(p);
}

Test(policy, host_errors)
{
#define HOST(h) "version: 1\negress:\n  routes:\n    - host: " h "\n"
    static const struct bad t[] = {
        {"version: 1\negress:\n  routes:\n    - tls: bump\n", 4, 7, "a route needs host"},
        {HOST(""), 4, 12, "host must be a string, not null"},
        {HOST("''"), 4, 13, "must not be empty"},
        {HOST("80"), 4, 13, "not a number; put it in quotes"},
        {HOST("true"), 4, 13, "not a boolean"},
        {HOST("no"), 4, 13, "not a boolean"},
        {HOST("[a]"), 4, 13, "not a list"},
        {HOST("*.example.org"), 4, 14, "quote a host that begins with '*'"},
        {HOST("'*'"), 4, 13, "would allow every host"},
        {HOST("'*.'"), 4, 13, "not a host name"},
        {HOST("'*.*.example'"), 4, 13, "not a host name"},
        {HOST("'a*.example'"), 4, 13, "not a host name"},
        {HOST("'*example.org'"), 4, 13, "not a host name"},
        {HOST("https://a.example"), 4, 13, "not a host name"},
        {HOST("'a.example:443'"), 4, 13, "not a host name"},
        {HOST("a.example/x"), 4, 13, "not a host name"},
        {HOST("a..example"), 4, 13, "not a host name"},
        {HOST("10.0.0.1"), 4, 13, "is an address"},
        {HOST("'2130706433'"), 4, 13, "is an address"},
        {HOST("'[::1]'"), 4, 13, "is an address"},
        {HOST("'::1'"), 4, 13, "is an address"},
        {HOST("'*.10.0.0.1'"), 4, 13, "is an address"},
        {HOST("a.1"), 4, 13, "not a host name"},
        {HOST("a.example\n    - host: A.Example."), 5, 13,
            "a second route for a.example; the first is in line 4"},
        {HOST("'*.a.example'\n    - host: '*.A.example'"), 5, 13, "a second route for *.a.example"},
        {HOST("b\xc3\xbc"
              "cher.example\n    - host: xn--bcher-kva.example"),
            5, 13, "a second route"},
        {HOST("\xef\xbc\x91\xef\xbc\x90.0.0.1"), 4, 13, "is an address"}, /* fullwidth 10 */
        {HOST("a.example\n      hosts: x"), 5, 7, "did you mean 'host'?; allowed: host, role, auth"},
    };
#undef HOST
    expect_errors(t, ARRAY_LEN(t));
}

Test(policy, route_errors)
{
    static const struct bad t[] = {
        {ROUTE(KEY "role: claude\n"), 5, 13, "known: claude_code_oauth"},
        {ROUTE(KEY "auth: {scheme: Bearer}\n"), 5, 13, "auth needs token_ref"},
        {ROUTE(KEY "auth: {token_ref: A}\n"), 5, 13, "auth needs scheme"},
        {ROUTE(KEY "auth: {scheme: bearer, token_ref: A}\n"), 5, 22, "did you mean 'Bearer'?"},
        {ROUTE(KEY "auth: {scheme: Token, token_ref: A}\n"), 5, 22,
            "Bearer, token or Basic; did you mean 'token'?"},
        {ROUTE(KEY "auth: {scheme: Bearer, token: A}\n"), 5, 30, "unknown key 'token' in auth"},
        {ROUTE(KEY "auth: {scheme: Bearer, token_ref: ghp-x}\n"), 5, 41, "never its value"},
        {ROUTE(KEY "auth: {scheme: Bearer, token_ref: 123}\n"), 5, 41, "not a number"},
        {ROUTE(KEY "auth: {scheme: Bearer, header: x-key, token_ref: A}\n"), 5, 38, "either scheme"},
        {ROUTE(KEY "auth: {header: 'x key', token_ref: A}\n"), 5, 22, "not a header's name"},
        {ROUTE(KEY "auth: {header: Host, token_ref: A}\n"), 5, 22, "cannot be used here"},
        {ROUTE(KEY "auth: {scheme: Bearer, token_ref: A, placeholder: x}\n"), 5, 57, "at least 8"},
        {ROUTE(KEY "auth: Bearer\n"), 5, 13, "auth must be a mapping"},
        {ROUTE(KEY "dlp: false\n"), 5, 12, "dlp must be a mapping"},
        {ROUTE(KEY "dlp: {outbound_detectors: true}\n"), 5, 33,
            "false or a list of token_patterns or known_secrets"},
        {ROUTE(KEY "dlp: {outbound_detectors: [x]}\n"), 5, 34, "unknown detector 'x'"},
        {ROUTE(KEY "dlp: {inbound_detectors: [known_secrets]}\n"), 5, 33, "known: naive_injection_detection"},
        {ROUTE(KEY "dlp: {action: warn}\n"), 5, 21, "block or audit"},
        {ROUTE(KEY "git: true\n"), 5, 12, "git must be a mapping"},
        {ROUTE(KEY "git: {fetch: yes}\n"), 5, 20, "true or false"},
        {ROUTE(KEY "git: {push: true}\n"), 5, 19, "push needs repos"},
        {ROUTE(KEY "git: {fetch: true, repos: [a/b]}\n"), 5, 33, "needs push: true"},
        {ROUTE(KEY "git: {push: true, repos: [/a/b]}\n"), 5, 33, "not a repository"},
        {ROUTE(KEY "git: {push: true, repos: [a/../b]}\n"), 5, 33, "not a repository"},
        {ROUTE(KEY "git: {push: true, repos: ['a/*']}\n"), 5, 33, "not a repository"},
        {ROUTE(KEY "git: {push: true, repos: [a//b]}\n"), 5, 33, "not a repository"},
        {ROUTE(KEY "tls: Bump\n"), 5, 12, "bump or splice; did you mean 'bump'?"},
        {ROUTE(KEY "protocol: https\n"), 5, 17, "http, tcp or udp; did you mean 'http'?"},
        {ROUTE(KEY "ports: 443\n"), 5, 14, "must be a list of ports"},
        {ROUTE(KEY "ports: []\n"), 5, 14, "an empty list"},
        {ROUTE(KEY "ports: [0]\n"), 5, 15, "'0' is not a port"},
        {ROUTE(KEY "ports: [65536]\n"), 5, 15, "not a port"},
        {ROUTE(KEY "ports: ['80']\n"), 5, 15, "not a port"},
        {ROUTE(KEY "ports: [0x50]\n"), 5, 15, "not a port"},
        {ROUTE(KEY "ports: [90-80]\n"), 5, 15, "not a port"},
        {ROUTE(KEY "ports: [80-]\n"), 5, 15, "not a port"},
        {ROUTE(KEY "ports: [[80]]\n"), 5, 15, "not a port"},
        {ROUTE(KEY "ports: [1-1024]\n"), 5, 15, "port 53"},
        {ROUTE(KEY "protocol: tcp\n"), 4, 7, "protocol: tcp needs ports"},
        {ROUTE(KEY "protocol: udp\n"), 4, 7, "protocol: udp needs ports"},
        {ROUTE(KEY "allow_private: 1\n"), 5, 22, "true or false"},
        {ROUTE(KEY "dns: TXT\n"), 5, 12, "must be a list of DNS query types"},
        {ROUTE(KEY "dns: [ANY]\n"), 5, 13, "no ANY"},
        {ROUTE(KEY "dns: [AXFR]\n"), 5, 13, "no ANY"},
        {ROUTE(KEY "dns: [TYPE252]\n"), 5, 13, "no ANY"},
        {ROUTE(KEY "dns: [TYPE41]\n"), 5, 13, "no ANY"},
        {ROUTE(KEY "dns: [txt]\n"), 5, 13, "not a query type"},
    };
    expect_errors(t, ARRAY_LEN(t));
}

Test(policy, what_cannot_be_enforced)
{
    static const struct bad t[] = {
        {ROUTE(KEY "tls: splice\n" KEY "matches: [{methods: [GET]}]\n"), 6, 7, "matches cannot be enforced"},
        {ROUTE(KEY "tls: splice\n" KEY "auth: {scheme: Bearer, token_ref: A}\n"), 6, 7,
            "auth cannot be enforced"},
        {ROUTE(KEY "tls: splice\n" KEY "git: {fetch: true}\n"), 6, 7, "git cannot be enforced"},
        {ROUTE(KEY "tls: splice\n" KEY "role: claude_code_oauth\n"), 6, 7, "role cannot be enforced"},
        {ROUTE(KEY "tls: splice\n" KEY "dlp: {inbound_detectors: [naive_injection_detection]}\n"), 6, 7,
            "cannot look inside"},
        {ROUTE(KEY "protocol: tcp\n" KEY "ports: [22]\n" KEY "tls: bump\n"), 7, 7,
            "tls is for protocol: http"},
        {ROUTE(KEY "protocol: udp\n" KEY "ports: [123]\n" KEY "matches: [{methods: [GET]}]\n"), 7, 7,
            "judged by name and port only"},
    };
    expect_errors(t, ARRAY_LEN(t));
}

Test(policy, match_errors)
{
    static const struct bad t[] = {
        {ROUTE(KEY "matches: []\n"), 5, 16, "an empty list can be read as all or as none"},
        {ROUTE(KEY "matches: [{}]\n"), 5, 17, "an empty match allows every request"},
        {ROUTE(KEY "matches: {paths: []}\n"), 5, 16, "must be a list of matches"},
        {ROUTE(KEY "matches: [{path: /a}]\n"), 5, 18,
            "did you mean 'paths'?; allowed: paths, methods or headers"},
        {ROUTE(KEY "matches: [{paths: [/a]}]\n"), 5, 26, "a path must be a mapping"},
        {ROUTE(KEY "matches: [{paths: [{type: prefix}]}]\n"), 5, 26, "a path needs value"},
        {ROUTE(KEY "matches: [{paths: [{type: glob, value: /a}]}]\n"), 5, 33, "prefix, exact or regex"},
        {ROUTE(KEY "matches: [{paths: [{value: a}]}]\n"), 5, 34, "begins with '/'"},
        {ROUTE(KEY "matches: [{paths: [{value: '/a?b'}]}]\n"), 5, 34, "queries cannot be matched"},
        {ROUTE(KEY "matches: [{paths: [{value: /a%2fb}]}]\n"), 5, 34, "reads two ways"},
        {ROUTE(KEY "matches: [{paths: [{value: /a//b}]}]\n"), 5, 34, "reads two ways"},
        {ROUTE(KEY "matches: [{paths: [{value: /a/%2e%2e}]}]\n"), 5, 34, "reads two ways"},
        {ROUTE(KEY "matches: [{paths: [{type: regex, value: '/a('}]}]\n"), 5, 47,
            "bad regex at offset 3: missing closing parenthesis"},
        {ROUTE(KEY "matches: [{methods: GET}]\n"), 5, 27, "must be a list of methods"},
        {ROUTE(KEY "matches: [{methods: [get]}]\n"), 5, 28, "upper-case"},
        {ROUTE(KEY "matches: [{methods: ['G T']}]\n"), 5, 28, "not a method"},
        {ROUTE(KEY "matches: [{methods: [CONNECT]}]\n"), 5, 28, "never passed on"},
        {ROUTE(KEY "matches: [{headers: [{name: x-a}]}]\n"), 5, 28, "needs name and value"},
        {ROUTE(KEY "matches: [{headers: [{name: 'x a', value: b}]}]\n"), 5, 35, "not a header's name"},
        {ROUTE(KEY "matches: [{headers: [{name: Host, value: b}]}]\n"), 5, 35, "cannot be used here"},
        {ROUTE(KEY "matches: [{headers: [{name: a, value: b, type: prefix}]}]\n"), 5, 54, "exact or regex"},
        {ROUTE(KEY "matches: [{headers: [{name: a, value: ' b'}]}]\n"), 5, 45, "never sent"},
        {ROUTE(KEY "matches: [{headers: [{name: a, value: 1}]}]\n"), 5, 45, "not a number; put it in quotes"},
    };
    expect_errors(t, ARRAY_LEN(t));
}

Test(policy, files)
{
    struct policy_error e;
    cr_expect_null(policy_load_file("/nonexistent.yaml", &e));
    cr_expect(strstr(e.text, "No such file"));
    cr_expect_null(policy_load_file("/tmp", &e));
    cr_expect(strstr(e.text, "directory"));
}

Test(policy, which_route)
{
    struct policy *p = load( //
        "version: 1\n"
        "egress:\n"
        "  routes:\n"
        "    - host: '*.example'\n"
        "    - host: '*.b.example'\n"
        "    - host: x.b.example\n"
        "    - host: example\n"
        "    - host: only.test\n");
    static const struct {
        const char *host, *route; /* NULL: none */
    } t[] = {
        {"example", "example"},
        {"a.example", "*.example"},
        {"z.y.a.example", "*.example"},
        {"b.example", "*.example"},
        {"y.b.example", "*.b.example"},
        {"z.y.b.example", "*.b.example"},
        {"x.b.example", "x.b.example"},
        {"w.x.b.example", "*.b.example"},
        {"xb.example", "*.example"},
        {"notexample", NULL},
        {"a.notexample", NULL},
        {"example.org", NULL},
        {"only.test", "only.test"},
        {"a.only.test", NULL},
        {"test", NULL},
        {"nly.test", NULL},
        {"", NULL},
        {".example", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        const struct route *r = policy_route(p, t[i].host);
        cr_expect_str_eq(r ? r->host : "none", t[i].route ? t[i].route : "none", "%s", t[i].host);
    }
    policy_free(p);
}

Test(policy, many_routes_cost_a_lookup_nothing)
{
    enum { ROUTES = 10000 };
    char *text = malloc((size_t)ROUTES * 120), *at = text;
    at += sprintf(at, "version: 1\negress:\n  routes:\n");
    for (int i = 0; i < ROUTES; i++)
        at += sprintf(at, "    - host: \"%sh%d.example\"\n      auth: {scheme: Bearer, token_ref: T%d}\n",
            i % 2 ? "*." : "", i, i);
    struct timespec a, b;
    struct policy_error e;
    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    struct policy *p = policy_load(text, (size_t)(at - text), &e);
    (void)clock_gettime(CLOCK_MONOTONIC, &b);
    cr_assert(p, "%s", e.text);
    double ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
    cr_expect_lt(ms, 3000, "%.0f ms", ms);
    for (int i = 0; i < ROUTES; i++) {
        char host[40];
        (void)sprintf(host, "%sh%d.example", i % 2 ? "x.y." : "", i);
        const struct route *r = policy_route(p, host);
        cr_assert(r && r->index == (uint32_t)i, "%s", host);
    }
    policy_free(p);
    free(text);
}
