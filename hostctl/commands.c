#include "hostctl/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"

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
