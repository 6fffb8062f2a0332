/* From a file to a compiled policy: the top level, and what owns what. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/policy_loader.h"

static void load_version(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    (void)out;
    if (n->kind != YNODE_SCALAR || !n->plain || strcmp(n->text, "1") != 0)
        load_error(l, n, "version must be 1");
}

static void load_egress_routes(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    (void)out;
    load_routes(l, n);
}

static void load_egress(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    static const struct key_spec keys[] = {{.name = "routes", .fn = load_egress_routes}};
    (void)spec;
    load_map(l, n, "egress", keys, ARRAY_LEN(keys), out);
}

static void load_top(struct load *l, const struct ynode *root)
{
    static const struct key_spec keys[] = {
        {.name = "version", .fn = load_version},
        {.name = "egress", .fn = load_egress},
        {.name = "timeouts", .fn = load_timeouts, .offset = offsetof(struct policy, timeouts)},
        {.name = "limits", .fn = load_limits, .offset = offsetof(struct policy, limits)},
        {.name = "dns", .fn = load_dns, .offset = offsetof(struct policy, dns)},
        {.name = "audit", .fn = load_audit, .offset = offsetof(struct policy, audit)},
        {.name = "inspect", .fn = load_inspect, .offset = offsetof(struct policy, inspect)},
        {.name = "proxy", .fn = load_proxy, .offset = offsetof(struct policy, proxy_port)},
    };
    if (load_map(l, root, "a policy", keys, ARRAY_LEN(keys), l->policy) && !ynode_get(root, "version"))
        load_error(l, root, "a policy needs version: 1");
}

/* A policy with defaults and no routes, whose parts are all owned by it. */
static struct policy *policy_new(void)
{
    struct policy *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->arena = malloc(sizeof *p->arena);
    if (p->arena) {
        arena_init(p->arena, 0);
        p->index = index_new(p->arena);
    }
    if (!p->index) {
        policy_free(p);
        return NULL;
    }
    load_defaults(p);
    return p;
}

void policy_free(struct policy *p)
{
    if (!p)
        return;
    if (p->index)
        index_free(p->index);
    if (p->arena)
        arena_free(p->arena);
    free(p->arena);
    free(p);
}

struct policy *policy_empty(void)
{
    return policy_new();
}

struct policy *policy_load(const char *text, size_t len, struct policy_error *err)
{
    *err = (struct policy_error){0};
    struct policy *p = policy_new();
    if (!p) {
        (void)snprintf(err->text, sizeof err->text, "out of memory");
        return NULL;
    }
    struct load l = {.policy = p, .arena = p->arena, .regexes = index_regexes(p->index), .err = err};
    struct arena tree;
    arena_init(&tree, 0);
    const struct ynode *root = yaml_tree(text, len, &tree, err);
    l.failed = !root;
    if (root)
        load_top(&l, root);
    if (!l.failed)
        index_build(&l);
    arena_free(&tree);
    if (l.failed) {
        policy_free(p);
        return NULL;
    }
    return p;
}

/* The whole file in memory of its own, one octet longer than asked for. NULL and errno. */
static char *read_file(const char *path, size_t *len)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return NULL;
    cleanup_free char *buf = NULL;
    size_t room = 0;
    *len = 0;
    for (;;) {
        if (*len == room) {
            room = room ? 2 * room : KIB(16);
            char *more = realloc(buf, room);
            if (!more)
                return NULL;
            buf = more;
        }
        ssize_t n = read(fd, buf + *len, room - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return NULL;
        *len += (size_t)n;
        if (n == 0 || *len > YAML_SIZE_MAX) /* policy_load() says that it is too large */
            return steal_ptr(&buf);
    }
}

struct policy *policy_load_file(const char *path, struct policy_error *err)
{
    size_t len;
    cleanup_free char *text = read_file(path, &len);
    if (text)
        return policy_load(text, len, err);
    *err = (struct policy_error){0};
    (void)snprintf(err->text, sizeof err->text, "cannot read it: %s", strerror(errno));
    return NULL;
}
