/* A route's `matches`. */
#include <string.h>

#include "lib/base.h"
#include "lib/policy_loader.h"
#include "lib/target.h"

static const char *const path_words[] = {"prefix", "exact", "regex", NULL}; /* enum match_type */

static const struct regex *compile(struct load *l, const struct ynode *n, const char *pattern)
{
    char why[160];
    size_t offset;
    const struct regex *re = regex_compile(l->regexes, pattern, strlen(pattern), why, sizeof why, &offset);
    if (!re)
        load_error(l, n, "bad regex at offset %zu: %s (PCRE2 syntax; it must match the whole)", offset, why);
    return re;
}

/* Into the same form as a request's path, so that both sides of a comparison are canonical. */
static void canon_path(struct load *l, const struct ynode *n, struct path_match *m)
{
    struct target t;
    size_t len = strlen(m->value);
    if (len > TARGET_MAX) {
        load_error(l, n, "longer than any path that is accepted (%d octets)", TARGET_MAX);
        return;
    }
    if (m->type == MATCH_EXACT && strcmp(m->value, "*") == 0) {
        m->len = 1;
        return;
    }
    size_t room = 3 * len + 2;
    char *out = load_alloc(l, 1, room);
    if (!out)
        return;
    if (m->value[0] != '/')
        load_error(l, n, "a path begins with '/'");
    else if (strpbrk(m->value, "?#"))
        load_error(l, n, "a path ends before '?' or '#'; queries cannot be matched");
    else if (target_canon(m->value, len, out, room, &t) != TARGET_OK || t.ambiguous)
        load_error(l, n,
            "this path reads two ways (encoded or doubled slashes, '\\', encoded dots, bad '%%'), so no "
            "request with it is let through; write it plainly");
    else {
        out[t.path_len] = '\0'; /* there is no query */
        m->value = out;
        m->len = t.path_len;
    }
}

static void load_path(struct load *l, const struct ynode *n, struct path_match *m)
{
    static const struct key_spec keys[] = {
        {.name = "type", .fn = load_word, .offset = offsetof(struct path_match, type), .words = path_words},
        {.name = "value", .fn = load_string, .offset = offsetof(struct path_match, value)},
    };
    if (!load_map(l, n, "a path", keys, ARRAY_LEN(keys), m))
        return;
    const struct ynode *value = ynode_get(n, "value");
    if (!value) {
        load_error(l, n, "a path needs value, such as {type: prefix, value: /api/}");
        return;
    }
    m->len = strlen(m->value);
    if (m->type == MATCH_REGEX)
        m->regex = compile(l, value, m->value);
    else
        canon_path(l, value, m);
}

static void load_paths(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    struct match *m = out;
    if (!load_is_list(l, n, "a list of paths ({type: prefix | exact | regex, value: /...})"))
        return;
    struct path_match *paths = load_alloc(l, n->n, sizeof *paths);
    for (const struct ynode *c = n->first; c && paths && !l->failed; c = c->next)
        load_path(l, c, &paths[m->n_paths++]);
    m->paths = paths;
}

static const char *load_method(struct load *l, const struct ynode *n)
{
    const char *s = load_text(l, n);
    if (s && (!is_token(s) || strpbrk(s, "abcdefghijklmnopqrstuvwxyz")))
        load_error(l, n, "'%.40s' is not a method; methods are upper-case words such as GET or POST", s);
    else if (s && strcmp(s, "CONNECT") == 0)
        load_error(l, n, "CONNECT is never passed on; allow the host and the methods used inside");
    return s;
}

static void load_methods(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    struct match *m = out;
    if (!load_is_list(l, n, "a list of methods, such as [GET, POST]"))
        return;
    const char **methods = load_alloc(l, n->n, sizeof *methods);
    for (const struct ynode *c = n->first; c && methods && !l->failed; c = c->next)
        methods[m->n_methods++] = load_method(l, c);
    m->methods = methods;
}

static void load_name(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    *(const char **)out = load_field_name(l, n);
}

static void load_header_type(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    static const char *const words[] = {"exact", "regex", NULL};
    const struct key_spec word = {.name = spec->name, .words = words};
    unsigned i = 0;
    load_word(l, n, &word, &i);
    *(enum match_type *)out = i == 0 ? MATCH_EXACT : MATCH_REGEX;
}

static void load_header(struct load *l, const struct ynode *n, struct header_match *h)
{
    static const struct key_spec keys[] = {
        {.name = "name", .fn = load_name, .offset = offsetof(struct header_match, name)},
        {.name = "value", .fn = load_string, .offset = offsetof(struct header_match, value)},
        {.name = "type", .fn = load_header_type, .offset = offsetof(struct header_match, type)},
    };
    h->type = MATCH_EXACT;
    if (!load_map(l, n, "a header", keys, ARRAY_LEN(keys), h))
        return;
    const struct ynode *value = ynode_get(n, "value");
    if (!h->name || !value)
        load_error(l, n, "a header needs name and value");
    else if (h->type == MATCH_REGEX)
        h->regex = compile(l, value, h->value);
    else if (h->value[0] == ' ' || h->value[value->len - 1] == ' ')
        load_error(l, value, "spaces around a header's value are never sent; leave them out");
}

static void load_headers(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    struct match *m = out;
    if (!load_is_list(l, n, "a list of headers ({name: x-kind, value: a})"))
        return;
    struct header_match *headers = load_alloc(l, n->n, sizeof *headers);
    for (const struct ynode *c = n->first; c && headers && !l->failed; c = c->next)
        load_header(l, c, &headers[m->n_headers++]);
    m->headers = headers;
}

void load_matches(struct load *l, const struct ynode *n, struct route *r)
{
    static const struct key_spec keys[] = {
        {.name = "paths", .fn = load_paths},
        {.name = "methods", .fn = load_methods},
        {.name = "headers", .fn = load_headers},
    };
    if (!load_is_list(l, n, "a list of matches ({paths: [...], methods: [...], headers: [...]})"))
        return;
    struct match *matches = load_alloc(l, n->n, sizeof *matches);
    for (const struct ynode *c = n->first; c && matches && !l->failed; c = c->next) {
        struct match *m = &matches[r->n_matches++];
        if (!load_map(l, c, "a match", keys, ARRAY_LEN(keys), m))
            return;
        if (c->n == 0)
            load_error(l, c, "an empty match allows every request; leave matches out if that is meant");
    }
    r->matches = matches;
}
