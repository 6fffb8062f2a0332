/* Names to routes: two hash tables, one of exact hosts and one of wildcards by what follows "*.". */
#include <string.h>

#include "lib/base.h"
#include "lib/policy_loader.h"

struct slot {
    uint32_t hash;
    uint32_t route; /* index + 1; 0 = free */
};

struct policy_index {
    uint32_t mask; /* slots in each table, less one; at least twice the routes */
    struct slot *exact, *wild;
    struct regex_set *regexes;
};

struct policy_index *index_new(struct arena *a)
{
    struct policy_index *x = arena_alloc(a, sizeof *x);
    if (x)
        x->regexes = regex_set_new();
    return x && x->regexes ? x : NULL;
}

void index_free(struct policy_index *x)
{
    regex_set_free(x->regexes);
}

struct regex_set *index_regexes(struct policy_index *x)
{
    return x->regexes;
}

#define FNV_BASIS 2166136261u
#define FNV_PRIME 16777619u

/* FNV-1a from the end of the name, so that one pass gives the hash of every parent domain too. */
static uint32_t hash_step(uint32_t h, char c)
{
    return (h ^ (unsigned char)c) * FNV_PRIME;
}

static uint32_t hash_name(const char *s)
{
    uint32_t h = FNV_BASIS;
    for (size_t i = strlen(s); i-- > 0;)
        h = hash_step(h, s[i]);
    return h;
}

static const char *key_of(const struct route *r)
{
    return r->wildcard ? r->host + 2 : r->host;
}

/* The slot that holds `name`, or the free one where it belongs. */
static struct slot *find(const struct policy_index *x, struct slot *table, const struct route *routes,
    uint32_t hash, const char *name)
{
    for (uint32_t i = hash & x->mask;; i = (i + 1) & x->mask) {
        struct slot *s = &table[i];
        if (s->route == 0 || (s->hash == hash && strcmp(key_of(&routes[s->route - 1]), name) == 0))
            return s;
    }
}

void index_build(struct load *l)
{
    const struct policy *p = l->policy;
    struct policy_index *x = p->index;
    uint32_t n = 16;
    while (n < 2 * p->n_routes)
        n *= 2;
    x->mask = n - 1;
    x->exact = load_alloc(l, n, sizeof *x->exact);
    x->wild = load_alloc(l, n, sizeof *x->wild);
    for (uint32_t i = 0; i < p->n_routes && !l->failed; i++) {
        const struct route *r = &p->routes[i];
        uint32_t hash = hash_name(key_of(r));
        struct slot *s = find(x, r->wildcard ? x->wild : x->exact, p->routes, hash, key_of(r));
        if (s->route) {
            const struct ynode at = {.line = r->line, .col = r->col};
            load_error(l, &at, "a second route for %s; the first is in line %u, and a host has one entry",
                r->host, p->routes[s->route - 1].line);
        }
        *s = (struct slot){hash, i + 1};
    }
}

const struct route *policy_route(const struct policy *p, const char *host)
{
    const struct policy_index *x = p->index;
    const struct route *wild = NULL;
    uint32_t h = FNV_BASIS;
    if (p->n_routes == 0)
        return p->implied;
    for (size_t i = strlen(host); i-- > 0;) {
        if (host[i] == '.' && i > 0) {
            const struct slot *s = find(x, x->wild, p->routes, h, host + i + 1);
            if (s->route)
                wild = &p->routes[s->route - 1]; /* a longer one comes later */
        }
        h = hash_step(h, host[i]);
    }
    const struct slot *s = find(x, x->exact, p->routes, h, host);
    return s->route ? &p->routes[s->route - 1] : wild ? wild : p->implied;
}

bool route_has_port(const struct route *r, uint16_t port)
{
    for (size_t i = 0; i < r->n_ports; i++)
        if (port >= r->ports[i].lo && port <= r->ports[i].hi)
            return true;
    return false;
}

bool route_has_dns_type(const struct route *r, uint16_t qtype)
{
    enum { A = 1, CNAME = 5, AAAA = 28, SVCB = 64, HTTPS = 65 };
    if (qtype == A || qtype == AAAA || qtype == CNAME || qtype == HTTPS || qtype == SVCB)
        return true;
    for (size_t i = 0; i < r->n_dns_types; i++)
        if (r->dns_types[i] == qtype)
            return true;
    return false;
}
