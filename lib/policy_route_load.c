/* `egress.routes` but for their credentials and matches: tables of keys, then the rules between keys. */
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/policy_loader.h"
#include "lib/policy_text.h"

static const char *const protocol_words[] = {"http", "tcp", "udp", NULL}; /* enum route_protocol */
static const char *const tls_words[] = {"bump", "splice", NULL}; /* enum route_tls */
static const char *const action_words[] = {"block", "audit", NULL}; /* enum dlp_action */

/* ---- dlp ---- */

struct detector {
    const char *name;
    unsigned bit;
};
static const struct detector outbound_detectors[] = {
    {"token_patterns", DETECT_TOKEN_PATTERNS}, {"known_secrets", DETECT_KNOWN_SECRETS}};
static const struct detector inbound_detectors[] = {{"naive_injection_detection", DETECT_INJECTION}};

static void load_detectors(
    struct load *l, const struct ynode *n, const struct detector *known, size_t n_known, unsigned *out)
{
    const char *names[4] = {0};
    char allowed[120];
    for (size_t i = 0; i < n_known; i++)
        names[i] = known[i].name;
    join_words(names, allowed, sizeof allowed);
    *out = 0;
    if (n->kind == YNODE_SCALAR && n->plain && strcmp(n->text, "false") == 0)
        return;
    if (n->kind != YNODE_SEQ) {
        load_error(l, n, "%s must be false or a list of %s, not %s", n->key->text, allowed, ynode_type(n));
        return;
    }
    for (const struct ynode *c = n->first; c && !l->failed; c = c->next) {
        size_t i = 0;
        while (i < n_known && (c->kind != YNODE_SCALAR || strcmp(c->text, known[i].name) != 0))
            i++;
        if (i == n_known)
            load_error(l, c, "unknown detector '%.40s' in %s; known: %s",
                c->kind == YNODE_SCALAR ? c->text : "", n->key->text, allowed);
        else
            *out |= known[i].bit;
    }
}

static void load_outbound(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    load_detectors(l, n, outbound_detectors, ARRAY_LEN(outbound_detectors), out);
}

static void load_inbound(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    load_detectors(l, n, inbound_detectors, ARRAY_LEN(inbound_detectors), out);
}

static void load_dlp(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    static const struct key_spec keys[] = {
        {.name = "outbound_detectors", .fn = load_outbound, .offset = offsetof(struct route, outbound)},
        {.name = "inbound_detectors", .fn = load_inbound, .offset = offsetof(struct route, inbound)},
        {.name = "action",
            .fn = load_word,
            .offset = offsetof(struct route, dlp_action),
            .words = action_words},
    };
    (void)spec;
    load_map(l, n, "dlp", keys, ARRAY_LEN(keys), out);
}

/* ---- git ---- */

/* "org/name" as it stands in the URL's path, without ".git". */
static const char *load_repo(struct load *l, const struct ynode *n)
{
    const char *s = load_text(l, n);
    if (!s)
        return NULL;
    size_t len = n->len;
    if (len > 4 && strcmp(s + len - 4, ".git") == 0)
        len -= 4;
    bool ok = len > 0;
    for (size_t i = 0, start = 0; ok && i <= len; i++) {
        if (i < len && s[i] != '/') {
            ok = is_token((const char[]){s[i], '\0'}) && !strchr("%`|^#&*!'$", s[i]);
            continue;
        }
        size_t seg = i - start;
        ok = seg > 0 && !(s[start] == '.' && (seg == 1 || (seg == 2 && s[start + 1] == '.')));
        start = i + 1;
    }
    if (!ok) {
        load_error(l, n, "'%.80s' is not a repository; allowed: its path on the host, such as org/name", s);
        return NULL;
    }
    char *out = load_alloc(l, 1, len + 1);
    return out ? memcpy(out, s, len) : NULL;
}

static void load_repos(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    struct route *r = out;
    if (!load_is_list(l, n, "a list of repositories (org/name)"))
        return;
    const char **repos = load_alloc(l, n->n, sizeof *repos);
    for (const struct ynode *c = n->first; c && repos && !l->failed; c = c->next)
        repos[r->n_git_repos++] = load_repo(l, c);
    r->git_repos = repos;
}

static void load_git(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    static const struct key_spec keys[] = {
        {.name = "fetch", .fn = load_bool, .offset = offsetof(struct route, git_fetch)},
        {.name = "push", .fn = load_bool, .offset = offsetof(struct route, git_push)},
        {.name = "repos", .fn = load_repos},
    };
    (void)spec;
    struct route *r = out;
    if (!load_map(l, n, "git", keys, ARRAY_LEN(keys), r))
        return;
    if (r->git_push && r->n_git_repos == 0)
        load_error(l, ynode_get(n, "push"),
            "push needs repos: the list of repositories (org/name) that may be pushed to");
    if (!r->git_push && r->n_git_repos)
        load_error(l, ynode_get(n, "repos"),
            "repos says where push may go; it needs push: true (fetch is not limited by it)");
}

/* ---- ports ---- */

static bool parse_port(const char **s, unsigned *out)
{
    const char *start = *s;
    *out = 0;
    while (**s >= '0' && **s <= '9' && *s - start < 6)
        *out = *out * 10 + (unsigned)(*(*s)++ - '0');
    return *s > start && *start != '0' && *out <= UINT16_MAX;
}

static void load_port(struct load *l, const struct ynode *n, struct port_range *out)
{
    unsigned lo = 0, hi = 0;
    const char *s = n->kind == YNODE_SCALAR ? n->text : "";
    bool ok = parse_port(&s, &lo);
    hi = lo;
    if (ok && *s == '-') {
        s++;
        ok = parse_port(&s, &hi);
    } else if (ok && !n->plain) {
        ok = false;
    }
    if (!ok || *s || lo > hi)
        load_error(l, n, "%s%.20s%s is not a port; allowed: 1 to 65535, or a range such as 8000-8010",
            n->kind == YNODE_SCALAR ? "'" : "", n->kind == YNODE_SCALAR ? n->text : ynode_type(n),
            n->kind == YNODE_SCALAR ? "'" : "");
    else if (lo <= 53 && hi >= 53)
        load_error(l, n, "port 53 always goes to the sidecar's own resolver; leave it out");
    *out = (struct port_range){(uint16_t)lo, (uint16_t)hi};
}

static void load_ports(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    struct route *r = out;
    if (!load_is_list(l, n, "a list of ports, such as [443] or [443, 8000-8010]"))
        return;
    struct port_range *ports = load_alloc(l, n->n, sizeof *ports);
    for (const struct ynode *c = n->first; c && ports && !l->failed; c = c->next)
        load_port(l, c, &ports[r->n_ports++]);
    r->ports = ports;
}

/* ---- dns ---- */

static const struct dns_type {
    const char *name;
    uint16_t type;
} dns_types[] = {
    {"A", 1},
    {"NS", 2},
    {"CNAME", 5},
    {"SOA", 6},
    {"PTR", 12},
    {"HINFO", 13},
    {"MX", 15},
    {"TXT", 16},
    {"AAAA", 28},
    {"LOC", 29},
    {"SRV", 33},
    {"NAPTR", 35},
    {"CERT", 37},
    {"DNAME", 39},
    {"DS", 43},
    {"SSHFP", 44},
    {"RRSIG", 46},
    {"NSEC", 47},
    {"DNSKEY", 48},
    {"NSEC3PARAM", 51},
    {"TLSA", 52},
    {"SMIMEA", 53},
    {"CDS", 59},
    {"CDNSKEY", 60},
    {"OPENPGPKEY", 61},
    {"CSYNC", 62},
    {"ZONEMD", 63},
    {"SVCB", 64},
    {"HTTPS", 65},
    {"SPF", 99},
    {"URI", 256},
    {"CAA", 257},
};

/* RFC 6895 3.1: 128 to 255 are questions and meta types, 41 (OPT) is one too. */
static bool is_data_type(unsigned type)
{
    return type > 0 && type != 41 && (type < 128 || type > 255) && type < UINT16_MAX;
}

static uint16_t load_dns_type(struct load *l, const struct ynode *n)
{
    const char *s = n->kind == YNODE_SCALAR ? n->text : "";
    for (size_t i = 0; i < ARRAY_LEN(dns_types); i++)
        if (strcmp(s, dns_types[i].name) == 0)
            return dns_types[i].type;
    unsigned number = 0;
    if (strncmp(s, "TYPE", 4) == 0) {
        const char *digits = s + 4;
        if (parse_port(&digits, &number) && *digits == '\0' && is_data_type(number))
            return (uint16_t)number;
    }
    load_error(l, n,
        "'%.20s' is not a query type that can be allowed; such as TXT, SRV, MX, CAA, TLSA, SSHFP, NAPTR, "
        "NS, SOA, PTR, or TYPE1234 (no ANY, AXFR or other meta types)",
        s);
    return 0;
}

const char *policy_type_name(uint16_t type)
{
    for (size_t i = 0; i < ARRAY_LEN(dns_types); i++)
        if (dns_types[i].type == type)
            return dns_types[i].name;
    return NULL;
}

static void load_dns_types(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    struct route *r = out;
    if (!load_is_list(l, n, "a list of DNS query types, such as [SRV, TXT]"))
        return;
    uint16_t *types = load_alloc(l, n->n, sizeof *types);
    for (const struct ynode *c = n->first; c && types && !l->failed; c = c->next)
        types[r->n_dns_types++] = load_dns_type(l, c);
    r->dns_types = types;
}

/* ---- a route ---- */

static void load_route_host(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    struct route *r = out;
    r->host = load_host(l, n, &r->wildcard);
    r->line = n->line;
    r->col = n->col;
}

static void load_route_matches(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    load_matches(l, n, out);
}

static const struct key_spec route_keys[] = {
    {.name = "host", .fn = load_route_host},
    {.name = "role", .fn = load_role},
    {.name = "auth", .fn = load_auth, .offset = offsetof(struct route, auth)},
    {.name = "matches", .fn = load_route_matches},
    {.name = "dlp", .fn = load_dlp},
    {.name = "git", .fn = load_git},
    {.name = "tls", .fn = load_word, .offset = offsetof(struct route, tls), .words = tls_words},
    {.name = "protocol",
        .fn = load_word,
        .offset = offsetof(struct route, protocol),
        .words = protocol_words},
    {.name = "ports", .fn = load_ports},
    {.name = "allow_private", .fn = load_bool, .offset = offsetof(struct route, allow_private)},
    {.name = "dns", .fn = load_dns_types},
};

/* What cannot be enforced must not be written: sealed traffic has no paths, headers or bodies. */
static void check_sealed(struct load *l, const struct ynode *n, struct route *r)
{
    static const char *const http_only[] = {"role", "auth", "matches", "git"};
    bool stream = r->protocol != ROUTE_HTTP;
    if (!stream && r->tls == ROUTE_TLS_BUMP)
        return;
    const char *kind = r->protocol == ROUTE_TCP   ? "protocol: tcp is judged by name and port only"
                       : r->protocol == ROUTE_UDP ? "protocol: udp is judged by name and port only"
                                                  : "tls: splice leaves the traffic sealed";
    for (size_t i = 0; i < ARRAY_LEN(http_only); i++) {
        const struct ynode *key = ynode_get(n, http_only[i]);
        if (key)
            load_error(l, key->key, "%s, so %s cannot be enforced; leave it out%s", kind, http_only[i],
                stream ? "" : ", or use tls: bump");
    }
    if (stream && ynode_get(n, "tls"))
        load_error(l, ynode_get(n, "tls")->key, "%s; tls is for protocol: http", kind);
    const struct ynode *dlp = ynode_get(n, "dlp");
    if (dlp && ((ynode_get(dlp, "outbound_detectors") && r->outbound) ||
                   (ynode_get(dlp, "inbound_detectors") && r->inbound)))
        load_error(l, dlp->key, "%s, so detectors cannot look inside; leave dlp out%s", kind,
            stream ? "" : ", or use tls: bump");
    r->inbound = 0; /* outbound still covers the name */
}

static void check_route(struct load *l, const struct ynode *n, struct route *r)
{
    static const struct port_range web_ports[] = {{80, 80}, {443, 443}};
    if (!r->host)
        load_error(l, n, "a route needs host: the name it allows");
    load_check_auth(l, n, r);
    check_sealed(l, n, r);
    if (r->n_ports)
        return;
    if (r->protocol != ROUTE_HTTP)
        load_error(l, n, "protocol: %s needs ports, such as ports: [22]", protocol_words[r->protocol]);
    r->ports = web_ports;
    r->n_ports = ARRAY_LEN(web_ports);
}

void load_routes(struct load *l, const struct ynode *n)
{
    if (n->kind != YNODE_SEQ) {
        load_error(l, n, "routes must be a list ([] allows nothing), not %s", ynode_type(n));
        return;
    }
    struct route *routes = load_alloc(l, n->n, sizeof *routes);
    size_t i = 0;
    for (const struct ynode *c = n->first; c && routes && !l->failed; c = c->next, i++) {
        struct route *r = &routes[i];
        r->index = (uint32_t)i;
        r->outbound = DETECT_TOKEN_PATTERNS | DETECT_KNOWN_SECRETS;
        r->inbound = DETECT_INJECTION;
        if (load_map(l, c, "a route", route_keys, ARRAY_LEN(route_keys), r))
            check_route(l, c, r);
    }
    if (!l->failed) {
        l->policy->routes = routes;
        l->policy->n_routes = i;
    }
}
