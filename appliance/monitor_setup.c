/* From the command line to a first generation on its way. Every failure ends the process, with a sentence. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "appliance/doctor.h"
#include "appliance/monitor_internal.h"
#include "appliance/tls_reason.h"
#include "dns/lease.h"
#include "lib/base.h"
#include "lib/log.h"

#define LEASE_BUCKETS 16384
#define REFUSED_BUCKETS 64 /* all in one of them: they have the sidecar's own address */
#define NOFILE_WANTED (1u << 20)

static void raise_limits(void)
{
    struct rlimit want = {NOFILE_WANTED, NOFILE_WANTED}, now;
    if (setrlimit(RLIMIT_NOFILE, &want) == 0 || getrlimit(RLIMIT_NOFILE, &now) < 0)
        return;
    now.rlim_cur = now.rlim_max; /* a container's limit: as far as it goes */
    (void)setrlimit(RLIMIT_NOFILE, &now);
}

static void null_stdin(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
        die_errno("cannot open /dev/null");
    if (fd != STDIN_FILENO)
        (void)close(fd);
}

static void block_signals(struct monitor *m)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
        (m->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
        die_errno("cannot set up signals");
}

static unsigned cpu_count(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return (unsigned)MAX(n, 1);
}

static int checked(int fd, const char *what)
{
    if (fd < 0) {
        errno = -fd;
        die_errno("cannot open %s; is another egressd running in this network namespace?", what);
    }
    return fd;
}

/* Where there is no IPv6 nobody listens on it. */
static void open_sockets6(struct monitor *m, bool transparent)
{
    bool on = m->caps.ipv6;
    m->dns_udp6 = m->dns_tcp6 = -1;
    if (on) {
        m->dns_udp6 = checked(netfilter_open_dns(AF_INET6, SOCK_DGRAM, transparent), "UDP port 53 (IPv6)");
        m->dns_tcp6 = checked(netfilter_open_dns(AF_INET6, SOCK_STREAM, transparent), "TCP port 53 (IPv6)");
    }
    for (unsigned i = 0; i < m->n_engines; i++)
        m->listen6[i] =
            !on ? -1
                : checked(netfilter_open_listener(AF_INET6, transparent), "the engines' listener (IPv6)");
}

static void open_sockets(struct monitor *m)
{
    bool transparent = m->caps.intercept != INTERCEPT_REDIRECT;
    open_sockets6(m, transparent);
    m->dns_udp4 = checked(netfilter_open_dns(AF_INET, SOCK_DGRAM, transparent), "UDP port 53");
    m->dns_tcp4 = checked(netfilter_open_dns(AF_INET, SOCK_STREAM, transparent), "TCP port 53");
    for (unsigned i = 0; i < m->n_engines; i++) {
        m->listen4[i] = checked(netfilter_open_listener(AF_INET, transparent), "the engines' listener");
        m->queues[i] = -1;
        if (m->caps.gate != GATE_NONE)
            m->queues[i] = checked(netfilter_open_queue(QUEUE_NUMBER + i), "the packet queue");
    }
    for (unsigned s = 0; s < GENERATIONS * m->n_engines; s++)
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, m->to_signer[s]) < 0 ||
            socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, m->to_resolver[s]) < 0)
            die_errno("cannot make the sockets between the processes");
}

/* One mapping for the writer; then a seal; then one for readers, which no mprotect(2) can make writable
 * again. */
static void make_leases(struct monitor *m)
{
    m->refused_at = lease_size(LEASE_BUCKETS);
    m->lease_len = m->refused_at + lease_size(REFUSED_BUCKETS);
    cleanup_fd int fd = memfd_create("leases", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)m->lease_len) < 0)
        die_errno("cannot make the lease table");
    m->lease_rw = mmap(NULL, m->lease_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (m->lease_rw == MAP_FAILED ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE) < 0)
        die_errno("cannot seal the lease table");
    m->lease_ro = mmap(NULL, m->lease_len, PROT_READ, MAP_SHARED, fd, 0);
    if (m->lease_ro == MAP_FAILED || !lease_create(m->lease_rw, LEASE_BUCKETS) ||
        !lease_create((char *)m->lease_rw + m->refused_at, REFUSED_BUCKETS))
        die_errno("cannot map the lease table");
}

static void find_network(struct monitor *m)
{
    const struct monitor_options *o = m->options;
    char err[256];
    if (uplink_find(o->agent_if, o->uplink_if, &m->net, err, sizeof err) < 0)
        die("%s", err);
    int r = netfilter_probe(&m->caps);
    m->ktls = doctor_has_ktls();
    if (r == -EPERM)
        die("no permission to set packet rules; run egressd as root, with CAP_NET_ADMIN");
    if (r < 0)
        die("this kernel cannot do what is needed (%s); `egressd doctor` says what is missing", strerror(-r));
    m->caps.ipv6 = m->net.ipv6;
}

static void open_status(struct monitor *m)
{
    const char *path = m->options->status_socket;
    if (path && (m->status_fd = watch_open(path)) < 0)
        die("cannot make the status socket %s: %s", path, strerror(-m->status_fd));
}

/** The signer is forked before there is any secret in this process. */
static void start_signer(struct monitor *m)
{
    m->signer = (struct child){.role = SANDBOX_SIGNER, .control = -1};
    int r = child_start(m, NULL, &m->signer);
    if (r < 0)
        die("cannot start a process: %s", strerror(-r));
}

static void keep_ready_fd(unsigned fd)
{
    if (fd && fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
        die("--ready-fd %u is not an open descriptor", fd);
}

/** Loading the rules takes a program's start and its work, so that happens beside everything else. */
static pid_t start_rules(struct monitor *m, const struct policy *p)
{
    pid_t pid = fork();
    if (pid < 0)
        die_errno("cannot start a process");
    if (pid == 0)
        _exit(-generation_rules(m, p) & 0xff);
    return pid;
}

static void finish_rules(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            die_errno("cannot wait for the packet rules");
    if (status != 0)
        die("cannot load the packet rules: %s; see above, and `egressd ruleset`",
            WIFEXITED(status) ? strerror(WEXITSTATUS(status)) : "the process was killed");
}

static void load_rest(const struct monitor *m, struct inputs *in)
{
    SANDBOX_RAISED;
    char err[600];
    if (inputs_load(m, in, err, sizeof err) < 0)
        die_status(2, "%s", err);
}

/* The order matters. The policy first: a mistake there is the likeliest failure, and nothing is to be undone
 * then. The signer before there is a secret. The rules, which let nothing through as long as nobody serves,
 * before the rest; they are there before anybody is told that all is ready. */
void monitor_set_up(struct monitor *m)
{
    struct inputs in = {0};
    char err[600];
    tls_reasons_later();
    keep_ready_fd(m->options->ready_fd);
    if (inputs_load_policy(m, &in, err, sizeof err) < 0)
        die_status(2, "%s", err);
    m->n_engines = MIN(m->options->engines ? m->options->engines : cpu_count(), (unsigned)ENGINES_PER_SET);
    raise_limits();
    null_stdin();
    block_signals(m);
    find_network(m);
    files_open(m);
    open_status(m);
    open_sockets(m);
    make_leases(m);
    start_signer(m);
    sandbox_enter(SANDBOX_MONITOR);
    pid_t rules = start_rules(m, in.policy);
    load_rest(m, &in);
    if (getrandom(m->ticket_key, sizeof m->ticket_key, 0) != (ssize_t)sizeof m->ticket_key)
        die_errno("no random octets");
    int r = generation_start(m, &in);
    if (r < 0)
        die("cannot start processes: %s", strerror(-r));
    finish_rules(rules);
}
