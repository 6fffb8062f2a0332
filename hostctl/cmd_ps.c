/* ps, stop, gc: what there is, and the end of it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hostctl/commands.h"
#include "hostctl/proc.h"
#include "lib/base.h"
#include "lib/log.h"

/* As long as container runtimes give CMD: then SIGKILL. */
#define GRACE_S 10
/* What egressctl may need for the rest, on a busy machine. */
#define CLEAR_S 30

/* -- ps -- */

struct listing {
    bool json, header;
    json_t *all;
};

static const char *or_dash(const char *s)
{
    return s ? s : "-";
}

static const char *state_of(const struct record *r, bool alive, const struct health *h)
{
    const char *phase = record_str(r, "phase");
    if (!alive)
        return "dead";
    if (phase && (strcmp(phase, "starting") == 0 || strcmp(phase, PHASE_ENDING) == 0))
        return phase;
    if (h->note[0])
        return "broken";
    return or_dash(phase);
}

static int list_one(struct record *r, bool alive, void *arg)
{
    struct listing *l = arg;
    struct health h = {.note = ""};
    const char *backend = record_str(r, "backend");
    const struct backend *b = alive && backend ? backend_of(r) : NULL;
    if (b)
        b->health(r, &h);
    if (!alive)
        (void)snprintf(h.note, sizeof h.note, "egressctl gc removes what is left");
    const char *state = state_of(r, alive, &h),
               *note = strcmp(state, "starting") == 0 || strcmp(state, PHASE_ENDING) == 0 ? "" : h.note;
    if (l->json) {
        json_t *o = json_pack("{s:s,s:s*,s:s,s:b,s:b,s:b,s:i,s:s*,s:s*,s:s*,s:s*,s:s}", "name", r->name,
            "backend", backend, "state", state, "sidecar", h.sidecar, "ready", h.ready, "agent", h.agent,
            "pid", (int)h.agent_pid, "user", record_str(r, "user"), "started", record_str(r, "started"),
            "command", record_str(r, "command"), "state_dir", record_str(r, "state_dir"), "note", note);
        (void)json_array_append_new(l->all, o);
        return 0;
    }
    if (!l->header)
        printf("%-20s %-8s %-9s %-8s %-12s %-20s %s\n", "NAME", "BACKEND", "STATE", "PID", "USER", "STARTED",
            "COMMAND");
    l->header = true;
    printf("%-20s %-8s %-9s %-8d %-12s %-20s %s%s%s\n", r->name, or_dash(backend), state, (int)h.agent_pid,
        or_dash(record_str(r, "user")), or_dash(record_str(r, "started")), or_dash(record_str(r, "command")),
        note[0] ? "   # " : "", note);
    return 0;
}

int cmd_ps(int argc, char **argv)
{
    const char *format = "table";
    const struct opt table[] = {{"format", 0, OPT_STRING, &format, "table|json", "how", 0, 0}, {0}};
    struct opt_args args;
    int status = 0;
    if (!command_options(
            table, "usage: egressctl ps [--format table|json]\n\n", argc, argv, 0, &args, &status))
        return status;
    struct listing l = {.all = NULL};
    if (!command_words(&args, 0, "ps") || !command_format(format, "table", "ps", &l.json))
        return EXIT_EGRESSCTL;
    l.all = json_array();
    if (record_each(list_one, &l))
        status = EXIT_EGRESSCTL;
    if (l.json) {
        (void)json_dumpf(l.all, stdout, JSON_INDENT(2));
        (void)putchar('\n');
    }
    json_decref(l.all);
    return status;
}

/* -- gc -- */

int cmd_gc(int argc, char **argv)
{
    const struct opt table[] = {{0}};
    struct opt_args args;
    int status = 0;
    if (!command_options(table, "usage: egressctl gc\n\nRemoves what crashed sandboxes left.\n\n", argc, argv,
            0, &args, &status))
        return status;
    if (!command_words(&args, 0, "gc"))
        return EXIT_EGRESSCTL;
    cleanup_fd int lock = registry_lock();
    return lock < 0 || sandbox_gc(true) < 0 ? EXIT_EGRESSCTL : 0;
}

/* -- stop -- */

/* Until it is gone or the time is up. */
static bool gone(const char *name, const struct record *r, int seconds)
{
    for (int i = 0; i < seconds * 100; i++) {
        struct record now;
        bool alive = false;
        int err = record_open(&now, name, &alive);
        bool owner = err == 0 && record_process(r, "owner") != 0;
        record_close(&now);
        if (err == -ENOENT || !owner)
            return true;
        const struct timespec pause = {.tv_nsec = 10000000};
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

/* CMD has ended, and what was made for it is being removed. */
static bool is_ending(const char *name)
{
    struct record now;
    bool alive = false;
    const char *phase = record_open(&now, name, &alive) == 0 ? record_str(&now, "phase") : NULL;
    bool yes = phase && strcmp(phase, PHASE_ENDING) == 0;
    record_close(&now);
    return yes;
}

static int stop_one(struct record *r)
{
    pid_t owner = record_process(r, "owner");
    const struct backend *b = backend_of(r);
    if (!b)
        return -EINVAL;
    /* egressctl passes it on to CMD and cleans up behind it. */
    if (owner && kill(owner, SIGTERM) == 0) {
        (void)kill(owner, SIGCONT); /* it may be stopped, with its CMD */
        if (!gone(r->name, r, GRACE_S) && !(is_ending(r->name) && gone(r->name, r, CLEAR_S)))
            (void)kill(owner, SIGKILL);
    }
    (void)gone(r->name, r, 1);
    struct record now;
    bool alive = false;
    if (record_open(&now, r->name, &alive) == -ENOENT)
        return 0;
    int err = b->stop(&now, true);
    cleanup_fd int lock = registry_lock();
    if (lock < 0)
        err = lock;
    for (int i = 0; i < 200 && !err && (err = record_lock(&now)) == -EWOULDBLOCK; i++) {
        const struct timespec pause = {.tv_nsec = 10000000};
        (void)nanosleep(&pause, NULL);
        err = 0;
    }
    if (!err)
        err = now.lock_fd >= 0 ? sandbox_bury(&now) : -EBUSY;
    record_close(&now);
    return err;
}

int cmd_stop(int argc, char **argv)
{
    const struct opt table[] = {{0}};
    struct opt_args args;
    struct record r;
    int status = 0;
    if (!command_options(table,
            "usage: egressctl stop NAME\n\nEnds CMD (SIGTERM, after 10 seconds SIGKILL) and the sandbox.\n\n",
            argc, argv, 0, &args, &status))
        return status;
    if (args.n_pos != 1) {
        log_warn("stop: which sandbox? egressctl stop NAME");
        return EXIT_EGRESSCTL;
    }
    if (sandbox_find(args.pos[0], &r))
        return EXIT_EGRESSCTL;
    int err = stop_one(&r);
    if (err)
        log_warn("cannot end the sandbox %s: %s", r.name, strerror(-err));
    record_close(&r);
    return err ? EXIT_EGRESSCTL : 0;
}
