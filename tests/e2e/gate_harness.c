/* The packet side alone, without TLS, HTTP or DNS: rules, gate, verdicts, and stand-ins behind the two
 * listeners that say which address was asked for. Lets gate.sh force each fallback.
 *
 *   gate_harness quic NAME   writes the first datagram of a QUIC handshake with that name
 *   gate_harness flood ADDRESS COUNT   sends that many UDP packets, a flow each, and prints packets a second
 *   gate_harness AGENT_IF UPLINK_IF POLICY AUDIT [intercept=N] [gate=N] [queues=N] [ipv6] [NAME=ADDRESS (a
 * lease)]...
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

#include "appliance/engine.h"
#include "appliance/gate.h"
#include "appliance/netfilter.h"
#include "lib/base.h"
#include "lib/log.h"
#include "tests/unit/quic_seal.h"

#ifndef SO_ORIGINAL_DST
#define SO_ORIGINAL_DST 80 /* linux/netfilter_ipv4.h, which netinet/in.h does not go with */
#endif
#define BUCKETS 4096
#define QUEUES_MAX 8

static struct policy *policy;
static struct netfilter_config rules;
static struct lease_table *leases;
static int audit_fd;

static void become(unsigned uid)
{
    if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid) ||
        prctl(PR_SET_PDEATHSIG, SIGKILL))
        die_errno("cannot become %u", uid);
}

static void answer_asked(int fd, const char *what)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    struct endpoint ep;
    char text[ADDR_STRLEN], out[100];
    int conn = accept(fd, NULL, NULL);
    if (conn < 0)
        return;
    if (rules.caps.intercept == INTERCEPT_REDIRECT)
        (void)getsockopt(conn, SOL_IP, SO_ORIGINAL_DST, &ss, &len);
    else
        (void)getsockname(conn, (struct sockaddr *)&ss, &len);
    if (addr_from_sockaddr((struct sockaddr *)&ss, &ep)) {
        int n = snprintf(out, sizeof out, "%s %s %u\n", what, addr_format(&ep.addr, text), ep.port);
        (void)send(conn, out, (size_t)n, MSG_NOSIGNAL);
    }
    (void)shutdown(conn, SHUT_WR);
    (void)close(conn);
}

/* ---- engine ---- */

static void on_accept(uv_poll_t *p, int status, int events)
{
    (void)status;
    (void)events;
    answer_asked((int)(intptr_t)p->data, "engine");
}

static void on_turn(struct engine *e)
{
    (void)audit_flush(e->audit);
}

static void run_engine(unsigned index, const struct engine_config *c)
{
    static struct engine e;
    static uv_poll_t accepting[2];
    e.config = c;
    e.policy = policy;
    e.leases = leases;
    e.on_turn = on_turn;
    e.audit = audit_open(audit_fd, "engine", index);
    if (!e.audit || engine_loop_init(&e))
        die("engine");
    struct gate *g = gate_new(&e);
    if (!g && c->nfqueue >= 0)
        die("gate");
    become(UID_ENGINE);
    const int fds[] = {c->listen4, c->listen6};
    for (int i = 0; i < 2; i++) {
        if (fds[i] < 0)
            continue;
        (void)uv_poll_init(&e.loop, &accepting[i], fds[i]);
        accepting[i].data = (void *)(intptr_t)fds[i];
        (void)uv_poll_start(&accepting[i], UV_READABLE, on_accept);
    }
    for (;;)
        engine_turn(&e, true);
}

/* ---- resolver: the question back, refused, from the address that was asked ---- */

static void answer_udp(int fd)
{
    uint8_t buf[1500];
    union {
        struct cmsghdr align;
        char room[512];
    } control;
    struct sockaddr_storage from;
    struct iovec iov = {buf, sizeof buf};
    struct msghdr m = {.msg_name = &from,
        .msg_namelen = sizeof from,
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &m, 0);
    if (n < 12)
        return;
    buf[2] |= 0x80;
    buf[3] = 5;
    iov.iov_len = (size_t)n;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_ORIGDSTADDR) {
            struct sockaddr_in dst;
            memcpy(&dst, CMSG_DATA(c), sizeof dst);
            struct in_pktinfo info = {.ipi_spec_dst = dst.sin_addr};
            m.msg_controllen = CMSG_SPACE(sizeof info);
            *CMSG_FIRSTHDR(&m) = (struct cmsghdr){
                .cmsg_level = SOL_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof info)};
            memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &info, sizeof info);
            break;
        }
        if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_ORIGDSTADDR) {
            struct sockaddr_in6 dst;
            memcpy(&dst, CMSG_DATA(c), sizeof dst);
            struct in6_pktinfo info = {.ipi6_addr = dst.sin6_addr};
            m.msg_controllen = CMSG_SPACE(sizeof info);
            *CMSG_FIRSTHDR(&m) = (struct cmsghdr){
                .cmsg_level = SOL_IPV6, .cmsg_type = IPV6_PKTINFO, .cmsg_len = CMSG_LEN(sizeof info)};
            memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &info, sizeof info);
            break;
        }
    }
    if (sendmsg(fd, &m, 0) < 0)
        log_warn("dns answer: %s", strerror(errno));
}

static void run_resolver(const int udp[2], const int tcp[2])
{
    become(UID_RESOLVER);
    struct pollfd p[] = {{udp[0], POLLIN, 0}, {udp[1], POLLIN, 0}, {tcp[0], POLLIN, 0}, {tcp[1], POLLIN, 0}};
    for (;;) {
        (void)poll(p, ARRAY_LEN(p), -1);
        for (int i = 0; i < 4; i++)
            if (p[i].fd >= 0 && p[i].revents)
                i < 2 ? answer_udp(p[i].fd) : answer_asked(p[i].fd, "resolver");
    }
}

/* ---- monitor ---- */

static void set_option(const char *a)
{
    unsigned v;
    struct addr addr;
    const char *eq = strchr(a, '=');
    if (sscanf(a, "intercept=%u", &v) == 1)
        rules.caps.intercept = (enum intercept)v;
    else if (sscanf(a, "gate=%u", &v) == 1)
        rules.caps.gate = (enum gate_mode)v;
    else if (sscanf(a, "queues=%u", &v) == 1)
        rules.n_queues = MIN(v, QUEUES_MAX);
    else if (strcmp(a, "ipv6") == 0)
        rules.caps.ipv6 = true;
    else if (eq && addr_parse(eq + 1, &addr)) {
        char name[HOSTNAME_MAX + 1];
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        (void)snprintf(name, sizeof name, "%.*s", (int)(eq - a), a);
        lease_put(leases, &addr, name, "0123456789abcdef", (uint64_t)now.tv_sec + 3600, (uint64_t)now.tv_sec);
    } else
        die("what is %s?", a);
}

static int checked(int fd)
{
    if (fd < 0)
        die("a socket: %s", strerror(-fd));
    return fd;
}

static int write_quic(const char *name)
{
    static const uint8_t dcid[] = "12345678";
    uint8_t hello[1000], plain[1162] = {0}, packet[1400];
    size_t len = seal_hello(name, 300, hello);
    (void)seal_crypto(0, hello, len, plain);
    len = seal_initial(QUIC_V1, dcid, 8, 0, plain, sizeof plain, packet);
    return fwrite(packet, 1, len, stdout) == len ? 0 : 1;
}

static uint64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int flood(const char *to, unsigned count)
{
    struct endpoint ep;
    struct sockaddr_storage ss;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    const uint64_t begun = now_us();
    if (fd < 0 || !endpoint_parse(to, 0, &ep))
        die("flood");
    for (unsigned i = 0; i < count; i++) {
        ep.port = (uint16_t)(1024 + i % 60000);
        unsigned len = addr_to_sockaddr(&ep, &ss);
        if (i % 60000 == 59999) { /* another source port */
            (void)close(fd);
            fd = socket(AF_INET, SOCK_DGRAM, 0);
        }
        (void)sendto(fd, "x", 1, 0, (struct sockaddr *)&ss, len);
    }
    (void)printf("%.0f\n", count * 1e6 / (double)(now_us() - begun));
    return 0;
}

static volatile sig_atomic_t reload;

static void on_hup(int sig)
{
    (void)sig;
    reload = 1;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "flood") == 0)
        return flood(argv[2], (unsigned)atoi(argv[3]));
    if (argc == 3 && strcmp(argv[1], "quic") == 0)
        return write_quic(argv[2]);
    struct policy_error err;
    if (argc < 5 || !(policy = policy_load_file(argv[3], &err)))
        die("usage, or the policy: %s", argc < 5 ? "" : err.text);
    audit_fd = open(argv[4], O_WRONLY | O_CREAT | O_APPEND, 0600);
    void *mem = mmap(NULL, lease_size(BUCKETS), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    leases = lease_create(mem, BUCKETS);
    rules =
        (struct netfilter_config){.policy = policy, .agent_if = argv[1], .uplink_if = argv[2], .n_queues = 1};
    if (netfilter_probe(&rules.caps))
        die("probe");
    for (int i = 5; i < argc; i++)
        set_option(argv[i]);
    int failed = netfilter_apply(&rules);
    if (failed)
        die("apply: %s", strerror(-failed));

    const bool transparent = rules.caps.intercept != INTERCEPT_REDIRECT, six = rules.caps.ipv6;
    int udp[2] = {checked(netfilter_open_dns(AF_INET, SOCK_DGRAM, transparent)), -1};
    int tcp[2] = {checked(netfilter_open_dns(AF_INET, SOCK_STREAM, transparent)), -1};
    if (six) {
        udp[1] = checked(netfilter_open_dns(AF_INET6, SOCK_DGRAM, transparent));
        tcp[1] = checked(netfilter_open_dns(AF_INET6, SOCK_STREAM, transparent));
    }
    struct pollfd verdicts[QUEUES_MAX];
    int queues[QUEUES_MAX];
    for (unsigned i = 0; i < rules.n_queues; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) < 0)
            die_errno("socketpair");
        queues[i] = rules.caps.gate == GATE_NONE ? -1 : checked(netfilter_open_queue(QUEUE_NUMBER + i));
        struct engine_config c = {.index = i,
            .control = pair[1],
            .nfqueue = queues[i],
            .listen4 = checked(netfilter_open_listener(AF_INET, transparent)),
            .listen6 = six ? checked(netfilter_open_listener(AF_INET6, transparent)) : -1};
        verdicts[i] = (struct pollfd){pair[0], POLLIN, 0};
        if (fork() == 0)
            run_engine(i, &c);
    }
    if (fork() == 0)
        run_resolver(udp, tcp);
    (void)sigaction(SIGHUP, &(struct sigaction){.sa_handler = on_hup}, NULL);
    (void)puts("READY");
    (void)fflush(stdout);
    for (;;) {
        (void)poll(verdicts, rules.n_queues, -1);
        if (reload) { /* the rules alone: engines keep the policy they have */
            reload = 0;
            if (!(rules.policy = policy_load_file(argv[3], &err)) || netfilter_apply(&rules))
                die("reload");
            (void)puts("RELOADED");
            (void)fflush(stdout);
        }
        for (unsigned i = 0; i < rules.n_queues; i++) {
            struct ipc_msg m;
            while (ipc_recv(verdicts[i].fd, &m, NULL) == 1)
                if (m.type == IPC_VERDICT && m.verdict.queue == QUEUE_NUMBER + i)
                    (void)netfilter_verdict(queues[i], &m.verdict);
        }
    }
}
