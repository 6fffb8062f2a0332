#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appliance/sandbox.h"
#include "lib/base.h"
#include "lib/log.h"

/** No part of egressd, nor nft or iptables, which the monitor runs, ever calls these: an exploit does. */
static const int killers[] = {SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
    SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register), SCMP_SYS(keyctl), SCMP_SYS(add_key),
    SCMP_SYS(request_key), SCMP_SYS(open_by_handle_at), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load),
    SCMP_SYS(delete_module), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot),
    SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen),
    SCMP_SYS(fsmount), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(reboot), SCMP_SYS(acct),
    SCMP_SYS(quotactl), SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp), SCMP_SYS(modify_ldt), SCMP_SYS(iopl),
    SCMP_SYS(ioperm), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(adjtimex), SCMP_SYS(syslog)};

/** Nor does a child ever start a program or load a module; the monitor may (modprobe is the kernel's own
 * affair). */
static const int child_killers[] = {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork),
    SCMP_SYS(init_module), SCMP_SYS(finit_module)};

/** Memory, time, signals, waiting, and octets on descriptors that are open already. */
static const int common[] = {SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev),
    SCMP_SYS(close), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto),
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(futex), SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap),
    SCMP_SYS(madvise), SCMP_SYS(getrandom), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(getpid), SCMP_SYS(gettid),
    SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu), SCMP_SYS(membarrier),
    SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(fstat), SCMP_SYS(lseek)};

/** The loop, connections, and the audit log (OFD and POSIX locks come by fcntl, below). */
static const int network[] = {SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime), SCMP_SYS(pipe2), SCMP_SYS(accept4), SCMP_SYS(accept), SCMP_SYS(connect),
    SCMP_SYS(bind), SCMP_SYS(shutdown), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt),
    SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg), SCMP_SYS(dup), SCMP_SYS(dup3), SCMP_SYS(ftruncate),
    SCMP_SYS(fsync), SCMP_SYS(fdatasync)};

static const int engine_only[] = {SCMP_SYS(splice), SCMP_SYS(tee)};

struct builder {
    scmp_filter_ctx ctx;
    int err; /* the first failure; later steps do nothing */
};

static void rules(struct builder *b, uint32_t action, const int *calls, size_t n)
{
    for (size_t i = 0; i < n && !b->err; i++) {
        int r = seccomp_rule_add_array(b->ctx, action, calls[i], 0, NULL);
        if (r < 0 && r != -EDOM) /* a call that this architecture does not have */
            b->err = r;
    }
}
#define RULES(b, action, calls) rules(b, action, calls, ARRAY_LEN(calls))

static void allow_if(struct builder *b, int call, unsigned n, const struct scmp_arg_cmp *args)
{
    if (!b->err)
        b->err = seccomp_rule_add_array(b->ctx, SCMP_ACT_ALLOW, call, n, args);
}
#define IS(arg, value) \
    { \
        (arg), SCMP_CMP_EQ, (scmp_datum_t)(value), 0 \
    }
#define AT_MOST(arg, value) \
    { \
        (arg), SCMP_CMP_LE, (scmp_datum_t)(value), 0 \
    }
#define MASKED(arg, mask, value) \
    { \
        (arg), SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), (scmp_datum_t)(value) \
    }
#define ALLOW_IF(b, call, ...) \
    allow_if(b, SCMP_SYS(call), (unsigned)ARRAY_LEN(((struct scmp_arg_cmp[]){__VA_ARGS__})), \
        (struct scmp_arg_cmp[]){__VA_ARGS__})

/** Nothing becomes code: neither new mappings nor old ones. */
static void allow_data_mappings(struct builder *b)
{
    ALLOW_IF(b, mmap, MASKED(2, PROT_EXEC, 0));
    ALLOW_IF(b, mprotect, MASKED(2, PROT_EXEC, 0));
}

/** abort(3) raises a signal in its own process. fstat(3) is newfstatat(fd, "", ..., AT_EMPTY_PATH) in glibc.
 */
static void allow_self(struct builder *b)
{
    ALLOW_IF(b, tgkill, IS(0, getpid()));
    ALLOW_IF(b, newfstatat, IS(3, AT_EMPTY_PATH));
    static const int commands[] = {F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_DUPFD_CLOEXEC, F_SETLK, F_SETLKW,
        F_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_OFD_GETLK, F_GETPIPE_SZ, F_SETPIPE_SZ};
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        ALLOW_IF(b, fcntl, IS(1, commands[i]));
}

#define SOCK_TYPE_MASK 0xf

static void allow_sockets(struct builder *b, bool datagrams)
{
    static const scmp_datum_t families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        ALLOW_IF(
            b, socket, IS(0, families[i]), MASKED(1, SOCK_TYPE_MASK, SOCK_STREAM), AT_MOST(2, IPPROTO_TCP));
        if (datagrams)
            ALLOW_IF(b, socket, IS(0, families[i]), MASKED(1, SOCK_TYPE_MASK, SOCK_DGRAM),
                AT_MOST(2, IPPROTO_UDP));
    }
    static const scmp_datum_t levels[] = {
        SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6, SOL_TLS};
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        ALLOW_IF(b, setsockopt, IS(1, levels[i]));
    static const scmp_datum_t requests[] = {FIONBIO, FIONREAD, TIOCOUTQ};
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        ALLOW_IF(b, ioctl, IS(1, requests[i]));
}

static void fill(struct builder *b, enum sandbox_role role)
{
    if (!SANDBOX_RELAXED)
        RULES(b, SCMP_ACT_KILL_PROCESS, killers);
    if (role == SANDBOX_MONITOR)
        return; /* its children's filters come on top, and nft runs under this one */
    if (SANDBOX_RELAXED) {
        RULES(b, SCMP_ACT_ERRNO(EPERM), ((const int[]){SCMP_SYS(execve), SCMP_SYS(execveat)}));
        return;
    }
    RULES(b, SCMP_ACT_KILL_PROCESS, child_killers);
    RULES(b, SCMP_ACT_ALLOW, common);
    allow_data_mappings(b);
    allow_self(b);
    if (role == SANDBOX_SIGNER)
        return;
    RULES(b, SCMP_ACT_ALLOW, network);
    allow_sockets(b, role == SANDBOX_RESOLVER);
    if (role == SANDBOX_ENGINE)
        RULES(b, SCMP_ACT_ALLOW, engine_only);
}

/** Whether it is in force: the kernel says so, or nothing may be asked any more but what the role is allowed.
 */
static void prove_closed(bool open_filter)
{
    if (open_filter ? prctl(PR_GET_SECCOMP) == SECCOMP_MODE_FILTER
                    : prctl(PR_GET_SECCOMP) < 0 && errno == EPERM)
        return;
    die("the filter of system calls is not in force");
}

void sandbox_filter(enum sandbox_role role)
{
    bool open = SANDBOX_RELAXED || role == SANDBOX_MONITOR;
    struct builder b = {.ctx = seccomp_init(open ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM))};
    if (!b.ctx)
        die("cannot make a filter of system calls: out of memory");
    /* Refusals show up in the kernel's audit log; a tree instead of a list halves what a call costs. */
    (void)seccomp_attr_set(b.ctx, SCMP_FLTATR_CTL_LOG, 1);
    (void)seccomp_attr_set(b.ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    fill(&b, role);
    if (!b.err)
        b.err = seccomp_load(b.ctx);
    seccomp_release(b.ctx);
    if (b.err)
        die("cannot load the filter of system calls: %s; the kernel needs CONFIG_SECCOMP_FILTER",
            strerror(-b.err));
    prove_closed(open);
}
