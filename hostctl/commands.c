#include "hostctl/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/policy.h"

#ifndef EGRESS_VERSION
#define EGRESS_VERSION "unknown"
#endif

bool command_options(const struct opt *table, const char *text, int argc, char **argv, unsigned flags,
    struct opt_args *args, int *status)
{
    char err[300];
    switch (opt_parse(table, argc, argv, flags, args, err, sizeof err)) {
    case OPT_OK: return true;
    case OPT_HELP:
        opt_help(stdout, text, table);
        *status = 0;
        return false;
    case OPT_VERSION:
        (void)puts("egressctl " EGRESS_VERSION);
        *status = 0;
        return false;
    case OPT_BAD: break;
    }
    log_warn("%s: %s (egressctl %s --help)", argv[0], err, argv[0]);
    *status = EXIT_EGRESSCTL;
    return false;
}

bool command_words(const struct opt_args *args, size_t most, const char *command)
{
    if ((size_t)args->n_pos <= most)
        return true;
    log_warn("%s: what is \"%s\" for? (egressctl %s --help)", command, args->pos[most], command);
    return false;
}

bool command_format(const char *value, const char *other, const char *command, bool *is_json)
{
    *is_json = strcmp(value, "json") == 0;
    if (*is_json || strcmp(value, other) == 0)
        return true;
    log_warn("%s: --format %s: %s or json", command, value, other);
    return false;
}

struct pick {
    const char *name;
    struct record *out;
    unsigned living;
};

static int pick_one(struct record *r, bool alive, void *arg)
{
    struct pick *p = arg;
    if (!alive || (p->name && strcmp(p->name, r->name) != 0))
        return 0;
    if (p->living++ == 0) {
        *p->out = *r;
        p->out->json = json_incref(r->json);
    }
    return 0;
}

int sandbox_find(const char *name, struct record *out)
{
    struct pick p = {.name = name, .out = out};
    *out = (struct record){.lock_fd = -1};
    int err = record_each(pick_one, &p);
    if (err)
        return err;
    if (p.living == 1)
        return 0;
    record_close(out);
    if (p.living > 1)
        log_warn("%u sandboxes are running; say which one (egressctl ps lists them)", p.living);
    else if (name)
        log_warn("there is no running sandbox %s (egressctl ps lists them)", name);
    else
        log_warn("there is no running sandbox");
    return p.living > 1 ? -EINVAL : -ENOENT;
}

#define SKIP_MAX 4000

/* Ports of tcp and udp routes: an address that one of their names has led to answers there, and is no door.
 */
static bool ports_opened(const struct policy *p, char *out, size_t len)
{
    size_t at = 0;
    out[0] = 0;
    for (size_t i = 0; i < p->n_routes; i++) {
        const struct route *route = &p->routes[i];
        if (route->protocol == ROUTE_HTTP)
            continue;
        for (size_t k = 0; k < route->n_ports; k++) {
            int n = snprintf(out + at, len - at, "%s/%u-%u,", route->protocol == ROUTE_TCP ? "tcp" : "udp",
                (unsigned)route->ports[k].lo, (unsigned)route->ports[k].hi);
            if (n < 0 || (size_t)n >= len - at)
                return false;
            at += (size_t)n;
        }
    }
    return true;
}

/* What the sidecar goes by now, not what some file says meanwhile. */
static bool skip_of(const struct backend *b, struct record *r, char *out, size_t len)
{
    struct blob text = {0};
    struct policy_error err;
    if (b->get_file(r, SIDECAR_POLICY, &text))
        return false;
    struct policy *p = policy_load(text.p, text.n, &err);
    blob_wipe(&text);
    bool good = p && ports_opened(p, out, len);
    policy_free(p);
    return good;
}

bool sandbox_is_starting(const struct record *r)
{
    const char *phase = record_str(r, "phase");
    return phase && strcmp(phase, "starting") == 0;
}

int sandbox_prove(struct record *r)
{
    char skip[SKIP_MAX];
    const struct backend *b = backend_of(r);
    if (!b || !b->probe || sandbox_is_starting(r)) /* the start does it by itself, at its own time */
        return 0;
    if (record_int(r, "audit_only") > 0) /* then every port is open to an address that a name has led to */
        (void)snprintf(skip, sizeof skip, "tcp/1-65535");
    else if (!skip_of(b, r, skip, sizeof skip))
        skip[0] = 0;
    int err = b->probe(r, skip);
    if (err != -EPERM)
        return err;
    log_warn("there is a way round the sidecar of %s: the sandbox is ended", r->name);
    (void)b->stop(r, true);
    return err;
}

struct burial {
    int count, err;
    bool say;
};

static int bury_dead(struct record *r, bool alive, void *arg)
{
    struct burial *b = arg;
    if (alive || record_lock(r))
        return 0;
    int err = sandbox_bury(r);
    if (err) {
        log_warn("cannot remove all of the sandbox %s: %s", r->name, strerror(-err));
        b->err = err;
        return 0;
    }
    if (b->say)
        printf("removed %s\n", r->name);
    b->count++;
    return 0;
}

int sandbox_gc(bool say)
{
    struct burial b = {.say = say};
    int err = record_each(bury_dead, &b);
    return err ? err : b.err ? b.err : b.count;
}
