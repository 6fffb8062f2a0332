/* Writing: each host as the least route that allows what was seen of it. */
#include <stdlib.h>
#include <string.h>

#include "hostctl/learn_internal.h"
#include "lib/base.h"

#define METHODS_MAX 64
#define WIDE_MIN 3 /* hosts below one name before a wildcard is worth a remark */

struct keys {
    const char **v;
    size_t n;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct keys sorted_keys(json_t *o)
{
    struct keys k = {.v = calloc(json_object_size(o) + 1, sizeof *k.v)};
    const char *key;
    json_t *value;
    if (k.v)
        json_object_foreach(o, key, value) k.v[k.n++] = key;
    if (k.n)
        qsort(k.v, k.n, sizeof *k.v, by_text);
    return k;
}

static json_t *set_of(json_t *host, const char *name)
{
    return json_object_get(host, name);
}

static bool has(json_t *host, const char *set)
{
    return json_object_size(set_of(host, set)) > 0;
}

/* Single quotes: nothing in them but a quote has a meaning. */
static void put_quoted(FILE *out, const char *s)
{
    (void)fputc('\'', out);
    for (; *s; s++)
        (void)fprintf(out, *s == '\'' ? "''" : "%c", *s);
    (void)fputc('\'', out);
}

/* Much in a log was chosen by the agent: a comment stays one line of printable text. */
static void put_plain(FILE *out, const char *s)
{
    for (; *s; s++)
        (void)fputc(*s >= 0x20 && *s < 0x7f ? *s : '?', out);
}

/* ---- requests ---- */

static method_set method_bit(struct keys *methods, const char *name, size_t len)
{
    for (size_t i = 0; i < methods->n; i++)
        if (strlen(methods->v[i]) == len && memcmp(methods->v[i], name, len) == 0)
            return (method_set)1 << i;
    return 0;
}

static bool listed(const struct keys *k, const char *name)
{
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->v[i], name) == 0)
            return true;
    return false;
}

/* The methods of a host, sorted; the caller frees each and the list. */
static struct keys methods_of(json_t *requests)
{
    struct keys k = {.v = calloc(METHODS_MAX, sizeof *k.v)};
    const char *key;
    json_t *value;
    json_object_foreach(requests, key, value)
    {
        cleanup_free char *name = strndup(key, strcspn(key, " "));
        bool plain = name && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == strlen(name);
        if (k.v && plain && k.n < METHODS_MAX && !listed(&k, name))
            k.v[k.n++] = steal_ptr(&name);
    }
    if (k.n)
        qsort(k.v, k.n, sizeof *k.v, by_text);
    return k;
}

static void put_methods(FILE *out, const struct keys *methods, method_set set)
{
    const char *comma = "";
    (void)fputs("methods: [", out);
    for (size_t i = 0; i < methods->n; i++)
        if (set >> i & 1) {
            (void)fprintf(out, "%s%s", comma, methods->v[i]);
            comma = ", ";
        }
    (void)fputs("]\n", out);
}

/* The rules with the methods of the first that is left, as one entry. */
static void put_entry(FILE *out, const struct keys *methods, struct path_rule *r, size_t n)
{
    const method_set set = r->methods;
    (void)fputs("        - ", out);
    put_methods(out, methods, set);
    if (r->path)
        (void)fputs("          paths:\n", out);
    for (size_t i = 0; i < n; i++) {
        if (r[i].methods != set || !r[i].path != !r->path)
            continue;
        if (r[i].path) {
            (void)fprintf(out, "            - {type: %s, value: ", r[i].prefix ? "prefix" : "exact");
            put_quoted(out, r[i].path);
            (void)fputs("}\n", out);
        }
        r[i].methods = 0;
    }
}

static void put_rules(FILE *out, const struct keys *methods, struct path_rule *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (r[i].methods)
            put_entry(out, methods, &r[i], n - i);
    }
    for (size_t i = 0; i < n; i++)
        free(r[i].path);
    free(r);
}

static void put_matches(const struct learn *l, FILE *out, json_t *host)
{
    json_t *requests = set_of(host, "http");
    struct keys methods = methods_of(requests), seen = sorted_keys(requests);
    struct path_tree *tree = path_tree_new(l->siblings);
    for (size_t i = 0; tree && i < seen.n; i++) {
        size_t len = strcspn(seen.v[i], " ");
        (void)path_tree_add(tree, seen.v[i] + len + 1, method_bit(&methods, seen.v[i], len));
    }
    size_t n = 0;
    struct path_rule *rules = tree ? path_tree_rules(tree, &n) : NULL;
    (void)fputs("      matches:\n", out);
    /* A route must say something: what asks for nothing is the least. */
    if (!n)
        (void)fputs("        - methods: [HEAD]\n          paths: [{type: exact, value: /}]\n", out);
    put_rules(out, &methods, rules, n);
    path_tree_free(tree);
    for (size_t i = 0; i < methods.n; i++)
        free((char *)(uintptr_t)methods.v[i]);
    free(methods.v);
    free(seen.v);
}

/* ---- a route ---- */

static void put_git(FILE *out, json_t *host)
{
    struct keys push = sorted_keys(set_of(host, "push")), refs = sorted_keys(set_of(host, "refs"));
    bool fetch = has(host, "fetch");
    /* An advertisement belongs to what followed it; alone it is reading (ls-remote). */
    for (size_t i = 0; i < refs.n; i++)
        fetch = fetch || !listed(&push, refs.v[i]);
    if (fetch || push.n)
        (void)fputs("      git: {", out);
    if (fetch)
        (void)fprintf(out, "fetch: true%s", push.n ? ", " : "");
    for (size_t i = 0; i < push.n; i++) {
        (void)fputs(i ? ", " : "push: true, repos: [", out);
        put_quoted(out, push.v[i]);
    }
    if (fetch || push.n)
        (void)fputs(push.n ? "]}\n" : "}\n", out);
    free(push.v);
    free(refs.v);
}

static void add_ports(bool ports[static 65536], json_t *set)
{
    const char *key;
    json_t *value;
    json_object_foreach(set, key, value) ports[strtoul(key, NULL, 10) & 0xffff] = true;
}

static void put_ports(FILE *out, json_t *host, const char *const *sets, size_t n)
{
    bool ports[65536] = {0};
    const char *comma = "";
    for (size_t i = 0; i < n; i++)
        add_ports(ports, set_of(host, sets[i]));
    (void)fputs("      ports: [", out);
    for (unsigned p = 1; p < 65536; p++)
        if (ports[p]) {
            (void)fprintf(out, "%s%u", comma, p);
            comma = ", ";
        }
    (void)fputs(*comma ? "]\n" : "443]\n", out);
}

static void put_dns(FILE *out, json_t *host)
{
    static const char *const always[] = {"A", "AAAA", "CNAME", "HTTPS", "SVCB", "ANY"};
    struct keys types = sorted_keys(set_of(host, "dns"));
    const char *comma = "";
    for (size_t i = 0; i < types.n; i++) {
        bool free_of_charge = false;
        for (size_t k = 0; k < ARRAY_LEN(always); k++)
            free_of_charge |= strcmp(types.v[i], always[k]) == 0;
        if (free_of_charge)
            continue;
        (void)fprintf(out, "%s%s", *comma ? comma : "      dns: [", types.v[i]);
        comma = ", ";
    }
    if (*comma)
        (void)fputs("]\n", out);
    free(types.v);
}

static void put_seen(FILE *out, json_t *host)
{
    const char *first = json_string_value(json_object_get(host, "first"));
    const char *last = json_string_value(json_object_get(host, "last"));
    (void)fprintf(out, "      # %lld requests; first ",
        (long long)json_integer_value(json_object_get(host, "requests")));
    put_plain(out, first ? first : "?");
    (void)fputs(", last ", out);
    put_plain(out, last ? last : "?");
    (void)fputc('\n', out);
    struct keys found = sorted_keys(set_of(host, "dlp"));
    for (size_t i = 0; i < found.n; i++) {
        (void)fputs("      # inspection found ", out);
        put_plain(out, found.v[i]);
        (void)fputs(" and will block it\n", out);
    }
    free(found.v);
}

static void put_stream(FILE *out, json_t *host, bool web)
{
    static const char *const sets[] = {"tcp", "bump", "splice"};
    (void)fputs("      protocol: tcp\n", out);
    if (web)
        (void)fputs(
            "      # web requests as well: with protocol: tcp they pass sealed. A host has one entry.\n",
            out);
    put_ports(out, host, sets, ARRAY_LEN(sets));
}

/* Streams to ports where there are web requests too (TLS without a name, say) do not turn them into streams.
 */
static bool only_streams_of_web(json_t *host)
{
    const char *port;
    json_t *value;
    json_object_foreach(
        set_of(host, "tcp"), port, value) if (!json_object_get(set_of(host, "bump"), port)) return false;
    return has(host, "tcp");
}

static void put_route(const struct learn *l, FILE *out, const char *name, json_t *host)
{
    static const char *const web[] = {"bump", "splice"}, *const udp[] = {"udp"};
    bool opened = has(host, "bump"), sealed = has(host, "splice") && !has(host, "http");
    (void)fprintf(out, "    - host: %s\n", name);
    put_seen(out, host);
    if (has(host, "udp") && (opened || sealed || has(host, "tcp")))
        (void)fputs("      # and UDP, which would need the host's one entry for itself\n", out);
    if (only_streams_of_web(host))
        (void)fputs("      # and streams on these ports that were neither HTTP nor TLS with a name: they "
                    "will be refused\n",
            out);
    if (has(host, "tcp") && !only_streams_of_web(host)) {
        put_stream(out, host, opened || sealed);
    } else if (has(host, "udp") && !opened && !sealed) {
        (void)fputs("      protocol: udp\n", out);
        put_ports(out, host, udp, ARRAY_LEN(udp));
    } else {
        put_ports(out, host, web, ARRAY_LEN(web));
        if (sealed) {
            (void)fputs("      tls: splice\n", out);
        } else {
            if (!opened)
                (void)fputs("      # only looked up\n", out);
            put_matches(l, out, host);
            put_git(out, host);
        }
    }
    if (json_object_get(host, "private"))
        (void)fputs("      allow_private: true\n", out);
    put_dns(out, host);
}

/* ---- the whole ---- */

/* The last label before `end`, and its length. */
static const char *last_label(const char *name, const char *end, size_t *len)
{
    const char *p = end;
    while (p > name && p[-1] != '.')
        p--;
    *len = (size_t)(end - p);
    return p;
}

/* By labels from the end, so that names below one name are neighbours. */
static int by_domain(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    const char *i = x + strlen(x), *k = y + strlen(y);
    for (;;) {
        size_t m, n;
        const char *p = last_label(x, i, &m), *q = last_label(y, k, &n);
        int c = memcmp(p, q, MIN(m, n));
        if (c || m != n)
            return c ? c : m < n ? -1 : 1;
        if (p == x || q == y)
            return (p == x && q == y) ? 0 : p == x ? -1 : 1;
        i = p - 1;
        k = q - 1;
    }
}

static const char *parent(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot && strchr(dot + 1, '.') ? dot + 1 : NULL;
}

/* How many from `i` on are one label below the same name. */
static size_t family(const struct keys *hosts, size_t i)
{
    const char *above = parent(hosts->v[i]);
    size_t n = 0;
    while (
        above && i + n < hosts->n && parent(hosts->v[i + n]) && strcmp(parent(hosts->v[i + n]), above) == 0)
        n++;
    return n;
}

static void put_set(FILE *out, json_t *set, const char *title)
{
    struct keys k = sorted_keys(json_object_get(set, "seen"));
    if (k.n)
        (void)fprintf(out, "\n# %s\n", title);
    for (size_t i = 0; i < k.n; i++) {
        (void)fputs("#   ", out);
        put_plain(out, k.v[i]);
        (void)fputc('\n', out);
    }
    free(k.v);
}

void learn_write(struct learn *l, FILE *out, const char *source)
{
    struct keys hosts = sorted_keys(l->hosts);
    if (hosts.n)
        qsort(hosts.v, hosts.n, sizeof *hosts.v, by_domain);
    (void)fputs("# The least that allows what was seen in ", out);
    put_plain(out, source);
    (void)fputs(".\n# Read it before you use it: it allows what an agent did, not what it should do. "
                "Credentials are not\n"
                "# in a log: add auth to the routes that need it.\n"
                "version: 1\negress:\n  routes:",
        out);
    (void)fputs(hosts.n ? "\n" : " []\n", out);
    for (size_t i = 0, told = 0; i < hosts.n; i++) {
        size_t n = family(&hosts, i);
        if (n >= WIDE_MIN && i >= told) {
            (void)fprintf(out, "    # the next %zu could be one route, which is wider: host: \"*.%s\"\n", n,
                parent(hosts.v[i]));
            told = i + n;
        }
        put_route(l, out, hosts.v[i], json_object_get(l->hosts, hosts.v[i]));
    }
    put_set(out, l->refused, "Refused even so (of these the names above may have other uses):");
    put_set(out, l->addresses, "Asked for by address, which no route can name:");
    free(hosts.v);
}
