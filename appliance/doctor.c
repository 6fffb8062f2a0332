#include "appliance/doctor.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "appliance/netfilter.h"
#include "lib/base.h"

#ifndef TCP_ULP
#define TCP_ULP 31
#endif
/* A queue number that no egressd uses, bound for a moment. */
#define SPARE_QUEUE 65471

struct report {
    FILE *out;
    bool missing; /* something without a substitute */
};

/* One line: the feature, whether it is there, and what that means. */
static void line(const struct report *r, const char *feature, bool there, const char *meaning)
{
    fprintf(r->out, "  %-24s %s%s%s\n", feature, there ? "yes" : "no", *meaning ? ": " : "", meaning);
}

static void essential(struct report *r, const char *feature, bool there, const char *meaning)
{
    line(r, feature, there, there ? "" : meaning);
    r->missing |= !there;
}

/* Without a connection, a kernel that has the module complains of that only (tls_init() in net/tls). */
bool doctor_has_ktls(void)
{
    cleanup_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") < 0 && errno == ENOTCONN;
}

static bool has_transparent(int family)
{
    cleanup_fd int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (fd < 0)
        return false;
    if (family == AF_INET6)
        return setsockopt(fd, SOL_IPV6, IPV6_TRANSPARENT, &on, sizeof on) == 0;
    return setsockopt(fd, SOL_IP, IP_TRANSPARENT, &on, sizeof on) == 0;
}

/* Policy routing: a kernel without it has no rules to list. */
static bool has_rules(int family)
{
    cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct {
        struct nlmsghdr h;
        struct rtmsg r;
    } q = {.h = {.nlmsg_len = sizeof q, .nlmsg_type = RTM_GETRULE, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .r = {.rtm_family = (uint8_t)family}};
    union {
        struct nlmsghdr h;
        char room[8192];
    } a;
    if (fd < 0 || send(fd, &q, sizeof q, 0) < 0 || recv(fd, &a, sizeof a, 0) < (ssize_t)sizeof a.h)
        return false;
    return a.h.nlmsg_type == RTM_NEWRULE;
}

static bool has_queue_socket(void)
{
    cleanup_fd int fd = netfilter_open_queue(SPARE_QUEUE);
    return fd >= 0;
}

static bool has_nft_program(void)
{
    static const char *const paths[] = {"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (access(paths[i], X_OK) == 0)
            return true;
    return false;
}

static void report_expressions(struct report *r)
{
    static const struct {
        const char *name, *meaning;
        bool needed;
    } wanted[] = {
        {"fib", "needed: source addresses cannot be checked", true},
        {"ct", "needed: answers from the uplink cannot be told from strangers", true},
        {"notrack", "needed", true},
        {"reject", "needed: refusals would be silent", true},
        {"objref", "needed: named counters", true},
        {"lookup", "needed: sets", true},
        {"tproxy", "a substitute is used, see below", false},
        {"queue", "a substitute is used, see below", false},
        {"masq", "`protocol: udp` routes will not load", false},
        {"redir", "only used where there is no TPROXY", false},
        {"socket", "not used", false},
    };
    const char *names[ARRAY_LEN(wanted)];
    int results[ARRAY_LEN(wanted)];
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        names[i] = wanted[i].name;
    if (netfilter_probe_exprs(names, results, ARRAY_LEN(wanted)) < 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        char feature[64];
        (void)snprintf(feature, sizeof feature, "nf_tables: %s", wanted[i].name);
        if (wanted[i].needed)
            essential(r, feature, results[i] == 0, wanted[i].meaning);
        else
            line(r, feature, results[i] == 0, results[i] == 0 ? "" : wanted[i].meaning);
    }
}

static void report_choice(struct report *r)
{
    struct netfilter_caps caps = {0};
    if (netfilter_probe(&caps) < 0)
        return;
    fprintf(r->out, "\n  interception: %s\n", intercept_name(caps.intercept));
    fprintf(r->out, "  gate:         %s\n", gate_mode_name(caps.gate));
    if (caps.gate == GATE_NONE)
        fputs("                tcp routes are checked by the engine after accepting; refusals of other "
              "packets are counted,"
              " not logged\n",
            r->out);
}

int doctor_run(FILE *out)
{
    struct report r = {.out = out};
    struct utsname u;
    if (uname(&u) == 0)
        fprintf(out, "egressd doctor: %s %s %s\n\n", u.sysname, u.release, u.machine);
    struct netfilter_caps caps;
    const int err = netfilter_probe(&caps);
    if (err == -EPERM) {
        fputs("  no CAP_NET_ADMIN here: run it as root, in the namespace that egressd will run in\n", out);
        return 1;
    }
    essential(&r, "nf_tables", err == 0, "needed: nothing can be closed without it");
    essential(&r, "nft program", has_nft_program(), "needed: install nftables");
    if (err == 0)
        report_expressions(&r);
    line(&r, "xtables TPROXY", netfilter_probe_target(AF_INET, "TPROXY", 1) == 0,
        "only where nf_tables has none");
    line(&r, "xtables NFQUEUE", netfilter_probe_target(AF_INET, "NFQUEUE", 3) == 0,
        "only where nf_tables has no queue");
    const bool queue = has_queue_socket();
    line(&r, "nfnetlink_queue", queue, queue ? "" : "no gate: see below");
    line(&r, "transparent sockets", has_transparent(AF_INET), "");
    essential(&r, "policy routing", has_rules(AF_INET), "needed for TPROXY");
    line(
        &r, "IPv6", has_transparent(AF_INET6) && has_rules(AF_INET6), "closed unless the uplink has it, too");
    essential(&r, "seccomp", prctl(PR_GET_SECCOMP) >= 0, "needed: no process runs without its filter");
    const bool ktls = doctor_has_ktls();
    line(&r, "kernel TLS", ktls, ktls ? "" : "OpenSSL in user space instead");
    line(&r, "/proc/sys writable", access("/proc/sys/net/ipv4/icmp_ratelimit", W_OK) == 0, "not needed");
    if (err == 0)
        report_choice(&r);
    fprintf(out, "\n%s\n", r.missing ? "Something needed is missing." : "Nothing needed is missing.");
    return r.missing ? 1 : 0;
}
