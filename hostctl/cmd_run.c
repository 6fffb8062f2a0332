#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hostctl/beneath.h"
#include "hostctl/commands.h"
#include "hostctl/proc.h"
#include "lib/base.h"
#include "lib/log.h"

static const char usage[] =
    "usage: egressctl run [OPTION...] -- CMD [ARG...]\n"
    "\n"
    "Starts CMD in a sandbox whose only way out is a sidecar that allows what the policy allows.\n"
    "Exit status: CMD's; 125 if egressctl failed, 126 if CMD cannot be run, 127 if it was not found.\n"
    "\n";

static bool parse(int argc, char **argv, struct run_options *o, int *status)
{
    const struct opt table[] = {
        {"backend", 0, OPT_STRING, &o->backend, "NAME", "auto, netns, podman, docker or apple", 0, 0},
        {"policy", 0, OPT_STRING, &o->policy, "FILE", "what may leave; without it nothing may", 0, 0},
        {"name", 0, OPT_STRING, &o->name, "NAME", "of the sandbox; made up where it is not given", 0, 0},
        {"image", 0, OPT_STRING, &o->image, "IMG", "of the agent (container backends)", 0, 0},
        {"user", 0, OPT_STRING, &o->user, "UID[:GID]",
            "who CMD runs as; default: who called sudo, else 65520", 0, 0},
        {"dns-upstream", 0, OPT_LIST, &o->dns_upstream, "IP[:PORT]", "DNS server to ask; default: the host's",
            0, 0},
        {"upstream-ca", 0, OPT_LIST, &o->upstream_ca, "FILE",
            "further CA that upstreams are verified against", 0, 0},
        {"state-dir", 0, OPT_STRING, &o->state_dir, "DIR",
            "audit log and state; default /var/lib/egressd/NAME", 0, 0},
        {"engines", 0, OPT_UINT, &o->engines, "N", "processes that carry connections; default: one a core", 1,
            16},
        {"proxy-env", 0, OPT_FLAG, &o->proxy_env, NULL,
            "tell CMD of an explicit proxy (http_proxy and the like) as well", 0, 0},
        {"audit-only", 0, OPT_FLAG, &o->audit_only, NULL,
            "let through what the policy refuses, and log it; see policy learn", 0, 0},
        {"keep", 0, OPT_FLAG, &o->keep, NULL, "keep the sandbox after CMD ends, until egressctl stop NAME", 0,
            0},
        {"dry-run", 0, OPT_FLAG, &o->dry_run, NULL, "say what would be made, and make nothing", 0, 0},
        {"verbose", 'v', OPT_FLAG, &o->verbose, NULL, "say what is done", 0, 0},
        {0},
    };
    struct opt_args args;
    if (!command_options(table, usage, argc, argv, OPT_STOP_AT_WORD, &args, status))
        return false;
    if (args.n_rest == 0) {
        log_warn("run: which command? egressctl run [OPTION...] -- CMD [ARG...]");
        *status = EXIT_EGRESSCTL;
        return false;
    }
    o->cmd = args.rest;
    return true;
}

static void describe(struct sandbox *sb)
{
    char user[32], when[32];
    struct tm tm;
    time_t now = time(NULL);
    (void)snprintf(user, sizeof user, "%u:%u", (unsigned)sb->uid, (unsigned)sb->gid);
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    record_set_str(sb->rec, "backend", sb->backend->name);
    record_set_str(sb->rec, "state_dir", sb->state_dir);
    record_set_str(sb->rec, "user", user);
    record_set_str(sb->rec, "home", sb->home);
    record_set_str(sb->rec, "user_name", sb->user_name);
    record_set_str(sb->rec, "started", when);
    record_set_str(sb->rec, "policy", sb->opt->policy);
    record_set_str(sb->rec, "command", sb->opt->cmd[0]);
    record_set_int(sb->rec, "audit_only", sb->opt->audit_only);
    record_set_str(sb->rec, "phase", "starting");
    record_set_process(sb->rec, "owner", getpid());
}

/* A state directory elsewhere gets a link among the others, so that `audit NAME` finds the log after the end.
 * Links to what is gone are removed on the way. */
static void index_state_dir(const struct sandbox *sb)
{
    DIR *d = opendir(state_root());
    char path[512];
    struct stat st;
    for (const struct dirent *e; d && (e = readdir(d));) {
        (void)snprintf(path, sizeof path, "%s/%s", state_root(), e->d_name);
        if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && stat(path, &st))
            (void)unlink(path);
    }
    if (d)
        (void)closedir(d);
    (void)snprintf(path, sizeof path, "%s/%s", state_root(), sb->name);
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
        (void)unlink(path);
    if (!sb->opt->state_dir)
        return;
    (void)mkdir(state_root(), 0700);
    (void)!symlink(sb->state_dir, path); /* without it `audit --state-dir` still works */
}

/* With its parents. Closed to all but root: what is in it may say what the agent does. */
static int make_state_dir(struct sandbox *sb)
{
    cleanup_free char *path = strdup(sb->state_dir);
    if (!path)
        return -ENOMEM;
    index_state_dir(sb);
    for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = 0;
        (void)mkdir(path, strcmp(path, state_root()) == 0 ? 0700 : 0755);
        *p = '/';
    }
    if (mkdir(path, 0700) && errno != EEXIST) {
        int err = errno;
        log_warn("cannot make the state directory %s: %s", path, strerror(err));
        return -err;
    }
    sb->state_fd = folder_open(path);
    if (sb->state_fd >= 0)
        return 0;
    log_warn("cannot open the state directory %s: %s", path, strerror(-sb->state_fd));
    return sb->state_fd;
}

static int claim(struct sandbox *sb, struct record *r)
{
    cleanup_fd int lock = registry_lock();
    if (lock < 0)
        return lock;
    (void)sandbox_gc(false);
    int err = record_claim(r, sb->name, sandbox_bury);
    if (err)
        return err;
    sb->rec = r;
    describe(sb);
    err = record_save(r);
    if (err)
        record_remove(r); /* nothing is made yet */
    return err;
}

static int start(struct sandbox *sb)
{
    const struct backend *b = sb->backend;
    int err = b->create_networks(sb);
    if (!err)
        err = signals_stop() ? -EINTR : b->start_sidecar(sb);
    if (!err)
        err = signals_stop() ? -EINTR : b->start_agent(sb);
    if (err)
        return err;
    record_set_str(sb->rec, "phase", "running");
    return record_save(sb->rec);
}

/* The record is the only list of what is to be removed, also here. */
static int finish(struct sandbox *sb)
{
    record_set_str(sb->rec, "phase", PHASE_ENDING);
    (void)record_save(sb->rec);
    (void)sb->backend->stop(sb->rec, true);
    sb->backend->free(sb);
    cleanup_fd int lock = registry_lock();
    return lock < 0 ? lock : sandbox_bury(sb->rec);
}

static int live(struct sandbox *sb)
{
    struct record r = {.lock_fd = -1};
    int status = EXIT_EGRESSCTL, err = claim(sb, &r);
    if (!err) {
        err = make_state_dir(sb);
        if (!err)
            err = start(sb);
        if (!err)
            status = sb->backend->wait(sb);
        else if (err == -EINTR)
            status = 128 + signals_stop();
        if (!err && sb->opt->keep && status != EXIT_EGRESSCTL) {
            record_set_str(&r, "phase", "kept");
            (void)json_object_del(r.json, "owner");
            (void)record_save(&r);
            sb->backend->free(sb);
            log_info("the sandbox %s is kept; egressctl stop %s ends it", sb->name, sb->name);
        } else if (finish(sb)) {
            log_warn("something is left of the sandbox %s; egressctl gc tries again", sb->name);
        }
    }
    record_close(&r);
    sb->rec = NULL;
    return status;
}

int cmd_run(int argc, char **argv)
{
    struct run_options o = {0};
    struct sandbox sb = {0};
    int status = EXIT_EGRESSCTL;
    /* First of all: from here on a signal means an orderly end. */
    if (signals_init()) {
        log_warn("cannot catch signals");
        return status;
    }
    if (!parse(argc, argv, &o, &status))
        return status;
    log_verbose(o.verbose);
    const struct backend *b = backend_find(o.backend, &o);
    if (!b)
        return EXIT_EGRESSCTL;
    if (sandbox_prepare(&sb, &o) == 0) {
        sb.backend = b;
        if (b->check(&sb) == 0) {
            if (o.dry_run) {
                b->plan(&sb);
                status = 0;
            } else {
                status = live(&sb);
            }
        }
    }
    sandbox_free(&sb);
    return status;
}
