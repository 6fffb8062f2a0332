#include "init/filter.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>

#include "init/say.h"
#include "init/base.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
// cppcheck-suppress preprocessorErrorDirective
#error "no system call filter for this architecture yet"
#endif

/* System calls newer than the C library's list; their numbers are the same on all architectures. */
enum {
    NR_open_tree = 428,
    NR_move_mount = 429,
    NR_fsopen = 430,
    NR_fsconfig = 431,
    NR_fsmount = 432,
    NR_fspick = 433,
    NR_clone3 = 435,
    NR_mount_setattr = 442,
    NR_quotactl_fd = 443,
    NR_io_uring_setup = 425,
    NR_io_uring_enter = 426,
    NR_io_uring_register = 427,
    NR_open_tree_attr = 467,
};

/* Refused whatever the arguments. */
static const struct refusal {
    uint16_t nr, error;
} refusals[] = {
    /* Other namespaces and mounts: the way to fresh capabilities and to files behind the mounts. */
    {SYS_setns, EPERM},
    {SYS_mount, EPERM},
    {SYS_umount2, EPERM},
    {SYS_pivot_root, EPERM},
    {SYS_chroot, EPERM},
    {NR_open_tree, EPERM},
    {NR_open_tree_attr, EPERM},
    {NR_move_mount, EPERM},
    {NR_fsopen, EPERM},
    {NR_fsconfig, EPERM},
    {NR_fsmount, EPERM},
    {NR_fspick, EPERM},
    {NR_mount_setattr, EPERM},
    {SYS_open_by_handle_at, EPERM},
    /* Its flags are in memory, where a filter cannot see them; C libraries fall back to clone(2). */
    {NR_clone3, ENOSYS},
    /* Does socket calls that no filter sees. */
    {NR_io_uring_setup, ENOSYS},
    {NR_io_uring_enter, ENOSYS},
    {NR_io_uring_register, ENOSYS},
    /* Large kernel surfaces that an agent has no use for. */
    {SYS_bpf, EPERM},
    {SYS_perf_event_open, EPERM},
    {SYS_userfaultfd, EPERM},
    {SYS_add_key, EPERM}, /* key rings belong to no namespace */
    {SYS_keyctl, EPERM},
    {SYS_request_key, EPERM},
    {SYS_kexec_load, EPERM},
    {SYS_init_module, EPERM},
    {SYS_finit_module, EPERM},
    {SYS_delete_module, EPERM},
    {SYS_reboot, EPERM},
    {SYS_swapon, EPERM},
    {SYS_swapoff, EPERM},
    {SYS_acct, EPERM},
    {SYS_quotactl, EPERM},
    {NR_quotactl_fd, EPERM},
    {SYS_syslog, EPERM},
    {SYS_vhangup, EPERM},
    {SYS_nfsservctl, EPERM},
#ifdef SYS_kexec_file_load
    {SYS_kexec_file_load, EPERM},
#endif
#if defined(__x86_64__)
    {SYS_iopl, EPERM},
    {SYS_ioperm, EPERM},
    {SYS_uselib, EPERM},
#endif
};

struct program {
    struct sock_filter *at;
    size_t n;
};

static void emit(struct program *p, uint16_t code, uint8_t yes, uint8_t no, uint32_t k)
{
    /* One beyond the end is never reached: filter_build() is a constant, and a unit test runs it. */
    if (p->n < FILTER_MAX)
        p->at[p->n++] = (struct sock_filter){.code = code, .jt = yes, .jf = no, .k = k};
}

static void load_word(struct program *p, size_t offset)
{
    emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

/* The kernel takes int arguments from the low half of a register; the high half must not decide anything. */
static void load_arg(struct program *p, unsigned n)
{
    load_word(
        p, offsetof(struct seccomp_data, args) + (size_t)8 * n); /* both architectures are little-endian */
}

static void give(struct program *p, uint32_t action)
{
    emit(p, BPF_RET | BPF_K, 0, 0, action);
}

static void refuse(struct program *p, uint32_t error)
{
    give(p, SECCOMP_RET_ERRNO | error);
}

/* Opens a block that runs for system call `nr` only. Returns what end_call() needs. Each block ends by giving
 * a verdict, so the number of the call is still loaded for the next one. */
static size_t begin_call(struct program *p, uint32_t nr)
{
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, nr);
    return p->n - 1;
}

static void end_call(struct program *p, size_t block)
{
    give(p, SECCOMP_RET_ALLOW);
    p->at[block].jf = (uint8_t)(p->n - block - 1);
}

static void refuse_if_equal(struct program *p, uint32_t value, uint32_t error)
{
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value);
    refuse(p, error);
}

static void refuse_if_any(struct program *p, uint32_t bits, uint32_t error)
{
    emit(p, BPF_JMP | BPF_JSET | BPF_K, 0, 1, bits);
    refuse(p, error);
}

enum { PROTOCOL_UDPLITE = 136, PROTOCOL_MPTCP = 262, OPTION_TCP_ULP = 31 };

/* Packets and raw IP, virtual machine sockets, and a hundred families and protocols that only a vulnerability
 * needs: SCTP, DCCP, L2TP, SMC, which may take other ways than IP... */
static void filter_socket(struct program *p)
{
    static const uint32_t ip_allowed[] = {0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP /* ping(8) */,
        IPPROTO_ICMPV6, PROTOCOL_UDPLITE, PROTOCOL_MPTCP};
    static const uint32_t netlink_allowed[] = {NETLINK_ROUTE /* getifaddrs(3) */,
        NETLINK_SOCK_DIAG /* ss(8) */, NETLINK_KOBJECT_UEVENT /* libudev */};
    size_t block = begin_call(p, SYS_socket);
    load_arg(p, 0);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, AF_UNIX);
    give(p, SECCOMP_RET_ALLOW);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 2 + 2 * ARRAY_LEN(netlink_allowed), AF_NETLINK);
    load_arg(p, 2);
    for (unsigned i = 0; i < ARRAY_LEN(netlink_allowed); i++) {
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, netlink_allowed[i]);
        give(p, SECCOMP_RET_ALLOW);
    }
    refuse(p, EPROTONOSUPPORT);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, AF_INET);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AF_INET6);
    refuse(p, EAFNOSUPPORT);
    load_arg(p, 1);
    emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, 0xf); /* without SOCK_CLOEXEC and SOCK_NONBLOCK */
    refuse_if_equal(p, SOCK_RAW, EPERM);
    refuse_if_equal(p, SOCK_PACKET, EPERM);
    load_arg(p, 2);
    for (unsigned i = 0; i < ARRAY_LEN(ip_allowed); i++) {
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, ip_allowed[i]);
        give(p, SECCOMP_RET_ALLOW);
    }
    refuse(p, EPROTONOSUPPORT);
    end_call(p, block);
    /* The other way to a socket; families that have none say so. */
    block = begin_call(p, SYS_socketpair);
    load_arg(p, 0);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AF_UNIX);
    refuse(p, EOPNOTSUPP);
    end_call(p, block);
}

/* Sending past the routing table: the packet rules stop it too, where the kernel has them. And options of
 * sockets. */
static void filter_options(struct program *p)
{
    static const struct {
        uint32_t nr;
        unsigned flags_arg;
    } sends[] = {{SYS_sendto, 3}, {SYS_sendmsg, 2}, {SYS_sendmmsg, 3}};
    for (unsigned i = 0; i < ARRAY_LEN(sends); i++) {
        size_t block = begin_call(p, sends[i].nr);
        load_arg(p, sends[i].flags_arg);
        refuse_if_any(p, MSG_DONTROUTE, EPERM);
        end_call(p, block);
    }
    size_t block = begin_call(p, SYS_setsockopt);
    load_arg(p, 1);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, SOL_SOCKET);
    load_arg(p, 2);
    refuse_if_equal(p, SO_DONTROUTE, EPERM);
    give(p, SECCOMP_RET_ALLOW);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, IPPROTO_TCP);
    load_arg(p, 2);
    /* Makes other sockets of a TCP socket (SMC, espintcp, kernel TLS): clients do without, as where the
     * kernel has none. */
    refuse_if_equal(p, OPTION_TCP_ULP, ENOENT);
    end_call(p, block);
}

static void filter_namespaces(struct program *p)
{
    const uint32_t clone_flags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                 CLONE_NEWPID | CLONE_NEWNET;
    size_t block = begin_call(p, SYS_clone);
    load_arg(p, 0);
    refuse_if_any(p, clone_flags, EPERM);
    end_call(p, block);
    block = begin_call(p, SYS_unshare);
    load_arg(p, 0);
    refuse_if_any(p, clone_flags | 0x80 /* CLONE_NEWTIME; to clone(2) the bit means a signal */, EPERM);
    end_call(p, block);
}

/* Typing into the terminal that the agent shares with the person who started it. */
static void filter_terminal(struct program *p)
{
    size_t block = begin_call(p, SYS_ioctl);
    load_arg(p, 1);
    refuse_if_equal(p, TIOCSTI, EPERM);
    refuse_if_equal(p, TIOCLINUX, EPERM);
    end_call(p, block);
}

size_t filter_build(struct sock_filter out[static FILTER_MAX])
{
    struct program p = {.at = out};
    load_word(&p, offsetof(struct seccomp_data, arch));
    emit(&p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCH);
    give(&p, SECCOMP_RET_KILL_PROCESS);
    load_word(&p, offsetof(struct seccomp_data, nr));
#if defined(__x86_64__)
    /* x32: the same architecture with other numbers. */
    emit(&p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, 0x40000000);
    refuse(&p, ENOSYS);
#endif
    for (unsigned i = 0; i < ARRAY_LEN(refusals); i++)
        refuse_if_equal(&p, refusals[i].nr, refusals[i].error);
    filter_socket(&p);
    filter_options(&p);
    filter_namespaces(&p);
    filter_terminal(&p);
    give(&p, SECCOMP_RET_ALLOW);
    return p.n;
}

void filter_install(void)
{
    struct sock_filter program[FILTER_MAX];
    struct sock_fprog f = {.filter = program, .len = (unsigned short)filter_build(program)};
    /* Older kernels slow every filtered process down against speculation side channels unless told not to:
     * the agent is confined by its network, not from its own memory. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &f) < 0 &&
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &f) < 0)
        fatal_error(errno, "cannot install the system call filter");
}
