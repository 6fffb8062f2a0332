/* Runs the resolver alone: makes its sockets, lease table and log as the monitor does, and acts as an engine
 * on command. Commands on stdin, one answer line each: "resolve HOST", "leased ADDR HOST", "names ADDR",
 * "rotate FILE", "drain", "rss". End of input ends it. */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include <openssl/x509.h>

#include "appliance/ipc.h"
#include "appliance/roles.h"
#include "dns/lease.h"
#include "lib/base.h"
#include "lib/log.h"

#define BUCKETS 16384

static int open_socket(int domain, int type)
{
    struct sockaddr_in6 sa6 = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
    struct sockaddr_in sa4 = {.sin_family = AF_INET, .sin_port = htons(53)};
    int yes = 1, fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool v4 = domain == AF_INET;

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (v4 ? setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &yes, sizeof yes)
           : setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &yes, sizeof yes))
        die_errno("transparent socket");
    if (!v4)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    if (type == SOCK_DGRAM)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){1 << 20}, sizeof(int));
    if (bind(fd, v4 ? (struct sockaddr *)&sa4 : (struct sockaddr *)&sa6, v4 ? sizeof sa4 : sizeof sa6) < 0)
        die_errno("bind port 53");
    if (type == SOCK_STREAM && listen(fd, 128) < 0)
        die_errno("listen");
    return fd;
}

static uint64_t now(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec;
}

static void resolve(int sock, const char *host)
{
    struct ipc_msg m = {.type = IPC_RESOLVE, .resolve = {.id = 7}};
    struct pollfd p = {.fd = sock, .events = POLLIN};
    char text[ADDR_STRLEN];

    (void)snprintf(m.resolve.host, sizeof m.resolve.host, "%s", host);
    if (ipc_send(sock, &m, -1) < 0 || poll(&p, 1, 6000) != 1 || ipc_recv(sock, &m, NULL) != 1) {
        printf("resolved: nothing\n");
        return;
    }
    printf("resolved id=%u rcode=%u ttl=%u dns_id=%s", m.resolved.id, m.resolved.rcode, m.resolved.ttl,
        m.resolved.dns_id);
    for (unsigned i = 0; i < m.resolved.n; i++)
        printf(" %s", addr_format(&m.resolved.addrs[i], text));
    printf("\n");
}

static void show_names(const struct lease_table *t, const char *text)
{
    struct lease leases[LEASE_NAMES_MAX];
    struct addr a;

    if (!addr_parse(text, &a))
        die("not an address: %s", text);
    size_t n = lease_names(t, &a, now(), leases, ARRAY_LEN(leases));
    printf("names %zu", n);
    for (size_t i = 0; i < n; i++)
        printf(" %s(%s,%ld)", leases[i].name, leases[i].dns_id, (long)(leases[i].expires - now()));
    printf("\n");
}

static void show_rss(pid_t pid)
{
    char path[64], line[256];
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    f = fopen(path, "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "Rss", 3) == 0 || strncmp(line, "VmRSS", 5) == 0)
            printf("%.*s ", (int)strcspn(line, "\n"), line);
    if (f != NULL)
        (void)fclose(f);
    printf("\n");
}

static void command(char *line, int control, int engine, const struct lease_table *t, pid_t pid)
{
    char *verb = strtok(line, " \n"), *a = strtok(NULL, " \n"), *b = strtok(NULL, " \n");
    struct addr addr;

    if (verb == NULL)
        return;
    if (strcmp(verb, "resolve") == 0 && a != NULL) {
        resolve(engine, a);
    } else if (strcmp(verb, "leased") == 0 && b != NULL && addr_parse(a, &addr)) {
        printf("leased %s\n", lease_find(t, &addr, b, now(), NULL) ? "yes" : "no");
    } else if (strcmp(verb, "names") == 0 && a != NULL) {
        show_names(t, a);
    } else if (strcmp(verb, "rotate") == 0 && a != NULL) {
        int fd = open(a, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        printf("rotate %d\n", ipc_send(control, &(struct ipc_msg){.type = IPC_AUDIT_FD}, fd));
        (void)close(fd);
    } else if (strcmp(verb, "drain") == 0) {
        printf("drain %d\n", ipc_send(control, &(struct ipc_msg){.type = IPC_DRAIN}, -1));
    } else if (strcmp(verb, "rss") == 0) {
        show_rss(pid);
    } else {
        printf("what?\n");
    }
    (void)fflush(stdout);
}

static X509_STORE *load_ca(const char *path)
{
    X509_STORE *s = X509_STORE_new();

    if (s == NULL || X509_STORE_load_file(s, path) != 1)
        die("no CA in %s", path);
    return s;
}

int main(int argc, char **argv)
{
    struct resolver_config c = {.udp6 = -1, .tcp6 = -1, .n_engines = 1};
    const char *policy_file = NULL, *audit_file = NULL, *upstreams[8];
    struct policy_error err;
    int control[2], engine[2];
    bool v6 = false;

    log_init("driver");
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--policy") == 0)
            policy_file = argv[i + 1];
        else if (strcmp(argv[i], "--audit") == 0)
            audit_file = argv[i + 1];
        else if (strcmp(argv[i], "--upstream") == 0 && c.n_upstreams < ARRAY_LEN(upstreams))
            upstreams[c.n_upstreams++] = argv[i + 1];
        else if (strcmp(argv[i], "--ca") == 0)
            c.trust = load_ca(argv[i + 1]);
        else if (strcmp(argv[i], "--self") == 0)
            (void)addr_parse(argv[i + 1], &c.self4);
        else if (strcmp(argv[i], "--self6") == 0)
            c.ipv6 = v6 = addr_parse(argv[i + 1], &c.self6);
        else
            die("unknown option %s", argv[i]);
    }
    struct policy *policy = policy_load_file(policy_file, &err);
    if (policy == NULL)
        die("%s:%u:%u: %s", policy_file, err.line, err.col, err.text);
    c.policy = policy;
    c.upstreams = upstreams;
    c.audit_fd = open(audit_file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    c.udp4 = open_socket(AF_INET, SOCK_DGRAM);
    c.tcp4 = open_socket(AF_INET, SOCK_STREAM);
    if (v6) {
        c.udp6 = open_socket(AF_INET6, SOCK_DGRAM);
        c.tcp6 = open_socket(AF_INET6, SOCK_STREAM);
    }
    c.lease_len = lease_size(BUCKETS);
    c.lease_mem = mmap(NULL, c.lease_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct lease_table *t = lease_create(c.lease_mem, BUCKETS);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, control) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, engine) < 0)
        die_errno("socketpair");
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(control[0]);
        (void)close(engine[0]);
        c.control = control[1];
        c.engines = &engine[1];
        _exit(resolver_run(&c));
    }
    (void)close(control[1]);
    (void)close(engine[1]);
    struct pollfd p = {.fd = control[0], .events = POLLIN};
    struct ipc_msg m;
    if (poll(&p, 1, 5000) != 1 || ipc_recv(control[0], &m, NULL) != 1 || m.type != IPC_READY)
        die("the resolver did not start");
    printf("ready %d\n", (int)pid);
    (void)fflush(stdout);
    char line[512];
    while (fgets(line, sizeof line, stdin) != NULL)
        command(line, control[0], engine[0], t, pid);
    (void)close(control[0]);
    int status = 0;
    (void)waitpid(pid, &status, 0);
    printf("ended %d\n", status);
    return 0;
}
