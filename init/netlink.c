#include "init/netlink.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* The kernel answers a request on the same CPU; a second is for a machine that swaps. */
enum { ANSWER_MS = 5000, RECEIVE_MAX = 32768 };

/* Messages and attributes both start at multiples of four. (The kernel's macros for it are signed.) */
static size_t aligned(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

static uint8_t *reserve(struct nl_request *r, size_t len)
{
    size_t whole = aligned(len);
    if (r->full || whole > sizeof r->data - r->len) {
        r->full = true;
        return NULL;
    }
    uint8_t *p = r->data + r->len;
    memset(p, 0, whole);
    r->len += whole;
    /* Lengths of the message are kept right at every moment, so that there is no "finish" to forget. */
    ((struct nlmsghdr *)(void *)(r->data + r->message))->nlmsg_len = (uint32_t)(r->len - r->message);
    return p;
}

void nl_begin(struct nl_request *r, uint16_t type, uint16_t flags, const void *header, size_t header_len)
{
    r->message = r->len;
    struct nlmsghdr *h = (struct nlmsghdr *)(void *)reserve(r, sizeof *h);
    if (h == NULL)
        return;
    h->nlmsg_type = type;
    h->nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST);
    h->nlmsg_seq = ++r->count;
    uint8_t *p = reserve(r, header_len);
    if (p != NULL)
        memcpy(p, header, header_len);
}

void nl_put(struct nl_request *r, uint16_t type, const void *data, size_t len)
{
    uint8_t *p = reserve(r, sizeof(struct nlattr) + len);
    if (p == NULL)
        return;
    struct nlattr a = {.nla_type = type, .nla_len = (uint16_t)(sizeof(struct nlattr) + len)};
    memcpy(p, &a, sizeof a);
    memcpy(p + sizeof(struct nlattr), data, len);
}

void nl_put_u32(struct nl_request *r, uint16_t type, uint32_t value)
{
    nl_put(r, type, &value, sizeof value);
}

void nl_put_str(struct nl_request *r, uint16_t type, const char *s)
{
    nl_put(r, type, s, strlen(s) + 1);
}

size_t nl_nest(struct nl_request *r, uint16_t type)
{
    size_t at = r->len;
    nl_put(r, type, "", 0);
    return at;
}

void nl_nest_end(struct nl_request *r, size_t nest)
{
    if (!r->full)
        ((struct nlattr *)(void *)(r->data + nest))->nla_len = (uint16_t)(r->len - nest);
}

int nl_open(int protocol)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return -errno;
    struct sockaddr_nl self = {.nl_family = AF_NETLINK};
    if (bind(fd, (struct sockaddr *)&self, sizeof self) < 0) {
        int error = -errno;
        (void)close(fd);
        return error;
    }
    return fd;
}

static int send_request(int fd, const struct nl_request *r)
{
    if (r->full)
        return -EMSGSIZE;
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    ssize_t n = sendto(fd, r->data, r->len, 0, (struct sockaddr *)&kernel, sizeof kernel);
    return n < 0 ? -errno : 0;
}

/* One datagram from the kernel itself: any process of this namespace may send to our port. */
static ssize_t receive(int fd, uint8_t buf[static RECEIVE_MAX])
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, ANSWER_MS);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return ready == 0 ? -ETIMEDOUT : -errno;
        struct sockaddr_nl from = {0};
        socklen_t from_len = sizeof from;
        ssize_t n = recvfrom(fd, buf, RECEIVE_MAX, MSG_TRUNC, (struct sockaddr *)&from, &from_len);
        if (n < 0)
            return -errno;
        if (n > RECEIVE_MAX)
            return -EMSGSIZE;
        if (from.nl_pid == 0 && n >= (ssize_t)sizeof(struct nlmsghdr))
            return n;
    }
}

static int error_of(const struct nlmsghdr *h)
{
    if (h->nlmsg_len < NLMSG_LENGTH(sizeof(int)))
        return -EBADMSG;
    return *(const int *)NLMSG_DATA(h);
}

/* How many messages want an acknowledgement; with `seq`, whether that one does. */
static unsigned acks_wanted(const struct nl_request *r, uint32_t seq)
{
    unsigned n = 0;
    for (size_t at = 0; at < r->len;) {
        const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)(r->data + at);
        n += (h->nlmsg_flags & NLM_F_ACK) != 0 && (seq == 0 || h->nlmsg_seq == seq);
        at += aligned(h->nlmsg_len);
    }
    return n;
}

/* Counts the answers in one datagram. Returns false once no more will come. */
static bool count_answers(
    const struct nl_request *r, struct nlmsghdr *h, size_t left, unsigned *wanted, int *first)
{
    for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
        if (h->nlmsg_type != NLMSG_ERROR)
            continue;
        int error = error_of(h);
        if (error != 0 && *first == 0)
            *first = error;
        /* A refused batch is answered by one error to its frame, and nothing else follows. */
        if (acks_wanted(r, h->nlmsg_seq) == 0)
            return error == 0;
        if (--*wanted == 0)
            return false;
    }
    return true;
}

int nl_call(int fd, const struct nl_request *r)
{
    _Alignas(struct nlmsghdr) uint8_t buf[RECEIVE_MAX] = {0};
    int error = send_request(fd, r), first = 0;
    if (error != 0)
        return error;
    unsigned wanted = acks_wanted(r, 0);
    ssize_t n = 0;
    do {
        n = receive(fd, buf);
        if (n < 0)
            return (int)n;
    } while (count_answers(r, (struct nlmsghdr *)(void *)buf, (size_t)n, &wanted, &first));
    return first;
}

int nl_dump(int fd, const struct nl_request *r, nl_visit *visit, void *arg)
{
    _Alignas(struct nlmsghdr) uint8_t buf[RECEIVE_MAX] = {0};
    int error = send_request(fd, r);
    if (error != 0)
        return error;
    bool interrupted = false;
    for (;;) {
        ssize_t n = receive(fd, buf);
        if (n < 0)
            return (int)n;
        size_t left = (size_t)n;
        for (struct nlmsghdr *h = (struct nlmsghdr *)(void *)buf; NLMSG_OK(h, left);
             h = NLMSG_NEXT(h, left)) {
            interrupted |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
            if (h->nlmsg_type == NLMSG_DONE) {
                if (error == 0 && h->nlmsg_len >= NLMSG_LENGTH(sizeof(int)))
                    error = error_of(h);
                return error == 0 && interrupted ? -EINTR : error;
            }
            if (h->nlmsg_type == NLMSG_ERROR)
                return error_of(h);
            if (error ==
                0) /* after a refusal the rest is read all the same, so that the socket can be used again */
                error = visit(h, arg);
        }
    }
}

struct nl_view nl_attributes(const struct nlmsghdr *h, size_t header_len)
{
    size_t skip = sizeof *h + aligned(header_len);
    struct nl_view v = {0};
    if (h->nlmsg_len > skip)
        v = (struct nl_view){.data = (const uint8_t *)h + skip, .len = h->nlmsg_len - skip};
    return v;
}

struct nl_view nl_find(struct nl_view attributes, uint16_t type)
{
    struct nlattr a;
    for (size_t at = 0; attributes.len - at >= sizeof a; at += aligned(a.nla_len)) {
        memcpy(&a, attributes.data + at, sizeof a);
        if (a.nla_len < sizeof a || a.nla_len > attributes.len - at)
            break;
        if ((a.nla_type & NLA_TYPE_MASK) == type)
            return (struct nl_view){.data = attributes.data + at + sizeof(struct nlattr),
                .len = (size_t)a.nla_len - sizeof(struct nlattr)};
        if (aligned(a.nla_len) > attributes.len - at)
            break;
    }
    return (struct nl_view){0};
}

uint32_t nl_find_u32(struct nl_view attributes, uint16_t type, uint32_t otherwise)
{
    struct nl_view v = nl_find(attributes, type);
    if (v.data == NULL || v.len < sizeof otherwise)
        return otherwise;
    memcpy(&otherwise, v.data, sizeof otherwise);
    return otherwise;
}
