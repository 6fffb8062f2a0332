/* podman and docker: one dialect, but for a few words. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostctl/container.h"
#include "lib/base.h"
#include "lib/log.h"

#define OUTPUT_MAX MIB(4)

static int engine_run(const struct cli *c, struct words *w, bool quiet)
{
    char none[1];
    struct spawn s = {.argv = (const char *const *)w->v, .out = none, .outlen = sizeof none, .quiet = quiet};
    int status = w->failed ? -ENOMEM : spawn_wait(&s);
    (void)c;
    words_free(w);
    return status;
}

static char *engine_output(const struct cli *c, struct words *w)
{
    cleanup_free char *out = malloc(OUTPUT_MAX);
    struct spawn s = {.argv = (const char *const *)w->v, .out = out, .outlen = OUTPUT_MAX, .quiet = true};
    int status = w->failed || !out ? -ENOMEM : spawn_wait(&s);
    (void)c;
    words_free(w);
    return status == 0 ? steal_ptr(&out) : NULL;
}

static int engine_check(const struct cli *c)
{
    struct words w = {0};
    if (geteuid() != 0) {
        log_warn("--backend %s needs root, as the agent's network is closed from inside its container: sudo "
                 "egressctl run ...",
            c->program);
        return -EPERM;
    }
    if (!cli_present(c->program)) {
        log_warn("there is no %s in PATH; install it, or use --backend netns", c->program);
        return -ENOENT;
    }
    if (c->podman) /* needs no service */
        return 0;
    cli_begin(c, &w);
    words_add_all(&w, "version");
    if (cli_run(c, &w, true) == 0)
        return 0;
    log_warn("%s does not answer; is its service running? Try: %s version", c->program, c->program);
    return -EIO;
}

/* -- what it says -- */

static const char *const kinds[] = {
    [CLI_CONTAINER] = "container", [CLI_NETWORK] = "network", [CLI_IMAGE] = "image"};

static json_t *engine_inspect(const struct cli *c, enum cli_kind kind, const char *name)
{
    struct words w = {0};
    cli_begin(c, &w);
    words_add_all(&w, kinds[kind], "inspect", name);
    cleanup_free char *text = cli_output(c, &w);
    json_t *list = text ? json_loads(text, 0, NULL) : NULL;
    json_t *first = json_incref(json_array_get(list, 0));
    json_decref(list);
    return first;
}

static struct cli_state engine_state(json_t *container)
{
    struct cli_state s = {.running = json_is_true(cli_member(container, "State.Running"))};
    if (s.running)
        s.pid = (pid_t)json_integer_value(cli_member(container, "State.Pid"));
    return s;
}

static void canonical(const char *text, char out[static ADDR_STRLEN])
{
    struct addr a;
    if (text && addr_parse(text, &a))
        (void)addr_format(&a, out);
}

static struct cli_place engine_place(json_t *container, const char *network)
{
    struct cli_place p = {.address = "", .gateway = ""};
    json_t *n = json_object_get(cli_member(container, "NetworkSettings.Networks"), network);
    canonical(json_string_value(json_object_get(n, "IPAddress")), p.address);
    canonical(json_string_value(json_object_get(n, "Gateway")), p.gateway);
    return p;
}

/* Both spellings: podman's networks have lower-case keys, everything else begins with a capital. */
static const char *engine_label(json_t *object, const char *key)
{
    static const char *const where[] = {"Config.Labels", "Labels", "labels"};
    const char *label = NULL;
    for (size_t i = 0; i < ARRAY_LEN(where) && !label; i++)
        label = json_string_value(json_object_get(cli_member(object, where[i]), key));
    return label;
}

static const char *engine_image_user(json_t *image)
{
    return json_string_value(cli_member(image, "Config.User"));
}

static bool engine_image_is(json_t *image, const char *ids)
{
    const char *id = json_string_value(json_object_get(image, "Id"));
    if (id && strncmp(id, "sha256:", 7) == 0)
        id += 7;
    return id && *id && (!ids || strstr(ids, id));
}

static char *engine_list(const struct cli *c, enum cli_kind kind)
{
    struct words w = {0};
    cli_begin(c, &w);
    if (kind == CLI_CONTAINER)
        words_add_all(&w, "ps", "--all", "--format", "{{.Names}}");
    else
        words_add_all(&w, "network", "ls", "--format", "{{.Name}}");
    return cli_output(c, &w);
}

/* -- how it is asked; a sandbox's containers are in container_argv.c -- */

static void engine_load_argv(const struct cli *c, const char *archive, struct words *w)
{
    cli_begin(c, w);
    words_add_all(w, "load", "--quiet", "--input", archive);
}

static void engine_pull_argv(const struct cli *c, const char *image, struct words *w)
{
    cli_begin(c, w);
    words_add_all(w, "pull", "--quiet", "--", image);
}

static void engine_remove_argv(const struct cli *c, enum cli_kind kind, const char *name, struct words *w)
{
    cli_begin(c, w);
    words_add_all(w, kinds[kind], "rm");
    if (kind == CLI_CONTAINER)
        words_add_all(w, "--force", "--volumes");
    if (kind == CLI_CONTAINER && c->podman)
        words_add_all(w, "--time", "0"); /* or it waits for a SIGTERM to be obeyed */
    words_add(w, name);
}

#define ENGINE(name, load_words) \
    .backend = (name), .program = (name), .load = (load_words), .shim = "/egress-init", \
    .agent_ca = "/egress-ca.crt", .check = engine_check, .run = engine_run, .output = engine_output, \
    .inspect = engine_inspect, .state = engine_state, .place = engine_place, .label = engine_label, \
    .image_user = engine_image_user, .image_is = engine_image_is, .list = engine_list, \
    .load_argv = engine_load_argv, .pull_argv = engine_pull_argv, .remove_argv = engine_remove_argv, \
    .network_argv = engine_network_argv, .sidecar_argv = engine_sidecar_argv, \
    .agent_argv = engine_agent_argv

const struct dialect dialect_podman = {ENGINE("podman", "podman load -i")};
/* Before version 25 a container has one network when it is made, and gets the others before it starts. */
const struct dialect dialect_docker = {
    ENGINE("docker", "docker load -i"), .make_sidecar = docker_make_sidecar};
