/* The netns backend: sidecar and agent as processes of this host in namespaces of their own (Linux). See
 * netns_hold.h for the processes, netns_net.h for the network, netns_mount.h for what the agent sees. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hostctl/backend.h"
#include "hostctl/beneath.h"
#include "hostctl/netns_argv.h"
#include "hostctl/netns_hold.h"
#include "hostctl/netns_mount.h"
#include "hostctl/netns_net.h"
#include "hostctl/netns_rights.h"
#include "hostctl/netns_watch.h"
#include "hostctl/proc.h"
#include "hostctl/status.h"
#include "hostctl/warden.h"
#include "lib/base.h"
#include "lib/log.h"

/* A sidecar on a busy machine needs a moment for its scanner's tables; more is a fault that the user should
 * hear of. */
#define READY_MS 20000
#define AGENT_MS 20000
/* For egressd's last lines in the log, once the agent is gone. */
#define DRAIN_MS 3000
#define END_MS 5000
#define CA_MAX KIB(16)

struct netns {
    int nl;
    struct net_plan plan;
    struct holder side, agent;
    struct netns_argv argv;
    int ready[2], link[2];
    pid_t nft; /* 0: done */
    off_t log_start; /* of egressd.log: what comes after it is this run's */
    enum tty_mode tty;
    struct warden warden;
};

static struct netns *state(const struct sandbox *sb)
{
    return sb->impl;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static int netns_check(struct sandbox *sb)
{
    if (geteuid() != 0) {
        log_warn("the netns backend makes network namespaces, which needs root: sudo egressctl run ...");
        return -EPERM;
    }
    if (rights_check())
        return -EPERM;
    if (sb->opt->image) {
        log_warn("--image needs a container runtime (--backend podman); with --backend netns the agent runs "
                 "on this "
                 "host's files");
        return -EINVAL;
    }
    if (sb->uid == 0)
        log_info("--user 0: without capabilities, and most of the host's files read-only; an ordinary user "
                 "is safer");
    return 0;
}

static struct netns *netns_new(struct sandbox *sb)
{
    struct netns *n = calloc(1, sizeof *n);
    if (!n)
        return NULL;
    n->side = n->agent = (struct holder){.sock = -1, .netns = -1};
    n->ready[0] = n->ready[1] = n->link[0] = n->link[1] = -1;
    n->nl = link_open();
    n->warden.fd = -1;
    sb->impl = n;
    return n;
}

static void netns_free(struct sandbox *sb)
{
    struct netns *n = state(sb);
    if (!n)
        return;
    warden_dismiss(&n->warden);
    close_fd(&n->nl);
    for (size_t i = 0; i < 2; i++) {
        close_fd(&n->ready[i]);
        close_fd(&n->link[i]);
        struct holder *h = i ? &n->agent : &n->side;
        close_fd(&h->sock);
        close_fd(&h->netns);
    }
    netns_argv_free(&n->argv);
    free(n);
    sb->impl = NULL;
}

static void netns_plan(struct sandbox *sb)
{
    struct netns *n = netns_new(sb);
    char gw[IP4_STRLEN], ip[IP4_STRLEN];
    if (!n || net_plan(n->nl, sb->name, &n->plan) || netns_argv_make(sb, &n->plan, 3, &n->argv))
        return;
    printf("sandbox %s, state in %s\n", sb->name, sb->state_dir);
    printf("host    nftables table ip %s: masquerade; an interface egh... with a free /30%s\n", n->plan.table,
        n->plan.has_uplink ? "" : " (no default route: only connected networks can be reached)");
    printf("sidecar namespaces net, mount, pid, ipc, uts; eth0 to the host, eth1 %s/30 to the agent\n       ",
        ip4_format(n->plan.gateway_ip, gw));
    for (char **a = n->argv.sidecar; *a; a++)
        printf(" %s", *a);
    printf("\nagent   namespaces net, mount, pid, ipc, uts; eth0 %s/30; uid %u, gid %u\n       ",
        ip4_format(n->plan.agent_ip, ip), sb->uid, sb->gid);
    for (char **a = n->argv.setup; *a; a++)
        printf(" %s", *a);
    printf("\n       ");
    for (char **a = n->argv.agent; *a; a++)
        printf(" %s", *a);
    printf("\n");
}

/* -- waiting for a holder -- */

/* What the sidecar said so far: nobody wants to see it, unless it does not start. Its holder writes the last
 * lines before it reports the end, so that is waited for. */
static void show_log(const struct sandbox *sb)
{
    char buf[4096];
    struct hold_msg m = {.value = 0};
    int got = -EAGAIN, sock = state(sb)->side.sock;
    for (int ms = 0; ms < 1000 && (got == -EAGAIN || (got == 1 && m.type != HOLD_EXITED)); ms += 10) {
        struct pollfd p = {.fd = sock, .events = POLLIN};
        (void)poll(&p, 1, 10);
        got = hold_receive(sock, &m, NULL);
    }
    cleanup_fd int fd = beneath_open(sb->state_fd, SIDECAR_LOG, O_RDONLY);
    off_t start = state(sb)->log_start;
    if (fd >= 0 && lseek(fd, 0, SEEK_END) < start)
        start = 0; /* a new file since */
    ssize_t n = fd < 0 ? -1 : pread(fd, buf, sizeof buf, start);
    if (n > 0)
        (void)!write(STDERR_FILENO, buf, (size_t)n);
}

/* What a holder that is gone left to say. */
static int lost(const struct sandbox *sb, const char *which)
{
    show_log(sb);
    log_warn("the %s ended during start-up; its log is %s/egressd.log", which, sb->state_dir);
    return -ECHILD;
}

/* One message of `h`, `want` or a failure (said). */
static int await(struct sandbox *sb, struct holder *h, enum hold_type want, long long deadline)
{
    const char *which = h == &state(sb)->side ? "sidecar" : "agent";
    for (;;) {
        struct hold_msg m;
        int got = hold_receive(h->sock, &m, &h->program);
        if (got == 1 && m.type == want)
            return 0;
        if (got == 1 && m.type == HOLD_FAILED) {
            log_warn("%s: %s", which, m.text);
            return -ECHILD;
        }
        if (got == 0 || (got == 1 && m.type == HOLD_EXITED))
            return lost(sb, which);
        if (got != 1 && got != -EAGAIN) {
            log_warn("cannot hear what the %s says: %s", which, strerror(-got));
            return got;
        }
        if (signals_stop())
            return -EINTR;
        long long left = deadline - now_ms();
        if (left <= 0) {
            log_warn("the %s did not start in time", which);
            return -ETIMEDOUT;
        }
        struct pollfd p[] = {{.fd = h->sock, .events = POLLIN}, {.fd = signals_fd(), .events = POLLIN}};
        if (got != 1)
            (void)poll(p, ARRAY_LEN(p), (int)left);
    }
}

/* -- start -- */

static int make_holders(struct sandbox *sb, struct netns *n)
{
    struct socket_paths hidden = {0};
    n->tty = tty_mode();
    struct hold_plan side = {.sb = sb,
        .keep_open = n->link[1],
        .ready_fd = n->ready[1],
        .state_fd = sb->state_fd,
        .argv = n->argv.sidecar};
    struct hold_plan agent = {.sb = sb,
        .keep_open = n->link[0],
        .ready_fd = -1,
        .state_fd = -1,
        .argv = n->argv.agent,
        .setup = n->argv.setup,
        .shim = n->argv.shim,
        .hidden = &hidden,
        .tty = n->tty};
    int err = hold_sidecar(&side, &n->side);
    /* From here on the values are only where egressd will read them. */
    blob_wipe(&sb->secrets);
    if (!err && (err = sockets_find(&hidden)))
        log_warn("cannot list the host's sockets: %s", strerror(-err));
    if (!err)
        err = hold_agent(&agent, &n->agent);
    sockets_free(&hidden);
    close_fd(&n->link[0]);
    close_fd(&n->link[1]);
    close_fd(&n->ready[1]);
    if (err)
        return err;
    record_set_process(sb->rec, "sidecar", n->side.pid);
    record_set_process(sb->rec, "agent", n->agent.pid);
    return record_save(sb->rec);
}

static int netns_create_networks(struct sandbox *sb)
{
    struct netns *n = netns_new(sb);
    if (!n)
        return -ENOMEM;
    if (n->nl < 0 || pipe2(n->ready, O_CLOEXEC) || pipe2(n->link, O_CLOEXEC)) {
        log_warn("cannot open what a sandbox needs: %s", strerror(errno));
        return -EMFILE;
    }
    char gateway[IP4_STRLEN];
    struct stat st;
    n->log_start = fstatat(sb->state_fd, SIDECAR_LOG, &st, AT_SYMLINK_NOFOLLOW) ? 0 : st.st_size;
    int err = net_plan(n->nl, sb->name, &n->plan);
    if (!err && !n->plan.has_uplink)
        log_info(
            "this host has no default route: the sandbox reaches only networks that are connected to it");
    if (!err)
        err = netns_argv_make(sb, &n->plan, n->ready[1], &n->argv);
    if (!err && sb->opt->proxy_env)
        err = sandbox_proxy_env(sb, ip4_format(n->plan.gateway_ip, gateway));
    if (!err)
        err = make_holders(sb, n);
    if (!err)
        warden_start(&n->warden, sb->name, -1); /* it holds no secret any more */
    if (!err)
        err = net_connect_host(n->nl, n->side.netns, &n->plan, sb->rec, &n->nft);
    return err ? err : net_connect_inside(n->side.netns, n->agent.netns, &n->plan);
}

/* egressd writes "READY\n" when it serves and closes the pipe without it when it will not. */
static int await_ready(struct sandbox *sb, struct netns *n, long long deadline)
{
    char line[16];
    for (size_t used = 0;;) {
        struct pollfd p[] = {{.fd = n->ready[0], .events = POLLIN}, {.fd = signals_fd(), .events = POLLIN}};
        long long left = deadline - now_ms();
        if (signals_stop())
            return -EINTR;
        if (left <= 0 || poll(p, ARRAY_LEN(p), (int)left) == 0) {
            show_log(sb);
            log_warn("egressd is not ready after %d seconds; its log is %s/egressd.log", READY_MS / 1000,
                sb->state_dir);
            return -ETIMEDOUT;
        }
        if (!p[0].revents)
            continue;
        ssize_t got = read(n->ready[0], line + used, sizeof line - used);
        if (got <= 0) {
            show_log(sb);
            log_warn("egressd could not start; its reason is above and in %s/egressd.log", sb->state_dir);
            return -ECHILD;
        }
        used += (size_t)got;
        if (memchr(line, '\n', used))
            return strncmp(line, "READY\n", 6) == 0 ? 0 : -EPROTO;
    }
}

static int netns_start_sidecar(struct sandbox *sb)
{
    struct netns *n = state(sb);
    long long deadline = now_ms() + READY_MS;
    int err = await(sb, &n->side, HOLD_READY, deadline);
    /* Where it is gone by then, that is read when its answer is awaited, with its reason. */
    if (!err)
        (void)hold_send(n->side.sock, HOLD_GO, 0, NULL, 0);
    if (!err)
        err = await(sb, &n->side, HOLD_STARTED, deadline);
    if (!err && sb->opt->verbose)
        (void)hold_send(n->side.sock, HOLD_SHOW, 0, NULL, 0);
    if (!err)
        err = await_ready(sb, n, deadline);
    return err ? err : hold_send(n->side.sock, HOLD_GUARD, 0, NULL, 0) ? lost(sb, "sidecar") : 0;
}

static int netns_sidecar_addr(struct sandbox *sb, struct addr *out)
{
    uint32_t ip = state(sb)->plan.gateway_ip;
    const uint8_t b[4] = {(uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8), (uint8_t)ip};
    *out = addr_v4(b);
    return 0;
}

static int netns_start_agent(struct sandbox *sb)
{
    struct netns *n = state(sb);
    long long deadline = now_ms() + AGENT_MS;
    struct blob ca = {0};
    pid_t nft = n->nft;
    n->nft = 0;
    int err = net_open_host(n->nl, &n->plan, sb->rec, nft);
    if (!err)
        err = await(sb, &n->agent, HOLD_READY, deadline);
    if (err)
        return err;
    err = netns_get_file(sb->rec, SIDECAR_CA, &ca);
    if (err || ca.n > CA_MAX) {
        log_warn("cannot read the sidecar's CA certificate: %s", strerror(err ? -err : EFBIG));
        blob_wipe(&ca);
        return err ? err : -EFBIG;
    }
    (void)hold_send(n->agent.sock, HOLD_GO, 0, ca.p, ca.n);
    blob_wipe(&ca);
    err = await(sb, &n->agent, HOLD_STARTED, deadline);
    if (err)
        return err;
    record_set_process(sb->rec, "egressd", n->side.program);
    record_set_process(sb->rec, "cmd", n->agent.program);
    return record_save(sb->rec);
}

/* -- while CMD runs -- */

/* --keep: the holders stay when we leave. */
static int keep_one(struct sandbox *sb, struct holder *h)
{
    int err = hold_send(h->sock, HOLD_KEEP, 0, NULL, 0);
    return err ? err : await(sb, h, HOLD_KEPT, now_ms() + AGENT_MS);
}

static int netns_wait(struct sandbox *sb)
{
    struct netns *n = state(sb);
    int status = netns_watch(&n->side, &n->agent, n->tty, sb);
    tty_return();
    if (sb->opt->keep && status != EXIT_EGRESSCTL && (keep_one(sb, &n->agent) || keep_one(sb, &n->side)))
        log_warn("the sandbox could not be kept");
    return status;
}

/* -- the rest of a life -- */

static void netns_health(struct record *r, struct health *out)
{
    *out = (struct health){.sidecar = netns_daemon(r) != 0, .agent_pid = record_process(r, "cmd")};
    out->agent = record_process(r, "agent") != 0;
    if (out->sidecar)
        status_judge(netns_status(r), out);
    else
        (void)snprintf(out->note, sizeof out->note, "no sidecar: the agent is cut off");
    if (out->ready && !out->agent)
        (void)snprintf(out->note, sizeof out->note, "the agent's namespaces are gone");
}

static int netns_reload(struct record *r)
{
    pid_t pid = netns_daemon(r);
    return !pid ? -ESRCH : kill(pid, SIGHUP) ? -errno : 0;
}

/* Is it gone after so long? Ours is reaped. */
static bool ended(pid_t pid, int ms)
{
    for (int i = 0; i <= ms; i++) {
        if (waitpid(pid, NULL, WNOHANG) == pid || process_start(pid) < 0)
            return true;
        const struct timespec pause = {.tv_nsec = 1000000};
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

/* The first process of namespaces, killed and gone: everything in them ends with it. */
static void end_holder(pid_t pid)
{
    if (pid && kill(pid, SIGKILL) == 0 && !ended(pid, END_MS))
        log_warn("process %d does not end", (int)pid);
}

static int netns_stop(struct record *r, bool grace)
{
    pid_t egressd = netns_daemon(r), side = record_process(r, "sidecar");
    end_holder(record_process(r, "agent"));
    /* What the agent's connections came to is still to be logged; with egressd its holder ends. */
    if (grace && egressd && side && kill(egressd, SIGTERM) == 0)
        (void)ended(side, DRAIN_MS);
    end_holder(record_process(r, "sidecar"));
    return 0;
}

static int netns_remove(struct record *r)
{
    (void)netns_stop(r, false);
    return net_remove(r);
}

const struct backend backend_netns = {
    .name = "netns",
    .check = netns_check,
    .plan = netns_plan,
    .create_networks = netns_create_networks,
    .start_sidecar = netns_start_sidecar,
    .sidecar_addr = netns_sidecar_addr,
    .start_agent = netns_start_agent,
    .wait = netns_wait,
    .exec = netns_exec,
    .probe = netns_probe,
    .health = netns_health,
    .status = netns_status,
    .get_file = netns_get_file,
    .put_file = netns_put_file,
    .reload = netns_reload,
    .stop = netns_stop,
    .remove = netns_remove,
    .free = netns_free,
};
