/* Compressed bodies: declared, found by how they begin, nested, and made to tire us out. */
#include "tests/unit/inspect_world.h"

#include <zlib.h>
#include <zstd.h>

TestSuite(inspect_unpack, .init = inspect_world, .fini = inspect_world_end, .timeout = 60);

static size_t deflate_to(const void *in, size_t n, int bits, uint8_t *out, size_t room)
{
    z_stream z = {0};
    cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (uint8_t *)(uintptr_t)in;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)room;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    room -= z.avail_out;
    (void)deflateEnd(&z);
    return room;
}

/* Words, so that there is something to compress, then the text. */
static size_t wordy(char *out, size_t words, const char *text)
{
    size_t n = 0;
    unsigned x = 1;
    for (size_t i = 0; i < words; i++) {
        x = x * 1103515245u + 12345u;
        n += (size_t)sprintf(out + n, "word%u ", x >> 20);
    }
    return n + (size_t)sprintf(out + n, "%s and more words", text);
}

static void expect(const void *p, size_t n, const char *coding, bool found, const char *what)
{
    static const size_t steps[] = {0, 1, 2, 3, 7, 64, 1000, 1024, 5000};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct outcome o = outbound(p, n, steps[i], NULL, coding);
        cr_expect_eq(o.found, found, "%s, step %zu: %s %d", what, steps[i], o.detector, o.status);
        cr_expect(
            found || (o.n == n && memcmp(o.out, p, n) == 0), "%s, step %zu: as it came", what, steps[i]);
        free(o.out);
    }
}

Test(inspect_unpack, declared_and_not)
{
    static char text[40000];
    static uint8_t packed[50000], twice[50000];
    for (size_t words = 0; words < 3000; words = words * 7 + 1) {
        size_t n = wordy(text, words, SECRET), k;
        k = deflate_to(text, n, 31, packed, sizeof packed);
        expect(packed, k, "gzip", true, "gzip");
        expect(packed, k, NULL, true, "gzip, not declared");
        size_t t = deflate_to(packed, k, 31, twice, sizeof twice);
        expect(twice, t, "gzip, gzip", true, "gzip twice");
        expect(twice, t, NULL, true, "gzip twice, not declared");
        k = deflate_to(text, n, 15, packed, sizeof packed);
        expect(packed, k, "deflate", true, "deflate");
        expect(packed, k, NULL, true, "zlib, not declared");
        k = deflate_to(text, n, -15, packed, sizeof packed);
        expect(packed, k, "deflate", true, "bare deflate");
        k = ZSTD_compress(packed, sizeof packed, text, n, 3);
        expect(packed, k, "zstd", true, "zstd");
        expect(packed, k, NULL, true, "zstd, not declared");
        n = wordy(text, words, "no secret at all");
        k = deflate_to(text, n, 31, packed, sizeof packed);
        expect(packed, k, "gzip", false, "clean gzip");
        expect(packed, k, NULL, false, "clean gzip, not declared");
        k = ZSTD_compress(packed, sizeof packed, text, n, 3);
        expect(packed, k, "zstd", false, "clean zstd");
    }
}

Test(inspect_unpack, inside_a_multipart_body)
{
    static char text[4000];
    static uint8_t body[6000];
    size_t n = wordy(text, 100, SECRET), at;
    at =
        (size_t)sprintf((char *)body, "--b\r\ncontent-disposition: form-data; name=f; filename=a.gz\r\n\r\n");
    at += deflate_to(text, n, 31, body + at, 4000);
    at += (size_t)sprintf((char *)body + at, "\r\n--b--\r\n");
    expect(body, at, NULL, true, "multipart");
}

static int status_of(const void *p, size_t n, const char *coding)
{
    struct outcome o = outbound(p, n, 0, NULL, coding);
    free(o.out);
    return o.status;
}

Test(inspect_unpack, what_cannot_be_followed)
{
    static uint8_t zeros[1 << 20], packed[20000], twice[20000];
    cr_expect_eq(status_of("abc", 3, "exi"), -EMSGSIZE, "a coding that nobody here knows");
    cr_expect_eq(status_of("abcdefghijkl", 12, "gzip"), -EMSGSIZE, "not what it says it is");
    cr_expect_eq(status_of("abc", 3, "aws-chunked"), 0);
    size_t k = deflate_to(zeros, sizeof zeros, 31, packed, sizeof packed);
    cr_expect_eq(status_of(packed, k, "gzip"), 0, "a MiB of zeros is no bomb");
    size_t size = ZSTD_compressBound(64u << 20);
    uint8_t *big = calloc(1, 64u << 20), *out = malloc(size);
    k = ZSTD_compress(out, size, big, 64u << 20, 3);
    cr_expect_eq(status_of(out, k, "zstd"), -EMSGSIZE, "64 MiB out of %zu octets is one", k);
    free(big);
    free(out);
    (void)twice;
}
