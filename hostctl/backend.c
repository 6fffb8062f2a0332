#include "hostctl/backend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hostctl/container_cli.h"
#include "lib/base.h"
#include "lib/log.h"

static const struct backend *const backends[] = {
#ifdef __linux__
    &backend_netns,
#endif
    &backend_podman,
    &backend_docker,
    &backend_apple,
};

static const struct backend *by_name(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_LEN(backends); i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    return NULL;
}

/* What "auto" means on this host, and why. NULL: nothing would do, and `why` says what is missing. */
static const char *pick(const struct run_options *opt, const char **why)
{
#ifdef __APPLE__
    (void)opt;
    *why = "this is macOS";
    if (cli_present("container"))
        return "apple";
    *why =
        "sandboxes on macOS need Apple's container; install its signed package, then: container system start";
    return NULL;
#else
    if (!opt->image) {
        *why = "no --image: CMD is a program of this host";
        return "netns";
    }
    *why = "--image, and podman is in PATH";
    if (cli_present("podman"))
        return "podman";
    *why = "--image, and docker is in PATH, podman is not";
    if (cli_present("docker"))
        return "docker";
    *why = "--image needs a container runtime; install podman";
    return NULL;
#endif
}

const struct backend *backend_find(const char *name, const struct run_options *opt)
{
    bool asked = name != NULL;
    if (!name || strcmp(name, "auto") == 0) {
        const char *why;
        name = pick(opt, &why);
        if (!name) {
            log_warn("%s", why);
            return NULL;
        }
        /* Who asked for nothing hears of it with --verbose. */
        if (asked || opt->image)
            log_info("backend %s (%s)", name, why);
        else
            log_debug("backend %s (%s)", name, why);
    }
    const struct backend *b = by_name(name);
    if (!b)
        log_warn("--backend %s: not available here; use auto, netns (Linux), podman, docker or apple", name);
    return b;
}

const struct backend *backend_of(const struct record *r)
{
    const struct backend *b = by_name(record_str(r, "backend"));
    if (!b)
        log_warn("the record of %s names no backend of this program", r->name);
    return b;
}

int sandbox_bury(struct record *dead)
{
    /* Claimed, but nothing made yet: there is no backend in the record. */
    const char *name = record_str(dead, "backend");
    const struct backend *b = name ? backend_of(dead) : NULL;
    int err = name ? (b ? b->remove(dead) : -EINVAL) : 0;
    if (!err)
        record_remove(dead);
    return err;
}
