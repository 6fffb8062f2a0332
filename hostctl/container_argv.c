/* The command lines of a sandbox's containers. No secret is on any of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "hostctl/container.h"
#include "lib/base.h"
#include "lib/log.h"

#define NOFILE_WANTED 1048576u
/* podman lowers its own limit to the kernel's pid_max, 32768 by default, and a container cannot have more
 * than it. */
#define NPROC_WANTED 16384u

/* What the monitor keeps (see its sandbox), and for its start, port 53. Nothing of a runtime's defaults. */
static const char *const sidecar_caps[] = {
    "NET_ADMIN", "NET_RAW", "SETUID", "SETGID", "SETPCAP", "KILL", "DAC_OVERRIDE", "NET_BIND_SERVICE"};
/* What the shim needs to close the network, to try a ping, and to leave files in an image that is not root's.
 * All of it is gone before CMD. */
static const char *const agent_caps[] = {
    "NET_ADMIN", "NET_RAW", "SETUID", "SETGID", "SETPCAP", "DAC_OVERRIDE", "CHOWN", "FOWNER"};

/* Of the caller's environment, what says how to speak to the user. The rest belongs to the image. */
static const char *const passed[] = {"TERM", "COLORTERM", "LANG", "LC_ALL", "LC_CTYPE", "TZ"};

void container_labels(struct words *w, const char *sandbox, const char *role)
{
    words_opt(w, "--label", CLI_LABEL_SANDBOX "=%s", sandbox);
    words_opt(w, "--label", CLI_LABEL_ROLE "=%s", role);
}

void engine_network_argv(const struct cli *c, const char *sandbox, bool internal, struct words *w)
{
    char name[CONTAINER_NAME_MAX];
    cli_begin(c, w);
    words_add_all(w, "network", "create");
    if (c->podman)
        words_add(w, "--disable-dns"); /* a resolver of the host's would be a way out */
    if (internal && c->podman)
        words_add(w, "--internal");
    else if (internal)
        /* docker filters what its own --internal bridges carry by destination, so that none of it could go on
         * by way of a sidecar. A bridge on which the host has no address, and no masquerading, leads nowhere
         * either. */
        words_add_all(w, "--opt", "com.docker.network.bridge.inhibit_ipv4=true", "--opt",
            "com.docker.network.bridge.enable_ip_masquerade=false");
    container_labels(w, sandbox, internal ? "agent" : "egress");
    words_add(w, container_name(name, sandbox, internal ? "net" : "egress"));
}

/* Runtimes ask for more than some hosts let them have. */
static void add_limit(struct words *w, const char *name, rlim_t hard, rlim_t most)
{
    unsigned long long n = MIN(hard, most);
    words_opt(w, "--ulimit", "%s=%llu:%llu", name, n, n);
}

static void add_mount(struct words *w, const char *from, const char *to, bool read_only)
{
    if (strpbrk(from, ",\"")) {
        log_warn("%s: a path with a comma or a quotation mark cannot be given to a container", from);
        w->failed = true;
    }
    words_opt(w, "--mount", "type=bind,src=%s,dst=%s%s", from, to, read_only ? ",ro" : "");
}

/* Runtimes tell containers of the host's proxy, password and all: podman by its environment, docker by its
 * client's settings, which what is named here goes before. From the agent it cannot be reached. */
static void close_proxies(const struct sandbox *sb, struct words *w)
{
    static const char *const theirs[] = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY",
        "no_proxy", "FTP_PROXY", "ftp_proxy", "ALL_PROXY", "all_proxy"};
    const size_t ours = sb->opt->proxy_env ? 6 : 0; /* the first of them; sandbox_proxy_line() gives these */
    if (container_of(sb)->cli.podman) {
        words_add(w, "--http-proxy=false");
        return;
    }
    for (size_t i = ours; i < ARRAY_LEN(theirs); i++) /* without a value: not set at all */
        words_opt(w, "--env", getenv(theirs[i]) ? "%s=" : "%s", theirs[i]);
}

/* What both containers have in common, from "run" on. */
static void begin_run(const struct sandbox *sb, const char *verb, const char *what, struct words *w)
{
    char name[CONTAINER_NAME_MAX];
    struct rlimit limit;
    cli_begin(&container_of(sb)->cli, w);
    words_add(w, verb);
    words_opt(w, "--name", "%s", container_name(name, sb->name, what));
    container_labels(w, sb->name, what);
    /* An image's health check would be run in the container with all that the shim gives up. */
    words_add_all(w, "--log-driver", "none", "--no-healthcheck", "--user", "0:0", "--cap-drop", "all",
        "--security-opt", "no-new-privileges", "--security-opt", "label=disable", "--sysctl",
        "net.ipv6.conf.all.disable_ipv6=1");
    close_proxies(sb, w);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        add_limit(w, "nofile", limit.rlim_max, NOFILE_WANTED);
    if (getrlimit(RLIMIT_NPROC, &limit) == 0)
        add_limit(w, "nproc", limit.rlim_max, NPROC_WANTED);
}

static void add_caps(struct words *w, const char *const *caps, size_t n)
{
    for (size_t i = 0; i < n; i++)
        words_add_all(w, "--cap-add", caps[i]);
}

void container_egressd_argv(const struct sandbox *sb, struct words *w)
{
    words_add_all(w, "run", "--policy", SIDECAR_DIR "/" SIDECAR_POLICY, "--state-dir", "/var/lib/egressd",
        "--ca-dir", SIDECAR_DIR "/ca", "--secrets", SIDECAR_DIR "/" SIDECAR_SECRETS);
    if (sb->resolver_text)
        words_opt(w, "--resolv-conf", SIDECAR_DIR "/" SIDECAR_RESOLV);
    for (size_t i = 0; !sb->resolver_text && i < sb->resolvers.n; i++)
        words_add_all(w, "--dns-upstream", sb->resolvers.items[i]);
    for (size_t i = 0; i < OPT_LIST_MAX && sb->upstream_ca[i]; i++)
        words_opt(w, "--upstream-ca", SIDECAR_DIR "/upstream-%zu.pem", i);
    if (sb->opt->engines)
        words_opt(w, "--engines", "%u", sb->opt->engines);
    if (sb->opt->proxy_env)
        words_opt(w, "--proxy-port", "%u", sandbox_proxy_port(sb));
    if (sb->opt->audit_only)
        words_add(w, "--audit-only");
    if (sb->backend->status)
        words_opt(w, "--status-socket", SIDECAR_DIR "/" SIDECAR_STATUS_NAME);
}

static void sidecar_words(
    const struct sandbox *sb, const char *verb, bool both, const char *dir, struct words *w)
{
    char net[CONTAINER_NAME_MAX], files[PATH_MAX];
    (void)snprintf(files, sizeof files, "%s/" SIDECAR_FILES, dir);
    begin_run(sb, verb, "sidecar", w);
    add_caps(w, sidecar_caps, ARRAY_LEN(sidecar_caps));
    /* The first network is the one with the default route. */
    words_opt(w, "--network", "%s", container_name(net, sb->name, "egress"));
    if (both)
        words_opt(w, "--network", "%s", container_name(net, sb->name, "net"));
    words_add_all(w, "--dns", "127.0.0.1", "--read-only", "--sysctl", "net.ipv4.icmp_ratelimit=0");
    add_mount(w, files, SIDECAR_DIR, false);
    add_mount(w, sb->state_dir, "/var/lib/egressd", false);
    words_add(w, SIDECAR_IMAGE);
    container_egressd_argv(sb, w);
}

void engine_sidecar_argv(const struct sandbox *sb, const char *dir, struct words *w)
{
    char name[CONTAINER_NAME_MAX];
    const struct cli *c = &container_of(sb)->cli;
    if (c->d->make_sidecar && !sb->opt->dry_run) {
        cli_begin(c, w);
        words_add_all(w, "start", "--attach", container_name(name, sb->name, "sidecar"));
        return;
    }
    sidecar_words(sb, "run", true, dir, w);
}

int docker_make_sidecar(const struct sandbox *sb, const char *dir)
{
    char name[CONTAINER_NAME_MAX], net[CONTAINER_NAME_MAX];
    const struct cli *c = &container_of(sb)->cli;
    struct words w = {0};
    sidecar_words(sb, "create", false, dir, &w);
    int status = cli_run(c, &w, false);
    if (status == 0) {
        cli_begin(c, &w);
        words_add_all(&w, "network", "connect", container_name(net, sb->name, "net"),
            container_name(name, sb->name, "sidecar"));
        status = cli_run(c, &w, false);
    }
    if (status == 0)
        return 0;
    log_warn("%s cannot make the sidecar's container; its reason is above", c->program);
    return -EIO;
}

void container_environment(struct words *w, char *const *env)
{
    for (size_t i = 0; i < ARRAY_LEN(passed); i++)
        for (char *const *e = env; e && *e; e++)
            if (strncmp(*e, passed[i], strlen(passed[i])) == 0 && (*e)[strlen(passed[i])] == '=')
                words_add_all(w, "--env", *e);
}

void container_shim_argv(const struct sandbox *sb, struct words *w)
{
    const struct container *k = container_of(sb);
    words_add_all(w, "--gateway", k->gateway, "--dns", k->gateway, "--ca", k->cli.d->agent_ca);
    words_opt(w, "--user", "%u:%u", (unsigned)sb->uid, (unsigned)sb->gid);
    if (k->host[0])
        words_add_all(w, "--probe-host", k->host);
    words_add_all(w, "--probe", "--reap", "--");
    for (char **c = sb->opt->cmd; *c; c++)
        words_add(w, *c);
}

void container_agent_options(const struct sandbox *sb, struct words *w)
{
    const struct container *k = container_of(sb);
    char net[CONTAINER_NAME_MAX], line[PROXY_LINE];
    words_opt(w, "--network", "%s", container_name(net, sb->name, "net"));
    words_add_all(w, "--dns", k->gateway, "--interactive");
    if (k->tty == TTY_OWNED)
        words_add(w, "--tty");
    container_environment(w, sb->env);
    for (size_t i = 0; sb->opt->proxy_env && sandbox_proxy_line(sb, k->gateway, i, line); i++)
        words_add_all(w, "--env", line);
}

void engine_agent_argv(const struct sandbox *sb, const char *dir, struct words *w)
{
    const struct container *k = container_of(sb);
    char ca[PATH_MAX];
    cleanup_free char *shim = program_find("egress-init");
    if (!shim) {
        w->failed = true;
        return;
    }
    (void)snprintf(ca, sizeof ca, "%s/" AGENT_CA_FILE, dir);
    begin_run(sb, "run", "agent", w);
    add_caps(w, agent_caps, ARRAY_LEN(agent_caps));
    container_agent_options(sb, w);
    add_mount(w, shim, k->cli.d->shim, true);
    add_mount(w, ca, k->cli.d->agent_ca, true);
    words_add_all(w, "--entrypoint", k->cli.d->shim, sb->opt->image);
    container_shim_argv(sb, w);
}

/* A runtime's exec starts as root with the container's full set. The shim is what is run, always. */
static void begin_exec(const struct cli *c, const char *sandbox, bool tty, char *const *env, struct words *w)
{
    char name[CONTAINER_NAME_MAX];
    cli_begin(c, w);
    words_add_all(w, "exec", "--interactive", "--user", "0:0");
    if (tty)
        words_add(w, "--tty");
    container_environment(w, env);
    words_add_all(w, container_name(name, sandbox, "agent"), c->d->shim);
}

void container_exec_argv(const struct cli *c, const struct record *r, const struct exec_request *req,
    enum tty_mode tty, struct words *w)
{
    const char *user = record_str(r, "user");
    begin_exec(c, r->name, tty == TTY_OWNED, req->env, w);
    /* It takes all privileges away before CMD. */
    words_add_all(w, "--exec", "--user", user ? user : "65534", "--");
    for (char **a = req->cmd; *a; a++)
        words_add(w, *a);
}

static void add_probe(const struct record *r, const char *skip, struct words *w)
{
    const char *gateway = record_str(r, "gateway"), *host = record_str(r, "host_address");
    words_add_all(w, "--gateway", gateway ? gateway : "");
    if (host && *host)
        words_add_all(w, "--probe-host", host);
    if (skip && *skip)
        words_add_all(w, "--probe-skip", skip);
}

void container_probe_argv(const struct cli *c, const struct record *r, const char *skip, struct words *w)
{
    begin_exec(c, r->name, false, NULL, w);
    add_probe(r, skip, w);
    words_add(w, "--probe-only");
}

void container_replumb_argv(const struct cli *c, const struct record *r, struct words *w)
{
    begin_exec(c, r->name, false, NULL, w);
    add_probe(r, NULL, w); /* the new sidecar has led no name anywhere yet */
    /* Without --ca: it is the same, and what the first run wrote is there. The agent lives by now, and may
     * own folders in which root would write. */
    words_add_all(w, "--probe", "--setup-only");
}
