#include "hostctl/follow.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "hostctl/proc.h"
#include "lib/base.h"
#include "lib/log.h"

#define LOOK_MS 1000
/* Less is a clock that is being set. */
#define SLEPT_MS 2000
/* Root servers: addresses that only a default route leads to. */
#define SOMEWHERE "198.41.0.4"
#define SOMEWHERE6 "2001:503:ba3e::2:30"

/* The source that the kernel would choose. */
static bool source(int family, const struct sockaddr *to, struct sockaddr *from, socklen_t len)
{
    cleanup_fd int fd = socket(family, SOCK_DGRAM, 0);
    return fd >= 0 && connect(fd, to, len) == 0 && getsockname(fd, from, &len) == 0;
}

void host_addresses(struct host_addresses *out)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)}, from = {.sin_port = 0};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(53)}, from6 = {.sin6_port = 0};
    memset(out, 0, sizeof *out); /* it is compared as a whole */
    (void)inet_pton(AF_INET, SOMEWHERE, &to.sin_addr);
    (void)inet_pton(AF_INET6, SOMEWHERE6, &to6.sin6_addr);
    if (source(AF_INET, (const struct sockaddr *)&to, (struct sockaddr *)&from, sizeof to))
        out->ip = from.sin_addr;
    if (source(AF_INET6, (const struct sockaddr *)&to6, (struct sockaddr *)&from6, sizeof to6))
        out->ip6 = from6.sin6_addr;
}

static long long clock_ms(clockid_t clock)
{
    struct timespec t = {0};
    (void)clock_gettime(clock, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A clock that goes on in sleep, less one that does not. */
static long long asleep_ms(void)
{
#ifdef __APPLE__
    return clock_ms(CLOCK_MONOTONIC) - clock_ms(CLOCK_UPTIME_RAW);
#else
    return clock_ms(CLOCK_BOOTTIME) - clock_ms(CLOCK_MONOTONIC);
#endif
}

void follow_open(struct follow *f, const struct sandbox *sb)
{
    *f = (struct follow){.proof = PROOF_NONE, .asleep = asleep_ms(), .next = now_ms() + LOOK_MS};
    host_addresses(&f->known);
    if (sb->resolver_text)
        resolvers_write(&sb->resolvers, f->servers);
}

void follow_close(struct follow *f)
{
    proof_end(&f->proof);
}

int follow_timeout(const struct follow *f)
{
    long long left = f->next - now_ms();
    return left < 0 ? 0 : (int)MIN(left, LOOK_MS);
}

/* A host that has none at the moment keeps what it had. */
static bool other_servers(struct follow *f)
{
    char *text = NULL, now[RESOLVERS_TEXT];
    struct opt_list list;
    bool stub;
    if (!f->servers[0] || resolvers_look(&text, &list, &stub))
        return false;
    resolvers_write(&list, now);
    free(text);
    bool other = strcmp(now, f->servers) != 0;
    memcpy(f->servers, now, sizeof now);
    return other;
}

unsigned follow_look(struct follow *f)
{
    struct host_addresses now;
    unsigned changed = 0;
    if (now_ms() < f->next)
        return 0;
    long long asleep = asleep_ms();
    if (asleep - f->asleep >= SLEPT_MS) {
        log_info("the host has slept for %lld seconds", (asleep - f->asleep) / 1000);
        changed |= FOLLOW_SLEEP;
    }
    f->asleep = asleep;
    host_addresses(&now);
    if (memcmp(&now, &f->known, sizeof now) != 0)
        changed |= FOLLOW_ADDRESS;
    f->known = now;
    if (other_servers(f)) {
        log_info("the host asks other DNS servers now, and so does the sidecar");
        changed |= FOLLOW_SERVERS;
    }
    f->next = now_ms() + LOOK_MS;
    return changed;
}

void follow_renew(struct follow *f, unsigned changed, struct record *r)
{
    const struct backend *b = backend_of(r);
    struct blob text = {f->servers, strlen(f->servers)};
    int err = 0;
    if (!b)
        return;
    if (changed & FOLLOW_SERVERS)
        err = b->put_file(r, SIDECAR_RESOLV, &text);
    if (!err)
        err = b->reload(r);
    if (err)
        log_warn("the sidecar does not follow the host: %s", strerror(-err));
    proof_begin(&f->proof, r,
        changed & FOLLOW_ADDRESS   ? "the change of the uplink"
        : changed & FOLLOW_SERVERS ? "the change of the DNS servers"
                                   : "the host's sleep");
}
