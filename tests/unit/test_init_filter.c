/* The filter's program is run here by a small interpreter, so that calls which would end the test can be
 * asked about. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>

#include "init/filter.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif
#define REFUSED(e) (SECCOMP_RET_ERRNO | (uint32_t)(e))

static uint32_t run(const struct seccomp_data *d)
{
    struct sock_filter f[FILTER_MAX];
    size_t n = filter_build(f);
    uint32_t a = 0;
    cr_assert_lt(n, FILTER_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct sock_filter *s = &f[i];
        switch (s->code) {
        case BPF_LD | BPF_W | BPF_ABS: memcpy(&a, (const char *)d + s->k, 4); break;
        case BPF_ALU | BPF_AND | BPF_K: a &= s->k; break;
        case BPF_JMP | BPF_JEQ | BPF_K: i += a == s->k ? s->jt : s->jf; break;
        case BPF_JMP | BPF_JGE | BPF_K: i += a >= s->k ? s->jt : s->jf; break;
        case BPF_JMP | BPF_JSET | BPF_K: i += (a & s->k) != 0 ? s->jt : s->jf; break;
        case BPF_RET | BPF_K: return s->k;
        default: cr_assert_fail("an instruction that this test does not know: %x", s->code);
        }
    }
    cr_assert_fail("the program ran off its end");
    return 0;
}

static uint32_t call(int nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return run(&(struct seccomp_data){.nr = nr, .arch = ARCH, .args = {a, b, c, d}});
}

Test(filter, sockets)
{
    const uint32_t ok = SECCOMP_RET_ALLOW;
    cr_expect_eq(call(SYS_socket, AF_INET, SOCK_STREAM, 0, 0), ok);
    cr_expect_eq(call(SYS_socket, AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0), ok);
    cr_expect_eq(call(SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0, 0), ok);
    cr_expect_eq(call(SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, 0), ok);
    cr_expect_eq(call(SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER, 0), REFUSED(EPROTONOSUPPORT));
    cr_expect_eq(call(SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_AUDIT, 0), REFUSED(EPROTONOSUPPORT));
    cr_expect_eq(call(SYS_socket, AF_INET, SOCK_RAW, 1, 0), REFUSED(EPERM));
    cr_expect_eq(call(SYS_socket, AF_INET, SOCK_RAW | SOCK_CLOEXEC, 255, 0), REFUSED(EPERM));
    cr_expect_eq(call(SYS_socket, AF_INET6, SOCK_RAW, 58, 0), REFUSED(EPERM));
    cr_expect_eq(call(SYS_socket, AF_INET, SOCK_PACKET, 0, 0), REFUSED(EPERM));
    for (unsigned family = 0; family < 64; family++)
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6 && family != AF_NETLINK)
            cr_expect_eq(call(SYS_socket, family, SOCK_DGRAM, 0, 0), REFUSED(EAFNOSUPPORT), "%u", family);
    static const unsigned common[] = {0, 1, 6, 17, 58, 136, 262};
    for (unsigned protocol = 0, i = 0; protocol < 300; protocol++) {
        bool known = i < sizeof common / sizeof *common && common[i] == protocol;
        i += known;
        cr_expect_eq(call(SYS_socket, AF_INET, SOCK_STREAM, protocol, 0),
            known ? ok : REFUSED(EPROTONOSUPPORT), "%u", protocol);
        cr_expect_eq(call(SYS_socket, AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, protocol, 0),
            known ? ok : REFUSED(EPROTONOSUPPORT), "%u", protocol);
    }
    for (unsigned family = 0; family < 64; family++)
        cr_expect_eq(call(SYS_socketpair, family, SOCK_STREAM, 0, 0),
            family == AF_UNIX ? ok : REFUSED(EOPNOTSUPP), "%u", family);
    cr_expect_eq(call(SYS_setsockopt, 3, 6, 31, 0), REFUSED(ENOENT), "TCP_ULP");
    cr_expect_eq(call(SYS_setsockopt, 3, 6, 1, 0), ok, "TCP_NODELAY");
    cr_expect_eq(call(SYS_setsockopt, 3, 41, 31, 0), ok);
    /* The kernel looks at the low half of a register only; so must the filter. */
    cr_expect_eq(call(SYS_socket, 0x100000000ull | AF_PACKET, SOCK_RAW, 0, 0), REFUSED(EAFNOSUPPORT));
    cr_expect_eq(call(SYS_socket, AF_INET, 0x700000000ull | SOCK_RAW, 0, 0), REFUSED(EPERM));
}

Test(filter, sending_past_the_routes)
{
    cr_expect_eq(call(SYS_sendto, 3, 0, 0, MSG_DONTROUTE | MSG_NOSIGNAL), REFUSED(EPERM));
    cr_expect_eq(call(SYS_sendto, 3, 0, 0, MSG_NOSIGNAL), SECCOMP_RET_ALLOW);
    cr_expect_eq(call(SYS_sendmsg, 3, 0, MSG_DONTROUTE, 0), REFUSED(EPERM));
    cr_expect_eq(call(SYS_sendmmsg, 3, 0, 9, MSG_DONTROUTE), REFUSED(EPERM));
    cr_expect_eq(call(SYS_setsockopt, 3, SOL_SOCKET, SO_DONTROUTE, 0), REFUSED(EPERM));
    cr_expect_eq(call(SYS_setsockopt, 3, SOL_SOCKET, SO_KEEPALIVE, 0), SECCOMP_RET_ALLOW);
    cr_expect_eq(call(SYS_setsockopt, 3, 6, SO_DONTROUTE, 0), SECCOMP_RET_ALLOW);
    cr_expect_eq(call(SYS_setsockopt, 3, 0x100000000ull | SOL_SOCKET, SO_DONTROUTE, 0), REFUSED(EPERM));
}

Test(filter, namespaces_and_the_rest)
{
    cr_expect_eq(call(SYS_clone, CLONE_NEWUSER | 17, 0, 0, 0), REFUSED(EPERM));
    cr_expect_eq(call(SYS_clone, CLONE_NEWNET, 0, 0, 0), REFUSED(EPERM));
    cr_expect_eq(
        call(SYS_clone, CLONE_VM | CLONE_FS | CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0), SECCOMP_RET_ALLOW);
    cr_expect_eq(call(SYS_unshare, CLONE_NEWUSER, 0, 0, 0), REFUSED(EPERM));
    cr_expect_eq(call(SYS_unshare, 0x80, 0, 0, 0), REFUSED(EPERM));
    cr_expect_eq(call(SYS_unshare, CLONE_FILES, 0, 0, 0), SECCOMP_RET_ALLOW);
    cr_expect_eq(call(435 /* clone3 */, 0, 0, 0, 0), REFUSED(ENOSYS));
    cr_expect_eq(call(425 /* io_uring_setup */, 0, 0, 0, 0), REFUSED(ENOSYS));
    cr_expect_eq(call(SYS_bpf, 0, 0, 0, 0), REFUSED(EPERM));
    cr_expect_eq(call(SYS_mount, 0, 0, 0, 0), REFUSED(EPERM));
    cr_expect_eq(call(SYS_ioctl, 0, TIOCSTI, 0, 0), REFUSED(EPERM));
    cr_expect_eq(call(SYS_ioctl, 0, 0xdead00000000ull | TIOCSTI, 0, 0), REFUSED(EPERM));
    cr_expect_eq(call(SYS_ioctl, 0, TCGETS, 0, 0), SECCOMP_RET_ALLOW);
    cr_expect_eq(call(SYS_ptrace, 0, 0, 0, 0), SECCOMP_RET_ALLOW);
    cr_expect_eq(call(SYS_read, 0, 0, 0, 0), SECCOMP_RET_ALLOW);
}

Test(filter, whatever_the_arguments)
{
    /* open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr, quotactl_fd, open_tree_attr:
     * the same everywhere */
    static const int refused[] = {SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, 428, 429,
        430, 431, 432, 433, 442, 443, 467, SYS_open_by_handle_at, SYS_bpf, SYS_perf_event_open,
        SYS_userfaultfd, SYS_add_key, SYS_keyctl, SYS_request_key, SYS_kexec_load, SYS_init_module,
        SYS_finit_module, SYS_delete_module, SYS_reboot, SYS_swapon, SYS_swapoff, SYS_acct, SYS_quotactl,
        SYS_syslog, SYS_vhangup};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        cr_expect_eq(call(refused[i], 0, 0, 0, 0), REFUSED(EPERM), "%d", refused[i]);
    for (int nr = 425; nr <= 427; nr++)
        cr_expect_eq(call(nr, 0, 0, 0, 0), REFUSED(ENOSYS), "%d", nr);
}

Test(filter, no_other_numbering_goes_round_it)
{
    struct seccomp_data d = {.nr = SYS_read, .arch = AUDIT_ARCH_I386};
    cr_expect_eq(run(&d), SECCOMP_RET_KILL_PROCESS);
    d.arch = AUDIT_ARCH_ARM;
    cr_expect_eq(run(&d), SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__)
    cr_expect_eq(call(0x40000000 | SYS_socket, AF_PACKET, SOCK_RAW, 0, 0), REFUSED(ENOSYS));
    cr_expect_eq(call(-1, 0, 0, 0, 0), REFUSED(ENOSYS));
#endif
}
