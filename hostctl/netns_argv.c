#include "hostctl/netns_argv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/netns_mount.h"
#include "lib/base.h"

/** Words that grow; out of memory is looked at once, at the end. */
struct words {
    char **v;
    size_t n;
    bool failed;
};

static void add(struct words *w, const char *s)
{
    char **v = w->failed ? NULL : realloc(w->v, (w->n + 2) * sizeof *v);
    char *copy = v ? strdup(s) : NULL;
    if (v)
        w->v = v;
    if (!copy) {
        w->failed = true;
        return;
    }
    v[w->n++] = copy;
    v[w->n] = NULL;
}

__attribute__((format(printf, 3, 4))) static void add_opt(
    struct words *w, const char *name, const char *fmt, ...)
{
    char value[4200];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(value, sizeof value, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof value)
        w->failed = true;
    add(w, name);
    add(w, value);
}

static void free_words(char **v)
{
    for (size_t i = 0; v && v[i]; i++)
        free(v[i]);
    free(v);
}

/* The words, or NULL with everything freed. */
static char **finish(struct words *w)
{
    if (!w->failed)
        return w->v;
    free_words(w->v);
    return NULL;
}

static char **sidecar_words(const struct sandbox *sb, int ready_fd)
{
    struct words w = {0};
    cleanup_free char *program = program_find("egressd");
    if (!program)
        return NULL;
    add(&w, program);
    add(&w, "run");
    add_opt(&w, "--policy", SIDECAR_DIR "/" SIDECAR_POLICY);
    add_opt(&w, "--agent-if", "eth1");
    add_opt(&w, "--uplink-if", "eth0");
    add_opt(&w, "--state-dir", "%s", sb->state_dir);
    add_opt(&w, "--ca-dir", SIDECAR_DIR "/ca");
    add_opt(&w, "--secrets", SIDECAR_DIR "/" SIDECAR_SECRETS);
    for (size_t i = 0; i < sb->resolvers.n; i++)
        add_opt(&w, "--dns-upstream", "%s", sb->resolvers.items[i]);
    for (size_t i = 0; i < OPT_LIST_MAX && sb->upstream_ca[i]; i++)
        add_opt(&w, "--upstream-ca", "%s", sb->upstream_ca[i]);
    if (sb->opt->engines)
        add_opt(&w, "--engines", "%u", sb->opt->engines);
    if (sb->opt->proxy_env)
        add_opt(&w, "--proxy-port", "%u", sandbox_proxy_port(sb));
    if (sb->opt->audit_only)
        add(&w, "--audit-only");
    add_opt(&w, "--status-socket", SIDECAR_STATUS);
    add_opt(&w, "--ready-fd", "%d", ready_fd);
    return finish(&w);
}

static char **setup_words(const char *program, const struct net_plan *p)
{
    struct words w = {0};
    char gateway[IP4_STRLEN];
    (void)ip4_format(p->gateway_ip, gateway);
    add(&w, program);
    add_opt(&w, "--gateway", "%s", gateway);
    if (p->ipv6) {
        char gateway6[IP6_STRLEN];
        add_opt(&w, "--gateway6", "%s", ip6_format(&p->gateway_ip6, gateway6));
    }
    add_opt(&w, "--dns", "%s", gateway);
    add_opt(&w, "--ca", AGENT_CA);
    add(&w, "--probe");
    if (p->uplink_ip) {
        char host[IP4_STRLEN];
        add_opt(&w, "--probe-host", "%s", ip4_format(p->uplink_ip, host));
    }
    add(&w, "--setup-only");
    return finish(&w);
}

static char **agent_words(const char *program, const char *user, char *const *cmd)
{
    struct words w = {0};
    add(&w, program);
    add(&w, "--exec");
    add_opt(&w, "--user", "%s", user);
    add(&w, "--");
    for (; *cmd; cmd++)
        add(&w, *cmd);
    return finish(&w);
}

int netns_argv_probe(const struct record *r, const char *skip, struct netns_argv *out)
{
    static const struct {
        const char *option, *key;
    } from_record[] = {{"--gateway", "gateway"}, {"--gateway6", "gateway6"}, {"--probe-host", "host_address"},
        {"--probe-host", "uplink_address"}};
    struct words w = {0};
    cleanup_free char *program = program_find("egress-init");
    if (!program || !record_str(r, "gateway"))
        return -ENOENT;
    add(&w, program);
    for (size_t i = 0; i < ARRAY_LEN(from_record); i++) {
        const char *value = record_str(r, from_record[i].key);
        if (value)
            add_opt(&w, from_record[i].option, "%s", value);
    }
    if (skip && *skip)
        add_opt(&w, "--probe-skip", "%s", skip);
    add(&w, "--probe-only");
    out->agent = finish(&w);
    return out->agent ? 0 : -ENOMEM;
}

int netns_argv_exec(const char *user, char *const *cmd, struct netns_argv *out)
{
    cleanup_free char *program = program_find("egress-init");
    if (!program || !user)
        return -ENOENT;
    out->agent = agent_words(program, user, cmd);
    return out->agent ? 0 : -ENOMEM;
}

int netns_argv_make(const struct sandbox *sb, const struct net_plan *p, int ready_fd, struct netns_argv *out)
{
    char user[32];
    *out = (struct netns_argv){0};
    cleanup_free char *program = program_find("egress-init");
    if (!program)
        return -ENOENT;
    (void)snprintf(user, sizeof user, "%u:%u", (unsigned)sb->uid, (unsigned)sb->gid);
    out->sidecar = sidecar_words(sb, ready_fd);
    out->setup = setup_words(program, p);
    out->agent = agent_words(program, user, sb->opt->cmd);
    return out->sidecar && out->setup && out->agent ? 0 : -ENOENT;
}

void netns_argv_free(struct netns_argv *a)
{
    free_words(a->sidecar);
    free_words(a->setup);
    free_words(a->agent);
    *a = (struct netns_argv){0};
}
