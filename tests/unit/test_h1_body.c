/* Bodies out of their framing, strictly, however the octets are split. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "appliance/http/h1_body.h"

static char got[4096];
static size_t got_len, used;
static char trailers[KIB(20)];

static enum h1_body_result step(struct h1_body *b, const uint8_t *p, const uint8_t *end, size_t base)
{
    const uint8_t *data, *at = p;
    size_t len;
    enum h1_body_result r;
    while ((r = h1_body_next(b, &at, end, &data, &len)) == H1_BODY_DATA) {
        memcpy(got + got_len, data, len);
        got_len += len;
    }
    used = base + (size_t)(at - p);
    return r;
}

static enum h1_body_result decode(
    enum h1_body_kind kind, uint64_t length, const char *s, size_t n, size_t cut, bool ok)
{
    struct h1_body b;
    h1_body_init(&b, kind, length);
    b.spaces_ok = ok;
    got_len = 0;
    const uint8_t *p = (const uint8_t *)s;
    enum h1_body_result r = step(&b, p, p + cut, 0);
    if (r == H1_BODY_MORE)
        r = step(&b, p + cut, p + n, cut);
    got[got_len] = '\0';
    trailers[0] = '\0';
    if (b.trailers) {
        memcpy(trailers, b.trailers, b.trailers_len);
        trailers[b.trailers_len] = '\0';
    }
    h1_body_free(&b);
    return r;
}

static enum h1_body_result chunked(const char *s, size_t n)
{
    enum h1_body_result whole = decode(H1_BODY_CHUNKED, 0, s, n, n, false);
    for (size_t cut = 0; cut < n; cut++)
        cr_expect_eq(decode(H1_BODY_CHUNKED, 0, s, n, cut, false), whole, "cut at %zu of %s", cut, s);
    return whole;
}
#define CH(s) chunked((s), sizeof(s) - 1)

Test(h1_body, chunks)
{
    cr_assert_eq(CH("5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\nGET"), H1_BODY_DONE);
    cr_assert_str_eq(got, "hello world");
    cr_assert_eq(used, 30);
    cr_assert_eq(CH("0\r\n\r\n"), H1_BODY_DONE);
    cr_assert_eq(CH("000a\r\n0123456789\r\n00\r\n\r\n"), H1_BODY_DONE);
    cr_assert_str_eq(got, "0123456789");
}

Test(h1_body, trailers)
{
    cr_assert_eq(CH("1\r\nx\r\n0\r\nA: 1\r\nB: 2\r\n\r\nrest"), H1_BODY_DONE);
    cr_assert_str_eq(trailers, "A: 1\r\nB: 2\r\n\r\n");
    cr_assert_eq(used, 23);
}

Test(h1_body, bad_chunks)
{
    cr_expect_eq(CH("\r\n"), H1_BODY_BAD);
    cr_expect_eq(CH("x\r\n"), H1_BODY_BAD);
    cr_expect_eq(CH("0x5\r\nhello\r\n"), H1_BODY_BAD);
    cr_expect_eq(CH("+5\r\nhello\r\n"), H1_BODY_BAD);
    cr_expect_eq(CH("-5\r\nhello\r\n"), H1_BODY_BAD);
    cr_expect_eq(CH(" 5\r\nhello\r\n"), H1_BODY_BAD);
    cr_expect_eq(CH("5 \r\nhello\r\n"), H1_BODY_BAD);
    cr_expect_eq(CH("5\nhello\r\n"), H1_BODY_BAD);
    cr_expect_eq(CH("5\rXhello\r\n"), H1_BODY_BAD);
    cr_expect_eq(CH("5\r\nhelloX"), H1_BODY_BAD);
    cr_expect_eq(CH("5\r\nhello\n0\r\n\r\n"), H1_BODY_BAD);
    cr_expect_eq(CH("5\r\nhello\rX"), H1_BODY_BAD);
    cr_expect_eq(CH("5;a\nb\r\nhello\r\n"), H1_BODY_BAD);
    cr_expect_eq(CH("1234567890abcdef\r\n"), H1_BODY_BAD);
    cr_expect_eq(CH("0\r\n\n"), H1_BODY_BAD);
    cr_expect_eq(CH("0\r\nA: 1\n\r\n"), H1_BODY_BAD);
    cr_expect_eq(CH("0\r\nA : 1\r\n\r\n"), H1_BODY_BAD);
    cr_expect_eq(CH("0\r\nGET / HTTP/1.1\r\n\r\n"), H1_BODY_BAD);
}

Test(h1_body, bounds)
{
    static char big[KIB(20)];
    size_t n = (size_t)snprintf(big, sizeof big, "5;");
    memset(big + n, 'a', KIB(2));
    cr_assert_eq(decode(H1_BODY_CHUNKED, 0, big, KIB(2), KIB(2), false), H1_BODY_LIMIT);
    n = (size_t)snprintf(big, sizeof big, "0\r\nA: ");
    memset(big + n, 'a', sizeof big - n);
    cr_assert_eq(decode(H1_BODY_CHUNKED, 0, big, sizeof big, 10, false), H1_BODY_LIMIT);
}

Test(h1_body, padded_sizes_only_where_forgiven)
{
    static const char s[] = "5  \r\nhello\r\n0\r\n\r\n";
    cr_assert_eq(decode(H1_BODY_CHUNKED, 0, s, sizeof s - 1, 3, true), H1_BODY_DONE);
    cr_assert_eq(decode(H1_BODY_CHUNKED, 0, s, sizeof s - 1, 3, false), H1_BODY_BAD);
}

Test(h1_body, known_length)
{
    cr_assert_eq(decode(H1_BODY_LENGTH, 5, "helloGET", 8, 2, false), H1_BODY_DONE);
    cr_assert_str_eq(got, "hello");
    cr_assert_eq(used, 5);
    cr_assert_eq(decode(H1_BODY_LENGTH, 5, "hell", 4, 2, false), H1_BODY_MORE);
    cr_assert_eq(decode(H1_BODY_NONE, 0, "", 0, 0, false), H1_BODY_DONE);
    cr_assert_eq(decode(H1_BODY_UNTIL_CLOSE, 0, "hello", 5, 2, false), H1_BODY_MORE);
    cr_assert_str_eq(got, "hello");
}
