#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "appliance/ipc.h"
#include "lib/base.h"

static int a, b;

static void open_pair(void)
{
    int sv[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
    a = sv[0];
    b = sv[1];
}

static void close_pair(void)
{
    close(a);
    close(b);
}

TestSuite(ipc, .init = open_pair, .fini = close_pair);

static struct ipc_msg ask(const char *host)
{
    struct ipc_msg m = {.type = IPC_LEAF_ASK, .leaf_ask = {.id = 7, .spki_len = 91}};
    strncpy(m.leaf_ask.host, host, HOSTNAME_MAX);
    return m;
}

static int check(const struct ipc_msg *m)
{
    struct ipc_msg out;
    return ipc_check(m, ipc_size(m->type), &out);
}

Test(ipc, every_type_has_a_size)
{
    for (uint32_t t = IPC_READY; t < IPC_TYPE_END; t++) {
        cr_assert_geq(ipc_size(t), sizeof t);
        cr_assert_leq(ipc_size(t), sizeof(struct ipc_msg));
    }
    cr_assert_eq(ipc_size(0), 0);
    cr_assert_eq(ipc_size(IPC_TYPE_END), 0);
    cr_assert_eq(ipc_size(UINT32_MAX), 0);
}

Test(ipc, there_and_back)
{
    struct ipc_msg m = ask("a.example"), got;
    cr_assert_eq(ipc_send(a, &m, -1), 0);
    cr_assert_eq(ipc_recv(b, &got, NULL), 1);
    cr_assert_eq(got.type, IPC_LEAF_ASK);
    cr_assert_eq(got.leaf_ask.id, 7);
    cr_assert_str_eq(got.leaf_ask.host, "a.example");
    cr_assert_eq(ipc_recv(b, &got, NULL), -EAGAIN);
    close(a);
    cr_assert_eq(ipc_recv(b, &got, NULL), 0);
    cr_assert_eq(ipc_send(b, &m, -1), -EPIPE);
    a = -1;
}

Test(ipc, a_slow_peer_is_no_wait)
{
    struct ipc_msg m = ask("a.example");
    int r = 0;
    for (int i = 0; i < 100000 && r == 0; i++)
        r = ipc_send(a, &m, -1);
    cr_assert_eq(r, -EAGAIN);
}

Test(ipc, wrong_sizes_end_the_peer)
{
    struct ipc_msg m = ask("a.example"), got;
    for (size_t len = 1; len <= sizeof m + 8; len++) {
        char buf[sizeof m + 8] = {0};
        memcpy(buf, &m, sizeof m);
        cr_assert_eq(send(a, buf, len, 0), (ssize_t)len);
        cr_assert_eq(ipc_recv(b, &got, NULL), len == ipc_size(IPC_LEAF_ASK) ? 1 : -EBADMSG, "%zu", len);
    }
}

Test(ipc, hosts_are_bounded_and_plain)
{
    struct ipc_msg m = ask("a.example");
    cr_assert_eq(check(&m), 0);
    static const char *const bad[] = {
        "", "A.example", "a b", "a/b", "a\n", "a\"", "\xc3\xa4.example", "*.example"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        m = ask(bad[i]);
        cr_assert_eq(check(&m), -EBADMSG, "%s", bad[i]);
    }
    m = ask("x");
    memset(m.leaf_ask.host, 'a', sizeof m.leaf_ask.host); /* no NUL */
    cr_assert_eq(check(&m), -EBADMSG);
    m = (struct ipc_msg){.type = IPC_RESOLVE};
    memset(m.resolve.host, 'a', sizeof m.resolve.host);
    cr_assert_eq(check(&m), -EBADMSG);
    m.resolve.host[HOSTNAME_MAX] = '\0';
    cr_assert_eq(check(&m), 0);
}

Test(ipc, counts_are_bounded)
{
    struct ipc_msg m = ask("a.example");
    m.leaf_ask.spki_len = IPC_SPKI_MAX + 1;
    cr_assert_eq(check(&m), -EBADMSG);
    m.leaf_ask.spki_len = 0;
    cr_assert_eq(check(&m), -EBADMSG);
    m = (struct ipc_msg){.type = IPC_LEAF, .leaf = {.len = IPC_LEAF_MAX + 1}};
    cr_assert_eq(check(&m), -EBADMSG);
    m = (struct ipc_msg){.type = IPC_RESOLVED, .resolved = {.n = IPC_ADDRS_MAX + 1}};
    cr_assert_eq(check(&m), -EBADMSG);
    m.resolved.n = IPC_ADDRS_MAX;
    cr_assert_eq(check(&m), 0);
    memset(m.resolved.dns_id, 'x', sizeof m.resolved.dns_id);
    cr_assert_eq(check(&m), -EBADMSG);
}

Test(ipc, ids_go_into_the_log_as_they_are)
{
    static const char bad[] = "\"\\ \n\x01\x7f\xff";
    for (size_t i = 0; i < sizeof bad - 1; i++) {
        struct ipc_msg m = {.type = IPC_RESOLVED, .resolved = {.dns_id = "abc"}};
        cr_assert_eq(check(&m), 0);
        m.resolved.dns_id[1] = bad[i];
        cr_assert_eq(check(&m), -EBADMSG, "0x%02x", (unsigned char)bad[i]);
    }
}

Test(ipc, a_descriptor_comes_with_its_own_type_only)
{
    struct ipc_msg m = {.type = IPC_AUDIT_FD}, ready = {.type = IPC_READY}, got;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC), fd, before = dup(null);
    close(before);
    cr_assert_eq(ipc_send(a, &m, null), 0);
    cr_assert_eq(ipc_recv(b, &got, &fd), 1);
    cr_assert_geq(fd, 0);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    cr_assert_eq(ipc_send(a, &m, -1), 0); /* promised and not there */
    cr_assert_eq(ipc_recv(b, &got, &fd), -EBADMSG);
    cr_assert_eq(fd, -1);
    cr_assert_eq(ipc_send(a, &ready, null), 0); /* there and not promised */
    cr_assert_eq(ipc_recv(b, &got, &fd), -EBADMSG);
    cr_assert_eq(ipc_send(a, &m, null), 0);
    cr_assert_eq(ipc_recv(b, &got, NULL), -EBADMSG); /* not wanted */
    fd = dup(null);
    cr_assert_eq(fd, before, "a refused descriptor was leaked");
    close(fd);
    close(null);
}

/** Sends two descriptors in one message, as only a taken-over process would. */
static void send_two(int sock, int fd)
{
    struct ipc_msg m = {.type = IPC_AUDIT_FD};
    struct iovec iov = {.iov_base = &m, .iov_len = ipc_size(m.type)};
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(2 * sizeof(int))];
    } control = {.buf = {0}};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof control.buf};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(c), (int[]){fd, fd}, 2 * sizeof(int));
    cr_assert_eq(sendmsg(sock, &msg, 0), (ssize_t)iov.iov_len);
}

Test(ipc, two_descriptors_are_refused_and_not_leaked)
{
    struct ipc_msg got;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC), fd, before = dup(null);
    close(before);
    send_two(a, null);
    cr_assert_eq(ipc_recv(b, &got, &fd), -EBADMSG);
    fd = dup(null);
    cr_assert_eq(fd, before);
    close(fd);
    close(null);
}
