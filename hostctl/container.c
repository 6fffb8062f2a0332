/* Backends podman, docker and apple. */
#include "hostctl/container.h"

#include "hostctl/beneath.h"
#include "hostctl/status.h"

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

/* For egressd's last lines in the log, once the agent is gone. */
#define DRAIN_S "3"
#define FILE_MAX MIB(16)

static int container_check(struct sandbox *sb)
{
    struct cli c = cli_of(sb->backend->name);
    if (!sb->opt->image) {
        log_warn("--backend %s needs --image IMG: the image of the agent", sb->backend->name);
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
    return c.d->check(&c);
}

static struct container *container_new(struct sandbox *sb)
{
    struct container *k = calloc(1, sizeof *k);
    if (!k) {
        log_warn("out of memory");
        return NULL;
    }
    k->cli = cli_of(sb->backend->name);
    k->warden.fd = -1;
    k->tty = tty_mode();
    sb->impl = k;
    return k;
}

static void container_free(struct sandbox *sb)
{
    struct container *k = container_of(sb);
    if (!k)
        return;
    warden_dismiss(&k->warden);
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
            k->cli.d->network_argv(&k->cli, sb->name, i == 1, &w);
        else if (i == 2)
            k->cli.d->sidecar_argv(sb, "DIR", &w);
        else
            k->cli.d->agent_argv(sb, "DIR", &w);
        printf("%s", what[i]);
        print_words(&w);
    }
}

static int create_network(struct container *k, const char *sandbox, bool internal)
{
    char name[CONTAINER_NAME_MAX];
    struct words w = {0};
    (void)container_name(name, sandbox, internal ? "net" : "egress");
    k->cli.d->network_argv(&k->cli, sandbox, internal, &w);
    int status = cli_run(&k->cli, &w, false);
    /* A request that timed out may have found one of somebody else's under the name. */
    if (status == 0 && cli_is_ours(&k->cli, CLI_NETWORK, name, sandbox))
        return 0;
    log_warn("%s cannot make the network %s%s", k->cli.program, name,
        status ? "; its reason is above" : ": there is one of somebody else's");
    return -EIO;
}

static int container_create_networks(struct sandbox *sb)
{
    struct container *k = container_new(sb);
    if (!k)
        return -ENOMEM;
    cleanup_fd int mounts = cli_mounts(&k->cli); /* who lends it may be gone by then */
    warden_start(&k->warden, sb->name, mounts);
    int err = container_load_image(&k->cli);
    if (!err)
        err = container_look_at_image(&k->cli, sb);
    if (!err)
        err = container_write_files(sb);
    if (!err)
        err = create_network(k, sb->name, false);
    return err ? err : create_network(k, sb->name, true);
}

/* -- the rest of a life -- */

static int container_probe(struct record *r, const char *skip)
{
    struct cli c = cli_of(record_str(r, "backend"));
    struct words w = {0};
    if (!container_state(&c, r->name, "agent").running)
        return -ESRCH; /* nobody there who could get out */
    container_probe_argv(&c, r, skip, &w);
    return cli_run(&c, &w, false) == 0 ? 0 : -EPERM;
}

static void container_health(struct record *r, struct health *out)
{
    struct cli c = cli_of(record_str(r, "backend"));
    struct cli_state agent = container_state(&c, r->name, "agent");
    *out = (struct health){.agent = agent.running, .agent_pid = agent.pid};
    out->sidecar = container_state(&c, r->name, "sidecar").running;
    if (out->sidecar)
        status_judge(status_of_sandbox(backend_of(r), r), out);
    else
        (void)snprintf(out->note, sizeof out->note, "no sidecar: the agent is cut off");
    if (out->ready && !out->agent)
        (void)snprintf(out->note, sizeof out->note, "the agent's container does not run");
}

static int container_get_file(struct record *r, const char *name, struct blob *out)
{
    cleanup_fd int dir = container_sidecar_files(r);
    return dir < 0 ? dir : beneath_read(dir, name, FILE_MAX, out);
}

static int container_put_file(struct record *r, const char *name, const struct blob *data)
{
    cleanup_fd int dir = container_sidecar_files(r);
    return dir < 0 ? dir : beneath_replace(dir, name, data);
}

static int container_reload(struct record *r)
{
    struct cli c = cli_of(record_str(r, "backend"));
    char name[CONTAINER_NAME_MAX];
    struct words w = {0};
    cli_begin(&c, &w);
    words_add_all(&w, "kill", "--signal", "HUP", container_name(name, r->name, "sidecar"));
    return cli_run(&c, &w, true) == 0 ? 0 : -ESRCH;
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
    (void)cli_run(&c, &w, true);
    return 0;
}

static int container_remove(struct record *r)
{
    struct cli c = cli_of(record_str(r, "backend"));
    int err = cli_remove_all(&c, r->name);
    container_remove_files(container_dir(r));
    return err;
}

#define CONTAINER_BACKEND(program, ...) \
    { \
        .name = (program), .check = container_check, .plan = container_plan, \
        .create_networks = container_create_networks, .start_sidecar = container_start_sidecar, \
        .sidecar_addr = container_sidecar_addr, .start_agent = container_start_agent, \
        .wait = container_watch, .exec = container_exec, .probe = container_probe, \
        .health = container_health, .get_file = container_get_file, .put_file = container_put_file, \
        .reload = container_reload, .stop = container_stop, .remove = container_remove, \
        .free = container_free, __VA_ARGS__ \
    }

const struct backend backend_podman = CONTAINER_BACKEND("podman", .status = container_status);
const struct backend backend_docker = CONTAINER_BACKEND("docker", .status = container_status);
const struct backend backend_apple = CONTAINER_BACKEND("apple", .status = NULL);
