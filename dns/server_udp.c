#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include "dns/resolver.h"
#include "lib/base.h"

#define BATCH 64
/* Batches before other descriptors get their turn. */
#define BATCHES_A_TURN 4
/* Questions have a few hundred octets at most; what is cut here does not parse. */
#define QUESTION_MAX 1280
/* Answers that leave together share most of what they cost, so under a flood the next questions get time to
 * become many: for as long as reading brings this many at once, the one before was just now, and hardly any
 * wait for an upstream. */
#define GROWS_FROM 16
#define GROW_NS 50000
#define GROW_WITHIN_NS 1000000

union control {
    struct cmsghdr align;
    uint8_t b[CMSG_SPACE(sizeof(struct sockaddr_in6)) + CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* Where the client sent its question: the wildcard socket hears what was meant for any address. */
static bool asked_address(struct msghdr *m, struct addr *out)
{
    struct endpoint ep;
    struct sockaddr_storage sa;

    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL; h = CMSG_NXTHDR(m, h)) {
        bool v4 = h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_ORIGDSTADDR;
        bool v6 = h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_ORIGDSTADDR;
        if (!v4 && !v6)
            continue;
        memcpy(&sa, CMSG_DATA(h), v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
        if (!addr_from_sockaddr((struct sockaddr *)&sa, &ep))
            return false;
        *out = ep.addr;
        return true;
    }
    return false;
}

static void take(struct resolver *r, int fd, struct mmsghdr *m, const uint8_t *msg, uint64_t began)
{
    struct client c = {.kind = CLIENT_UDP, .fd = fd};
    struct sockaddr_storage *sa = m->msg_hdr.msg_name;

    if (!addr_from_sockaddr((struct sockaddr *)sa, &c.peer) || c.peer.port == 0 ||
        !asked_address(&m->msg_hdr, &c.local))
        return;
    if (sa->ss_family == AF_INET6)
        c.scope = ((struct sockaddr_in6 *)sa)->sin6_scope_id;
    resolver_message(r, &c, msg, m->msg_len, began);
}

/* A full batch needs no time to grow. */
static void let_grow(const struct resolver *r)
{
    const struct timespec t = {.tv_nsec = GROW_NS};

    if (r->udp_batch >= GROWS_FROM && r->udp_batch < BATCH && asks_pending(r->asks) < GROWS_FROM &&
        uv_hrtime() - r->udp_batch_at < GROW_WITHIN_NS)
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct resolver *r = poll->data;
    static uint8_t bytes[BATCH][QUESTION_MAX];
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH];
    struct sockaddr_storage from[BATCH];
    union control control[BATCH];
    int fd;

    (void)events;
    if (status < 0 || uv_fileno((uv_handle_t *)poll, &fd) < 0)
        return;
    let_grow(r);
    for (int turn = 0, n = BATCH; turn < BATCHES_A_TURN && n == BATCH; turn++) {
        for (size_t i = 0; i < BATCH; i++) {
            iov[i] = (struct iovec){.iov_base = bytes[i], .iov_len = QUESTION_MAX};
            msgs[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
                .msg_namelen = sizeof from[i],
                .msg_iov = &iov[i],
                .msg_iovlen = 1,
                .msg_control = &control[i],
                .msg_controllen = sizeof control[i]};
        }
        n = recvmmsg(fd, msgs, BATCH, MSG_DONTWAIT, NULL);
        uint64_t began = uv_hrtime();
        r->udp_batch = n;
        r->udp_batch_at = began;
        for (int i = 0; i < n; i++)
            take(r, fd, &msgs[i], bytes[i], began);
        resolver_flush(r);
    }
}

int server_udp_start(struct resolver *r, uv_poll_t *poll, int fd)
{
    int domain = 0, yes = 1;
    socklen_t len = sizeof domain;

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
        return -errno;
    if (domain == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_RECVORIGDSTADDR, &yes, sizeof yes) < 0
                          : setsockopt(fd, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, &yes, sizeof yes) < 0)
        return -errno;
    int err = uv_poll_init(&r->loop, poll, fd);
    poll->data = r;
    return err != 0 ? err : uv_poll_start(poll, UV_READABLE, on_readable);
}
