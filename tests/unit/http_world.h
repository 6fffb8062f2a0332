/* A front codec with an agent's socket, an upstream that hands out the other end of a socket pair, a real
 * engine loop, policy and audit log. Only the pool and the flow's identity are fakes, of the same symbols. */
#ifndef TESTS_HTTP_WORLD_H
#define TESTS_HTTP_WORLD_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "appliance/engine.h"
#include "appliance/flow/conn.h"
#include "appliance/flow/flow.h"
#include "appliance/http/codec.h"
#include "appliance/http/upstream.h"
#include "lib/base.h"

static struct {
    struct engine e;
    struct engine_config config;
    struct http_front front;
    struct policy *policy;
    struct secrets *secrets;
    int agent; /* our end of the agent's connection */
    int origin; /* our end of the latest upstream connection; -1: none */
    int log;
    unsigned opened, cancelled, closed;
    unsigned flags; /* of the latest upstream_open() */
    struct upstream_key key;
    bool apart; /* sockets made from now on keep apart what is sent apart */
    bool hold; /* upstream_open() does not answer: world_upstream() does */
    enum reason fail; /* upstream_open() fails with this */
    struct exchange *held;
    struct http_back *idle;
    struct endpoint dst; /* port 0: not known */
    char log_text[1 << 16];
    char text[1 << 20];
} w;

static void world_socket(int *ours, int *theirs)
{
    int sv[2];
    int type = w.apart ? SOCK_SEQPACKET : SOCK_STREAM;
    cr_assert_eq(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
    *ours = sv[0];
    *theirs = sv[1];
}

#ifndef WORLD_REAL_POOL
static void on_back_idle(struct http_back *b)
{
    w.idle = b;
}

static void on_back_dead(struct http_back *b)
{
    if (w.idle == b)
        w.idle = NULL;
}

static const struct http_back_events world_events = {on_back_idle, on_back_dead, NULL};

static void world_upstream(struct exchange *x)
{
    struct http_back *b = w.idle;
    w.idle = NULL;
    if (!b) {
        int theirs;
        if (w.origin >= 0)
            close(w.origin);
        world_socket(&w.origin, &theirs);
        b = h1_back_new(&w.e, conn_new(&w.e, theirs, NULL, NULL), &world_events);
    }
    exchange_upstream_ready(x, b->ops->open(b, x));
}

struct upstream_request *upstream_open(
    struct upstream_pool *p, const struct upstream_key *k, struct exchange *x, unsigned flags)
{
    (void)p;
    w.opened++;
    w.flags = flags;
    w.key = *k;
    if (flags & UPSTREAM_FRESH)
        w.idle = NULL;
    if (w.fail) {
        exchange_upstream_failed(x, w.fail, "as the test wants it");
        return NULL;
    }
    w.held = x;
    if (w.hold)
        return (struct upstream_request *)&w;
    world_upstream(x);
    return NULL;
}

void upstream_cancel(struct upstream_request *r)
{
    cr_assert_eq((void *)r, (void *)&w);
    w.cancelled++;
}

#endif

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
    return w.dst.port ? &w.dst : NULL;
}
const char *flow_dns_id(const struct flow *f)
{
    (void)f;
    return NULL;
}

#ifndef WORLD_SETTINGS
#define WORLD_SETTINGS
#endif

static const char world_policy[] =
    "version: 1\n" WORLD_SETTINGS "egress:\n"
    "  routes:\n"
    "    - host: a.example\n"
    "    - host: b.example\n"
    "      auth: {scheme: Bearer, token_ref: TOKEN}\n"
    "    - host: c.example\n"
    "      auth: {scheme: Basic, token_ref: PAIR}\n"
    "    - host: p.example\n"
    "      auth: {scheme: Bearer, token_ref: TOKEN, placeholder: PLACEHOLDER-1}\n"
    "    - host: d.example\n"
    "      auth: {scheme: token, token_ref: MISSING}\n"
    "    - host: m.example\n"
    "      matches: [{paths: [{value: /api/}], methods: [GET]}]\n"
    "    - host: g.example\n"
    "      git: {fetch: true}\n"
    "    - host: '*.w.example'\n"
    "    - host: in.example\n"
    "      allow_private: true\n";

static void world_secrets(void)
{
    char path[] = "/tmp/test_http_XXXXXX", err[200];
    int fd = mkstemp(path);
    static const char text[] = "TOKEN=real-token\nPAIR=user:password\n";
    cr_assert_eq(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(fd);
    w.secrets = secrets_load(path, err, sizeof err);
    unlink(path);
    cr_assert(w.secrets, "%s", err);
}

static void on_front_closed(void *arg, uint64_t in, uint64_t out)
{
    (void)arg, (void)in, (void)out;
    w.closed++;
}

/* A front for `host` (NULL: plaintext). */
static void world_front(const char *host)
{
    int theirs;
    if (w.front.codec)
        http_front_close(&w.front);
    if (w.agent >= 0)
        close(w.agent);
    world_socket(&w.agent, &theirs);
    w.closed = 0;
    w.front = (struct http_front){.engine = &w.e,
        .flow = (struct flow *)&w,
        .host = host,
        .tls = host != NULL,
        .port = host ? 443 : 80,
        .route = host ? policy_route(w.policy, host) : NULL,
        .deny = REASON_NO_ROUTE};
    cr_assert_eq(h1_front_start(&w.front, conn_new(&w.e, theirs, NULL, NULL), on_front_closed, NULL), 0);
}

static void world_open(void)
{
    struct policy_error err;
    memset(&w, 0, sizeof w);
    w.agent = w.origin = -1;
    w.policy = policy_load(world_policy, sizeof world_policy - 1, &err);
    cr_assert(w.policy, "%u:%u: %s", err.line, err.col, err.text);
    world_secrets();
    w.config.secrets = w.secrets;
    w.config.policy = w.policy;
    w.e.config = &w.config;
    w.e.policy = w.policy;
    w.log = memfd_create("audit", MFD_CLOEXEC);
    w.e.audit = audit_open(dup(w.log), "engine", 0);
    cr_assert_eq(engine_loop_init(&w.e), 0);
    world_front("a.example");
}

static void pump(void);

static void world_close(void)
{
    if (w.front.codec)
        http_front_close(&w.front);
    if (w.idle)
        w.idle->ops->close(w.idle);
    pump();
    engine_loop_close(&w.e);
    audit_close(w.e.audit);
    close(w.log);
    policy_free(w.policy);
    secrets_free(w.secrets);
    if (w.agent >= 0)
        close(w.agent);
    if (w.origin >= 0)
        close(w.origin);
}

static void pump(void)
{
    for (int i = 0; i < 12; i++)
        engine_turn(&w.e, false);
}

static inline void wait_ms(unsigned ms)
{
    uint64_t until = uv_hrtime() + ms * 1000000ull;
    while (uv_hrtime() < until) {
        engine_turn(&w.e, false);
        usleep(5000);
    }
}

static void put_n(int fd, const char *s, size_t n)
{
    cr_assert_eq(send(fd, s, n, MSG_NOSIGNAL), (ssize_t)n);
    pump();
}

static void put(int fd, const char *s)
{
    put_n(fd, s, strlen(s));
}

/* What has come; "EOF" or "RST" is appended for an end. */
static const char *take(int fd)
{
    pump();
    size_t n = 0;
    ssize_t r;
    while ((r = recv(fd, w.text + n, sizeof w.text - n - 4, MSG_DONTWAIT)) > 0) {
        n += (size_t)r;
        pump();
    }
    w.text[n] = '\0';
    if (r == 0)
        strcat(w.text + n, "EOF");
    else if (errno != EAGAIN)
        strcat(w.text + n, "RST");
    return w.text;
}

static inline const char *audit_lines(void)
{
    (void)audit_flush(w.e.audit);
    ssize_t n = pread(w.log, w.log_text, sizeof w.log_text - 1, 0);
    w.log_text[n < 0 ? 0 : n] = '\0';
    return w.log_text;
}

static inline bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static inline unsigned count(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *p = text; (p = strstr(p, part)) != NULL; p += strlen(part))
        n++;
    return n;
}

#define EXPECT_HAS(text, part) cr_expect(has((text), (part)), "no %s in:\n%s", (part), (text))
#define EXPECT_NOT(text, part) cr_expect(!has((text), (part)), "%s in:\n%s", (part), (text))

#endif
