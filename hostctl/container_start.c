/* The start of a sandbox of containers: sidecar, addresses, agent; and of its sidecar once more. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hostctl/beneath.h"
#include "hostctl/container.h"
#include "hostctl/status.h"
#include "lib/base.h"
#include "lib/log.h"

#define READY_MS 30000
#define AGENT_MS 30000
#define POLL_MS 20
#define START_TRIES 4

/* What the sidecar said in this run, or its runtime's program. */
static ssize_t read_log(const struct sandbox *sb, char *out, size_t len)
{
    cleanup_fd int fd = beneath_open(sb->state_fd, SIDECAR_LOG, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : pread(fd, out, len - 1, container_of(sb)->log_start);
    out[n > 0 ? n : 0] = 0;
    return n;
}

/* For the user who waits. */
static void show_log(const struct sandbox *sb)
{
    char text[4096];
    ssize_t n = read_log(sb, text, sizeof text);
    if (n > 0)
        (void)!write(STDERR_FILENO, text, (size_t)n);
}

static bool serves(const struct sandbox *sb)
{
    json_t *status = status_of_sandbox(sb->backend, sb->rec);
    bool yes = json_is_true(json_object_get(status, "ready"));
    json_decref(status);
    return yes;
}

static void pause_ms(int ms)
{
    struct pollfd p = {.fd = signals_fd(), .events = POLLIN};
    (void)poll(&p, 1, ms);
}

static int spawn_sidecar(struct sandbox *sb)
{
    struct container *k = container_of(sb);
    const char *dir = container_dir(sb->rec);
    struct stat st;
    struct words w = {0};
    (void)unlinkat(sb->state_fd, "status.json", 0); /* an earlier run's would say "ready" for this one */
    cleanup_fd int log = beneath_open(sb->state_fd, SIDECAR_LOG, O_WRONLY | O_CREAT | O_APPEND);
    if (log < 0 || fstat(log, &st)) {
        log_warn("cannot write %s/" SIDECAR_LOG ": %s", sb->state_dir, strerror(log < 0 ? -log : errno));
        return -EIO;
    }
    k->log_start = st.st_size;
    int err = k->cli.d->make_sidecar ? k->cli.d->make_sidecar(sb, dir) : 0;
    if (err)
        return err;
    k->cli.d->sidecar_argv(sb, dir, &w);
    k->sidecar = container_spawn(&w, log);
    return k->sidecar < 0 ? (int)k->sidecar : 0;
}

/* What is left of a container that ended, or never began, goes first. */
static int respawn_sidecar(struct sandbox *sb)
{
    char name[CONTAINER_NAME_MAX];
    cli_remove(&container_of(sb)->cli, container_name(name, sb->name, "sidecar"));
    return spawn_sidecar(sb);
}

static bool worth_a_retry(const struct sandbox *sb)
{
    char text[4096];
    const struct dialect *d = container_of(sb)->cli.d;
    return d->is_transient && read_log(sb, text, sizeof text) > 0 && d->is_transient(text);
}

static int await_ready(struct sandbox *sb)
{
    struct container *k = container_of(sb);
    const long long deadline = now_ms() + READY_MS;
    int err = 0, tries = START_TRIES;
    while (!err && !serves(sb)) {
        if (signals_stop())
            return -EINTR;
        if (!container_child_lives(&k->sidecar, &k->sidecar_status)) {
            if (--tries && worth_a_retry(sb)) {
                err = respawn_sidecar(sb);
                continue;
            }
            show_log(sb);
            log_warn("the sidecar could not start; its reason is above and in %s/egressd.log", sb->state_dir);
            return -ECHILD;
        }
        if (now_ms() > deadline) {
            show_log(sb);
            log_warn("egressd is not ready after %d seconds; its log is %s/egressd.log", READY_MS / 1000,
                sb->state_dir);
            return -ETIMEDOUT;
        }
        pause_ms(POLL_MS);
    }
    return err;
}

int container_start_sidecar(struct sandbox *sb)
{
    int err = spawn_sidecar(sb);
    return err ? err : await_ready(sb);
}

/* Concrete, from inspect: names would need a resolver. */
static int find_addresses(struct sandbox *sb, struct cli_place *out, struct cli_place *in)
{
    char name[CONTAINER_NAME_MAX];
    struct cli c = cli_of(sb->backend->name);
    json_t *o = cli_inspect(&c, CLI_CONTAINER, container_name(name, sb->name, "sidecar"));
    *out = c.d->place(o, container_name(name, sb->name, "egress"));
    *in = c.d->place(o, container_name(name, sb->name, "net"));
    json_decref(o);
    if (in->address[0])
        return 0;
    log_warn("%s does not say which address the sidecar has on the network %s", c.program, name);
    return -EADDRNOTAVAIL;
}

int container_sidecar_addr(struct sandbox *sb, struct addr *out)
{
    struct cli_place outer, inner;
    int err = find_addresses(sb, &outer, &inner);
    return err ? err : addr_parse(inner.address, out) ? 0 : -EADDRNOTAVAIL;
}

static int record_addresses(struct sandbox *sb)
{
    struct container *k = container_of(sb);
    struct cli_place outer, inner;
    int err = find_addresses(sb, &outer, &inner);
    if (err)
        return err;
    (void)snprintf(k->gateway, sizeof k->gateway, "%s", inner.address);
    (void)snprintf(k->host, sizeof k->host, "%s", outer.gateway);
    record_set_str(sb->rec, "gateway", k->gateway);
    record_set_str(sb->rec, "host_address", k->host);
    return record_save(sb->rec);
}

struct cli_state container_state(const struct cli *c, const char *sandbox, const char *what)
{
    char name[CONTAINER_NAME_MAX];
    json_t *o = cli_inspect(c, CLI_CONTAINER, container_name(name, sandbox, what));
    struct cli_state s = c->d->state(o);
    json_decref(o);
    return s;
}

/* The shim, while it still sets the network up: a first process to which signals do nothing yet. */
static bool still_privileged(pid_t pid)
{
    char path[64];
    struct blob text;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (blob_read(path, KIB(64), &text))
        return false;
    bool none = strstr(text.p, "CapBnd:\t0000000000000000\n") != NULL;
    blob_wipe(&text);
    return !none;
}

/* Where the host sees no process of the container's, the shim's own proof tells whether all is closed:
 * nothing else may run in there before. */
static bool is_confined(const struct sandbox *sb, struct cli_state s)
{
    const struct container *k = container_of(sb);
    struct words w = {0};
    if (!s.running)
        return false;
    if (s.pid)
        return !still_privileged(s.pid);
    container_probe_argv(&k->cli, sb->rec, NULL, &w);
    return cli_run(&k->cli, &w, true) == 0;
}

static int spawn_agent(struct sandbox *sb)
{
    struct container *k = container_of(sb);
    struct words w = {0};
    k->cli.d->agent_argv(sb, container_dir(sb->rec), &w);
    k->agent = container_spawn(&w, -1);
    return k->agent < 0 ? (int)k->agent : 0;
}

/* The runtime's program failed before there was a container: its service did not answer in time. */
static bool never_began(struct sandbox *sb)
{
    struct container *k = container_of(sb);
    char name[CONTAINER_NAME_MAX];
    if (!k->cli.d->is_transient || k->agent_status != 1)
        return false;
    json_t *o = cli_inspect(&k->cli, CLI_CONTAINER, container_name(name, sb->name, "agent"));
    json_decref(o);
    return !o;
}

/* Until CMD is about to start, so that a signal to us is one to CMD from then on. It may have ended as well.
 */
static int await_agent(struct sandbox *sb)
{
    struct container *k = container_of(sb);
    const long long deadline = now_ms() + AGENT_MS;
    struct cli_state s = {0};
    for (int tries = START_TRIES, err = 0; !err;) {
        if (signals_stop())
            return -EINTR;
        if (!container_child_lives(&k->agent, &k->agent_status)) {
            if (--tries == 0 || !never_began(sb))
                break;
            log_info("%s is asked again", k->cli.program);
            err = spawn_agent(sb);
            continue;
        }
        if (!s.running)
            s = container_state(&k->cli, sb->name, "agent");
        if (is_confined(sb, s)) {
            record_set_process(sb->rec, "cmd", s.pid);
            return record_save(sb->rec);
        }
        if (now_ms() > deadline) {
            log_warn("the agent's container did not start in time");
            return -ETIMEDOUT;
        }
        pause_ms(POLL_MS);
    }
    return 0;
}

int container_start_agent(struct sandbox *sb)
{
    struct container *k = container_of(sb);
    int err = container_copy_ca(sb);
    if (!err && k->cli.d->write_guest)
        err = k->cli.d->write_guest(sb, container_dir(sb->rec));
    if (!err)
        err = record_addresses(sb);
    if (!err)
        err = spawn_agent(sb);
    return err ? err : await_agent(sb);
}

/* -- once more -- */

/* The agent has been cut off since its gateway is gone, and stays so until the shim, run as root in its
 * container, has pointed it at the new one and tried every way round it. */
static int replumb(struct sandbox *sb)
{
    struct container *k = container_of(sb);
    struct words w = {0};
    int err = record_addresses(sb);
    if (err)
        return err;
    container_replumb_argv(&k->cli, sb->rec, &w);
    if (cli_run(&k->cli, &w, false) == 0)
        return 0;
    log_warn("the agent cannot be pointed at the new sidecar (%s)", k->gateway);
    return -EPERM;
}

int container_restart_sidecar(struct sandbox *sb)
{
    if (restarts_too_many(&container_of(sb)->restarts, now_ms()))
        return -ECHILD;
    log_warn("the sidecar ended unexpectedly and is started again; the agent is cut off meanwhile");
    int err = respawn_sidecar(sb);
    if (!err)
        err = await_ready(sb);
    if (!err)
        err = replumb(sb);
    if (!err)
        log_info("the sidecar serves again, at %s", container_of(sb)->gateway);
    return err;
}
