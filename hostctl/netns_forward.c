#include "hostctl/netns_forward.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "hostctl/netns_nft.h"
#include "hostctl/proc.h"
#include "hostctl/sandbox.h"
#include "lib/base.h"
#include "lib/log.h"

#define LISTING_MAX KIB(256)

static const char *const sides[][2] = {{"iifname", "-i"}, {"oifname", "-o"}};

struct chain {
    const char *family, *table, *name;
};

static bool chain_at(const json_t *chains, size_t i, struct chain *c)
{
    return json_unpack(json_array_get(chains, i), "{s:s,s:s,s:s}", "family", &c->family, "table", &c->table,
               "chain", &c->name) == 0;
}

static bool is_legacy(const struct chain *c)
{
    return strcmp(c->family, "legacy") == 0;
}

/* The older xtables are a firewall beside nf_tables; the file lists which of their tables are in use. */
static bool legacy_drops(void)
{
    struct blob names;
    char rules[KIB(16)] = "";
    if (blob_read("/proc/net/ip_tables_names", KIB(4), &names))
        return false;
    bool used = strstr(names.p, "filter\n") != NULL;
    blob_wipe(&names);
    const char *const argv[] = {"iptables-legacy", "-w", "-S", "FORWARD", NULL};
    struct spawn s = {.argv = argv, .out = rules, .outlen = sizeof rules, .quiet = true};
    return used && spawn_wait(&s) == 0 && strstr(rules, "-P FORWARD DROP") != NULL;
}

json_t *forward_droppers(bool ipv6)
{
    json_t *out = json_array();
    if (!out)
        return NULL;
    nft_forward_droppers(out, ipv6);
    if (legacy_drops())
        (void)json_array_append_new(
            out, json_pack("{s:s,s:s,s:s}", "family", "legacy", "table", "filter", "chain", "FORWARD"));
    return out;
}

static int legacy_rule(const char *action, const char *side, const char *link, int lock_fd)
{
    const char *const argv[] = {"iptables-legacy", "-w", action, "FORWARD", side, link, "-j", "ACCEPT", NULL};
    struct spawn s = {.argv = argv, .quiet = true, .keep_fd = lock_fd};
    return spawn_wait(&s);
}

static int nft_rule(const struct chain *c, const char *side, const char *link, const char *name, int lock_fd)
{
    char quoted[80], mark[80];
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", link);
    (void)snprintf(mark, sizeof mark, "\"%s\"", name);
    const char *const argv[] = {
        "nft", "insert", "rule", c->family, c->table, c->name, side, quoted, "accept", "comment", mark, NULL};
    struct spawn s = {.argv = argv, .keep_fd = lock_fd};
    return spawn_wait(&s);
}

int forward_accept(const struct record *r, const char *name, const char *link)
{
    const json_t *chains = json_object_get(r->json, "droppers");
    struct chain c;
    for (size_t i = 0; i < json_array_size(chains); i++)
        for (size_t s = 0; s < ARRAY_LEN(sides) && chain_at(chains, i, &c); s++) {
            int status = is_legacy(&c) ? legacy_rule("-I", sides[s][1], link, r->lock_fd)
                                       : nft_rule(&c, sides[s][0], link, name, r->lock_fd);
            if (status != 0) {
                log_warn("the firewall chain %s %s %s drops forwarded packets, and a rule for the sandbox "
                         "could not be added",
                    c.family, c.table, c.name);
                return -EPERM;
            }
        }
    return 0;
}

/* nft names rules by handle: "... comment "egressd-NAME" # handle 7". */
static void nft_unaccept(const struct chain *c, const char *name)
{
    const char *const list[] = {"nft", "-a", "list", "chain", c->family, c->table, c->name, NULL};
    cleanup_free char *out = malloc(LISTING_MAX);
    struct spawn s = {.argv = list, .out = out, .outlen = LISTING_MAX, .quiet = true};
    if (!out || spawn_wait(&s) != 0)
        return;
    char mark[128];
    (void)snprintf(mark, sizeof mark, "comment \"%s\" # handle ", name);
    for (const char *p = strstr(out, mark); p; p = strstr(p + 1, mark)) {
        char handle[24];
        (void)snprintf(handle, sizeof handle, "%lu", strtoul(p + strlen(mark), NULL, 10));
        const char *const del[] = {
            "nft", "delete", "rule", c->family, c->table, c->name, "handle", handle, NULL};
        struct spawn d = {.argv = del, .quiet = true};
        (void)spawn_wait(&d);
    }
}

void forward_unaccept(const json_t *chains, const char *name, const char *link)
{
    struct chain c;
    for (size_t i = 0; i < json_array_size(chains); i++) {
        if (!chain_at(chains, i, &c))
            continue;
        if (!is_legacy(&c))
            nft_unaccept(&c, name);
        for (size_t s = 0; is_legacy(&c) && s < ARRAY_LEN(sides); s++)
            (void)legacy_rule("-D", sides[s][1], link, 0);
    }
}
