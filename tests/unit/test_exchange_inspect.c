/* A credential that an upstream gives back: what is asked for, and what of the answer's head is overwritten.
 */
#include "appliance/inspect/inspect.h"
#include "tests/unit/http_world.h"

static void open_inspected(void)
{
    char err[300];
    world_open();
    w.e.inspector = inspector_new(w.policy, w.secrets, err, sizeof err);
    cr_assert(w.e.inspector, "%s", err);
    cr_assert_eq(inspector_thread_init(w.e.inspector), 0);
}

static void close_inspected(void)
{
    struct inspector *i = w.e.inspector;
    world_close();
    inspector_free(i);
}

TestSuite(exchange_inspect, .init = open_inspected, .fini = close_inspected, .timeout = 20);

#define PARTS "Range: bytes=0-9\r\nRANGE: bytes=10-19\r\nIf-Range: \"tag\"\r\n\r\n"

Test(exchange_inspect, no_parts_are_asked_for_where_a_credential_goes)
{
    world_front("b.example");
    put(w.agent, "GET / HTTP/1.1\r\nHost: b.example\r\nX-Other: 1\r\n" PARTS);
    const char *seen = take(w.origin);
    EXPECT_HAS(seen, "authorization: Bearer real-token\r\n");
    EXPECT_HAS(seen, "x-other: 1\r\n");
    EXPECT_NOT(seen, "range:");
    world_front("a.example");
    put(w.agent, "GET / HTTP/1.1\r\nHost: a.example\r\n" PARTS);
    seen = take(w.origin);
    EXPECT_HAS(seen, "\r\nrange: bytes=0-9\r\n");
    EXPECT_HAS(seen, "\r\nif-range: \"tag\"\r\n");
}

/* Plain HTTP: by Host alone, and in the tunnel of a CONNECT, which has said the name before. */
Test(exchange_inspect, a_secret_in_the_name)
{
    for (int tunnel = 0; tunnel < 2; tunnel++) {
        world_front(NULL);
        if (tunnel) {
            w.front.host = "real-token.w.example";
            w.front.route = policy_route(w.policy, w.front.host);
        }
        put(w.agent, "GET / HTTP/1.1\r\nHost: real-token.w.example\r\n\r\n");
        EXPECT_HAS(take(w.agent), "\"reason\":\"dlp_outbound\"");
    }
}

Test(exchange_inspect, a_credential_in_the_trailers)
{
    world_front("b.example");
    put(w.agent, "GET / HTTP/1.1\r\nHost: b.example\r\nTE: trailers\r\nConnection: te\r\n\r\n");
    EXPECT_HAS(take(w.origin), "authorization: Bearer real-token\r\n");
    put(w.origin, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 1\r\nX-Echo: "
                  "real-token\r\n\r\n");
    const char *got = take(w.agent);
    EXPECT_HAS(got, "x-sum: 1\r\n");
    EXPECT_HAS(got, "x-echo: **********\r\n");
    EXPECT_NOT(got, "real-token");
}

/* A value is looked at in pieces of 16 KiB: before, at and behind the first seam. */
Test(exchange_inspect, a_credential_anywhere_in_a_long_field)
{
    static const size_t places[] = {0, 10000, 16384 - 10, 16384 - 5, 16384 - 1, 16384, 20000};
    static char answer[24000];
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        world_front("b.example");
        put(w.agent, "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
        EXPECT_HAS(take(w.origin), "authorization: Bearer real-token\r\n");
        int at = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Echo: ");
        memset(answer + at, '.', 21000);
        memcpy(answer + at + places[i], "real-token", 10);
        memcpy(answer + at + 21000, "\r\n\r\n", 5);
        put(w.origin, answer);
        const char *got = take(w.agent);
        EXPECT_NOT(got, "real-token");
        cr_expect(has(got, "x-echo: ") && has(got, "**********"), "at %zu: %.200s", places[i], got);
    }
}
