/** \file
 * egressd's command line. `run` is appliance/monitor.c; the rest is done here at once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appliance/doctor.h"
#include "appliance/monitor.h"
#include "appliance/netfilter.h"
#include "appliance/offline.h"
#include "appliance/roles.h"
#include "appliance/sandbox.h"
#include "appliance/uplink.h"
#include "lib/base.h"
#include "lib/log.h"
#include "lib/policy.h"
#include "lib/policy_text.h"

#define EXIT_USAGE 2

static const char usage[] =
    "usage: egressd run --policy FILE [OPTION]...\n"
    "       egressd check --policy FILE\n"
    "       egressd ruleset --policy FILE [OPTION]...\n"
    "       egressd test --policy FILE --url URL [OPTION]...\n"
    "       egressd doctor\n"
    "\n"
    "The sidecar of an agent: answers its DNS, intercepts its connections, lets out what the\n"
    "policy allows by name, and logs every decision. `egressd COMMAND --help` lists options.\n";

static _Noreturn void show_help(const char *text, const struct opt *table)
{
    opt_help(stdout, text, table);
    exit(output_end(0, 1));
}

/** Options only: no command of ours takes words. */
static void parse(const struct opt *table, const char *text, int argc, char **argv)
{
    struct opt_args args;
    char err[256];
    switch (opt_parse(table, argc, argv, 0, &args, err, sizeof err)) {
    case OPT_OK: break;
    case OPT_BAD: die_status(EXIT_USAGE, "%s", err);
    case OPT_HELP: show_help(text, table);
    case OPT_VERSION: puts("egressd " EGRESS_VERSION); exit(output_end(0, 1));
    }
    if (args.n_pos + args.n_rest > 0)
        die_status(EXIT_USAGE, "%s: no words are expected here; --help lists the options",
            args.n_pos ? args.pos[0] : args.rest[0]);
}

static void require_policy(const char *policy)
{
    if (!policy)
        die_status(EXIT_USAGE, "--policy FILE is missing; it says what may leave (egress-policy(5))");
}

static struct policy *load_policy(const char *path)
{
    struct policy_error e = {0};
    struct policy *p = policy_load_file(path, &e);
    if (p)
        return p;
    /* Without the program's name: editors and CI systems know FILE:LINE:COL at the beginning of a line. */
    if (e.line)
        fprintf(stderr, "%s:%u:%u: %s\n", path, e.line, e.col, e.text);
    else
        fprintf(stderr, "%s: %s\n", path, e.text);
    exit(EXIT_USAGE);
}

static void check_upstreams(const struct monitor_options *o)
{
    struct endpoint ep;
    struct stat st;
    for (size_t i = 0; i < o->dns_upstream.n; i++)
        if (strncmp(o->dns_upstream.items[i], "tls://", 6) != 0 &&
            !endpoint_parse(o->dns_upstream.items[i], PORT_DNS, &ep))
            die_status(EXIT_USAGE, "--dns-upstream %s: not an address; write IP, IP:PORT or [IP6]:PORT",
                o->dns_upstream.items[i]);
    for (size_t i = 0; i < o->upstream_ca.n; i++)
        if (stat(o->upstream_ca.items[i], &st) < 0 || !S_ISREG(st.st_mode) ||
            access(o->upstream_ca.items[i], R_OK) < 0)
            die_status(EXIT_USAGE, "--upstream-ca %s: cannot be read; give a file of PEM certificates",
                o->upstream_ca.items[i]);
}

static int cmd_run(int argc, char **argv)
{
    static struct monitor_options o;
    const struct opt table[] = {
        {"policy", 'p', OPT_STRING, &o.policy, "FILE", "what may leave (required)", 0, 0},
        {"secrets", 0, OPT_STRING, &o.secrets, "FILE", "NAME=value lines, mode 0600: the tokens to inject", 0,
            0},
        {"state-dir", 0, OPT_STRING, &o.state_dir, "DIR", "log, status and CA (" STATE_DIR_DEFAULT ")", 0, 0},
        {"ca-dir", 0, OPT_STRING, &o.ca_dir, "DIR", "ca.crt and ca.key, made where missing (STATE_DIR/ca)", 0,
            0},
        {"agent-if", 0, OPT_STRING, &o.agent_if, "IF", "the agent's network (the one that is not the uplink)",
            0, 0},
        {"uplink-if", 0, OPT_STRING, &o.uplink_if, "IF", "the way out (where the default route leaves)", 0,
            0},
        {"dns-upstream", 0, OPT_LIST, &o.dns_upstream, "IP[:PORT]", "ask these servers (the host's)", 0, 0},
        {"resolv-conf", 0, OPT_STRING, &o.resolv_conf, "FILE",
            "where the servers stand, if not said otherwise; read again on SIGHUP (/etc/resolv.conf)", 0, 0},
        {"upstream-ca", 0, OPT_LIST, &o.upstream_ca, "FILE", "trust these for upstreams, beside the system's",
            0, 0},
        {"proxy-port", 0, OPT_UINT, &o.proxy_port, "N", "serve as explicit proxy on this port (the policy's)",
            1, 65535},
        {"engines", 0, OPT_UINT, &o.engines, "N", "processes for connections (one a CPU)", 1,
            ENGINES_MAX / 4},
        {"audit-only", 0, OPT_FLAG, &o.audit_only, NULL, "let through what would be refused, and log it", 0,
            0},
        {"status-socket", 0, OPT_STRING, &o.status_socket, "PATH",
            "tell whoever connects to this socket what status.json says", 0, 0},
        {"ready-fd", 0, OPT_UINT, &o.ready_fd, "N", "write READY to this descriptor once everything serves",
            3, 65535},
        {0}};
    parse(table, "usage: egressd run --policy FILE [OPTION]...\n", argc, argv);
    require_policy(o.policy);
    check_upstreams(&o);
    if (o.proxy_port && !policy_proxy_port_ok((uint16_t)o.proxy_port))
        die_status(
            EXIT_USAGE, "--proxy-port %u: that port is in use otherwise; choose another", o.proxy_port);
    return monitor_run(&o);
}

static int cmd_check(int argc, char **argv)
{
    const char *path = NULL;
    const struct opt table[] = {
        {"policy", 'p', OPT_STRING, &path, "FILE", "the file to check (required)", 0, 0}, {0}};
    parse(table, "usage: egressd check --policy FILE\n", argc, argv);
    require_policy(path);
    struct policy *p = load_policy(path);
    policy_summary(stdout, p);
    policy_free(p);
    return output_end(0, 1);
}

static int cmd_ruleset(int argc, char **argv)
{
    const char *path = NULL, *agent_if = NULL, *uplink_if = NULL;
    unsigned engines = 1;
    const struct opt table[] = {{"policy", 'p', OPT_STRING, &path, "FILE", "what may leave (required)", 0, 0},
        {"agent-if", 0, OPT_STRING, &agent_if, "IF", "the agent's network (eth1)", 0, 0},
        {"uplink-if", 0, OPT_STRING, &uplink_if, "IF", "the way out (eth0)", 0, 0},
        {"engines", 0, OPT_UINT, &engines, "N", "processes for connections (1)", 1, ENGINES_MAX / 4}, {0}};
    parse(table, "usage: egressd ruleset --policy FILE [OPTION]...\n", argc, argv);
    require_policy(path);
    struct policy *p = load_policy(path);
    struct netfilter_config c = {
        .policy = p, .agent_if = agent_if, .uplink_if = uplink_if, .n_queues = engines};
    struct uplink u;
    char err[256];
    if (netfilter_probe(&c.caps) < 0) /* unprivileged, or another kernel's: the best there is */
        c.caps = (struct netfilter_caps){INTERCEPT_NFT_TPROXY, GATE_NFT_QUEUE, false};
    if ((!agent_if || !uplink_if) && uplink_find(agent_if, uplink_if, &u, err, sizeof err) == 0) {
        c.agent_if = u.agent_if;
        c.uplink_if = u.uplink_if;
        c.caps.ipv6 = u.ipv6;
    }
    c.agent_if = c.agent_if ? c.agent_if : "eth1";
    c.uplink_if = c.uplink_if ? c.uplink_if : "eth0";
    int r = netfilter_write(stdout, &c);
    policy_free(p);
    return output_end(r == 0 ? 0 : 1, 1);
}

#define EXIT_NO_BODY 125 /* as egressctl's own failures */
#define BODY_MAX MIB(64)

static void read_body(const char *path, struct policy_query *q)
{
    FILE *f = fopen(path, "re");
    char *body = malloc(BODY_MAX);
    size_t n = f && body ? fread(body, 1, BODY_MAX, f) : 0;
    if (!f || !body || ferror(f) || (n == BODY_MAX && fgetc(f) != EOF))
        die_status(EXIT_NO_BODY, "cannot read the body %s: %s", path,
            n == BODY_MAX ? "it is longer than 64 MiB" : strerror(errno));
    (void)fclose(f);
    q->body = body;
    q->body_len = n;
}

static int cmd_test(int argc, char **argv)
{
    const char *path = NULL, *body = NULL;
    struct policy_query q = {0};
    struct opt_list headers = {0};
    const struct opt table[] = {{"policy", 'p', OPT_STRING, &path, "FILE", "what may leave (required)", 0, 0},
        {"url", 0, OPT_STRING, &q.url, "URL", "of the request (required)", 0, 0},
        {"method", 0, OPT_STRING, &q.method, "METHOD", "of the request (GET)", 0, 0},
        {"header", 0, OPT_LIST, &headers, "NAME: VALUE", "a header field", 0, 0},
        {"body", 0, OPT_STRING, &body, "FILE", "the request's body", 0, 0}, {0}};
    parse(table,
        "usage: egressd test --policy FILE --url URL [OPTION]...\n\nWhat would become of a request; "
        "egressctl policy test runs it.\n\n",
        argc, argv);
    require_policy(path);
    if (!q.url)
        die_status(EXIT_USAGE, "--url URL is missing; it says what is asked for");
    q.headers = headers.items;
    q.n_headers = headers.n;
    if (body)
        read_body(body, &q);
    struct policy *p = load_policy(path);
    int status = offline_test(stdout, p, &q) == REASON_NONE ? 0 : 1;
    policy_free(p);
    free((void *)(uintptr_t)q.body);
    return fflush(stdout) == 0 ? status : EXIT_NO_BODY;
}

static int cmd_doctor(int argc, char **argv)
{
    const struct opt table[] = {{0}};
    parse(table, "usage: egressd doctor\n", argc, argv);
    return output_end(doctor_run(stdout), 1);
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {{"run", cmd_run}, {"check", cmd_check}, {"ruleset", cmd_ruleset}, {"test", cmd_test},
    {"doctor", cmd_doctor}};

int main(int argc, char **argv)
{
    log_init("egressd");
    sandbox_title_init(argc, argv);
    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(commands); i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        fputs(usage, stdout);
        return output_end(0, 1);
    }
    if (argc > 1 && !strcmp(argv[1], "--version")) {
        puts("egressd " EGRESS_VERSION);
        return output_end(0, 1);
    }
    if (argc > 1)
        die_status(EXIT_USAGE, "unknown command %.64s; egressd --help lists them", argv[1]);
    fputs(usage, stderr);
    return EXIT_USAGE;
}
