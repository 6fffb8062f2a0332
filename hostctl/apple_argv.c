/* The command lines of a sandbox for Apple's container. No secret is on any of them.
 *
 * A container is a virtual machine there: its root is root of a kernel of its own, and what podman takes away
 * by options (no_new_privs, IPv6) the shim takes away alone. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "hostctl/apple.h"
#include "lib/base.h"
#include "lib/log.h"

#define SHIM_MAX MIB(8)

/* With its default of 1024 the sidecar could carry few hundred connections. */
#define NOFILE "nofile=65536:65536"

static const char *const sidecar_caps[] = {"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SETUID", "CAP_SETGID",
    "CAP_SETPCAP", "CAP_KILL", "CAP_DAC_OVERRIDE", "CAP_NET_BIND_SERVICE"};
static const char *const agent_caps[] = {"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SETUID", "CAP_SETGID",
    "CAP_SETPCAP", "CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_FOWNER"};

void apple_load_argv(const struct cli *c, const char *archive, struct words *w)
{
    words_add_all(w, c->program, "image", "load", "--input", archive);
}

void apple_pull_argv(const struct cli *c, const char *image, struct words *w)
{
    words_add_all(w, c->program, "image", "pull", image);
}

void apple_remove_argv(const struct cli *c, enum cli_kind kind, const char *name, struct words *w)
{
    words_add(w, c->program);
    if (kind == CLI_NETWORK)
        words_add(w, "network");
    words_add(w, "delete");
    if (kind == CLI_CONTAINER)
        words_add(w, "--force");
    words_add(w, name);
}

void apple_network_argv(const struct cli *c, const char *sandbox, bool internal, struct words *w)
{
    char name[CONTAINER_NAME_MAX];
    words_add_all(w, c->program, "network", "create");
    if (internal)
        words_add(w, "--internal");
    container_labels(w, sandbox, internal ? "agent" : "egress");
    words_add(w, container_name(name, sandbox, internal ? "net" : "egress"));
}

/* Its parser ends a value at a comma and refuses a second '='. */
static void add_mount(struct words *w, const char *from, const char *to, bool read_only)
{
    if (strpbrk(from, ",=")) {
        log_warn("%s: a path with a comma or an equals sign cannot be given to a container", from);
        w->failed = true;
    }
    words_opt(w, "--mount", "type=bind,source=%s,target=%s%s", from, to, read_only ? ",readonly" : "");
}

static void begin_run(
    const struct sandbox *sb, const char *what, const char *const *caps, size_t n, struct words *w)
{
    char name[CONTAINER_NAME_MAX];
    words_add_all(w, container_of(sb)->cli.program, "run", "--progress", "none");
    words_opt(w, "--name", "%s", container_name(name, sb->name, what));
    container_labels(w, sb->name, what);
    words_add_all(w, "--user", "0:0", "--cap-drop", "ALL", "--ulimit", NOFILE);
    for (size_t i = 0; i < n; i++)
        words_add_all(w, "--cap-add", caps[i]);
}

void apple_sidecar_argv(const struct sandbox *sb, const char *dir, struct words *w)
{
    char net[CONTAINER_NAME_MAX], files[PATH_MAX];
    (void)snprintf(files, sizeof files, "%s/" SIDECAR_FILES, dir);
    begin_run(sb, "sidecar", sidecar_caps, ARRAY_LEN(sidecar_caps), w);
    /* The first network is the one with the default route. */
    words_opt(w, "--network", "%s", container_name(net, sb->name, "egress"));
    words_opt(w, "--network", "%s", container_name(net, sb->name, "net"));
    words_add(w, "--no-dns"); /* it asks the servers that it is told of, and nobody else */
    if (apple_since(apple_version(&container_of(sb)->cli), 1, 2, 1))
        words_add_all(w, "--read-only-path", "NONE"); /* /proc/sys, as it was before 1.2.0 */
    add_mount(w, files, SIDECAR_DIR, false);
    add_mount(w, sb->state_dir, "/var/lib/egressd", false);
    words_add(w, SIDECAR_IMAGE);
    container_egressd_argv(sb, w);
}

void apple_agent_argv(const struct sandbox *sb, const char *dir, struct words *w)
{
    const struct container *k = container_of(sb);
    char guest[PATH_MAX];
    (void)snprintf(guest, sizeof guest, "%s/" APPLE_GUEST, dir);
    begin_run(sb, "agent", agent_caps, ARRAY_LEN(agent_caps), w);
    container_agent_options(sb, w);
    add_mount(w, guest, APPLE_GUEST_MOUNT, true);
    words_add_all(w, "--entrypoint", k->cli.d->shim, sb->opt->image);
    container_shim_argv(sb, w);
}

int apple_write_guest(const struct sandbox *sb, const char *dir)
{
    char guest[PATH_MAX], ca[PATH_MAX];
    struct blob shim = {0}, pem = {0};
    cleanup_free char *program = program_find(GUEST_SHIM);
    (void)sb;
    if (!program)
        return -ENOENT;
    (void)snprintf(guest, sizeof guest, "%s/" APPLE_GUEST, dir);
    (void)snprintf(ca, sizeof ca, "%s/" AGENT_CA_FILE, dir);
    int err = mkdir(guest, 0755) ? -errno : blob_read(program, SHIM_MAX, &shim);
    if (!err)
        err = blob_read(ca, SHIM_MAX, &pem);
    if (err)
        log_warn("cannot prepare %s: %s", guest, strerror(-err));
    if (!err)
        err = container_write_file(guest, "egress-init", shim.p, shim.n, 0755);
    if (!err)
        err = container_write_file(guest, "ca.crt", pem.p, pem.n, 0644);
    blob_wipe(&shim);
    blob_wipe(&pem);
    return err;
}
