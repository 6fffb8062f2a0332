/* An agent's octets to a whole HTTP/2 front, exchange and all, over a real socket and loop. The upstream
 * fails, or is never there, or is an HTTP/1 one that answers at once: the first octet of the input says
 * which. Nothing may be left over, whatever comes. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "appliance/engine.h"
#include "appliance/flow/flow.h"
#include "appliance/http/codec.h"
#include "appliance/http/upstream.h"
#include "lib/base.h"

static struct {
    struct engine e;
    struct engine_config config;
    struct http_front front;
    struct policy *policy;
    struct exchange *held;
    uint8_t mode;
    int closed;
} w;

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void on_back_event(struct http_back *b)
{
    (void)b;
}

static void on_back_idle(struct http_back *b)
{
    b->ops->close(b);
}

static void answer(struct exchange *x)
{
    static const struct http_back_events events = {on_back_idle, on_back_event, NULL};
    static const char text[] =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n";
    int sv[2];
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv) == 0);
    check(send(sv[0], text, sizeof text - 1, MSG_NOSIGNAL) == sizeof text - 1);
    close(sv[0]);
    struct http_back *b = h1_back_new(&w.e, conn_new(&w.e, sv[1], NULL, NULL), &events);
    exchange_upstream_ready(x, b->ops->open(b, x));
}

struct upstream_request *upstream_open(
    struct upstream_pool *p, const struct upstream_key *k, struct exchange *x, unsigned flags)
{
    (void)p, (void)k, (void)flags;
    if (w.mode == 0) {
        exchange_upstream_failed(x, REASON_UPSTREAM_UNREACHABLE, "as the test wants it");
        return NULL;
    }
    if (w.mode == 1)
        return (struct upstream_request *)&w;
    answer(x);
    return NULL;
}

void upstream_cancel(struct upstream_request *r)
{
    check((void *)r == (void *)&w);
}

const char *flow_id(const struct flow *f)
{
    (void)f;
    return "f10w";
}
const struct addr *flow_agent(const struct flow *f)
{
    (void)f;
    return NULL;
}
const struct endpoint *flow_dst(const struct flow *f)
{
    (void)f;
    return NULL;
}
const char *flow_dns_id(const struct flow *f)
{
    (void)f;
    return NULL;
}

static void on_closed(void *arg, uint64_t in, uint64_t out)
{
    (void)arg, (void)in, (void)out;
    w.closed++;
}

static void set_up(void)
{
    static const char text[] = "version: 1\negress:\n  routes:\n    - host: a.example\n";
    struct policy_error err;
    w.policy = policy_load(text, sizeof text - 1, &err);
    check(w.policy != NULL);
    w.config.policy = w.policy;
    w.e.config = &w.config;
    w.e.policy = w.policy;
    w.e.audit = audit_open(open("/dev/null", O_WRONLY | O_CLOEXEC), "engine", 0);
    check(w.e.audit && engine_loop_init(&w.e) == 0);
}

static void turn(int fd, int times)
{
    char sink[4096];
    for (int i = 0; i < times; i++) {
        engine_turn(&w.e, false);
        while (recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0)
            ;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    int sv[2];
    if (!w.policy)
        set_up();
    if (n < 1 || n > 60000)
        return 0;
    w.mode = p[0] % 3;
    w.closed = 0;
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv) == 0);
    w.front = (struct http_front){.engine = &w.e,
        .flow = (struct flow *)&w,
        .host = "a.example",
        .tls = true,
        .port = 443,
        .alpn_h2 = true,
        .route = policy_route(w.policy, "a.example")};
    check(h2_front_start(&w.front, conn_new(&w.e, sv[1], NULL, NULL), on_closed, NULL) == 0);
    size_t half = n / 2;
    (void)send(sv[0], p + 1, half, MSG_NOSIGNAL);
    turn(sv[0], 3);
    if (n > 1 + half)
        (void)send(sv[0], p + 1 + half, n - 1 - half, MSG_NOSIGNAL);
    turn(sv[0], 6);
    if (p[0] & 8)
        http_front_drain(&w.front);
    close(sv[0]);
    for (int i = 0; i < 4; i++)
        engine_turn(&w.e, false);
    http_front_close(&w.front);
    for (int i = 0; i < 4; i++)
        engine_turn(&w.e, false);
    check(w.closed == 1);
    (void)audit_flush(w.e.audit);
    return 0;
}
