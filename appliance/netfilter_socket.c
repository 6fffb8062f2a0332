/* The sockets that only a privileged process can open. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "appliance/netfilter_internal.h"
#include "lib/base.h"

#define LISTEN_BACKLOG 4096
/* The system's usual size is full with 256 questions; what is lost then, its asker asks again after seconds.
 */
#define DNS_RCVBUF (1024 * 1024)

#ifndef IP_RECVORIGDSTADDR
#define IP_RECVORIGDSTADDR 20
#endif
#ifndef IPV6_RECVORIGDSTADDR
#define IPV6_RECVORIGDSTADDR 74
#endif

static int set_on(int fd, int level, int option)
{
    const int on = 1;
    return setsockopt(fd, level, option, &on, sizeof on) < 0 ? -errno : 0;
}

static int set_transparent(int fd, int family)
{
    if (family == AF_INET6)
        return set_on(fd, SOL_IPV6, IPV6_TRANSPARENT);
    return set_on(fd, SOL_IP, IP_TRANSPARENT);
}

static int bind_any(int fd, int family, uint16_t port)
{
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    int err = family == AF_INET6 ? bind(fd, (const struct sockaddr *)&a6, sizeof a6)
                                 : bind(fd, (const struct sockaddr *)&a4, sizeof a4);
    return err < 0 ? -errno : 0;
}

static int bind_to(int fd, const struct addr *a, uint16_t port)
{
    struct sockaddr_storage ss;
    const struct endpoint ep = {*a, port};
    socklen_t len = addr_to_sockaddr(&ep, &ss);
    return bind(fd, (const struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

/* An egressd that was killed a moment ago takes its sockets along a moment later. One that lives keeps them.
 */
#define BUSY_TRIES 50
#define BUSY_WAIT_NS 10000000L

int netfilter_retry_busy(int (*try)(const void *arg), const void *arg)
{
    int result = try(arg);
    for (int i = 0; i < BUSY_TRIES && (result == -EADDRINUSE || result == -EBUSY); i++) {
        const struct timespec wait = {.tv_nsec = BUSY_WAIT_NS};
        (void)nanosleep(&wait, NULL);
        result = try(arg);
    }
    return result;
}

struct wanted {
    int family, type;
    uint16_t port;
    bool transparent, shared; /* several of them on one port */
    const struct addr *self; /* NULL: any address */
};

static int open_once(const void *arg)
{
    const struct wanted *w = arg;
    const int family = w->family, type = w->type;
    cleanup_fd int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int err = family == AF_INET6 ? set_on(fd, SOL_IPV6, IPV6_V6ONLY) : 0;
    if (!err && type == SOCK_STREAM)
        err = set_on(fd, SOL_SOCKET, SO_REUSEADDR);
    if (!err && w->shared)
        err = set_on(fd, SOL_SOCKET, SO_REUSEPORT);
    if (!err && w->transparent)
        err = set_transparent(fd, family);
    if (!err)
        err = w->self ? bind_to(fd, w->self, w->port) : bind_any(fd, family, w->port);
    if (!err && type == SOCK_STREAM && listen(fd, LISTEN_BACKLOG) < 0)
        err = -errno;
    return err ? err : steal_fd(&fd);
}

int netfilter_open_listener(int family, bool transparent)
{
    const struct wanted w = {family, SOCK_STREAM, PORT_ENGINE, transparent, true, NULL};
    return netfilter_retry_busy(open_once, &w);
}

int netfilter_open_proxy(const struct addr *self, uint16_t port)
{
    const struct wanted w = {.family = addr_is_v4(self) ? AF_INET : AF_INET6,
        .type = SOCK_STREAM,
        .port = port,
        .shared = true,
        .self = self};
    return netfilter_retry_busy(open_once, &w);
}

int netfilter_open_dns(int family, int type, bool transparent)
{
    const struct wanted w = {family, type, PORT_DNS, transparent, false, NULL};
    cleanup_fd int fd = netfilter_retry_busy(open_once, &w);
    if (fd < 0 || type != SOCK_DGRAM)
        return steal_fd(&fd);
    const int size = DNS_RCVBUF;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    /* Where it was sent to: an answer leaves with the asked address as its source. */
    int err = family == AF_INET6 ? set_on(fd, SOL_IPV6, IPV6_RECVORIGDSTADDR)
                                 : set_on(fd, SOL_IP, IP_RECVORIGDSTADDR);
    return err ? err : steal_fd(&fd);
}
