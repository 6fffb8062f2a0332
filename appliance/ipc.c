#include "appliance/ipc.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "lib/base.h"

#define HEADER offsetof(struct ipc_msg, leaf_ask)

/** Up to the end of the last member: tail padding would carry a process's stray memory to its peer. */
#define WIRE(type, last) (HEADER + offsetof(struct type, last) + sizeof(((struct type *)0)->last))

static const size_t sizes[IPC_TYPE_END] = {
    [IPC_READY] = HEADER,
    [IPC_DRAIN] = HEADER,
    [IPC_AUDIT_FD] = HEADER,
    [IPC_ROTATE] = HEADER,
    [IPC_PING] = HEADER,
    [IPC_LEAF_ASK] = WIRE(ipc_leaf_ask, spki),
    [IPC_LEAF] = WIRE(ipc_leaf, der),
    [IPC_RESOLVE] = WIRE(ipc_resolve, host),
    [IPC_RESOLVED] = WIRE(ipc_resolved, addrs),
    [IPC_COUNT_ASK] = WIRE(ipc_count, in),
    [IPC_COUNT] = WIRE(ipc_count, in),
    [IPC_VERDICT] = WIRE(ipc_verdict, queue),
};

/* No gaps between members either: what is sent is what was assigned. */
static_assert(WIRE(ipc_leaf_ask, spki) == HEADER + 4 + 2 + HOSTNAME_MAX + 1 + IPC_SPKI_MAX, "padding");
static_assert(WIRE(ipc_leaf, der) == HEADER + 4 + 2 + IPC_LEAF_MAX, "padding");
static_assert(WIRE(ipc_resolve, host) == HEADER + 4 + HOSTNAME_MAX + 1, "padding");
static_assert(
    WIRE(ipc_resolved, addrs) == HEADER + 4 + 2 + 2 + 4 + 17 + sizeof(struct addr[IPC_ADDRS_MAX]), "padding");
static_assert(WIRE(ipc_count, in) == HEADER + 16 + 16 + 2 + 2 + 4 + 8 + 8, "padding");
static_assert(WIRE(ipc_verdict, queue) == HEADER + 4 + 4 + 2, "padding");

size_t ipc_size(uint32_t type)
{
    return type < IPC_TYPE_END ? sizes[type] : 0;
}

/** A NUL within the array, and before it only what a canonical name or an address is written with. */
static bool host_ok(const char host[static HOSTNAME_MAX + 1])
{
    size_t len = strnlen(host, HOSTNAME_MAX + 1);
    if (len == 0 || len > HOSTNAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = host[i];
        bool ok =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == ':';
        if (!ok)
            return false;
    }
    return true;
}

/** An id goes into the audit log as it is: visible ASCII, possibly empty. */
static bool id_ok(const char *id, size_t room)
{
    size_t len = strnlen(id, room);
    for (size_t i = 0; i < len; i++)
        if (id[i] <= ' ' || id[i] > '~' || id[i] == '"' || id[i] == '\\')
            return false;
    return len < room;
}

static bool body_ok(const struct ipc_msg *m)
{
    switch ((enum ipc_type)m->type) {
    case IPC_LEAF_ASK:
        return host_ok(m->leaf_ask.host) && m->leaf_ask.spki_len > 0 && m->leaf_ask.spki_len <= IPC_SPKI_MAX;
    case IPC_LEAF: return m->leaf.len <= IPC_LEAF_MAX;
    case IPC_RESOLVE: return host_ok(m->resolve.host);
    case IPC_RESOLVED:
        return m->resolved.n <= IPC_ADDRS_MAX && id_ok(m->resolved.dns_id, sizeof m->resolved.dns_id);
    case IPC_COUNT_ASK:
    case IPC_COUNT: return m->count.found <= 1;
    case IPC_READY:
    case IPC_DRAIN:
    case IPC_AUDIT_FD:
    case IPC_ROTATE:
    case IPC_PING:
    case IPC_VERDICT: return true; /* the monitor knows which marks and queues are whose */
    case IPC_TYPE_END: break;
    }
    return false;
}

int ipc_check(const void *buf, size_t len, struct ipc_msg *out)
{
    uint32_t type;
    if (len < sizeof type || len > sizeof *out)
        return -EBADMSG;
    memcpy(&type, buf, sizeof type);
    if (len != ipc_size(type))
        return -EBADMSG;
    memset(out, 0, sizeof *out);
    memcpy(out, buf, len);
    return body_ok(out) ? 0 : -EBADMSG;
}

int ipc_send(int sock, const struct ipc_msg *m, int fd)
{
    size_t len = ipc_size(m->type);
    if (len == 0)
        return -EINVAL;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)m, .iov_len = len};
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int))];
    } control = {.buf = {0}};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        msg.msg_control = control.buf;
        msg.msg_controllen = sizeof control.buf;
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    ssize_t n;
    do
        n = sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;
    return 0;
}

/** The one descriptor of a message, -1 for none. Alignment leaves room for a second: it is closed and `*many`
 * set. */
static int take_fd(struct msghdr *msg, bool *many)
{
    int got = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            *many = got >= 0;
            if (got >= 0)
                close(got);
            got = fd;
        }
    }
    return got;
}

int ipc_recv(int sock, struct ipc_msg *out, int *fd)
{
    struct ipc_msg raw;
    struct iovec iov = {.iov_base = &raw, .iov_len = sizeof raw};
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof control.buf};
    if (fd)
        *fd = -1;
    ssize_t n;
    do
        n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? -EAGAIN : errno == ECONNRESET ? 0 : -errno;
    bool many = false;
    cleanup_fd int got = take_fd(&msg, &many);
    if (n == 0)
        return 0;
    if (many || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || ipc_check(&raw, (size_t)n, out) < 0)
        return -EBADMSG;
    bool carries = out->type == IPC_AUDIT_FD;
    if (carries != (got >= 0) || (got >= 0 && !fd))
        return -EBADMSG;
    if (fd)
        *fd = steal_fd(&got);
    return 1;
}
