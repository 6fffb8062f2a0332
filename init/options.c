#include "init/options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "init/say.h"
#include "init/text.h"
#include "init/base.h"

#ifndef EGRESS_VERSION
#define EGRESS_VERSION "unknown"
#endif

static const char help[] =
    "usage: egress-init [--gateway IP] [--gateway6 IP6] [--dns IP] [--ca FILE] [--user UID[:GID]]\n"
    "                   [--probe] [--reap] [--setup-only | --exec] [--] CMD [ARG...]\n"
    "\n"
    "Confines the network to one gateway, drops every privilege for good, and runs CMD.\n"
    "\n"
    "  --gateway IP      the sidecar: the only way out                  (EGRESS_GATEWAY)\n"
    "  --gateway6 IP6    its IPv6 address; without it there is no IPv6   (EGRESS_GATEWAY6)\n"
    "  --dns IP          name server; the gateway where it is not given (EGRESS_DNS)\n"
    "  --ca FILE         CA certificate (PEM) that programs shall trust (EGRESS_CA)\n"
    "  --user UID[:GID]  who CMD runs as; 65534 where it is not given   (EGRESS_USER)\n"
    "  --probe           try every way round the sidecar, and stop if one is open\n"
    "  --probe-only      the same in a network that is confined already; changes and runs nothing\n"
    "  --probe-host IP   an address of the host, to be tried as well (up to 4)\n"
    "  --probe-skip LIST ports that the policy opens, such as tcp/22,udp/123: not tried\n"
    "  --reap            stay as CMD's parent: forward signals, reap orphans (for PID 1)\n"
    "  --setup-only      confine the network and exit; keep privileges, run nothing\n"
    "  --exec            drop privileges and run CMD in a network that is confined already\n"
    "  --help, --version\n"
    "\n"
    "Exit status: CMD's own; 125 if egress-init failed, 126 if CMD cannot be run, 127 if it was not found.\n";

enum option_kind {
    OPT_GATEWAY,
    OPT_GATEWAY6,
    OPT_DNS,
    OPT_CA,
    OPT_USER,
    OPT_PROBE_HOST,
    OPT_PROBE_SKIP,
    OPT_PROBE,
    OPT_PROBE_ONLY,
    OPT_REAP,
    OPT_SETUP,
    OPT_EXEC,
    OPT_HELP,
    OPT_VERSION
};

static const struct option_row {
    const char *name, *env; /* env: takes a value, which may come from there */
    enum option_kind kind;
    bool value;
} table[] = {
    {"--gateway", "EGRESS_GATEWAY", OPT_GATEWAY, true},
    {"--gateway6", "EGRESS_GATEWAY6", OPT_GATEWAY6, true},
    {"--dns", "EGRESS_DNS", OPT_DNS, true},
    {"--ca", "EGRESS_CA", OPT_CA, true},
    {"--user", "EGRESS_USER", OPT_USER, true},
    {"--probe-host", NULL, OPT_PROBE_HOST, true},
    {"--probe-skip", NULL, OPT_PROBE_SKIP, true},
    {"--probe", NULL, OPT_PROBE, false},
    {"--probe-only", NULL, OPT_PROBE_ONLY, false},
    {"--reap", NULL, OPT_REAP, false},
    {"--setup-only", NULL, OPT_SETUP, false},
    {"--exec", NULL, OPT_EXEC, false},
    {"--help", NULL, OPT_HELP, false},
    {"--version", NULL, OPT_VERSION, false},
};

static _Noreturn void print(const char *text)
{
    ssize_t n = write(STDOUT_FILENO, text, strlen(text));
    _exit(n == (ssize_t)strlen(text) ? 0 : EXIT_SETUP);
}

bool options_user(const char *text, struct settings *s)
{
    /* The highest id means "leave unchanged" to setresuid(2). */
    uint32_t uid, gid;
    const char *end = number_parse(text, UINT32_MAX - 1, &uid);
    if (end == NULL)
        return false;
    gid = uid;
    s->gid_given = *end == ':';
    if (s->gid_given)
        end = number_parse(end + 1, UINT32_MAX - 1, &gid);
    if (end == NULL || *end != '\0')
        return false;
    s->uid = uid;
    s->gid = gid;
    return true;
}

static uint32_t ipv4_value(const char *from, const char *value)
{
    uint32_t addr;
    if (!ipv4_parse(value, &addr) || addr == 0)
        fatal("%s: '%s' is not an IPv4 address", from, value);
    return addr;
}

/* Unicast only; a link-local one would need its interface's name. */
static void set_gateway6(struct settings *s, const char *from, const char *value)
{
    if (!ipv6_parse(value, &s->gateway6) || (s->gateway6.b[0] & 0xe0) == 0 || s->gateway6.b[0] >= 0xfe)
        fatal("%s: '%s' is not a global or unique local IPv6 address", from, value);
}

static void add_probe_host(struct settings *s, const char *from, const char *value)
{
    if (s->n_probe_hosts == PROBE_HOSTS_MAX)
        fatal("%s: at most %d of them", from, PROBE_HOSTS_MAX);
    s->probe_hosts[s->n_probe_hosts++] = ipv4_value(from, value);
}

/* `from` is how the user called it: "--gateway" or "EGRESS_GATEWAY". */
static void set_value(struct settings *s, enum option_kind kind, const char *from, const char *value)
{
    switch (kind) {
    case OPT_CA: s->ca = value; break;
    case OPT_GATEWAY: s->gateway = ipv4_value(from, value); break;
    case OPT_DNS: s->dns = ipv4_value(from, value); break;
    case OPT_GATEWAY6: set_gateway6(s, from, value); break;
    case OPT_PROBE_HOST: add_probe_host(s, from, value); break;
    case OPT_PROBE_SKIP: s->probe_skip = value; break;
    case OPT_USER:
        if (!options_user(value, s))
            fatal("%s: '%s' is not UID or UID:GID in numbers", from, value);
        break;
    default: break;
    }
}

static void set_flag(struct settings *s, enum option_kind kind)
{
    switch (kind) {
    case OPT_PROBE: s->probe = true; break;
    case OPT_PROBE_ONLY: s->probe = s->probe_only = true; break;
    case OPT_REAP: s->reap = true; break;
    case OPT_SETUP: s->setup_only = true; break;
    case OPT_EXEC: s->exec_only = true; break;
    case OPT_HELP: print(help);
    case OPT_VERSION: print("egress-init " EGRESS_VERSION "\n");
    default: break;
    }
}

/* The row of "--name" or "--name=value"; `value` is NULL for the former. */
static const struct option_row *find_row(const char *arg, const char **value)
{
    size_t len = strcspn(arg, "=");
    *value = arg[len] == '=' ? arg + len + 1 : NULL;
    for (unsigned i = 0; i < ARRAY_LEN(table); i++)
        if (strlen(table[i].name) == len && memcmp(table[i].name, arg, len) == 0)
            return &table[i];
    return NULL;
}

static void from_environment(struct settings *s)
{
    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        const char *value = table[i].env != NULL ? getenv(table[i].env) : NULL;
        if (value != NULL && *value != '\0')
            set_value(s, table[i].kind, table[i].env, value);
    }
}

static void check(const struct settings *s)
{
    if (s->setup_only && s->exec_only)
        fatal("--setup-only and --exec exclude each other");
    if (s->probe_only && (s->setup_only || s->exec_only))
        fatal("--probe-only excludes --setup-only and --exec");
    const bool runs = !s->setup_only && !s->probe_only;
    if (runs && s->command[0] == NULL)
        fatal("no command to run; see --help");
    if (!runs && s->command[0] != NULL)
        fatal("%s runs nothing, but a command is given: %s", s->setup_only ? "--setup-only" : "--probe-only",
            s->command[0]);
    if (!s->exec_only && s->gateway == 0)
        fatal("no gateway: give --gateway IP or set EGRESS_GATEWAY");
}

void options_parse(int argc, char **argv, struct settings *s)
{
    *s = (struct settings){.uid = DEFAULT_ID, .gid = DEFAULT_ID};
    from_environment(s);
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        const char *value;
        const struct option_row *row = find_row(argv[i], &value);
        if (row == NULL)
            fatal("unknown option '%s'; see --help", argv[i]);
        if (!row->value) {
            if (value != NULL)
                fatal("%s takes no value", row->name);
            set_flag(s, row->kind);
            continue;
        }
        if (value == NULL && (value = ++i < argc ? argv[i] : NULL) == NULL)
            fatal("%s needs a value; see --help", row->name);
        set_value(s, row->kind, row->name, value);
    }
    s->command = argv + MIN(i, argc);
    if (s->dns == 0)
        s->dns = s->gateway;
    check(s);
}
