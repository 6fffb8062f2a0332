/* Requests from an agent's socket to an upstream's and back, through the real codecs. */
#include "appliance/http/ws_handshake.h"
#include "tests/unit/http_world.h"

TestSuite(exchange, .init = world_open, .fini = world_close, .timeout = 20);

#define GET "GET / HTTP/1.1\r\nHost: a.example\r\n"
#define OK "HTTP/1.1 200 OK\r\n"

Test(exchange, a_request_and_its_answer)
{
    put(w.agent, "GET /x?y=1 HTTP/1.1\r\nHost: A.example:443\r\nUser-Agent: t\r\nConnection: x-hop\r\nX-Hop: "
                 "1\r\n\r\n");
    cr_assert_str_eq(take(w.origin), "GET /x?y=1 HTTP/1.1\r\nhost: a.example\r\nuser-agent: t\r\n\r\n");
    cr_assert_str_eq(w.key.host, "a.example");
    cr_assert(w.key.tls && w.key.port == 443);
    put(w.origin, OK "Content-Length: 5\r\nAlt-Svc: h3\r\nX-Egress-Verdict: deny\r\nServer: s\r\n\r\nhello");
    cr_assert_str_eq(take(w.agent), "HTTP/1.1 200 OK\r\nserver: s\r\ncontent-length: 5\r\n\r\nhello");
    const char *log = audit_lines();
    EXPECT_HAS(log, "\"event\":\"http\"");
    EXPECT_HAS(log, "\"verdict\":\"allow\"");
    EXPECT_HAS(log, "\"path\":\"/x\"");
    EXPECT_HAS(log, "\"status\":200");
    EXPECT_HAS(log, "\"bytes_in\":5");
    EXPECT_NOT(log, "y=1");
}

Test(exchange, keep_alive_reuses_both_sides)
{
    for (int i = 0; i < 5; i++) {
        put(w.agent, GET "\r\n");
        EXPECT_HAS(take(w.origin), "GET / HTTP/1.1\r\n");
        put(w.origin, OK "Content-Length: 2\r\n\r\nok");
        EXPECT_HAS(take(w.agent), "\r\n\r\nok");
        cr_assert(w.idle);
    }
    cr_assert_eq(count(audit_lines(), "\n"), 5);
}

static void expect_message(const char *want)
{
    char got[500];
    ssize_t n = recv(w.origin, got, sizeof got - 1, MSG_DONTWAIT);
    got[MAX(n, 0)] = '\0';
    cr_expect_str_eq(got, want);
}

/* What came in one turn goes out in one: a segment less, and the upstream is woken once. */
Test(exchange, a_body_goes_with_its_head)
{
    w.apart = true;
    for (int i = 0; i < 2; i++) {
        put(w.agent, "POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello");
        expect_message("POST /p HTTP/1.1\r\nhost: a.example\r\ncontent-length: 5\r\n\r\nhello");
        put(w.origin, OK "Content-Length: 0\r\n\r\n");
        EXPECT_HAS(take(w.agent), "200 OK");
    }
    put(w.agent, "POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\n");
    expect_message("POST /p HTTP/1.1\r\nhost: a.example\r\ncontent-length: 5\r\n\r\n");
    put(w.agent, "hello");
    expect_message("hello");
}

Test(exchange, every_split_of_request_and_response)
{
    static const char req[] = "POST /p HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "3;x\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n";
    static const char resp[] = "HTTP/1.1 100 Continue\r\n\r\n" OK "Transfer-Encoding: chunked\r\n\r\n"
                               "3\r\nxyz\r\n0\r\n\r\n";
    for (size_t cut = 1; cut < MAX(sizeof req, sizeof resp) - 1; cut++) {
        size_t c = MIN(cut, sizeof req - 2);
        put_n(w.agent, req, c);
        put_n(w.agent, req + c, sizeof req - 1 - c);
        const char *seen = take(w.origin);
        EXPECT_HAS(seen, "transfer-encoding: chunked\r\n\r\n");
        EXPECT_HAS(seen, "0\r\nx-t: 1\r\n\r\n");
        c = MIN(cut, sizeof resp - 2);
        put_n(w.origin, resp, c);
        put_n(w.origin, resp + c, sizeof resp - 1 - c);
        seen = take(w.agent);
        EXPECT_HAS(seen, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n");
        EXPECT_HAS(seen, "0\r\n\r\n");
        cr_assert(w.idle, "cut at %zu", cut);
        cr_assert_eq(w.closed, 0);
    }
    cr_assert_eq(w.opened, MAX(sizeof req, sizeof resp) - 2);
}

Test(exchange, pipelined_requests_are_answered_in_order)
{
    put(w.agent, GET "\r\nGET /2 HTTP/1.1\r\nHost: a.example\r\n\r\nGET /3 HTTP/1.1\r\nHost: a.ex");
    cr_assert_str_eq(take(w.origin), "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n", "one at a time");
    put(w.origin, OK "Content-Length: 1\r\n\r\n1");
    EXPECT_HAS(take(w.origin), "GET /2 HTTP/1.1");
    put(w.origin, OK "Content-Length: 1\r\n\r\n2");
    put(w.agent, "ample\r\n\r\n");
    EXPECT_HAS(take(w.origin), "GET /3 HTTP/1.1");
    put(w.origin, OK "Content-Length: 1\r\n\r\n3");
    const char *got = take(w.agent);
    cr_assert_eq(count(got, "HTTP/1.1 200 OK"), 3);
    cr_assert(strstr(got, "\r\n\r\n1") < strstr(got, "\r\n\r\n2"));
    cr_assert(strstr(got, "\r\n\r\n2") < strstr(got, "\r\n\r\n3"));
}

/* ---- refusals ---- */

static void expect_denied(const char *host, const char *request, const char *status, const char *reason)
{
    char want[100];
    world_front(host);
    unsigned before = w.opened;
    put(w.agent, request);
    const char *got = take(w.agent);
    (void)snprintf(want, sizeof want, "HTTP/1.1 %s ", status);
    cr_expect_eq(strncmp(got, want, strlen(want)), 0, "%s: %s", request, got);
    (void)snprintf(want, sizeof want, "{\"error\":\"egress_denied\",\"reason\":\"%s\",\"host\":\"", reason);
    EXPECT_HAS(got, want);
    EXPECT_HAS(got, "\r\ncontent-type: application/json\r\n");
    EXPECT_HAS(got, "\r\nx-egress-verdict: deny\r\n");
    EXPECT_HAS(got, "\"flow\":\"f10w\",\"hint\":\"");
    cr_expect_eq(w.opened, before, "the upstream is not asked: %s", request);
    (void)snprintf(want, sizeof want, "\"reason\":\"%s\"", reason);
    EXPECT_HAS(audit_lines(), want);
}

Test(exchange, refusals)
{
    expect_denied("a.example", "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n", "403", "host_mismatch");
    expect_denied("a.example", "GET / HTTP/1.1\r\nHost: a.example:8443\r\n\r\n", "403", "host_mismatch");
    expect_denied("a.example", "GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n", "400", "malformed");
    expect_denied("a.example", "GET / HTTP/1.1\r\nHost: u@a.example\r\n\r\n", "400", "malformed");
    expect_denied("a.example", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400", "malformed");
    expect_denied("a.example", "GET / HTTP/1.1\r\n\r\n", "400", "malformed");
    expect_denied("a.example", "GET /%2e%2e/x HTTP/1.1\r\nHost: a.example\r\n\r\n", "400", "ambiguous_path");
    expect_denied(
        "a.example", "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n", "400", "malformed");
    expect_denied("none.example", "GET / HTTP/1.1\r\nHost: none.example\r\n\r\n", "403", "no_route");
    expect_denied("m.example", "GET /apix HTTP/1.1\r\nHost: m.example\r\n\r\n", "403", "no_match");
    expect_denied("m.example", "POST /api/ HTTP/1.1\r\nHost: m.example\r\nContent-Length: 0\r\n\r\n", "403",
        "no_match");
    expect_denied("m.example", "GET /api%2Fx HTTP/1.1\r\nHost: m.example\r\n\r\n", "400", "ambiguous_path");
    expect_denied("a.example",
        "GET /r.git/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: a.example\r\n\r\n", "403", "git");
    expect_denied("a.example",
        "GET /r.git/info/refs?service=git-receive-pack HTTP/1.1\r\nHost: a.example\r\n\r\n", "403",
        "git_push");
    expect_denied("d.example", "GET / HTTP/1.1\r\nHost: d.example\r\n\r\n", "403", "no_match");
    expect_denied(NULL, "GET / HTTP/1.1\r\nHost: none.example\r\n\r\n", "403", "no_route");
    expect_denied(NULL, "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n", "403", "plaintext");
    expect_denied(NULL, "GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n", "403", "no_route");
    expect_denied(NULL, "GET / HTTP/1.0\r\n\r\n", "400", "malformed");
    expect_denied(NULL, "\x16\x03\x01\x02", "400", "malformed");
}

/* A Host that is none says nothing; the server name does. */
Test(exchange, a_bad_host_is_told_by_the_server_name)
{
    world_front("a.example");
    put(w.agent, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    EXPECT_HAS(take(w.agent), "\"host\":\"a.example\"");
    EXPECT_HAS(audit_lines(), "\"host\":\"a.example\"");
}

Test(exchange, a_refused_name_keeps_its_route_in_the_log)
{
    w.front.refused = w.front.route;
    w.front.route = NULL;
    w.front.deny = REASON_PRIVATE_ADDRESS;
    put(w.agent, GET "\r\n");
    EXPECT_HAS(take(w.agent), "\"reason\":\"private_address\"");
    cr_assert_eq(w.opened, 0);
    EXPECT_HAS(
        audit_lines(), "\"reason\":\"private_address\",\"route\":\"a.example\",\"host\":\"a.example\"");
}

Test(exchange, refusals_keep_the_connection_where_nothing_is_left)
{
    world_front("m.example");
    for (int i = 0; i < 3; i++) {
        put(w.agent, "GET / HTTP/1.1\r\nHost: m.example\r\n\r\n");
        const char *got = take(w.agent);
        EXPECT_HAS(got, "no_match");
        EXPECT_NOT(got, "connection: close");
        EXPECT_NOT(got, "EOF");
    }
    put(w.agent, "POST / HTTP/1.1\r\nHost: m.example\r\nContent-Length: 10\r\n\r\n12345");
    const char *got = take(w.agent);
    EXPECT_HAS(got, "connection: close");
    EXPECT_HAS(got, "EOF");
    cr_assert_eq(w.closed, 1);
}

Test(exchange, head_refusal_has_no_body)
{
    world_front("m.example");
    put(w.agent, "HEAD / HTTP/1.1\r\nHost: m.example\r\n\r\n");
    const char *got = take(w.agent);
    EXPECT_HAS(got, "HTTP/1.1 403 ");
    EXPECT_NOT(got, "egress_denied");
}

Test(exchange, smuggled_bodies_end_the_connection)
{
    put(w.agent,
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\nGET /evil HTTP/1.1\r\nHost: a.example\r\n\r\n");
    const char *got = take(w.agent);
    cr_assert_eq(count(got, "HTTP/1.1"), 1);
    EXPECT_HAS(got, "malformed");
    EXPECT_HAS(got, "EOF");
    cr_assert_eq(w.opened, 0);
}

Test(exchange, bad_chunk_in_mid_body)
{
    put(w.agent,
        "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n");
    EXPECT_HAS(take(w.agent), "malformed");
    const char *seen = take(w.origin);
    EXPECT_NOT(seen, "\r\n0\r\n\r\n");
    cr_assert(has(seen, "EOF") || has(seen, "RST"));
}

Test(exchange, upstream_failures)
{
    w.fail = REASON_UPSTREAM_TLS;
    put(w.agent, GET "\r\n");
    EXPECT_HAS(take(w.agent), "HTTP/1.1 502 ");
    w.fail = REASON_UPSTREAM_UNREACHABLE;
    put(w.agent, GET "\r\n");
    const char *got = take(w.agent);
    EXPECT_HAS(got, "HTTP/1.1 504 ");
    EXPECT_HAS(got, "\"hint\":\"The upstream could not be reached: ");
    w.fail = REASON_PRIVATE_ADDRESS;
    put(w.agent, GET "\r\n");
    got = take(w.agent);
    EXPECT_HAS(got, "HTTP/1.1 403 ");
    EXPECT_HAS(got, "private_address");
}

/* ---- credentials ---- */

Test(exchange, credentials_are_swapped)
{
    world_front("b.example");
    put(w.agent,
        "GET / HTTP/1.1\r\nHost: b.example\r\nauthorization: Bearer mine\r\nAUTHORIZATION: Basic x\r\n"
        "Proxy-Authorization: Basic y\r\nX-Keep: 1\r\n\r\n");
    cr_assert_str_eq(take(w.origin),
        "GET / HTTP/1.1\r\nhost: b.example\r\nx-keep: 1\r\nauthorization: Bearer real-token\r\n\r\n");
    EXPECT_NOT(audit_lines(), "real-token");
}

Test(exchange, basic_credentials)
{
    world_front("c.example");
    put(w.agent, "GET / HTTP/1.1\r\nHost: c.example\r\n\r\n");
    EXPECT_HAS(take(w.origin), "\r\nauthorization: Basic dXNlcjpwYXNzd29yZA==\r\n");
}

Test(exchange, a_placeholder_is_replaced_where_the_agent_put_it)
{
    world_front("p.example");
    put(w.agent, "GET / HTTP/1.1\r\nHost: p.example\r\nAuthorization: Bearer xPLACEHOLDER-1x\r\n"
                 "X-Key: PLACEHOLDER-1,PLACEHOLDER-1\r\n\r\n");
    const char *seen = take(w.origin);
    EXPECT_HAS(seen, "\r\nx-key: real-token,real-token\r\nauthorization: Bearer xreal-tokenx\r\n");
    put(w.origin, OK "Content-Length: 0\r\n\r\n");
    /* git's way: git:PLACEHOLDER-1 */
    put(w.agent,
        "GET / HTTP/1.1\r\nHost: p.example\r\nAuthorization: Basic Z2l0OlBMQUNFSE9MREVSLTE=\r\n\r\n");
    EXPECT_HAS(take(w.origin), "\r\nauthorization: Basic Z2l0OnJlYWwtdG9rZW4=\r\n");
    put(w.origin, OK "Content-Length: 0\r\n\r\n");
    put(w.agent, "GET / HTTP/1.1\r\nHost: p.example\r\nAuthorization: Bearer mine\r\n\r\n");
    seen = take(w.origin);
    EXPECT_HAS(seen, "\r\nauthorization: Bearer real-token\r\n");
    EXPECT_NOT(seen, "mine");
}

Test(exchange, git_clients_are_told_in_plain_text)
{
    put(w.agent, "GET /r.git/info/refs?service=git-receive-pack HTTP/1.1\r\nHost: a.example\r\nUser-Agent: "
                 "git/2.39\r\n\r\n");
    const char *got = take(w.agent);
    EXPECT_HAS(got, "HTTP/1.1 403 ");
    EXPECT_HAS(got, "content-type: text/plain\r\n");
    EXPECT_HAS(got, "git_push");
}

Test(exchange, authorization_passes_where_no_auth_is_set)
{
    put(w.agent, GET "Authorization: Bearer mine\r\nProxy-Authorization: x\r\n\r\n");
    const char *seen = take(w.origin);
    EXPECT_HAS(seen, "\r\nauthorization: Bearer mine\r\n");
    EXPECT_NOT(seen, "proxy-authorization");
}

Test(exchange, credentials_in_trailers_are_dropped)
{
    world_front("b.example");
    put(w.agent, "POST / HTTP/1.1\r\nHost: b.example\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "1\r\nx\r\n0\r\nAuthorization: Bearer mine\r\nX-Sum: 1\r\n\r\n");
    const char *seen = take(w.origin);
    EXPECT_NOT(seen, "mine");
    EXPECT_HAS(seen, "0\r\nx-sum: 1\r\n\r\n");
}

/* To a server that merges trailers into the head they are fields that nobody judged. */
Test(exchange, trailers_that_rules_hang_on_are_dropped)
{
    world_front("b.example");
    put(w.agent, "POST / HTTP/1.1\r\nHost: b.example\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "1\r\nx\r\n0\r\nX-HTTP-Method-Override: DELETE\r\nX_Original_URL: /x\r\n"
                 "Destination: /x\r\nContent_Length: 7\r\nX-Sum: 1\r\n\r\n");
    EXPECT_HAS(take(w.origin), "0\r\nx-sum: 1\r\n\r\n");
}

/* ---- git LFS ---- */

static void lfs(const char *body, bool passes)
{
    char req[600];
    unsigned before = w.opened;
    world_front("g.example");
    (void)snprintf(req, sizeof req,
        "POST /o/r.git/info/lfs/objects/batch HTTP/1.1\r\nHost: g.example\r\nContent-Length: %zu\r\n\r\n",
        strlen(body));
    put(w.agent, req);
    cr_expect_eq(w.opened, before, "nothing goes out before the body has been judged");
    put_n(w.agent, body, 10);
    put(w.agent, body + 10);
    cr_expect_eq(w.opened, before + passes, "%s", body);
    if (passes)
        EXPECT_HAS(take(w.origin), body);
    else
        EXPECT_HAS(take(w.agent), "\"reason\":\"git_push\"");
}

Test(exchange, lfs_batches_are_judged_by_their_body)
{
    lfs("{\"operation\":\"download\",\"objects\":[]}", true);
    lfs("{\"operation\":\"upload\",\"objects\":[]}", false);
    lfs("{\"operation\":\"download\",\"Operation\":\"upload\"}", false);
}

Test(exchange, a_held_body_is_asked_for)
{
    world_front("g.example");
    put(w.agent, "POST /o/r.git/info/lfs/objects/batch HTTP/1.1\r\nHost: g.example\r\nContent-Length: 24\r\n"
                 "Expect: 100-continue\r\n\r\n");
    cr_assert_str_eq(take(w.agent), "HTTP/1.1 100 Continue\r\n\r\n");
    put(w.agent, "{\"operation\":\"download\"}");
    const char *seen = take(w.origin);
    EXPECT_HAS(seen, "download");
    EXPECT_NOT(seen, "expect");
}

/* ---- bodies ---- */

Test(exchange, head_and_bodiless_statuses)
{
    put(w.agent, "HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    put(w.origin, OK "Content-Length: 500\r\n\r\n");
    EXPECT_HAS(take(w.agent), "content-length: 500\r\n\r\n");
    cr_assert(w.idle);
    put(w.agent, GET "\r\n");
    (void)take(w.origin);
    put(w.origin, "HTTP/1.1 204 No Content\r\n\r\n");
    cr_assert_str_eq(take(w.agent), "HTTP/1.1 204 No Content\r\n\r\n");
    put(w.agent, GET "\r\n");
    put(w.origin, "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n");
    cr_assert_str_eq(take(w.agent), "HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n");
    cr_assert_eq(w.closed, 0);
}

Test(exchange, expect_continue_goes_through)
{
    put(w.agent, "PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_HAS(take(w.origin), "content-length: 4\r\nexpect: 100-continue\r\n\r\n");
    put(w.origin, "HTTP/1.1 100 Continue\r\n\r\n");
    cr_assert_str_eq(take(w.agent), "HTTP/1.1 100 Continue\r\n\r\n");
    put(w.agent, "body");
    cr_assert_str_eq(take(w.origin), "body");
    put(w.origin, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    EXPECT_HAS(take(w.agent), "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n");
    cr_assert(w.idle);
}

Test(exchange, an_early_answer_to_an_expectation)
{
    put(w.agent, "PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    put(w.origin, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    const char *got = take(w.agent);
    EXPECT_HAS(got, "HTTP/1.1 413 ");
    EXPECT_HAS(got, "connection: close");
    cr_assert(!w.idle, "half a request is on that connection");
}

Test(exchange, http_1_0_agents)
{
    world_front("a.example");
    put(w.agent, "GET / HTTP/1.0\r\n\r\n");
    EXPECT_HAS(take(w.origin), "GET / HTTP/1.1\r\nhost: a.example\r\n");
    put(w.origin,
        "HTTP/1.1 100 Continue\r\n\r\n" OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    cr_assert_str_eq(take(w.agent), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabcEOF");
    world_front("a.example");
    put(w.agent, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    put(w.origin, OK "Content-Length: 1\r\n\r\nx");
    cr_assert_str_eq(
        take(w.agent), "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\nx");
}

Test(exchange, close_delimited_responses)
{
    put(w.agent, GET "\r\n");
    put(w.origin, OK "\r\nabc");
    cr_assert_str_eq(take(w.agent), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc");
    put(w.origin, "def");
    shutdown(w.origin, SHUT_WR);
    cr_assert_str_eq(take(w.agent), "defEOF");
    EXPECT_HAS(audit_lines(), "\"bytes_in\":6");
}

Test(exchange, truncated_responses_are_seen_as_truncated)
{
    put(w.agent, GET "\r\n");
    put(w.origin, OK "Content-Length: 10\r\n\r\nabc");
    shutdown(w.origin, SHUT_RDWR);
    const char *got = take(w.agent);
    EXPECT_HAS(got, "content-length: 10\r\n\r\nabc");
    cr_assert(has(got, "EOF") || has(got, "RST"));
    world_front("a.example");
    put(w.agent, GET "\r\n");
    put(w.origin, OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    shutdown(w.origin, SHUT_RDWR);
    got = take(w.agent);
    EXPECT_HAS(got, "3\r\nabc\r\n");
    EXPECT_NOT(got, "0\r\n\r\n");
    cr_assert(has(got, "EOF") || has(got, "RST"));
    EXPECT_HAS(audit_lines(), "the upstream closed in the middle of its response");
}

Test(exchange, garbage_from_upstream)
{
    static const char *const bad[] = {"SSH-2.0-x\r\n", "HTTP/1.1 200 OK\nA: b\n\n", OK "A : b\r\n\r\n",
        OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 101 S\r\n\r\n", "\x15\x03\x01"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        world_front("a.example");
        put(w.agent, GET "\r\n");
        put(w.origin, bad[i]);
        const char *got = take(w.agent);
        EXPECT_HAS(got, "HTTP/1.1 502 ");
        EXPECT_HAS(got, "upstream_unreachable");
    }
}

Test(exchange, more_than_the_response_makes_the_connection_unfit)
{
    put(w.agent, GET "\r\n");
    put(w.origin, OK "Content-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    EXPECT_NOT(take(w.agent), "evil");
    cr_assert(!w.idle);
}

Test(exchange, octets_on_an_idle_connection_make_it_unfit)
{
    put(w.agent, GET "\r\n");
    put(w.origin, OK "Content-Length: 1\r\n\r\nx");
    cr_assert(w.idle);
    put(w.origin, "HTTP/1.1 408 Request Timeout\r\n\r\n");
    cr_assert(!w.idle);
}

Test(exchange, retries_once_where_that_is_safe)
{
    put(w.agent, GET "\r\n");
    put(w.origin, OK "Content-Length: 1\r\n\r\nx");
    (void)take(w.agent);
    struct http_back *stale = w.idle;
    put(w.agent, GET "\r\n");
    cr_assert_eq(w.opened, 2);
    int first = dup(w.origin);
    (void)stale;
    shutdown(first, SHUT_RDWR);
    close(first);
    pump();
    cr_assert_eq(w.opened, 3);
    cr_assert(w.flags & UPSTREAM_FRESH);
    EXPECT_HAS(take(w.origin), "GET / HTTP/1.1\r\nhost: a.example\r\n");
    put(w.origin, OK "Content-Length: 1\r\n\r\ny");
    EXPECT_HAS(take(w.agent), "\r\n\r\ny");
}

Test(exchange, a_post_is_not_sent_twice)
{
    put(w.agent, GET "\r\n");
    put(w.origin, OK "Content-Length: 1\r\n\r\nx");
    (void)take(w.agent);
    put(w.agent, "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n");
    cr_assert(w.flags & UPSTREAM_ONCE);
    shutdown(w.origin, SHUT_RDWR);
    EXPECT_HAS(take(w.agent), "HTTP/1.1 502 ");
    cr_assert_eq(w.opened, 2);
}

/* ---- flow of data ---- */

static void fill(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)('a' + (i * 7 + i / 26) % 26);
}

Test(exchange, a_large_body_both_ways_within_bounds)
{
    enum { N = 4 << 20 };
    static char body[N], back[N + 4096];
    fill(body, N);
    put(w.agent, "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4194304\r\n\r\n");
    size_t sent = 0, got = 0;
    (void)take(w.origin);
    while (got < N) {
        ssize_t n = send(w.agent, body + sent, N - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        pump();
        n = recv(w.origin, back + got, 100000, MSG_DONTWAIT);
        got += n > 0 ? (size_t)n : 0;
        pump();
    }
    cr_assert_eq(memcmp(back, body, N), 0);
    put(w.origin, OK "Transfer-Encoding: chunked\r\n\r\n400000\r\n");
    for (sent = got = 0; sent < N;) {
        ssize_t n = send(w.origin, body + sent, N - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0) /* nobody reads: it must stop within what sockets and one turn hold */
            break;
        sent += (size_t)n;
        pump();
    }
    cr_assert_lt(sent, 3 << 20, "back-pressure reaches the upstream");
    size_t total = 0;
    while (sent < N || !has(back, "END")) {
        ssize_t n = sent < N ? send(w.origin, body + sent, N - sent, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        sent += n > 0 ? (size_t)n : 0;
        if (sent == N) {
            put(w.origin, "\r\n0\r\n\r\n");
            sent++;
        }
        n = recv(w.agent, back, sizeof back - 1, MSG_DONTWAIT);
        total += n > 0 ? (size_t)n : 0;
        back[n > 0 ? n : 0] = '\0';
        if (n >= 5 && memcmp(back + n - 5, "0\r\n\r\n", 5) == 0)
            break;
        pump();
    }
    cr_assert_gt(total, N);
    EXPECT_HAS(audit_lines(), "\"bytes_out\":4194304,\"bytes_in\":4194304");
}

Test(exchange, a_body_that_comes_before_the_upstream)
{
    w.hold = true;
    put(w.agent, "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 6\r\n\r\nabc");
    put(w.agent, "def");
    cr_assert_eq(w.origin, -1);
    world_upstream(w.held);
    EXPECT_HAS(take(w.origin), "\r\n\r\nabcdef");
    put(w.origin, OK "Content-Length: 0\r\n\r\n");
    EXPECT_HAS(take(w.agent), "200 OK");
}

Test(exchange, an_agent_that_leaves_before_the_upstream_is_there)
{
    w.hold = true;
    put(w.agent, "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 6\r\n\r\nabc");
    put(w.agent, "de");
    close(w.agent);
    w.agent = -1;
    pump();
    w.hold = false;
    world_upstream(w.held);
    pump();
    cr_assert_eq(w.closed, 1);
}

Test(exchange, a_half_close_still_gets_its_answer)
{
    put(w.agent, GET "\r\n");
    shutdown(w.agent, SHUT_WR);
    pump();
    put(w.origin, OK "Content-Length: 2\r\n\r\nok");
    const char *got = take(w.agent);
    EXPECT_HAS(got, "okEOF");
}

/* ---- time-outs ---- */

Test(exchange, slow_heads_and_bodies_end)
{
    w.policy->timeouts.request_head = w.policy->timeouts.request_body_idle = 300;
    world_front("a.example");
    put(w.agent, "GET / HTTP/1.1\r\nHo");
    wait_ms(700);
    EXPECT_HAS(take(w.agent), "\"reason\":\"limit\"");
    world_front("a.example");
    put(w.agent, "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 6\r\n\r\nabc");
    wait_ms(700);
    EXPECT_HAS(take(w.agent), "\"reason\":\"limit\"");
    cr_assert_eq(w.closed, 1);
}

Test(exchange, a_silent_upstream)
{
    w.policy->timeouts.response_head = 400;
    put(w.agent, GET "\r\n");
    wait_ms(800);
    const char *got = take(w.agent);
    EXPECT_HAS(got, "HTTP/1.1 504 ");
    EXPECT_HAS(got, "upstream_unreachable");
}

/* ---- upgrades ---- */

#define WS \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"

/* Answers the handshake that the origin has seen. */
static void accept_websocket(const char *seen, const char *more)
{
    char key[WS_KEY_LEN + 1] = "", accept[WS_ACCEPT_LEN + 1], answer[400];
    const char *at = strstr(seen, "sec-websocket-key: ");
    cr_assert(at, "%s", seen);
    memcpy(key, at + 19, WS_KEY_LEN);
    ws_accept(key, accept);
    (void)snprintf(answer, sizeof answer,
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
        accept, more);
    put(w.origin, answer);
}

#define EXPECT_POST "POST / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"

Test(exchange, a_body_waits_until_the_upstream_wants_it)
{
    put(w.agent, EXPECT_POST "he");
    EXPECT_HAS(take(w.origin), "\r\nexpect: 100-continue\r\n\r\n");
    put(w.agent, "llo");
    cr_assert_str_eq(take(w.origin), "");
    put(w.origin, "HTTP/1.1 100 Continue\r\n\r\n");
    cr_assert_str_eq(take(w.origin), "hello");
    put(w.origin, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    EXPECT_HAS(take(w.agent), "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n");
}

Test(exchange, a_body_that_nobody_wants_is_not_sent)
{
    put(w.agent, EXPECT_POST "GET /");
    EXPECT_HAS(take(w.origin), "\r\n\r\n");
    put(w.origin, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    EXPECT_HAS(take(w.agent), "HTTP/1.1 403 ");
    const char *got = take(w.origin);
    EXPECT_NOT(got, "GET");
    cr_assert(has(got, "EOF") || has(got, "RST"), "that connection serves nobody else: %s", got);
}

Test(exchange, a_body_is_sent_when_the_upstream_says_nothing)
{
    put(w.agent, EXPECT_POST "hello");
    EXPECT_HAS(take(w.origin), "\r\n\r\n");
    wait_ms(200);
    cr_assert_str_eq(take(w.origin), "");
    wait_ms(1100);
    cr_assert_str_eq(take(w.origin), "hello");
}

Test(exchange, nothing_follows_a_body_that_means_nothing)
{
    put(w.agent, "GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello");
    EXPECT_HAS(take(w.origin), "\r\nconnection: close\r\n\r\nhello");
    put(w.origin, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    EXPECT_HAS(take(w.agent), "HTTP/1.1 200 ");
    cr_assert(has(take(w.origin), "EOF"));
    put(w.agent, "GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n");
    EXPECT_NOT(take(w.origin), "connection: close");
}

Test(exchange, a_websocket_becomes_a_tunnel)
{
    /* masked with zeros, so that the payload can be read here */
    static const char early[] = "\x81\x85\0\0\0\0early", bye[] = "\x88\x82\0\0\0\0\x03\xe8";
    put(w.agent, GET WS);
    const char *seen = take(w.origin);
    EXPECT_HAS(seen, "\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ");
    EXPECT_NOT(seen, "dGhlIHNhbXBsZSBub25jZQ==");
    EXPECT_NOT(seen, "permessage-deflate");
    cr_assert(w.flags & UPSTREAM_WEBSOCKET);
    put_n(w.agent, early, sizeof early - 1);
    accept_websocket(seen, "");
    put(w.origin, "\x81\x02hi");
    const char *got = take(w.agent);
    EXPECT_HAS(got, "HTTP/1.1 101 Switching Protocols\r\n");
    EXPECT_HAS(got, "\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi");
    got = take(w.origin);
    cr_assert_eq(memcmp(got, "\x81\x85", 2), 0);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(got[6 + i] ^ got[2 + i % 4], "early"[i]);
    put_n(w.agent, bye, sizeof bye - 1);
    put(w.origin, "\x88\x02\x03\xe8");
    shutdown(w.origin, SHUT_WR);
    cr_assert_str_eq(take(w.agent), "\x88\x02\x03\xe8"
                                    "EOF");
    shutdown(w.agent, SHUT_WR);
    pump();
    EXPECT_HAS(audit_lines(), "\"status\":101,\"bytes_out\":19,\"bytes_in\":8");
}

Test(exchange, what_is_no_websocket_is_cut)
{
    put(w.agent, GET WS);
    accept_websocket(take(w.origin), "");
    (void)take(w.agent);
    put(w.agent, "GET /smuggled HTTP/1.1\r\n\r\n");
    EXPECT_NOT(take(w.origin), "smuggled");
    const char *got = take(w.agent);
    cr_assert_eq(memcmp(got,
                     "\x88\x0b\x03\xea"
                     "malformed"
                     "EOF",
                     16),
        0);
    EXPECT_HAS(audit_lines(), "\"reason\":\"malformed\"");
}

Test(exchange, a_wrong_answer_to_the_handshake)
{
    put(w.agent, GET WS);
    put(w.origin, "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                  "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    EXPECT_HAS(take(w.agent), "HTTP/1.1 502 ");
    world_front("a.example");
    put(w.agent, GET WS);
    accept_websocket(take(w.origin), "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    EXPECT_HAS(take(w.agent), "HTTP/1.1 502 ");
}

Test(exchange, a_websocket_without_a_proper_key)
{
    static const char *const bad[] = {"", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n",
        "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char request[300];
        world_front("a.example");
        (void)snprintf(
            request, sizeof request, GET "Upgrade: websocket\r\nConnection: Upgrade\r\n%s\r\n", bad[i]);
        put(w.agent, request);
        EXPECT_HAS(take(w.agent), "\"reason\":\"malformed\"");
        cr_expect_eq(w.opened, 0);
    }
}

Test(exchange, a_refused_upgrade_is_an_ordinary_answer)
{
    put(w.agent, GET WS);
    put(w.origin, "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno");
    cr_assert_str_eq(take(w.agent), "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno");
    put(w.agent, GET "\r\n");
    EXPECT_HAS(take(w.origin), "GET / HTTP/1.1\r\n");
}

/* ---- fail closed ---- */

Test(exchange, nothing_goes_out_unaudited)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    audit_replace_fd(w.e.audit, full);
    put(w.agent, GET "\r\n");
    put(w.origin, OK "Content-Length: 1\r\n\r\nx");
    (void)take(w.agent);
    (void)audit_flush(w.e.audit);
    unsigned before = w.opened;
    put(w.agent, GET "\r\n");
    EXPECT_HAS(take(w.agent), "audit_unavailable");
    cr_assert_eq(w.opened, before);
}

Test(exchange, draining)
{
    put(w.agent, GET "\r\n");
    http_front_drain(&w.front);
    put(w.origin, OK "Content-Length: 1\r\n\r\nx");
    const char *got = take(w.agent);
    EXPECT_HAS(got, "connection: close");
    EXPECT_HAS(got, "xEOF");
    world_front("a.example");
    http_front_drain(&w.front);
    cr_assert_str_eq(take(w.agent), "EOF");
}
