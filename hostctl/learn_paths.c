/* Paths as a tree of segments. A place with many names below it holds data: what is below is forgotten there.
 */
#include <stdlib.h>
#include <string.h>

#include "hostctl/learn.h"
#include "lib/base.h"
#include "lib/target.h"

struct node {
    struct node *child, *next; /* children by name */
    unsigned n_children;
    bool many; /* too many to tell apart: `below` stands for all */
    method_set here, below; /* of the path that ends here; of those further down, where they are many */
    size_t len;
    char name[];
};

struct path_tree {
    struct node *root;
    unsigned siblings;
    method_set every; /* methods whose paths no rule can name */
};

static struct node *node_new(const char *name, size_t len)
{
    struct node *n = calloc(1, sizeof *n + len + 1);
    if (n) {
        n->len = len;
        memcpy(n->name, name, len);
    }
    return n;
}

static void node_free(struct node *n)
{
    for (struct node *c = n ? n->child : NULL, *next; c; c = next) {
        next = c->next;
        node_free(c);
    }
    free(n);
}

struct path_tree *path_tree_new(unsigned siblings)
{
    struct path_tree *t = calloc(1, sizeof *t);
    if (t && !(t->root = node_new("", 0))) {
        free(t);
        return NULL;
    }
    if (t)
        t->siblings = MAX(siblings, 2u);
    return t;
}

void path_tree_free(struct path_tree *t)
{
    if (t)
        node_free(t->root);
    free(t);
}

static method_set all_of(const struct node *n)
{
    method_set m = n->here | n->below;
    for (const struct node *c = n->child; c; c = c->next)
        m |= all_of(c);
    return m;
}

static void forget_children(struct node *n)
{
    for (struct node *c = n->child, *next; c; c = next) {
        next = c->next;
        n->below |= all_of(c);
        node_free(c);
    }
    n->child = NULL;
    n->many = true;
}

static int by_name(const struct node *n, const char *name, size_t len)
{
    int c = memcmp(n->name, name, MIN(n->len, len));
    return c ? c : (n->len > len) - (n->len < len);
}

static struct node *descend(struct path_tree *t, struct node *n, const char *name, size_t len)
{
    struct node **at = &n->child;
    while (*at && by_name(*at, name, len) < 0)
        at = &(*at)->next;
    if (*at && by_name(*at, name, len) == 0)
        return *at;
    if (n->n_children + 1 >= t->siblings) {
        forget_children(n);
        return n;
    }
    struct node *new = node_new(name, len);
    if (!new)
        return NULL;
    new->next = *at;
    *at = new;
    n->n_children++;
    return new;
}

/* What stands in the log for octets that are not logged, and paths that are longer than it takes. */
#define REDACTED "[REDACTED:"
#define LOGGED_MAX 2048

/* Can a rule name it? Those that read in two ways are refused wherever a rule depends on the path. */
static bool has_one_reading(const char *path)
{
    char out[3 * LOGGED_MAX + 2];
    struct target t;
    size_t len = strlen(path);
    return path[0] == '/' && len <= LOGGED_MAX && target_canon(path, len, out, sizeof out, &t) == TARGET_OK &&
           t.ambiguous == 0 && t.path_len == len && memcmp(t.path, path, len) == 0;
}

/* Whole, or up to the segment that is not there as it was. */
static size_t known_length(const char *path, bool *whole)
{
    const char *hidden = strstr(path, REDACTED);
    size_t len = hidden ? (size_t)(hidden - path) : strlen(path);
    *whole = !hidden && len < LOGGED_MAX;
    while (!*whole && len > 0 && path[len - 1] != '/')
        len--;
    return *whole ? len : len ? len - 1 : 0;
}

bool path_tree_add(struct path_tree *t, const char *path, method_set methods)
{
    bool whole;
    size_t len = known_length(path, &whole);
    cleanup_free char *known = strndup(path, MAX(len, (size_t)1));
    if (!known)
        return false;
    if (!has_one_reading(known)) {
        t->every |= methods;
        return true;
    }
    struct node *n = t->root;
    size_t at = 1;
    while (!n->many && at <= MAX(len, (size_t)1)) {
        size_t seg = strcspn(known + at, "/");
        struct node *next = descend(t, n, known + at, seg);
        if (!next)
            return false;
        if (next != n)
            at += seg + 1;
        n = next;
    }
    if (!whole && !n->many)
        forget_children(n);
    if (!whole || at <= len)
        n->below |= methods;
    else
        n->here |= methods;
    return true;
}

/* ---- rules ---- */

struct rules {
    struct path_rule *v;
    size_t n;
    bool failed;
};

static void add(struct rules *r, const char *path, bool prefix, method_set methods)
{
    if (!methods || r->failed)
        return;
    struct path_rule *v = realloc(r->v, (r->n + 1) * sizeof *v);
    char *copy = v && path ? strdup(path) : NULL;
    if (v)
        r->v = v;
    if (!v || (path && !copy)) {
        r->failed = true;
        return;
    }
    v[r->n++] = (struct path_rule){copy, prefix, methods};
}

/* `path` has room for what is below; `len` of it is the path of `n`, without a slash behind it. */
static void collect(struct rules *r, const struct node *n, char *path, size_t len, method_set every)
{
    path[len] = '\0';
    if (len)
        add(r, path, false, n->here & ~every);
    if (n->many) {
        memcpy(path + len, "/", 2);
        add(r, len ? path : NULL, true, n->below & ~every);
    }
    for (const struct node *c = n->child; c; c = c->next) {
        path[len] = '/';
        memcpy(path + len + 1, c->name, c->len);
        collect(r, c, path, len + 1 + c->len, every);
    }
}

struct path_rule *path_tree_rules(const struct path_tree *t, size_t *n)
{
    char path[LOGGED_MAX + 8];
    struct rules r = {0};
    add(&r, NULL, true, t->every);
    collect(&r, t->root, path, 0, t->every);
    *n = r.n;
    if (!r.failed)
        return r.v;
    for (size_t i = 0; i < r.n; i++)
        free(r.v[i].path);
    free(r.v);
    *n = 0;
    return NULL;
}
