#include "lib/policy_text.h"

#include <string.h>

#include "lib/base.h"
#include "lib/policy_loader.h"

static const char *const type_words[] = {
    [MATCH_PREFIX] = "and below", [MATCH_EXACT] = "exactly", [MATCH_REGEX] = "(regex)"};

static void line(FILE *out, const char *name)
{
    (void)fprintf(out, "    %-11s", name);
}

static void text_ports(FILE *out, const struct route *r)
{
    static const char *const how[] = {"http and https, opened for inspection",
        "any TCP stream, judged by name and port", "UDP, judged by name and port"};
    line(out, "ports");
    for (size_t i = 0; i < r->n_ports; i++) {
        (void)fprintf(out, "%s%u", i ? ", " : "", (unsigned)r->ports[i].lo);
        if (r->ports[i].hi != r->ports[i].lo)
            (void)fprintf(out, "-%u", (unsigned)r->ports[i].hi);
    }
    bool spliced = r->protocol == ROUTE_HTTP && r->tls == ROUTE_TLS_SPLICE;
    (void)fprintf(out, " (%s)\n", spliced ? "https, passed sealed and judged by name" : how[r->protocol]);
}

static void text_match(FILE *out, const struct match *m)
{
    for (size_t i = 0; i < m->n_methods; i++)
        (void)fprintf(out, "%s%s", i ? " " : "", m->methods[i]);
    (void)fputs(m->n_methods ? " to" : "any method to", out);
    for (size_t i = 0; i < m->n_paths; i++)
        (void)fprintf(out, "%s %s %s", i ? " or" : "", m->paths[i].value, type_words[m->paths[i].type]);
    if (m->n_paths == 0)
        (void)fputs(" every path", out);
    for (size_t i = 0; i < m->n_headers; i++)
        (void)fprintf(out, "%s header %s: %s%s", i ? " and" : " with", m->headers[i].name,
            m->headers[i].value, m->headers[i].type == MATCH_REGEX ? " (regex)" : "");
    (void)fputc('\n', out);
}

static void text_requests(FILE *out, const struct route *r)
{
    if (r->n_matches == 0) {
        line(out, "requests");
        (void)fputs("all, but git's\n", out);
    }
    for (size_t i = 0; i < r->n_matches; i++) {
        line(out, i ? "" : "requests");
        text_match(out, &r->matches[i]);
    }
}

static void text_git(FILE *out, const struct route *r)
{
    if (!r->git_fetch && !r->git_push)
        return;
    line(out, "git");
    (void)fprintf(out, "%s", r->git_fetch ? "clone and fetch; " : "");
    (void)fputs(r->git_push ? "push to" : "no push", out);
    for (size_t i = 0; i < r->n_git_repos; i++)
        (void)fprintf(out, "%s%s", i ? ", " : " ", r->git_repos[i]);
    (void)fputc('\n', out);
}

static void text_credential(FILE *out, const struct route *r)
{
    static const char *const schemes[] = {
        [AUTH_BEARER] = "Bearer ", [AUTH_TOKEN] = "token ", [AUTH_BASIC] = "Basic ", [AUTH_HEADER] = ""};
    if (r->auth.scheme != AUTH_NONE) {
        line(out, "credential");
        (void)fprintf(
            out, "%s: %s<%s>, over https only\n", r->auth.header, schemes[r->auth.scheme], r->auth.token_ref);
    }
    if (r->auth.placeholder) {
        line(out, "");
        (void)fprintf(out, "replaces '%s' in the agent's headers\n", r->auth.placeholder);
    }
    if (!r->role)
        return;
    line(out, "role");
    (void)fprintf(out, "%s: the agent's own", r->role);
    for (size_t i = 0; i < r->n_strip_headers; i++)
        (void)fprintf(out, "%s %s", i ? "," : "", r->strip_headers[i]);
    (void)fputs(" are stripped\n", out);
}

static void text_detectors(FILE *out, const struct route *r)
{
    const char *then = r->dlp_action == DLP_BLOCK ? "a finding blocks" : "a finding is only logged";
    bool sealed = r->protocol != ROUTE_HTTP || r->tls == ROUTE_TLS_SPLICE;
    line(out, "outbound");
    if (r->outbound)
        (void)fprintf(out, "%s scanned for%s%s%s; %s\n", sealed ? "name" : "requests",
            r->outbound & DETECT_TOKEN_PATTERNS ? " token_patterns" : "",
            r->outbound == (DETECT_TOKEN_PATTERNS | DETECT_KNOWN_SECRETS) ? "," : "",
            r->outbound & DETECT_KNOWN_SECRETS ? " known_secrets" : "", then);
    else
        (void)fputs("not scanned\n", out);
    line(out, "inbound");
    if (r->inbound)
        (void)fprintf(out, "responses scanned for naive_injection_detection; %s\n", then);
    else
        (void)fputs("not scanned\n", out);
}

static void text_rest(FILE *out, const struct route *r)
{
    if (r->n_dns_types) {
        line(out, "dns");
        (void)fputs("also types", out);
        for (size_t i = 0; i < r->n_dns_types; i++) {
            const char *name = policy_type_name(r->dns_types[i]);
            if (name)
                (void)fprintf(out, " %s", name);
            else
                (void)fprintf(out, " TYPE%u", (unsigned)r->dns_types[i]);
        }
        (void)fputc('\n', out);
    }
    if (r->allow_private) {
        line(out, "addresses");
        (void)fputs("private ones too\n", out);
    }
}

static void text_route(FILE *out, const struct route *r)
{
    text_ports(out, r);
    if (r->protocol == ROUTE_HTTP && r->tls == ROUTE_TLS_BUMP) {
        text_requests(out, r);
        text_git(out, r);
        text_credential(out, r);
    }
    text_detectors(out, r);
    text_rest(out, r);
}

static void text_list(FILE *out, const char *section, const char *name, const char *const *items, size_t n)
{
    if (n == 0)
        return;
    (void)fprintf(out, "    %s.%s:", section, name);
    for (size_t i = 0; i < n; i++)
        (void)fprintf(out, " %s", items[i]);
    (void)fputc('\n', out);
}

/* One line for each setting that is not the default, in the file's words. */
static void text_settings(FILE *out, const struct policy *p)
{
    static const char *const refused[] = {"explain", "nxdomain", "refused"};
    struct policy d = {0};
    load_defaults(&d);
#define TIME(m) \
    if (p->timeouts.m != d.timeouts.m) \
    (void)fprintf(out, "    timeouts.%s: %ums\n", #m, p->timeouts.m)
#define NUMBER(section, m, unit) \
    if (p->section.m != d.section.m) \
    (void)fprintf(out, "    %s.%s: %llu%s\n", #section, #m, (unsigned long long)p->section.m, unit)
    TIME(client_hello);
    TIME(tls_handshake);
    TIME(request_head);
    TIME(request_body_idle);
    TIME(connect);
    TIME(response_head);
    TIME(idle);
    TIME(keepalive);
    TIME(upstream_keepalive);
    TIME(upstream_queue);
    TIME(drain);
    NUMBER(limits, upstream_connections, "");
    if (p->dns.refused != d.dns.refused)
        (void)fprintf(out, "    dns.refused: %s\n", refused[p->dns.refused]);
    text_list(out, "dns", "upstreams", p->dns.upstreams, p->dns.n_upstreams);
    if (p->dns.dnssec == DNS_DNSSEC_VALIDATE)
        (void)fputs("    dns.dnssec: validate\n", out);
    text_list(out, "dns", "insecure", p->dns.insecure, p->dns.n_insecure);
    if (p->dns.trust_anchor)
        (void)fprintf(out, "    dns.trust_anchor: %s\n", p->dns.trust_anchor);
    NUMBER(dns, ttl_min, "s");
    NUMBER(dns, ttl_max, "s");
    NUMBER(dns, negative_ttl_max, "s");
    NUMBER(dns, stale_max, "s");
    NUMBER(dns, cache_bytes, "");
    NUMBER(dns, wildcard_labels_per_minute, "");
    NUMBER(dns, wildcard_label_max, "");
    if (p->audit.query_strings)
        (void)fputs("    audit.query_strings: true\n", out);
    text_list(out, "audit", "headers", p->audit.headers, p->audit.n_headers);
    NUMBER(audit, rotate_bytes, "");
    NUMBER(audit, keep, "");
    text_list(out, "inspect", "secrets", p->inspect.secrets, p->inspect.n_secrets);
    NUMBER(inspect, max_depth, "");
    if (p->proxy_port)
        (void)fprintf(out, "    proxy.port: %u\n", (unsigned)p->proxy_port);
#undef TIME
#undef NUMBER
}

static char *render_route(const struct route *r)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    if (!f)
        return NULL;
    text_route(f, r);
    return fclose(f) == 0 ? text : NULL;
}

static char *render_settings(const struct policy *p)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    if (!f)
        return NULL;
    text_settings(f, p);
    return fclose(f) == 0 ? text : NULL;
}

void policy_summary(FILE *out, const struct policy *p)
{
    (void)fprintf(
        out, "%zu route%s; what none of them allows is refused.\n", p->n_routes, p->n_routes == 1 ? "" : "s");
    for (size_t i = 0; i < p->n_routes; i++) {
        (void)fprintf(out, "\n%s\n", p->routes[i].host);
        text_route(out, &p->routes[i]);
    }
    cleanup_free char *settings = render_settings(p);
    if (settings && *settings)
        (void)fprintf(out, "\nsettings that are not the defaults\n%s", settings);
}

/* ---- diff ---- */

static bool has_line(const char *text, const char *want, size_t n)
{
    for (const char *s = text; *s;) {
        size_t len = strcspn(s, "\n");
        if (len == n && memcmp(s, want, n) == 0)
            return true;
        s += len + (s[len] == '\n');
    }
    return false;
}

/* Lines of `text` that `other` has not. */
static bool only_in(FILE *out, char sign, const char *text, const char *other)
{
    bool any = false;
    for (const char *s = text; *s;) {
        size_t len = strcspn(s, "\n");
        if (!has_line(other, s, len)) {
            (void)fprintf(out, "%c %.*s\n", sign, (int)len, s);
            any = true;
        }
        s += len + (s[len] == '\n');
    }
    return any;
}

static bool diff_text(FILE *out, const char *title, const char *a, const char *b)
{
    if (!a || !b || strcmp(a, b) == 0)
        return false;
    (void)fprintf(out, "  %s\n", title);
    bool removed = only_in(out, '-', a, b), added = only_in(out, '+', b, a);
    if (!removed && !added)
        (void)fputs("~     the same lines in another order\n", out);
    return true;
}

/* The same entry, not merely one that covers the host: a wildcard is found by any name right below it. */
static const struct route *same_host(const struct policy *p, const struct route *r)
{
    char name[HOSTNAME_MAX + 3];
    (void)snprintf(name, sizeof name, "%s", r->host);
    if (r->wildcard)
        name[0] = '_';
    const struct route *found = policy_route(p, name);
    return found && strcmp(found->host, r->host) == 0 ? found : NULL;
}

bool policy_diff(FILE *out, const struct policy *a, const struct policy *b)
{
    bool any = false;
    for (size_t i = 0; i < a->n_routes; i++) {
        const struct route *old = &a->routes[i], *new = same_host(b, old);
        cleanup_free char *before = render_route(old), *after = new ? render_route(new) : NULL;
        if (!new)
            (void)fprintf(out, "- %s\n", old->host);
        any |= !new || diff_text(out, old->host, before, after);
    }
    for (size_t i = 0; i < b->n_routes; i++) {
        if (same_host(a, &b->routes[i]))
            continue;
        cleanup_free char *after = render_route(&b->routes[i]);
        (void)fprintf(out, "+ %s\n", b->routes[i].host);
        if (after)
            (void)only_in(out, '+', after, "");
        any = true;
    }
    cleanup_free char *before = render_settings(a), *after = render_settings(b);
    return diff_text(out, "settings", before, after) || any;
}

void policy_keep(const struct policy *old, const struct policy *now, uint8_t *kept)
{
    for (size_t i = 0; i < old->n_routes; i++) {
        const struct route *r = &old->routes[i], *same = same_host(now, r);
        cleanup_free char *before = render_route(r), *after = same ? render_route(same) : NULL;
        if (!before || !after || strcmp(before, after) != 0)
            kept[i] = 0;
    }
    for (size_t i = 0; i < now->n_routes; i++) {
        char name[HOSTNAME_MAX + 3];
        (void)snprintf(name, sizeof name, "%s", now->routes[i].host);
        if (now->routes[i].wildcard)
            name[0] = '_';
        const struct route *covered = policy_route(old, name);
        if (covered && !covered->implied && strcmp(covered->host, now->routes[i].host) != 0)
            kept[covered->index] = 0;
    }
}
