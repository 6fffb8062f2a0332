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

/* Whoever reads it as it comes has the text before the check fails. */
Test(inspect_unpack, zstd_that_ends_badly)
{
    static char text[8000];
    static uint8_t packed[10000];
    size_t n = wordy(text, 300, SECRET);
    ZSTD_CCtx *c = ZSTD_createCCtx();
    cr_assert(!ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1)));
    size_t k = ZSTD_compress2(c, packed, sizeof packed, text, n);
    ZSTD_freeCCtx(c);
    packed[k - 1] ^= 1;
    expect(packed, k, NULL, true, "zstd with a wrong checksum, not declared");
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

/* A local file header (APPNOTE 4.3.7) and what follows it. */
static size_t entry(unsigned method, unsigned flags, const void *data, size_t n, uint8_t *out)
{
    uint8_t head[36] = {'P', 'K', 3, 4, 20, 0, (uint8_t)flags, 0, (uint8_t)method};
    head[26] = 5;
    memcpy(head + 30, "a.txt", 5);
    memcpy(out, head, 35);
    memcpy(out + 35, data, n);
    return n + 35;
}

Test(inspect_unpack, archives)
{
    static char text[4000];
    static uint8_t packed[5000], zip[6000], outer[8000];
    for (size_t words = 0; words < 300; words = words * 7 + 1) {
        size_t n = wordy(text, words, SECRET), k = deflate_to(text, n, -15, packed, sizeof packed), z;
        z = entry(8, 8, packed, k, zip);
        expect(zip, z, NULL, true, "a ZIP entry");
        expect(outer, entry(0, 0, zip, z, outer), NULL, true, "in a stored entry");
        expect(zip, entry(0, 0, text, n, zip), NULL, true, "a stored entry");
        k = deflate_to(zip, entry(8, 0, packed, k, zip), -15, outer, sizeof outer);
        memcpy(packed, outer, k);
        expect(zip, entry(8, 0, packed, k, zip), NULL, true, "a ZIP file in a ZIP file");
        n = wordy(text, words, "nothing");
        k = deflate_to(text, n, -15, packed, sizeof packed);
        expect(zip, entry(8, 0, packed, k, zip), NULL, false, "a clean entry");
    }
    expect(zip, entry(8, 1, "abcdefghijkl", 12, zip), NULL, true, "encrypted");
    expect(zip, entry(14, 0, "abcdefghijkl", 12, zip), NULL, true, "LZMA");
#define EXPECT_TEXT(text, found) expect("" text, sizeof text - 1, NULL, found, text)
    EXPECT_TEXT("a BZh91AY&SY\xd8\x72\x01\x2f\0\0\1\x57\x80\0\x10\x40 z", true);
    EXPECT_TEXT("\xfd"
                "7zXZ\0\0\4\xe6\xd6\xb4\x46\2\0\x21\1\x16\0\0\0",
        true);
    EXPECT_TEXT("7z\xbc\xaf\x27\x1c\0\4\x9b\x3a\xd1\x5e\x20\0\0\0\0\0\0\0", true);
    EXPECT_TEXT("Rar!\x1a\7\1\0\x33\x92\xb5\xe5\x0a\1\5\6\0\5\1\1\x80\x80\0", true);
    EXPECT_TEXT("1AY&SY, 7zXZ, Rar! and BZh9 are in prose", false);
    EXPECT_TEXT("PK\3\4 is how it begins, and PK\1\2 goes on for some time", false);
}

Test(inspect_unpack, zlib_anywhere)
{
    static char text[4000];
    static uint8_t body[9000];
    for (size_t before = 1; before < 3000; before = before * 3 + 1) {
        size_t n = wordy(text, 40, SECRET);
        memset(body, '.', before);
        n = before + deflate_to(text, n, 15, body + before, 5000);
        expect(body, n, NULL, true, "zlib after something");
        n = wordy(text, 40, "nothing");
        n = before + deflate_to(text, n, 15, body + before, 5000);
        expect(body, n, NULL, false, "clean zlib after something");
    }
    static const char prose[] = "x^2 + x^3 = 78 01, and so on: x^4 + x^5";
    expect(prose, sizeof prose - 1, NULL, false, "prose");
}

/* What begins one stream within another: as by chance, or to hide in the crowd. */
Test(inspect_unpack, zlib_at_once)
{
    static const uint8_t stored[] = {0x78, 0x01, 0x00, 0xff, 0xff, 0x00, 0x00};
    static uint8_t body[40 * sizeof stored + 300];
    memset(body, '.', sizeof body);
    for (size_t i = 0; i < 40; i++) {
        memcpy(body + 1 + i * sizeof stored, stored, sizeof stored);
        struct outcome o = outbound(body, sizeof body, 0, NULL, NULL);
        free(o.out);
        if (i < 7 || i >= 20)
            cr_expect_eq(o.status, i < 7 ? 0 : -EMSGSIZE, "%zu streams: %d", i + 1, o.status);
    }
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

/* 40 lines {"line": N, "text": "nothing to see here"}, without and with {"key": SECRET} behind them;
 * quality 9. */
static const uint8_t brotli_plain[] = {0x13, 0xd5, 0x06, 0x00, 0x04, 0xca, 0x35, 0xf3, 0x67, 0x54, 0x88, 0x3e,
    0x71, 0x3b, 0xdb, 0xdf, 0xf9, 0x40, 0x5d, 0xe1, 0x71, 0xa5, 0x18, 0xb1, 0x03, 0xa0, 0x1f, 0x72, 0x20,
    0x59, 0x84, 0x01, 0x87, 0xc7, 0x1a, 0x32, 0xc7, 0x30, 0x2c, 0x54, 0xcb, 0x39, 0xdd, 0xf3, 0xe5, 0xfc,
    0xc3, 0x75, 0xc4, 0xe8, 0x91, 0x1b, 0x0c, 0x2b, 0x3b, 0xef, 0xf8, 0xc5, 0x7b, 0xc5, 0x53, 0x15, 0x67,
    0xdd, 0x95, 0x7f, 0xab, 0x23, 0x21, 0x90, 0xd1, 0x84, 0x66, 0xb4, 0xa0, 0x15, 0x6d, 0x68, 0xcf, 0xf4,
    0xb2, 0x57, 0x2a, 0xa9, 0xa4, 0x92, 0x4a, 0x2a, 0xa9, 0xa4, 0x92, 0x4a, 0x14, 0x0a, 0x85, 0x42, 0xa1,
    0x50, 0x28, 0x14, 0x0a, 0x65, 0x65, 0x65, 0x65, 0x65, 0x65, 0x65, 0x65, 0xe5, 0xa1, 0x01};
static const uint8_t brotli_secret[] = {0x13, 0xf5, 0x06, 0x00, 0x44, 0x8d, 0xb9, 0xfc, 0x8c, 0xea, 0xd5,
    0x0e, 0x93, 0x8c, 0x85, 0xdd, 0xd4, 0xa3, 0x7c, 0x05, 0x80, 0x14, 0xb4, 0x0b, 0x80, 0x5a, 0xe4, 0x40,
    0xb2, 0x28, 0xe1, 0x80, 0xc3, 0x63, 0xfd, 0x99, 0x47, 0xe6, 0x18, 0x86, 0x85, 0x6a, 0x39, 0xa7, 0xbb,
    0xbf, 0x3e, 0xff, 0x70, 0xb5, 0x96, 0x45, 0xe6, 0x1b, 0x0c, 0x33, 0xcb, 0xef, 0xf8, 0xb2, 0xdb, 0xd1,
    0xae, 0xf3, 0xb9, 0xad, 0xe6, 0x97, 0xb9, 0xff, 0x83, 0x3a, 0x02, 0x22, 0x12, 0xca, 0x51, 0x81, 0x4a,
    0x54, 0xa1, 0x1a, 0x35, 0x19, 0x5e, 0xf6, 0x4a, 0x05, 0x15, 0x54, 0x50, 0x41, 0x05, 0x15, 0x54, 0x50,
    0x81, 0xa2, 0xa2, 0xa2, 0xa2, 0xa2, 0xa2, 0xa2, 0xa2, 0xa2, 0xa2, 0x92, 0x92, 0x92, 0x92, 0x92, 0x92,
    0x92, 0x92, 0xd2, 0xb0, 0xce, 0x76, 0xfe, 0xae, 0xfc, 0xed, 0xce, 0x55, 0xfc, 0x19, 0xf0, 0x91, 0x4e,
    0x9b, 0xf0, 0xd4, 0xe7, 0xaf, 0x51, 0x39, 0xdb, 0xfb, 0x3f, 0x00};

Test(inspect_unpack, brotli)
{
    uint8_t cut[sizeof brotli_plain + 3];
    expect(brotli_plain, sizeof brotli_plain, "br", false, "brotli");
    expect(brotli_secret, sizeof brotli_secret, "br", true, "brotli with a secret");
    expect(brotli_secret, sizeof brotli_secret, "identity, br", true, "brotli in a list");
    memcpy(cut, brotli_plain, sizeof brotli_plain);
    memcpy(cut + sizeof brotli_plain, "abc", 3);
    cr_expect_eq(status_of(cut, sizeof cut, "br"), -EMSGSIZE, "something after its end");
    cr_expect_eq(status_of("no brotli at all", 16, "br"), -EMSGSIZE, "not what it says it is");
}

/* Nothing that a picture shows, packed a thousand to one: it passes, and what stands behind is found. */
Test(inspect_unpack, blank_pictures)
{
    enum { ROW = 1 + 4 * 1920, ROWS = 1080 };
    static uint8_t pixels[ROW * ROWS + 100], packed[40000];
    memset(pixels, 0xff, sizeof pixels);
    for (size_t y = 0; y < ROWS; y++)
        pixels[y * ROW] = 0;
    size_t k = deflate_to(pixels, (size_t)ROW * ROWS, 15, packed, sizeof packed);
    struct outcome o = outbound(packed, k, 16384, "image/png", NULL);
    cr_expect(!o.found && !o.status && o.n == k, "%s %d", o.detector, o.status);
    free(o.out);
    memcpy(pixels + (size_t)ROW * ROWS, SECRET, strlen(SECRET));
    k = deflate_to(pixels, sizeof pixels, 15, packed, sizeof packed);
    for (size_t step = 1000; step < 17000; step += 5000) {
        o = outbound(packed, k, step, "image/png", NULL);
        cr_expect(o.found, "step %zu: %d", step, o.status);
        free(o.out);
    }
}

/* A stream within, whose octets count, blank as they may be. */
Test(inspect_unpack, blanks_within_a_stream)
{
    static const uint8_t fills[] = {0, 0xff, 'A', ' '};
    static uint8_t inner[9000], packed[9000];
    for (size_t i = 0; i < ARRAY_LEN(fills); i++)
        for (size_t n = 1000; n < 8000; n += 777) {
            z_stream z = {.next_out = inner, .avail_out = sizeof inner};
            cr_assert_eq(deflateInit2(&z, 0, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
            memset(packed, fills[i], n);
            z.next_in = packed; /* stored as it is */
            z.avail_in = (uInt)n;
            cr_assert_eq(deflate(&z, Z_FULL_FLUSH), Z_OK);
            cr_assert_eq(deflateParams(&z, 9, Z_DEFAULT_STRATEGY), Z_OK);
            static const char text[] = "x " SECRET " x " SECRET " x " SECRET;
            z.next_in = (uint8_t *)(uintptr_t)text;
            z.avail_in = sizeof text - 1;
            cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
            size_t k = sizeof inner - z.avail_out;
            (void)deflateEnd(&z);
            expect(packed, deflate_to(inner, k, 31, packed, sizeof packed), NULL, true, "within");
        }
}
