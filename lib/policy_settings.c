/* The sections beside `egress`: timeouts, dns, audit, inspect, proxy. Each has defaults that need no file. */
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/policy_loader.h"

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

void load_defaults(struct policy *p)
{
    p->timeouts = (struct timeouts){
        .client_hello = 30 * SECOND,
        .tls_handshake = 10 * SECOND,
        .request_head = 15 * SECOND,
        .request_body_idle = 2 * MINUTE,
        .connect = 10 * SECOND,
        .response_head = 10 * MINUTE, /* a model may think that long before its first octet */
        .idle = 2 * HOUR, /* a quiet event stream is not a dead one; dead peers are found by TCP keep-alive */
        .keepalive = 75 * SECOND,
        .upstream_keepalive = 60 * SECOND,
        .upstream_queue = 30 * SECOND,
        .drain = 30 * SECOND,
    };
    p->limits = (struct policy_limits){.upstream_connections = 4096};
    p->dns = (struct policy_dns){
        .refused = DNS_REFUSED_EXPLAIN,
        .ttl_min = 5,
        .ttl_max = 3600,
        .negative_ttl_max = 300,
        .stale_max = 3600,
        .cache_bytes = MIB(16),
        .wildcard_labels_per_minute = 60,
        .wildcard_label_max = 48,
    };
    p->audit = (struct policy_audit){.rotate_bytes = MIB(64), .keep = 8};
    p->inspect = (struct policy_inspect){.max_depth = 4};
}

void load_timeouts(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
#define TIMEOUT(member) \
    { \
        .name = #member, .fn = load_ms, .offset = offsetof(struct timeouts, member), .min = 100, \
        .max = 24 * HOUR \
    }
    static const struct key_spec keys[] = {
        TIMEOUT(client_hello),
        TIMEOUT(tls_handshake),
        TIMEOUT(request_head),
        TIMEOUT(request_body_idle),
        TIMEOUT(connect),
        TIMEOUT(response_head),
        TIMEOUT(idle),
        TIMEOUT(keepalive),
        TIMEOUT(upstream_keepalive),
        TIMEOUT(upstream_queue),
        TIMEOUT(drain),
    };
#undef TIMEOUT
    (void)spec;
    load_map(l, n, "timeouts", keys, ARRAY_LEN(keys), out);
}

void load_limits(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    static const struct key_spec keys[] = {{.name = "upstream_connections",
        .fn = load_u32,
        .offset = offsetof(struct policy_limits, upstream_connections),
        .min = 1,
        .max = 1000000}};
    (void)spec;
    load_map(l, n, "limits", keys, ARRAY_LEN(keys), out);
}

/* ---- dns ---- */

/* "IP[:PORT]", or "tls://IP[:PORT]#NAME": the name that the server's certificate must carry. */
static const char *load_upstream(struct load *l, const struct ynode *n)
{
    const char *s = load_text(l, n);
    if (!s)
        return NULL;
    char address[80], name[HOSTNAME_MAX + 1];
    struct endpoint ep;
    bool tls = strncmp(s, "tls://", 6) == 0;
    const char *start = tls ? s + 6 : s, *hash = strchr(start, '#');
    size_t len = hash ? (size_t)(hash - start) : strlen(start);
    bool ok = tls == (hash != NULL) && len < sizeof address &&
              (!hash || host_canon(hash + 1, strlen(hash + 1), name, NULL) == HOST_NAME);
    if (ok) {
        memcpy(address, start, len);
        address[len] = '\0';
        ok = endpoint_parse(address, tls ? 853 : 53, &ep);
    }
    if (!ok)
        load_error(l, n,
            "'%.80s' is not a DNS server; allowed: IP, IP:PORT, or tls://IP[:PORT]#NAME (IPv6 in [] if a "
            "port follows)",
            s);
    return s;
}

struct string_list {
    const char *const *items;
    size_t n;
};

static struct string_list load_list(struct load *l, const struct ynode *n, const char *what,
    const char *(*item)(struct load *, const struct ynode *))
{
    struct string_list out = {0};
    if (!load_is_list(l, n, what))
        return out;
    const char **items = load_alloc(l, n->n, sizeof *items);
    for (const struct ynode *c = n->first; c && items && !l->failed; c = c->next)
        items[out.n++] = item(l, c);
    out.items = items;
    return out;
}

static void load_upstreams(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    struct policy_dns *dns = out;
    struct string_list list = load_list(l, n, "a list of DNS servers, such as [9.9.9.9]", load_upstream);
    dns->upstreams = list.items;
    dns->n_upstreams = list.n;
}

static const char *load_zone(struct load *l, const struct ynode *n)
{
    const char *s = load_text(l, n);
    char *name = s ? load_alloc(l, HOSTNAME_MAX + 1, 1) : NULL;
    if (name && host_canon(s, strlen(s), name, NULL) != HOST_NAME)
        load_error(l, n, "'%.80s' is not a name; allowed: names such as corp.example", s);
    return name;
}

static void load_insecure(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    struct policy_dns *dns = out;
    struct string_list list = load_list(l, n, "a list of names, such as [corp.example]", load_zone);
    dns->insecure = list.items;
    dns->n_insecure = list.n;
}

void load_dns(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    static const char *const refused_words[] = {
        "explain", "nxdomain", "refused", NULL}; /* enum dns_refused */
    static const char *const dnssec_words[] = {"passthrough", "validate", NULL}; /* enum dns_dnssec */
#define DNS(member, how, lo, hi) \
    { \
        .name = #member, .fn = (how), .offset = offsetof(struct policy_dns, member), .min = (lo), \
        .max = (hi) \
    }
    static const struct key_spec keys[] = {
        {.name = "refused",
            .fn = load_word,
            .offset = offsetof(struct policy_dns, refused),
            .words = refused_words},
        {.name = "upstreams", .fn = load_upstreams},
        {.name = "dnssec",
            .fn = load_word,
            .offset = offsetof(struct policy_dns, dnssec),
            .words = dnssec_words},
        {.name = "insecure", .fn = load_insecure},
        {.name = "trust_anchor", .fn = load_string, .offset = offsetof(struct policy_dns, trust_anchor)},
        DNS(ttl_min, load_seconds, 0, 3600),
        DNS(ttl_max, load_seconds, 1, 604800),
        DNS(negative_ttl_max, load_seconds, 0, 10800),
        DNS(stale_max, load_seconds, 0, 259200),
        DNS(cache_bytes, load_size, KIB(64), MIB(4096)),
        DNS(wildcard_labels_per_minute, load_u32, 0, 1000000),
        DNS(wildcard_label_max, load_u32, 1, 63),
    };
#undef DNS
    (void)spec;
    struct policy_dns *dns = out;
    if (load_map(l, n, "dns", keys, ARRAY_LEN(keys), dns) && dns->ttl_min > dns->ttl_max)
        load_error(l, n, "ttl_min (%u s) is more than ttl_max (%u s)", dns->ttl_min, dns->ttl_max);
}

/* ---- audit, inspect, proxy ---- */

static void load_log_headers(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    static const char *const never[] = {"authorization", "cookie"};
    (void)spec;
    struct policy_audit *a = out;
    struct string_list list = load_list(l, n, "a list of header names", load_field_name);
    for (size_t i = 0; i < list.n && !l->failed; i++)
        for (size_t k = 0; k < ARRAY_LEN(never); k++)
            if (strcmp(list.items[i], never[k]) == 0)
                load_error(l, n, "'%s' carries credentials and is never logged", never[k]);
    a->headers = list.items;
    a->n_headers = list.n;
}

void load_audit(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
#define AUDIT(member, how, lo, hi) \
    { \
        .name = #member, .fn = (how), .offset = offsetof(struct policy_audit, member), .min = (lo), \
        .max = (hi) \
    }
    static const struct key_spec keys[] = {
        AUDIT(query_strings, load_bool, 0, 0),
        {.name = "headers", .fn = load_log_headers},
        AUDIT(rotate_bytes, load_size, KIB(64), MIB(1024) * 1024),
        AUDIT(keep, load_u32, 1, 1000),
    };
#undef AUDIT
    (void)spec;
    load_map(l, n, "audit", keys, ARRAY_LEN(keys), out);
}

static const char *load_secret_item(struct load *l, const struct ynode *n)
{
    const char *s = load_text(l, n);
    if (s && (s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] ||
                 (s[0] >= '0' && s[0] <= '9')))
        load_error(l, n, "secrets are given by name (letters, digits and '_'), never by value");
    return s;
}

static void load_known_secrets(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    struct policy_inspect *i = out;
    struct string_list list = load_list(l, n, "a list of names of secrets", load_secret_item);
    i->secrets = list.items;
    i->n_secrets = list.n;
}

void load_inspect(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    static const struct key_spec keys[] = {
        {.name = "secrets", .fn = load_known_secrets},
        {.name = "max_depth",
            .fn = load_u32,
            .offset = offsetof(struct policy_inspect, max_depth),
            .min = 1,
            .max = 8},
    };
    (void)spec;
    load_map(l, n, "inspect", keys, ARRAY_LEN(keys), out);
}

/* Refused names may resolve to the sidecar, whose web ports explain that; the engines' listener is
 * appliance's. */
bool policy_proxy_port_ok(uint16_t port)
{
    return port && port != 53 && port != 80 && port != 443 && port != 15001;
}

void load_proxy(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    static const struct key_spec keys[] = {{.name = "port", .fn = load_u16, .max = UINT16_MAX}};
    (void)spec;
    uint16_t *port = out;
    if (load_map(l, n, "proxy", keys, ARRAY_LEN(keys), port) && *port && !policy_proxy_port_ok(*port))
        load_error(l, ynode_get(n, "port"),
            "port %u is in use otherwise (53, 80, 443 and 15001 are); such as 3128", (unsigned)*port);
}
