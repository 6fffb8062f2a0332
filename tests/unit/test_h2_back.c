/* Upstreams that speak HTTP/2, well and badly: requests of an HTTP/1 agent, frames of a hand-made origin. */
#define WORLD_REAL_POOL /* its upstream_open() is ours */
#include "tests/unit/http_world.h"

enum { DATA = 0, HEADERS = 1, RST = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, WINDOW = 8 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

static struct {
    struct http_back *session; /* in the pool */
    unsigned idle, dead, settings;
    bool full; /* it keeps no idle one */
} pool;

static void on_idle(struct http_back *b)
{
    pool.idle++;
    if (!pool.full)
        return;
    pool.session = NULL;
    b->ops->close(b);
}

static void on_dead(struct http_back *b)
{
    if (pool.session == b)
        pool.session = NULL;
    pool.dead++;
}

static void on_settings(struct http_back *b)
{
    (void)b;
    pool.settings++;
}

static const struct http_back_events pool_events = {on_idle, on_dead, on_settings};

struct upstream_request *upstream_open(
    struct upstream_pool *p, const struct upstream_key *k, struct exchange *x, unsigned flags)
{
    (void)p, (void)k;
    w.opened++;
    w.flags = flags;
    if (flags & UPSTREAM_FRESH)
        pool.session = NULL;
    if (!pool.session || !pool.session->ops->capacity(pool.session)) {
        int sv[2];
        if (w.origin >= 0)
            close(w.origin);
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
        w.origin = sv[0];
        pool.session = h2_back_new(&w.e, conn_new(&w.e, sv[1], NULL, NULL), &pool_events);
    }
    exchange_upstream_ready(x, pool.session->ops->open(pool.session, x));
    return NULL;
}

void upstream_cancel(struct upstream_request *r)
{
    cr_assert_null(r);
}

static void open_world(void)
{
    memset(&pool, 0, sizeof pool);
    world_open();
}

static void close_world(void)
{
    if (w.front.codec)
        http_front_close(&w.front);
    pump();
    if (pool.session)
        pool.session->ops->close(pool.session);
    world_close();
}

TestSuite(h2_back, .init = open_world, .fini = close_world, .timeout = 20);

/* ---- the origin ---- */

static void frame(int kind, int flags, uint32_t stream, const void *body, size_t n)
{
    char out[4096] = {(char)(n >> 16), (char)(n >> 8), (char)n, (char)kind, (char)flags, (char)(stream >> 24),
        (char)(stream >> 16), (char)(stream >> 8), (char)stream};
    if (n)
        memcpy(out + 9, body, n);
    put_n(w.origin, out, 9 + n);
}

/* "name value" pairs, as literals. */
static void head(int flags, uint32_t stream, const char *const *pairs)
{
    char block[2000];
    size_t n = 0;
    for (; *pairs; pairs += 2) {
        size_t nl = strlen(pairs[0]), vl = strlen(pairs[1]);
        block[n++] = 0;
        block[n++] = (char)nl;
        memcpy(block + n, pairs[0], nl);
        n += nl;
        block[n++] = (char)vl;
        memcpy(block + n, pairs[1], vl);
        n += vl;
    }
    frame(HEADERS, END_HEADERS | flags, stream, block, n);
}
#define HEAD(flags, stream, ...) head(flags, stream, (const char *const[]){__VA_ARGS__, NULL})

static void code(int kind, uint32_t stream, uint32_t last, uint32_t c)
{
    uint8_t b[8] = {(uint8_t)(last >> 24), (uint8_t)(last >> 16), (uint8_t)(last >> 8), (uint8_t)last,
        (uint8_t)(c >> 24), (uint8_t)(c >> 16), (uint8_t)(c >> 8), (uint8_t)c};
    frame(kind, 0, stream, kind == GOAWAY ? b : b + 4, kind == GOAWAY ? 8 : 4);
}

/* What the origin has got: "H1. D1:abc D1." and so on; a dot ends a stream. */
static const char *seen(void)
{
    static char out[1 << 16];
    static uint8_t in[1 << 20];
    size_t n = 0, at = 0, len = 0;
    ssize_t r;
    pump();
    while ((r = recv(w.origin, in + n, sizeof in - n, MSG_DONTWAIT)) > 0)
        n += (size_t)r;
    if (n >= 24 && memcmp(in, "PRI * HTTP/2.0", 14) == 0) {
        at = 24;
        frame(SETTINGS, 0, 0, NULL, 0);
        frame(SETTINGS, ACK, 0, NULL, 0);
    }
    out[0] = '\0';
    while (at + 9 <= n) {
        size_t body = (size_t)in[at] << 16 | (size_t)in[at + 1] << 8 | in[at + 2];
        int kind = in[at + 3], flags = in[at + 4], stream = in[at + 8];
        const char *end = (kind == DATA || kind == HEADERS) && (flags & END_STREAM) ? "." : "";
        if (kind == HEADERS)
            len += (size_t)snprintf(out + len, sizeof out - len, "H%d%s ", stream, end);
        else if (kind == DATA)
            len += (size_t)snprintf(
                out + len, sizeof out - len, "D%d:%.*s%s ", stream, (int)body, (char *)in + at + 9, end);
        else if (kind == RST)
            len += (size_t)snprintf(out + len, sizeof out - len, "R%d:%d ", stream, in[at + 12]);
        else if (kind == PING && !(flags & ACK))
            len += (size_t)snprintf(out + len, sizeof out - len, "P ");
        at += 9 + body;
    }
    if (r == 0)
        (void)snprintf(out + len, sizeof out - len, "EOF");
    return out;
}

#define GET "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\n"

/* ---- */

Test(h2_back, requests_share_a_session)
{
    put(w.agent, GET);
    cr_assert_str_eq(seen(), "H1. ");
    HEAD(0, 1, ":status", "200", "x-a", "b");
    frame(DATA, END_STREAM, 1, "abc", 3);
    cr_assert_str_eq(take(w.agent),
        "HTTP/1.1 200 OK\r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    put(w.agent, POST "abc");
    cr_assert_str_eq(seen(), "H3 D3:abc. ");
    HEAD(END_STREAM, 3, ":status", "204");
    EXPECT_HAS(take(w.agent), "HTTP/1.1 204 ");
    cr_assert_eq(pool.idle, 2);
    cr_assert_eq(pool.dead, 0);
}

Test(h2_back, a_session_that_is_closed_by_its_last_answer)
{
    pool.full = true;
    for (int i = 0; i < 2; i++) {
        put(w.agent, GET);
        cr_assert_str_eq(seen(), "H1. ");
        HEAD(END_STREAM, 1, ":status", "204");
        EXPECT_HAS(take(w.agent), "HTTP/1.1 204 ");
        EXPECT_HAS(seen(), "EOF");
    }
    cr_assert_eq(pool.idle, 2);
    cr_assert_eq(pool.dead, 0);
}

Test(h2_back, interim_responses_and_trailers)
{
    put(w.agent, "GET / HTTP/1.1\r\nHost: a.example\r\nTE: trailers\r\nConnection: te\r\n\r\n");
    (void)seen();
    HEAD(0, 1, ":status", "103", "link", "x");
    HEAD(0, 1, ":status", "200");
    frame(DATA, 0, 1, "abc", 3);
    HEAD(END_STREAM, 1, "x-sum", "1", "content-length", "9");
    const char *got = take(w.agent);
    EXPECT_HAS(got, "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n");
    EXPECT_HAS(got, "3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n");
}

Test(h2_back, a_head_request)
{
    put(w.agent, "HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    (void)seen();
    HEAD(END_STREAM, 1, ":status", "200", "content-length", "500");
    EXPECT_HAS(take(w.agent), "content-length: 500\r\n\r\n");
}

Test(h2_back, a_stream_that_was_refused_is_sent_again)
{
    put(w.agent, POST);
    (void)seen();
    code(RST, 1, 0, 7);
    pump();
    cr_assert_eq(w.opened, 2);
    cr_assert(w.flags & UPSTREAM_FRESH);
    put(w.agent, "abc");
    cr_assert_str_eq(seen(), "H1 D1:abc. ");
    code(RST, 1, 0, 7);
    EXPECT_HAS(take(w.agent), "HTTP/1.1 502 ");
    cr_assert_eq(w.opened, 2, "once");
}

Test(h2_back, a_stream_that_was_refused_is_sent_again_with_its_body)
{
    put(w.agent, "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    cr_assert_str_eq(seen(), "H1 D1:abc ");
    put(w.agent, "3\r\ndef\r\n0\r\nx-sum: 1\r\n\r\n");
    cr_assert_str_eq(seen(), "D1:def H1. ");
    code(GOAWAY, 0, 0, 0);
    pump();
    cr_assert_str_eq(seen(), "H1 D1:abcdef H1. ");
    cr_assert_eq(w.opened, 2);
    HEAD(END_STREAM, 1, ":status", "204");
    EXPECT_HAS(take(w.agent), "HTTP/1.1 204 ");
    EXPECT_HAS(audit_lines(), "\"bytes_out\":6");
    cr_assert_eq(w.e.kept, 0);
}

Test(h2_back, a_large_body_is_not_kept_to_be_sent_again)
{
    static char body[300 * 1024];
    memset(body, 'x', sizeof body);
    put(w.agent, "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 307200\r\n\r\n");
    (void)seen();
    static const uint8_t room[] = {0, 15, 255, 255};
    frame(WINDOW, 0, 0, room, 4);
    frame(WINDOW, 0, 1, room, 4);
    for (size_t at = 0; at < sizeof body; at += 4096) {
        put_n(w.agent, body + at, 4096);
        (void)take(w.origin);
    }
    cr_assert_eq(w.e.kept, 0);
    code(RST, 1, 0, 7);
    EXPECT_HAS(take(w.agent), "HTTP/1.1 502 ");
    cr_assert_eq(w.opened, 1);
}

Test(h2_back, an_upstream_that_wants_http1_is_asked_so)
{
    put(w.agent, POST "abc");
    (void)seen();
    code(RST, 1, 0, 13);
    pump();
    cr_assert_eq(w.opened, 2);
    cr_assert(w.flags & UPSTREAM_H1);
    cr_assert_not(w.flags & UPSTREAM_H2_OK);
    cr_assert_str_eq(seen(), "H1 D1:abc. ");
    code(RST, 1, 0, 13);
    EXPECT_HAS(take(w.agent), "HTTP/1.1 502 ");
    cr_assert_eq(w.opened, 2, "once");
}

Test(h2_back, an_upstream_that_wants_http1_for_the_connection)
{
    put(w.agent, GET);
    (void)seen();
    code(GOAWAY, 0, 0, 13);
    pump();
    cr_assert_eq(w.opened, 2);
    cr_assert(w.flags & UPSTREAM_H1);
}

Test(h2_back, what_was_answered_in_part_is_not_asked_again)
{
    put(w.agent, GET);
    (void)seen();
    HEAD(0, 1, ":status", "103", "link", "x");
    code(RST, 1, 0, 13);
    EXPECT_HAS(take(w.agent), "HTTP/1.1 502 ");
    cr_assert_eq(w.opened, 1);
}

Test(h2_back, a_websocket_needs_settings_that_offer_it)
{
    static const uint8_t offer[] = {0, 8, 0, 0, 0, 1};
    put(w.agent, GET);
    cr_assert_eq(pool.session->ops->websocket(pool.session), -1);
    (void)seen();
    pump();
    cr_assert_eq(pool.session->ops->websocket(pool.session), 0);
    cr_assert_eq(pool.settings, 1);
    frame(SETTINGS, 0, 0, offer, sizeof offer);
    pump();
    cr_assert_eq(pool.session->ops->websocket(pool.session), 1);
    cr_assert_eq(pool.settings, 1, "once");
}

Test(h2_back, goaway_gives_back_what_was_not_looked_at)
{
    put(w.agent, GET);
    (void)seen();
    code(GOAWAY, 0, 0, 0);
    pump();
    cr_assert_eq(w.opened, 2);
    cr_assert_str_eq(seen(), "H1. ");
    HEAD(END_STREAM, 1, ":status", "204");
    EXPECT_HAS(take(w.agent), "HTTP/1.1 204 ");
}

Test(h2_back, goaway_lets_finish_what_was)
{
    put(w.agent, GET);
    (void)seen();
    code(GOAWAY, 0, 1, 0);
    cr_assert_eq(pool.dead, 1, "no new streams");
    HEAD(0, 1, ":status", "200", "content-length", "3");
    frame(DATA, END_STREAM, 1, "abc", 3);
    EXPECT_HAS(take(w.agent), "\r\n\r\nabc");
    EXPECT_HAS(seen(), "EOF");
    cr_assert_eq(w.opened, 1);
}

Test(h2_back, a_stale_session_is_replaced_where_that_is_safe)
{
    put(w.agent, GET);
    (void)seen();
    HEAD(END_STREAM, 1, ":status", "204");
    (void)take(w.agent);
    int old = dup(w.origin);
    put(w.agent, GET);
    shutdown(old, SHUT_RDWR);
    close(old);
    pump();
    cr_assert_eq(w.opened, 3);
    (void)seen();
    HEAD(END_STREAM, 1, ":status", "204");
    EXPECT_HAS(take(w.agent), "HTTP/1.1 204 ");
    put(w.agent, POST "abc");
    shutdown(w.origin, SHUT_RDWR);
    EXPECT_HAS(take(w.agent), "HTTP/1.1 502 ");
    cr_assert_eq(w.opened, 4, "not a request whose body went out");
}

Test(h2_back, a_truncated_body_is_seen_as_truncated)
{
    put(w.agent, GET);
    (void)seen();
    HEAD(0, 1, ":status", "200");
    frame(DATA, 0, 1, "abc", 3);
    code(RST, 1, 0, 2);
    const char *got = take(w.agent);
    EXPECT_HAS(got, "3\r\nabc\r\n");
    EXPECT_NOT(got, "0\r\n\r\n");
    EXPECT_HAS(audit_lines(), "the upstream reset the stream");
}

static void expect_502(const char *const *pairs, int flags)
{
    world_front("a.example");
    put(w.agent, GET);
    (void)seen();
    head(flags, 1, pairs);
    const char *got = take(w.agent);
    cr_expect(has(got, "HTTP/1.1 502 "), "%s %s: %s", pairs[0], pairs[2] ? pairs[2] : "", got);
    EXPECT_HAS(seen(), "R1:1");
    if (pool.session)
        pool.session->ops->close(pool.session);
    pool.session = NULL;
}
#define BAD(flags, ...) expect_502((const char *const[]){__VA_ARGS__, NULL, NULL}, flags)

Test(h2_back, heads_that_are_malformed)
{
    BAD(0, "x", "y");
    BAD(0, ":status", "20");
    BAD(0, ":status", "2000");
    BAD(0, ":status", "2x0");
    BAD(0, ":status", "101");
    BAD(0, ":status", "099");
    BAD(END_STREAM, ":status", "100");
    BAD(0, ":status", "200", ":status", "200");
    BAD(0, ":status", "200", ":path", "/");
    BAD(0, "x", "y", ":status", "200");
    BAD(0, ":status", "200", "X-Upper", "y");
    BAD(0, ":status", "200", "", "y");
    BAD(0, ":status", "200", "a", "b\r\nc: d");
    BAD(0, ":status", "200", "a\r\nc", "d");
    BAD(0, ":status", "200", "connection", "close");
    BAD(0, ":status", "200", "transfer-encoding", "chunked");
    BAD(0, ":status", "200", "content-length", "1", "content-length", "2");
    BAD(0, ":status", "200", "content-length", "-1");
    BAD(END_STREAM, ":status", "200", "content-length", "5");
}

Test(h2_back, more_or_less_than_content_length)
{
    put(w.agent, GET);
    (void)seen();
    HEAD(0, 1, ":status", "200", "content-length", "3");
    frame(DATA, END_STREAM, 1, "abcdef", 6);
    EXPECT_NOT(take(w.agent), "def");
    world_front("a.example");
    put(w.agent, GET);
    (void)seen();
    HEAD(0, 3, ":status", "200", "content-length", "9");
    frame(DATA, END_STREAM, 3, "abc", 3);
    const char *got = take(w.agent);
    cr_assert(has(got, "EOF") || has(got, "RST"), "%s", got);
}

Test(h2_back, data_before_a_head)
{
    put(w.agent, GET);
    (void)seen();
    frame(DATA, END_STREAM, 1, "abc", 3);
    EXPECT_HAS(take(w.agent), "HTTP/1.1 502 ");
}

Test(h2_back, a_pushed_stream_ends_the_session)
{
    static const char promise[] = "\0\0\0\2\x88";
    put(w.agent, GET);
    (void)seen();
    frame(5, END_HEADERS, 1, promise, sizeof promise - 1);
    EXPECT_HAS(take(w.agent), "HTTP/1.1 502 ");
    cr_assert_eq(pool.dead, 1);
}

Test(h2_back, not_http2_at_all)
{
    put(w.agent, GET);
    (void)seen();
    put(w.origin, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    EXPECT_HAS(take(w.agent), "HTTP/1.1 502 ");
    cr_assert_eq(pool.dead, 1);
}

Test(h2_back, an_agent_that_leaves_resets_its_stream_only)
{
    put(w.agent, GET);
    (void)seen();
    HEAD(0, 1, ":status", "200");
    close(w.agent);
    w.agent = -1;
    EXPECT_HAS(seen(), "R1:8 ");
    world_front("a.example");
    put(w.agent, GET);
    cr_assert_str_eq(seen(), "H3. ");
    cr_assert_eq(w.opened, 2);
    cr_assert_eq(pool.dead, 0);
}

Test(h2_back, a_flood_of_pings)
{
    static char pings[1000 * 17];
    for (size_t i = 0; i < 1000; i++)
        memcpy(pings + i * 17,
            "\0\0\x08\x06\0\0\0\0\0"
            "12345678",
            17);
    put(w.agent, GET);
    (void)seen();
    put_n(w.origin, pings, sizeof pings);
    EXPECT_HAS(take(w.agent), "HTTP/1.1 502 ");
    cr_assert_eq(pool.dead, 1);
}
