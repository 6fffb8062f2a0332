#include "hostctl/netns_argv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "hostctl/netns_mount.h"
#include "hostctl/words.h"
#include "lib/base.h"

static char **sidecar_words(const struct sandbox *sb, int ready_fd)
{
    struct words w = {0};
    cleanup_free char *program = program_find("egressd");
    if (!program)
        return NULL;
    words_add(&w, program);
    words_add(&w, "run");
    words_opt(&w, "--policy", SIDECAR_DIR "/" SIDECAR_POLICY);
    words_opt(&w, "--agent-if", "eth1");
    words_opt(&w, "--uplink-if", "eth0");
    words_opt(&w, "--state-dir", SIDECAR_STATE);
    words_opt(&w, "--ca-dir", SIDECAR_DIR "/ca");
    words_opt(&w, "--secrets", SIDECAR_DIR "/" SIDECAR_SECRETS);
    if (sb->resolver_text)
        words_opt(&w, "--resolv-conf", SIDECAR_DIR "/" SIDECAR_RESOLV);
    for (size_t i = 0; !sb->resolver_text && i < sb->resolvers.n; i++)
        words_opt(&w, "--dns-upstream", "%s", sb->resolvers.items[i]);
    for (size_t i = 0; i < OPT_LIST_MAX && sb->upstream_ca[i]; i++)
        words_opt(&w, "--upstream-ca", "%s", sb->upstream_ca[i]);
    if (sb->opt->engines)
        words_opt(&w, "--engines", "%u", sb->opt->engines);
    if (sb->opt->proxy_env)
        words_opt(&w, "--proxy-port", "%u", sandbox_proxy_port(sb));
    if (sb->opt->audit_only)
        words_add(&w, "--audit-only");
    words_opt(&w, "--status-socket", SIDECAR_STATUS);
    words_opt(&w, "--ready-fd", "%d", ready_fd);
    return words_take(&w);
}

static char **setup_words(const struct net_plan *p)
{
    struct words w = {0};
    char gateway[IP4_STRLEN];
    (void)ip4_format(p->gateway_ip, gateway);
    words_add(&w, AGENT_SHIM);
    words_opt(&w, "--gateway", "%s", gateway);
    if (p->ipv6) {
        char gateway6[IP6_STRLEN];
        words_opt(&w, "--gateway6", "%s", ip6_format(&p->gateway_ip6, gateway6));
    }
    words_opt(&w, "--dns", "%s", gateway);
    words_opt(&w, "--ca", AGENT_CA);
    words_add(&w, "--probe");
    if (p->uplink_ip) {
        char host[IP4_STRLEN];
        words_opt(&w, "--probe-host", "%s", ip4_format(p->uplink_ip, host));
    }
    words_add(&w, "--setup-only");
    return words_take(&w);
}

static char **agent_words(const char *user, char *const *cmd)
{
    struct words w = {0};
    words_add(&w, AGENT_SHIM);
    words_add(&w, "--exec");
    words_opt(&w, "--user", "%s", user);
    words_add(&w, "--");
    for (; *cmd; cmd++)
        words_add(&w, *cmd);
    return words_take(&w);
}

int netns_argv_probe(const struct record *r, const char *skip, struct netns_argv *out)
{
    static const struct {
        const char *option, *key;
    } from_record[] = {{"--gateway", "gateway"}, {"--gateway6", "gateway6"}, {"--probe-host", "host_address"},
        {"--probe-host", "uplink_address"}};
    struct words w = {0};
    if (!record_str(r, "gateway"))
        return -ENOENT;
    words_add(&w, AGENT_SHIM);
    for (size_t i = 0; i < ARRAY_LEN(from_record); i++) {
        const char *value = record_str(r, from_record[i].key);
        if (value)
            words_opt(&w, from_record[i].option, "%s", value);
    }
    if (skip && *skip)
        words_opt(&w, "--probe-skip", "%s", skip);
    words_add(&w, "--probe-only");
    out->agent = words_take(&w);
    return out->agent ? 0 : -ENOMEM;
}

int netns_argv_exec(const char *user, char *const *cmd, struct netns_argv *out)
{
    if (!user)
        return -ENOENT;
    out->agent = agent_words(user, cmd);
    return out->agent ? 0 : -ENOMEM;
}

int netns_argv_make(const struct sandbox *sb, const struct net_plan *p, int ready_fd, struct netns_argv *out)
{
    char user[32];
    *out = (struct netns_argv){0};
    out->shim = program_find("egress-init");
    if (!out->shim)
        return -ENOENT;
    (void)snprintf(user, sizeof user, "%u:%u", (unsigned)sb->uid, (unsigned)sb->gid);
    out->sidecar = sidecar_words(sb, ready_fd);
    out->setup = setup_words(p);
    out->agent = agent_words(user, sb->opt->cmd);
    return out->sidecar && out->setup && out->agent ? 0 : -ENOENT;
}

void netns_argv_free(struct netns_argv *a)
{
    free(a->shim);
    words_free_list(a->sidecar);
    words_free_list(a->setup);
    words_free_list(a->agent);
    *a = (struct netns_argv){0};
}
