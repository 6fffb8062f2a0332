/* Backends podman and docker. */
#include "hostctl/container.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/log.h"

#define READY_MS 30000
#define AGENT_MS 20000
#define POLL_MS 20
/* For egressd's last lines in the log, once the agent is gone. */
#define DRAIN_S "3"
#define FILE_MAX MIB(16)

static int container_check(struct sandbox *sb)
{
    struct cli c = cli_of(sb->backend->name);
    if (geteuid() != 0) {
        log_warn("--backend %s needs root, as the agent's network is closed from inside its container: sudo "
                 "egressctl "
                 "run ...",
            c.program);
        return -EPERM;
    }
    if (!cli_present(c.program)) {
        log_warn("there is no %s in PATH; install it, or use --backend netns", c.program);
        return -ENOENT;
    }
    if (!sb->opt->image) {
        log_warn("--backend %s needs --image IMG: the image of the agent", c.program);
        return -EINVAL;
    }
    if (sb->opt->image[0] == '-') {
        log_warn("--image %s: not an image's name", sb->opt->image);
        return -EINVAL;
    }
    if (sb->opt->keep) {
        log_warn("--keep needs --backend netns: a container ends with its CMD");
        return -EINVAL;
    }
    struct words w = {0};
    if (c.podman) /* needs no service */
        return 0;
    cli_begin(&c, &w);
    words_add_all(&w, "version");
    if (cli_run(&w, true) == 0)
        return 0;
    log_warn("%s does not answer; is its service running? Try: %s version", c.program, c.program);
    return -EIO;
}

static struct container *container_new(struct sandbox *sb)
{
    struct container *k = calloc(1, sizeof *k);
    if (!k) {
        log_warn("out of memory");
        return NULL;
    }
    k->cli = cli_of(sb->backend->name);
    k->warden_fd = -1;
    k->tty = tty_mode();
    sb->impl = k;
    return k;
}

static void container_free(struct sandbox *sb)
{
    struct container *k = container_of(sb);
    if (!k)
        return;
    container_dismiss_warden(k);
    free(k);
    sb->impl = NULL;
}

static void print_words(struct words *w)
{
    for (size_t i = 0; i < w->n; i++)
        printf(" %s", w->v[i]);
    printf("\n");
    words_free(w);
}

static void container_plan(struct sandbox *sb)
{
    struct container *k = container_new(sb);
    static const char *const what[] = {"network", "network", "sidecar", "agent  "};
    if (!k)
        return;
    (void)snprintf(k->gateway, sizeof k->gateway, "ADDRESS");
    printf("sandbox %s, state in %s\n", sb->name, sb->state_dir);
    for (size_t i = 0; i < ARRAY_LEN(what); i++) {
        struct words w = {0};
        if (i < 2)
            container_network_argv(&k->cli, sb->name, i == 1, &w);
        else if (i == 2)
            container_sidecar_argv(sb, "DIR", &w);
        else
            container_agent_argv(sb, "DIR", &w);
        printf("%s", what[i]);
        print_words(&w);
    }
}

/* -- start -- */

static long long now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void state_path(const char *dir, const char *name, char out[static PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s/%s", dir ? dir : "", name);
}

static int create_network(struct container *k, const char *sandbox, bool internal)
{
    struct words w = {0};
    container_network_argv(&k->cli, sandbox, internal, &w);
    if (cli_run(&w, false) == 0)
        return 0;
    log_warn("%s cannot make the sandbox's %s network; its reason is above", k->cli.program,
        internal ? "agent" : "egress");
    return -EIO;
}

static int container_create_networks(struct sandbox *sb)
{
    struct container *k = container_new(sb);
    if (!k)
        return -ENOMEM;
    container_start_warden(k);
    int err = container_load_image(&k->cli);
    if (!err)
        err = container_look_at_image(&k->cli, sb);
    if (!err)
        err = container_write_files(sb);
    if (!err)
        err = create_network(k, sb->name, false);
    return err ? err : create_network(k, sb->name, true);
}

/* What the sidecar said in this run, for the user who waits. */
static void show_log(const struct sandbox *sb)
{
    char path[PATH_MAX], buf[4096];
    state_path(sb->state_dir, "egressd.log", path);
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : pread(fd, buf, sizeof buf, container_of(sb)->log_start);
    if (n > 0)
        (void)!write(STDERR_FILENO, buf, (size_t)n);
}

static bool status_ready(const char *state_dir)
{
    char path[PATH_MAX];
    state_path(state_dir, "status.json", path);
    json_t *j = json_load_file(path, 0, NULL);
    bool yes = json_is_true(json_object_get(j, "ready"));
    json_decref(j);
    return yes;
}

static void pause_ms(int ms)
{
    struct pollfd p = {.fd = signals_fd(), .events = POLLIN};
    (void)poll(&p, 1, ms);
}

static int await_ready(struct sandbox *sb)
{
    struct container *k = container_of(sb);
    const long long deadline = now_ms() + READY_MS;
    while (!status_ready(sb->state_dir)) {
        if (signals_stop())
            return -EINTR;
        if (!container_child_lives(&k->sidecar, &k->sidecar_status)) {
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
    return 0;
}

static int container_start_sidecar(struct sandbox *sb)
{
    struct container *k = container_of(sb);
    char path[PATH_MAX];
    struct stat st;
    struct words w = {0};
    state_path(sb->state_dir, "status.json", path);
    (void)unlink(path); /* an earlier run's would say "ready" for this one */
    state_path(sb->state_dir, "egressd.log", path);
    k->log_start = stat(path, &st) ? 0 : st.st_size;
    container_sidecar_argv(sb, container_dir(sb->rec), &w);
    k->sidecar = container_spawn(&w, path);
    return k->sidecar < 0 ? (int)k->sidecar : await_ready(sb);
}

/* An address of the sidecar's on one of its networks, in canonical form; "" where there is none. */
static void network_address(json_t *sidecar, const char *net, const char *key, char out[static ADDR_STRLEN])
{
    json_t *network = json_object_get(cli_member(sidecar, "NetworkSettings.Networks"), net);
    const char *ip = json_string_value(json_object_get(network, key));
    struct addr a;
    out[0] = 0;
    if (ip && addr_parse(ip, &a))
        (void)addr_format(&a, out);
}

/* Concrete, from inspect: names would need a resolver. */
static int find_addresses(struct sandbox *sb, char gateway[static ADDR_STRLEN], char host[static ADDR_STRLEN])
{
    char name[CONTAINER_NAME_MAX];
    struct cli c = cli_of(sb->backend->name);
    json_t *o = cli_inspect(&c, "container", container_name(name, sb->name, "sidecar"));
    network_address(o, container_name(name, sb->name, "egress"), "Gateway", host);
    network_address(o, container_name(name, sb->name, "net"), "IPAddress", gateway);
    json_decref(o);
    if (gateway[0])
        return 0;
    log_warn("%s does not say which address the sidecar has on the network %s", c.program, name);
    return -EADDRNOTAVAIL;
}

static int container_sidecar_addr(struct sandbox *sb, struct addr *out)
{
    char text[ADDR_STRLEN], host[ADDR_STRLEN];
    int err = find_addresses(sb, text, host);
    return err ? err : addr_parse(text, out) ? 0 : -EADDRNOTAVAIL;
}

/* The pid of a container's first process; 0: it does not run. */
static pid_t container_pid(const struct cli *c, const char *sandbox, const char *what)
{
    char name[CONTAINER_NAME_MAX];
    json_t *o = cli_inspect(c, "container", container_name(name, sandbox, what));
    pid_t pid = 0;
    if (json_is_true(cli_member(o, "State.Running")))
        pid = (pid_t)json_integer_value(cli_member(o, "State.Pid"));
    json_decref(o);
    return pid;
}

/* The shim, while it still sets the network up: a first process to which signals do nothing yet. Where there
 * is no /proc to tell, the answer is no. */
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

/* Until CMD is about to start, so that a signal to us is one to CMD from then on. It may have ended as well.
 */
static int await_agent(struct sandbox *sb)
{
    struct container *k = container_of(sb);
    const long long deadline = now_ms() + AGENT_MS;
    pid_t pid = 0;
    while (container_child_lives(&k->agent, &k->agent_status)) {
        if (signals_stop())
            return -EINTR;
        if (!pid)
            pid = container_pid(&k->cli, sb->name, "agent");
        if (pid && !still_privileged(pid)) {
            record_set_process(sb->rec, "cmd", pid);
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

static int container_start_agent(struct sandbox *sb)
{
    struct container *k = container_of(sb);
    struct words w = {0};
    int err = container_copy_ca(sb);
    if (!err)
        err = find_addresses(sb, k->gateway, k->host);
    if (err)
        return err;
    record_set_str(sb->rec, "gateway", k->gateway);
    record_set_str(sb->rec, "host_address", k->host);
    container_agent_argv(sb, container_dir(sb->rec), &w);
    k->agent = container_spawn(&w, NULL);
    return k->agent < 0 ? (int)k->agent : await_agent(sb);
}

/* -- the rest of a life -- */

static int container_probe(struct record *r, const char *skip)
{
    struct cli c = cli_of(record_str(r, "backend"));
    struct words w = {0};
    if (!container_pid(&c, r->name, "agent"))
        return -ESRCH; /* nobody there who could get out */
    container_probe_argv(&c, r, skip, &w);
    return cli_run(&w, false) == 0 ? 0 : -EPERM;
}

static void container_health(struct record *r, struct health *out)
{
    struct cli c = cli_of(record_str(r, "backend"));
    *out = (struct health){.agent_pid = container_pid(&c, r->name, "agent")};
    out->sidecar = container_pid(&c, r->name, "sidecar") != 0;
    out->agent = out->agent_pid != 0;
    out->ready = out->sidecar && status_ready(record_str(r, "state_dir"));
    if (!out->sidecar)
        (void)snprintf(out->note, sizeof out->note, "no sidecar: the agent is cut off");
    else if (!out->ready)
        (void)snprintf(out->note, sizeof out->note, "the sidecar does not say that it is ready");
    else if (!out->agent)
        (void)snprintf(out->note, sizeof out->note, "the agent's container does not run");
}

static int container_get_file(struct record *r, const char *name, struct blob *out)
{
    char path[PATH_MAX];
    if (!container_dir(r))
        return -ESRCH;
    state_path(container_dir(r), name, path);
    return blob_read(path, FILE_MAX, out);
}

static int container_put_file(struct record *r, const char *name, const struct blob *data)
{
    char path[PATH_MAX], tmp[PATH_MAX + 8];
    if (!container_dir(r))
        return -ESRCH;
    state_path(container_dir(r), name, path);
    (void)snprintf(tmp, sizeof tmp, "%s.new", path);
    cleanup_fd int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || (data->n && write(fd, data->p, data->n) != (ssize_t)data->n) || rename(tmp, path))
        return -errno;
    return 0;
}

static int container_reload(struct record *r)
{
    struct cli c = cli_of(record_str(r, "backend"));
    char name[CONTAINER_NAME_MAX];
    struct words w = {0};
    cli_begin(&c, &w);
    words_add_all(&w, "kill", "--signal", "HUP", container_name(name, r->name, "sidecar"));
    return cli_run(&w, true) == 0 ? 0 : -ESRCH;
}

static int container_stop(struct record *r, bool grace)
{
    struct cli c = cli_of(record_str(r, "backend"));
    char name[CONTAINER_NAME_MAX];
    struct words w = {0};
    cli_remove(&c, container_name(name, r->name, "agent"));
    if (!grace)
        return 0;
    cli_begin(&c, &w);
    words_add_all(&w, "stop", "-t", DRAIN_S, container_name(name, r->name, "sidecar"));
    (void)cli_run(&w, true);
    return 0;
}

static int container_remove(struct record *r)
{
    struct cli c = cli_of(record_str(r, "backend"));
    int err = cli_remove_all(&c, r->name);
    container_remove_files(container_dir(r));
    return err;
}

#define CONTAINER_BACKEND(program) \
    { \
        .name = (program), .check = container_check, .plan = container_plan, \
        .create_networks = container_create_networks, .start_sidecar = container_start_sidecar, \
        .sidecar_addr = container_sidecar_addr, .start_agent = container_start_agent, \
        .wait = container_watch, .exec = container_exec, .probe = container_probe, \
        .health = container_health, .get_file = container_get_file, .put_file = container_put_file, \
        .reload = container_reload, .stop = container_stop, .remove = container_remove, \
        .free = container_free, \
    }

const struct backend backend_podman = CONTAINER_BACKEND("podman");
const struct backend backend_docker = CONTAINER_BACKEND("docker");
