#include "hostctl/container_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostctl/proc.h"
#include "hostctl/sandbox.h"
#include "lib/base.h"
#include "lib/log.h"

struct cli cli_of(const char *backend)
{
    static const struct dialect *const all[] = {&dialect_podman, &dialect_docker, &dialect_apple};
    const struct dialect *d = all[0];
    for (size_t i = 0; backend && i < ARRAY_LEN(all); i++)
        if (strcmp(all[i]->backend, backend) == 0)
            d = all[i];
    return (struct cli){.d = d, .program = d->program, .podman = d == &dialect_podman};
}

bool cli_present(const char *program)
{
    const char *dirs = getenv("PATH");
    cleanup_free char *copy = strdup(dirs && *dirs ? dirs : "/usr/local/bin:/usr/bin:/bin");
    char path[4200];
    for (char *save = NULL, *d = copy ? strtok_r(copy, ":", &save) : NULL; d;
         d = strtok_r(NULL, ":", &save)) {
        (void)snprintf(path, sizeof path, "%s/%s", d, program);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

static bool has_cgroups(pid_t pid)
{
    char line[4200];
    bool found = false;
    (void)snprintf(line, sizeof line, "/proc/%d/mountinfo", (int)pid);
    FILE *f = fopen(line, "re");
    while (f && !found && fgets(line, sizeof line, f))
        found = strstr(line, " /sys/fs/cgroup") && strstr(line, " - cgroup");
    if (f)
        (void)fclose(f);
    return found;
}

static pid_t parent_of(pid_t pid)
{
    char path[64];
    struct blob text;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (blob_read(path, KIB(4), &text))
        return 0;
    /* "PID (NAME) STATE PARENT ..." */
    const char *end = strrchr(text.p, ')');
    long parent = end && strlen(end) > 4 ? strtol(end + 4, NULL, 10) : 0;
    blob_wipe(&text);
    return parent > 0 ? (pid_t)parent : 0;
}

/* `ip netns exec` hides the host's cgroups behind a fresh /sys, and podman's mounts would stay in its mount
 * namespace: neither the runtime nor a later podman could work. The nearest ancestor that sees them lends its
 * mount namespace; the network namespace stays ours. 0: not needed, or there is none. */
static pid_t lender_of_mounts(void)
{
    static pid_t lender = -1;
    if (lender >= 0)
        return lender;
    pid_t pid = getpid();
    if (has_cgroups(pid) || access("/proc/self/mountinfo", R_OK))
        return lender = 0;
    while (pid > 0) {
        char path[64];
        pid = parent_of(pid);
        (void)snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)pid);
        if (pid > 0 && has_cgroups(pid) && access(path, R_OK) == 0)
            break;
    }
    return lender = pid;
}

/* crun, which podman prefers, refuses the layout with both versions of cgroups. */
static bool mixed_cgroups(pid_t lender)
{
    char path[64] = "/sys/fs/cgroup/unified";
    if (lender)
        (void)snprintf(path, sizeof path, "/proc/%d/root/sys/fs/cgroup/unified", (int)lender);
    return access(path, F_OK) == 0;
}

int cli_mounts(const struct cli *c)
{
    char path[64];
    pid_t lender = c->podman && geteuid() == 0 && cli_present("nsenter") ? lender_of_mounts() : 0;
    (void)snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)lender);
    return lender ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

void cli_begin(const struct cli *c, struct words *w)
{
    pid_t lender = c->podman && geteuid() == 0 && cli_present("nsenter") ? lender_of_mounts() : 0;
    if (lender) {
        words_add(w, "nsenter");
        char option[64];
        (void)snprintf(option, sizeof option, "--mount=/proc/%d/ns/mnt", (int)lender);
        words_add_all(w, option, "--");
    }
    words_add(w, c->program);
    if (c->podman && mixed_cgroups(lender) && cli_present("runc"))
        words_add_all(w, "--runtime", "runc");
}

int cli_run(const struct cli *c, struct words *w, bool quiet)
{
    return c->d->run(c, w, quiet);
}

char *cli_output(const struct cli *c, struct words *w)
{
    return c->d->output(c, w);
}

json_t *cli_inspect(const struct cli *c, enum cli_kind kind, const char *name)
{
    return c->d->inspect(c, kind, name);
}

json_t *cli_member(json_t *object, const char *path)
{
    for (size_t n; object && *path; path += n + (path[n] == '.')) {
        char key[128];
        n = strcspn(path, ".");
        (void)snprintf(key, sizeof key, "%.*s", (int)MIN(n, sizeof key - 1), path);
        object = json_object_get(object, key);
    }
    return object;
}

bool cli_is_ours(const struct cli *c, enum cli_kind kind, const char *name, const char *sandbox)
{
    char prefix[96];
    (void)snprintf(prefix, sizeof prefix, "egressd-%s-", sandbox);
    if (strncmp(name, prefix, strlen(prefix)) != 0)
        return false;
    json_t *o = cli_inspect(c, kind, name);
    const char *label = c->d->label(o, CLI_LABEL_SANDBOX);
    bool ours = label && strcmp(label, sandbox) == 0;
    json_decref(o);
    return ours;
}

void cli_remove(const struct cli *c, const char *container)
{
    struct words w = {0};
    c->d->remove_argv(c, CLI_CONTAINER, container, &w);
    (void)cli_run(c, &w, true);
}

/* One after the other: when two containers leave a network at the same time, neither takes its bridge away.
 */
static int remove_kind(const struct cli *c, enum cli_kind kind, const char *sandbox)
{
    cleanup_free char *names = c->d->list(c, kind);
    if (!names) {
        log_warn("%s does not list its %s", c->program, kind == CLI_CONTAINER ? "containers" : "networks");
        return -EBUSY;
    }
    int err = 0;
    for (char *save = NULL, *name = strtok_r(names, "\n", &save); name; name = strtok_r(NULL, "\n", &save)) {
        if (!cli_is_ours(c, kind, name, sandbox))
            continue;
        struct words w = {0};
        c->d->remove_argv(c, kind, name, &w);
        if (cli_run(c, &w, false) != 0)
            err = -EBUSY;
    }
    return err;
}

int cli_remove_all(const struct cli *c, const char *sandbox)
{
    int containers = remove_kind(c, CLI_CONTAINER, sandbox);
    int networks = remove_kind(c, CLI_NETWORK, sandbox);
    return containers ? containers : networks;
}
