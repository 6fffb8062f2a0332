/* Heads of HTTP/1: what is refused, why, and that it does not matter how the octets come. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lib/fields.h"
#include "appliance/http/h1_parse.h"

static struct arena arena;
static struct h1_head out;

static void setup(void)
{
    arena_init(&arena, 0);
}

static void teardown(void)
{
    arena_free(&arena);
}

TestSuite(h1_parse, .init = setup, .fini = teardown);

/* As a front does it, the head coming in two pieces split at `cut`. */
static enum reason request_cut(const char *octets, size_t n, size_t cut, bool tls)
{
    struct h1_scan s = {.kind = H1_REQUEST};
    size_t end = 0;
    enum h1_scan_result r = h1_scan(&s, (const uint8_t *)octets, cut, &end);
    if (r == H1_MORE)
        r = h1_scan(&s, (const uint8_t *)octets, n, &end);
    if (r == H1_LIMIT)
        return REASON_LIMIT;
    if (r != H1_DONE)
        return REASON_MALFORMED;
    return h1_parse_request(&arena, (const uint8_t *)octets + s.skipped, end - s.skipped, tls, &out);
}

static enum reason request_of(const char *octets, size_t n)
{
    enum reason whole = request_cut(octets, n, n, true);
    for (size_t cut = 0; cut < n; cut++) {
        enum reason split = request_cut(octets, n, cut, true);
        cr_expect_eq(split, whole, "cut at %zu: %s, whole: %s: %s", cut, reason_name(split),
            reason_name(whole), octets);
    }
    return whole;
}

#define REQ(s) request_of((s), sizeof(s) - 1)
#define GET "GET / HTTP/1.1\r\nHost: a.example\r\n"

struct bad {
    const char *what, *octets;
    size_t len;
    enum reason why;
};
#define BAD(w, s) \
    { \
        w, s, sizeof(s) - 1, REASON_MALFORMED \
    }

static const struct bad bad_requests[] = {
    BAD("no host", "GET / HTTP/1.1\r\n\r\n"),
    BAD("two hosts", GET "Host: a.example\r\n\r\n"),
    BAD("two hosts, other case", GET "hOST: b.example\r\n\r\n"),
    BAD("bare LF after the request line", "GET / HTTP/1.1\nHost: a.example\r\n\r\n"),
    BAD("bare LF after a field", "GET / HTTP/1.1\r\nHost: a.example\n\r\n"),
    BAD("bare LF at the end", GET "\n"),
    BAD("bare CR in a value", GET "X: a\rb\r\n\r\n"),
    BAD("bare CR as a line end", "GET / HTTP/1.1\rHost: a.example\r\r"),
    BAD("obs-fold", GET "X: a\r\n b\r\n\r\n"),
    BAD("obs-fold by tab", GET "X: a\r\n\tb\r\n\r\n"),
    BAD("space before the first field", "GET / HTTP/1.1\r\n Host: a.example\r\n\r\n"),
    BAD("space before the colon", GET "X : a\r\n\r\n"),
    BAD("tab before the colon", GET "Transfer-Encoding\t: chunked\r\n\r\n"),
    BAD("space in a name", GET "X Y: a\r\n\r\n"),
    BAD("no colon", GET "X\r\n\r\n"),
    BAD("empty name", GET ": a\r\n\r\n"),
    BAD("NUL in a name", GET "X\0Y: a\r\n\r\n"),
    BAD("NUL in a value", GET "X: a\0b\r\n\r\n"),
    BAD("control octet in a value", GET "X: a\x01\r\n\r\n"),
    BAD("DEL in a value", GET "X: a\x7f\r\n\r\n"),
    BAD("non-ASCII name", GET "X\xc3\xa4: a\r\n\r\n"),
    BAD("CL and TE", GET "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD("TE and CL", GET "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"),
    BAD("two equal CLs", GET "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"),
    BAD("two different CLs", GET "Content-Length: 3\r\nContent-Length: 4\r\n\r\n"),
    BAD("CL as a list", GET "Content-Length: 3, 3\r\n\r\n"),
    BAD("CL with sign", GET "Content-Length: +3\r\n\r\n"),
    BAD("negative CL", GET "Content-Length: -3\r\n\r\n"),
    BAD("hex CL", GET "Content-Length: 0x3\r\n\r\n"),
    BAD("empty CL", GET "Content-Length:\r\n\r\n"),
    BAD("CL with space inside", GET "Content-Length: 3 0\r\n\r\n"),
    BAD("CL overflow", GET "Content-Length: 99999999999999999999\r\n\r\n"),
    BAD("CL over 2^63", GET "Content-Length: 9223372036854775808\r\n\r\n"),
    BAD("TE identity", GET "Transfer-Encoding: identity\r\n\r\n"),
    BAD("TE gzip, chunked", GET "Transfer-Encoding: gzip, chunked\r\n\r\n"),
    BAD("TE chunked, identity", GET "Transfer-Encoding: chunked, identity\r\n\r\n"),
    BAD("TE chunked twice", GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD("TE chunked, chunked", GET "Transfer-Encoding: chunked, chunked\r\n\r\n"),
    BAD("TE xchunked", GET "Transfer-Encoding: xchunked\r\n\r\n"),
    BAD("TE quoted", GET "Transfer-Encoding: \"chunked\"\r\n\r\n"),
    BAD("TE empty", GET "Transfer-Encoding:\r\n\r\n"),
    BAD("TE with vertical tab", GET "Transfer-Encoding: \x0b"
                                    "chunked\r\n\r\n"),
    BAD("TE in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD("HTTP/0.9", "GET /\r\n"),
    BAD("HTTP/0.9 with version", "GET / HTTP/0.9\r\nHost: a.example\r\n\r\n"),
    BAD("HTTP/2.0", "GET / HTTP/2.0\r\nHost: a.example\r\n\r\n"),
    BAD("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a.example\r\n\r\n"),
    BAD("HTTP/1.10", "GET / HTTP/1.10\r\nHost: a.example\r\n\r\n"),
    BAD("lower-case http", "GET / http/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    BAD("two spaces", "GET  / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("space in the target", "GET /a b HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("tab for space", "GET\t/ HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("trailing space", "GET / HTTP/1.1 \r\nHost: a.example\r\n\r\n"),
    BAD("leading space", " GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("a method that goes on", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("a method almost in lower case", "hEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("another method to an authority", "QUERY a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("lower-case method", "get / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("no method", "/ HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("relative target", "GET a HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("asterisk with GET", "GET * HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("userinfo", "GET https://u@a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("other scheme", "GET ftp://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("http over TLS", "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("empty authority", "GET https:///x HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    BAD("other expectation", GET "Expect: 200-ok\r\n\r\n"),
    BAD("Connection names Host", GET "Connection: host\r\n\r\n"),
    BAD("Connection names content-length", GET "Connection: content-length\r\nContent-Length: 3\r\n\r\n"),
    BAD("Connection with junk", GET "Connection: a b\r\n\r\n"),
    BAD("TLS record", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    {"absolute form of another host", "GET https://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", 57,
        REASON_HOST_MISMATCH},
    {"absolute form of another port", "GET https://a.example:8443/ HTTP/1.1\r\nHost: a.example\r\n\r\n", 62,
        REASON_HOST_MISMATCH},
};

Test(h1_parse, refuses)
{
    for (size_t i = 0; i < sizeof bad_requests / sizeof *bad_requests; i++) {
        const struct bad *b = &bad_requests[i];
        enum reason why = request_of(b->octets, b->len);
        cr_expect_eq(why, b->why, "%s: %s", b->what, reason_name(why));
    }
}

Test(h1_parse, garbage_is_refused_before_its_line_ends)
{
    struct h1_scan s = {.kind = H1_REQUEST};
    size_t end;
    cr_assert_eq(h1_scan(&s, (const uint8_t *)"\x16\x03\x01", 3, &end), H1_BAD);
    s = (struct h1_scan){.kind = H1_REQUEST};
    cr_assert_eq(h1_scan(&s, (const uint8_t *)"GET / HTTP/1.1\r\nX: \0", 20, &end), H1_BAD);
}

Test(h1_parse, an_ordinary_request)
{
    cr_assert_eq(REQ("POST /a?b=c HTTP/1.1\r\nHost: A.example\r\nX-Y:  v w \r\nContent-Length: 12\r\n"
                     "Accept:\r\n\r\n"),
        REASON_NONE);
    cr_assert_str_eq(out.h.method, "POST");
    cr_assert_str_eq(out.h.target, "/a?b=c");
    cr_assert_str_eq(out.h.authority, "A.example");
    cr_assert_eq(out.h.content_length, 12);
    cr_assert(out.body && !out.chunked && out.keep_alive);
    cr_assert_eq(out.h.n_fields, 2);
    const struct field *f = http_field(out.h.fields, 2, "x-y");
    cr_assert(f && f->value_len == 3 && memcmp(f->value, "v w", 3) == 0);
    cr_assert(http_field(out.h.fields, 2, "accept")->value_len == 0);
}

Test(h1_parse, hop_by_hop_fields_stay_here)
{
    cr_assert_eq(
        REQ(GET "Connection: keep-alive, X-Mine , te\r\nKeep-Alive: 5\r\nX-Mine: 1\r\nx-other: 2\r\n"
                "Proxy-Connection: close\r\nTE: gzip, trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n"),
        REASON_NONE);
    cr_assert_eq(out.h.n_fields, 1);
    cr_assert(FIELD_IS(&out.h.fields[0], "x-other"));
    cr_assert(out.h.te_trailers);
    cr_assert_eq(out.h.upgrade, UPGRADE_NONE);
}

Test(h1_parse, versions_and_keep_alive)
{
    cr_assert_eq(REQ(GET "\r\n"), REASON_NONE);
    cr_assert(out.keep_alive && out.minor == 1);
    cr_assert_eq(REQ(GET "Connection: Close\r\n\r\n"), REASON_NONE);
    cr_assert(!out.keep_alive);
    cr_assert_eq(REQ("GET / HTTP/1.0\r\n\r\n"), REASON_NONE);
    cr_assert(!out.keep_alive && out.minor == 0 && !out.h.authority);
    cr_assert_eq(REQ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), REASON_NONE);
    cr_assert(out.keep_alive);
    cr_assert_eq(REQ("\r\n" GET "\r\n"), REASON_NONE, "an empty line before a request is forgiven");
}

Test(h1_parse, target_forms)
{
    cr_assert_eq(REQ("GET https://A.example:443/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n"), REASON_NONE);
    cr_assert_str_eq(out.h.target, "/x?y");
    cr_assert_eq(REQ("GET HTTPS://a.example?y HTTP/1.1\r\nHost: a.example\r\n\r\n"), REASON_NONE);
    cr_assert_str_eq(out.h.target, "/?y");
    cr_assert_eq(REQ("OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n"), REASON_NONE);
    cr_assert_str_eq(out.h.target, "*");
    cr_assert_eq(REQ("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n"), REASON_NONE);
    cr_assert_str_eq(out.h.method, "CONNECT");
    cr_assert_str_eq(out.h.target, "a.example:443");
}

/* What is on nobody's list is judged and sent like the rest (RFC 9110 9.1, 16.1.1). */
Test(h1_parse, methods_that_llhttp_does_not_know)
{
    static const char *const methods[] = {"QUERY", "VERSION-CONTROL", "FROBNICATE", "X", "GE", "GETS",
        "CONNECTED", "PRI", "M-SEARCH", "_.!", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char octets[200];
        int n = snprintf(octets, sizeof octets,
            "%s /a?b HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\n", methods[i]);
        cr_expect_eq(request_of(octets, (size_t)n), REASON_NONE, "%s", methods[i]);
        cr_expect_str_eq(out.h.method, methods[i]);
        cr_expect_str_eq(out.h.target, "/a?b");
        cr_expect(out.body && out.h.content_length == 3);
    }
}

Test(h1_parse, upgrades)
{
#define WS "Upgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n"
    cr_assert_eq(REQ(GET WS), REASON_NONE);
    cr_assert_eq(out.h.upgrade, UPGRADE_WEBSOCKET);
    cr_assert_eq(out.h.n_fields, 1);
    cr_assert_eq(REQ("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n" WS), REASON_NONE);
    cr_assert_eq(out.h.upgrade, UPGRADE_NONE);
    cr_assert_eq(REQ("GET / HTTP/1.0\r\n" WS), REASON_NONE);
    cr_assert_eq(out.h.upgrade, UPGRADE_NONE);
    cr_assert_eq(REQ(GET "Upgrade: websocket\r\n\r\n"), REASON_NONE, "without Connection it is only a word");
    cr_assert_eq(out.h.upgrade, UPGRADE_NONE);
}

Test(h1_parse, limits)
{
    static char big[KIB(80)];
    size_t n = (size_t)snprintf(big, sizeof big, "%s", GET);
    for (int i = 0; i < 201; i++)
        n += (size_t)snprintf(big + n, sizeof big - n, "X-%d: a\r\n", i);
    n += (size_t)snprintf(big + n, sizeof big - n, "\r\n");
    cr_assert_eq(request_cut(big, n, n, true), REASON_LIMIT, "fields");

    n = (size_t)snprintf(big, sizeof big, "%sX: ", GET);
    memset(big + n, 'a', KIB(70));
    cr_assert_eq(request_cut(big, KIB(66), KIB(66), true), REASON_LIMIT, "head without end");
    cr_assert_eq(
        request_cut(big, KIB(60), KIB(60), true), REASON_MALFORMED, "more is awaited below the limit");

    n = (size_t)snprintf(big, sizeof big, "GET /");
    memset(big + n, 'a', KIB(16));
    n += KIB(16);
    n += (size_t)snprintf(big + n, sizeof big - n, " HTTP/1.1\r\nHost: a.example\r\n\r\n");
    cr_assert_eq(request_cut(big, n, n, true), REASON_LIMIT, "target");
}

/* ---- responses ---- */

static enum reason response(const char *octets, size_t n, struct h1_asked asked)
{
    struct h1_scan s = {.kind = H1_RESPONSE};
    size_t end = 0;
    enum h1_scan_result r = h1_scan(&s, (const uint8_t *)octets, n, &end);
    if (r != H1_DONE)
        return REASON_MALFORMED;
    return h1_parse_response(&arena, (const uint8_t *)octets, end, asked, &out);
}
#define RESP(s) response((s), sizeof(s) - 1, (struct h1_asked){0})
#define OK "HTTP/1.1 200 OK\r\n"

Test(h1_parse, responses)
{
    cr_assert_eq(RESP(OK "Content-Length: 5\r\nServer: x\r\n\r\n"), REASON_NONE);
    cr_assert(out.status == 200 && out.body && out.h.content_length == 5 && out.keep_alive);
    cr_assert_eq(RESP(OK "Transfer-Encoding: Chunked\r\n\r\n"), REASON_NONE);
    cr_assert(out.chunked && out.body && !out.h.until_close);
    cr_assert_eq(RESP("HTTP/1.1 200\r\n\r\n"), REASON_NONE);
    cr_assert(out.h.until_close && out.body);
    cr_assert_eq(RESP("HTTP/1.0 404 \r\n\r\n"), REASON_NONE);
    cr_assert(out.h.until_close && !out.keep_alive);
    cr_assert_eq(RESP("HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n"), REASON_NONE);
    cr_assert(!out.body && out.h.content_length == -1);
    cr_assert_eq(RESP("HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n"), REASON_NONE);
    cr_assert(!out.body && out.h.content_length == 9);
    cr_assert_eq(response(OK "Content-Length: 5\r\n\r\n", 38, (struct h1_asked){.head = true}), REASON_NONE);
    cr_assert(!out.body && out.h.content_length == 5);
    cr_assert_eq(RESP("HTTP/1.1 100 Continue\r\n\r\n"), REASON_NONE);
    cr_assert(!out.body);
}

/* Servers name there what has no business there; it changes neither framing nor what goes on. */
Test(h1_parse, odd_connection_options_of_servers)
{
    cr_assert_eq(RESP(OK "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n"
                         "Connection: Transfer-Encoding\r\n\r\n"),
        REASON_NONE);
    cr_assert(out.chunked && out.keep_alive && out.h.n_fields == 0);
    cr_assert_eq(RESP(OK "Content-Length: 5\r\nConnection: close, Content-Length\r\n\r\n"), REASON_NONE);
    cr_assert(out.h.content_length == 5 && !out.keep_alive);
    cr_assert_eq(RESP(OK "Content-Length: 5\r\nConnection: Keep-Alive, timeout=5, \"x\"\r\nX: 1\r\n\r\n"),
        REASON_NONE);
    cr_assert(out.keep_alive && out.h.n_fields == 1);
}

Test(h1_parse, bad_responses)
{
    cr_expect_eq(RESP(OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), REASON_MALFORMED);
    cr_expect_eq(RESP(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), REASON_MALFORMED);
    cr_expect_eq(RESP(OK "Transfer-Encoding: gzip\r\n\r\n"), REASON_MALFORMED);
    cr_expect_eq(RESP("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), REASON_MALFORMED);
    cr_expect_eq(RESP("HTTP/1.1 2000 OK\r\n\r\n"), REASON_MALFORMED);
    cr_expect_eq(RESP("HTTP/1.1 20 OK\r\n\r\n"), REASON_MALFORMED);
    cr_expect_eq(RESP("HTTP/1.1 099 OK\r\n\r\n"), REASON_MALFORMED);
    cr_expect_eq(RESP("ICY 200 OK\r\n\r\n"), REASON_MALFORMED);
    cr_expect_eq(RESP(OK "X: a\r\n b\r\n\r\n"), REASON_MALFORMED);
    cr_expect_eq(RESP(OK "X: a\n\r\n"), REASON_MALFORMED);
    cr_expect_eq(RESP("\r\n" OK "\r\n"), REASON_MALFORMED);
    cr_expect_eq(RESP("HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
        REASON_MALFORMED, "101 unasked");
}

Test(h1_parse, switching_protocols)
{
    static const char ok[] = "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    static const char h2c[] = "HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n";
    struct h1_asked asked = {.upgrade = true};
    cr_assert_eq(response(ok, sizeof ok - 1, asked), REASON_NONE);
    cr_assert_eq(out.h.upgrade, UPGRADE_WEBSOCKET);
    cr_assert_eq(response(h2c, sizeof h2c - 1, asked), REASON_MALFORMED);
}

Test(h1_parse, trailers)
{
    struct field *f;
    size_t n;
    static const char section[] =
        "X-Sum: 1\r\nContent-Length: 5\r\nAUTHORIZATION: x\r\ngrpc-status:0 \r\nHost: b\r\n\r\n";
    cr_assert_eq(
        h1_parse_trailers(&arena, (const uint8_t *)section, sizeof section - 1, &f, &n), REASON_NONE);
    cr_assert_eq(n, 2);
    cr_assert(FIELD_IS(&f[0], "x-sum") && FIELD_IS(&f[1], "grpc-status"));
    cr_assert(f[1].value_len == 1 && f[1].value[0] == '0');
}
