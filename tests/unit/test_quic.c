#include <criterion/criterion.h>

#include "appliance/quic.h"
#include "quic_seal.h"

static const uint8_t dcid[] = {0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08};

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    for (; hex[0] && hex[1]; hex += 2) {
        unsigned v;
        cr_assert_eq(sscanf(hex, "%2x", &v), 1);
        out[n++] = (uint8_t)v;
    }
    return n;
}

/* The frames of RFC 9001 A.2, which RFC 9369 A.2 has too. */
static size_t rfc_frames(uint8_t plain[1162])
{
    memset(plain, 0, 1162);
    return unhex("060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868"
                 "04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578"
                 "616d706c652e636f6dff01000100000a00080006001d00170018001000070005"
                 "04616c706e000500050100000000003300260024001d00209370b2c9caa47fba"
                 "baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400"
                 "0d0010000e0403050306030203080408050806002d00020101001c0002400100"
                 "3900320408ffffffffffffffff05048000ffff07048000ffff08011001048000"
                 "75300901100f088394c8f03e51570806048000ffff",
        plain);
}

/* What the RFC prints of the protected packet: its first 32 octets and its tag. */
static void check_rfc(uint32_t version, const char *first, const char *tag)
{
    uint8_t plain[1162], packet[2000], want[32];
    char host[HOSTNAME_MAX + 1];
    struct quic_hello h;
    cr_assert_eq(rfc_frames(plain), 245);
    cr_assert_eq(seal_initial(version, dcid, sizeof dcid, 2, plain, sizeof plain, packet), 1200);
    cr_assert_eq(unhex(first, want), 32);
    cr_assert_arr_eq(packet, want, 32);
    cr_assert_eq(unhex(tag, want), 16);
    cr_assert_arr_eq(packet + 1184, want, 16);

    quic_hello_init(&h);
    cr_assert(quic_is_initial(packet, 1200));
    cr_assert_eq(quic_hello_add(&h, packet, 1200, host), QUIC_NAME);
    cr_assert_str_eq(host, "example.com");
}

Test(quic, version_1_as_in_rfc_9001)
{
    check_rfc(QUIC_V1, "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11",
        "e221af44860018ab0856972e194cd934");
}

Test(quic, version_2_as_in_rfc_9369)
{
    check_rfc(QUIC_V2, "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485",
        "a18b2faa745b6fe189cf772a9f84cbfc");
}

Test(quic, other_versions_and_packets_are_none)
{
    uint8_t plain[1162], p[2000];
    char host[HOSTNAME_MAX + 1];
    struct quic_hello h;
    rfc_frames(plain);
    quic_hello_init(&h);
    size_t n = seal_initial(QUIC_V1, dcid, sizeof dcid, 2, plain, sizeof plain, p);
    p[4] = 9; /* version */
    cr_assert_not(quic_is_initial(p, n));
    cr_assert_eq(quic_hello_add(&h, p, n, host), QUIC_NO);
    p[4] = 1;
    p[600] ^= 1; /* not authentic */
    cr_assert(quic_is_initial(p, n));
    cr_assert_eq(quic_hello_add(&h, p, n, host), QUIC_NO);
    p[600] ^= 1;
    p[0] ^= 0x20; /* Handshake */
    cr_assert_not(quic_is_initial(p, n));
    p[0] = 0x40; /* short header */
    cr_assert_not(quic_is_initial(p, n));
    cr_assert_not(quic_is_initial(p, 0));
}

/* Every cut of a good datagram ends well, and never in a wrong name. */
Test(quic, cut_anywhere)
{
    uint8_t plain[1162], p[2000];
    char host[HOSTNAME_MAX + 1];
    rfc_frames(plain);
    size_t n = seal_initial(QUIC_V1, dcid, sizeof dcid, 2, plain, sizeof plain, p);
    for (size_t i = 0; i < n; i++) {
        struct quic_hello h;
        quic_hello_init(&h);
        uint8_t *cut = malloc(i + 1);
        memcpy(cut, p, i);
        cr_assert_eq(quic_hello_add(&h, cut, i, host), QUIC_NO);
        free(cut);
    }
}

/* Browsers shuffle the frames and mix in PING and PADDING. */
Test(quic, frames_in_any_order)
{
    uint8_t hello[400], plain[1200], p[2000];
    char host[HOSTNAME_MAX + 1];
    struct quic_hello h;
    size_t len = seal_hello("shuffled.example", 100, hello), n = 0;
    for (size_t piece = 0; piece < len; piece += 7) {
        /* 0, 3, 1, 4 ... : from both ends */
        size_t k = piece / 7, pieces = (len + 6) / 7, at = (k % 2 ? pieces - 1 - k / 2 : k / 2) * 7;
        n += seal_crypto(at, hello + at, at + 7 > len ? len - at : 7, plain + n);
        plain[n++] = k % 3 ? 0 : 1;
    }
    size_t total = seal_initial(QUIC_V1, dcid, sizeof dcid, 0, plain, n, p);
    quic_hello_init(&h);
    cr_assert_eq(quic_hello_add(&h, p, total, host), QUIC_NAME);
    cr_assert_str_eq(host, "shuffled.example");
}

/* A post-quantum ClientHello needs two datagrams, which may come in either order. */
Test(quic, two_datagrams)
{
    uint8_t hello[2000], plain[2][1300], p[2][1400];
    char host[HOSTNAME_MAX + 1];
    size_t len = seal_hello("pq.example", 1200, hello), n[2];
    for (size_t i = 0; i < 2; i++) {
        size_t from = i * 1000, count = i ? len - 1000 : 1000;
        n[i] = seal_initial(QUIC_V2, dcid, sizeof dcid, (uint32_t)i, plain[i],
            seal_crypto(from, hello + from, count, plain[i]), p[i]);
    }
    for (size_t first = 0; first < 2; first++) {
        struct quic_hello h;
        quic_hello_init(&h);
        cr_assert_eq(quic_hello_add(&h, p[first], n[first], host), QUIC_MORE);
        cr_assert_eq(quic_hello_add(&h, p[!first], n[!first], host), QUIC_NAME);
        cr_assert_str_eq(host, "pq.example");
    }
}

Test(quic, coalesced_packets)
{
    uint8_t hello[400], plain[2][600], p[2000];
    char host[HOSTNAME_MAX + 1];
    struct quic_hello h;
    size_t len = seal_hello("coalesced.example", 0, hello);
    size_t n = seal_initial(QUIC_V1, dcid, sizeof dcid, 0, plain[0], seal_crypto(0, hello, 30, plain[0]), p);
    n += seal_initial(
        QUIC_V1, dcid, sizeof dcid, 1, plain[1], seal_crypto(30, hello + 30, len - 30, plain[1]), p + n);
    quic_hello_init(&h);
    cr_assert_eq(quic_hello_add(&h, p, n, host), QUIC_NAME);
    cr_assert_str_eq(host, "coalesced.example");
}

Test(quic, names_that_are_none)
{
    static const char *const names[] = {"1.2.3.4", "a..b", "", "-", "a b", "x\nq"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint8_t hello[400], plain[600], p[2000];
        char host[HOSTNAME_MAX + 1];
        struct quic_hello h;
        size_t len = seal_hello(names[i], 0, hello);
        size_t n = seal_initial(QUIC_V1, dcid, sizeof dcid, 0, plain, seal_crypto(0, hello, len, plain), p);
        quic_hello_init(&h);
        cr_assert_eq(quic_hello_add(&h, p, n, host), QUIC_NAMELESS, "'%s'", names[i]);
    }
}

/* Offsets and lengths beyond anything real must neither write nor loop. */
Test(quic, huge_numbers)
{
    static const uint8_t frames[][24] = {
        {6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 4, 'l', 'e', 'a', 'k'},
        {6, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
        {2, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0},
        {6, 0x4f, 0xfe, 4, 'l', 'e', 'a', 'k'},
        {0x1c},
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        uint8_t p[2000];
        char host[HOSTNAME_MAX + 1];
        struct quic_hello h;
        size_t n = seal_initial(QUIC_V1, dcid, sizeof dcid, 0, frames[i], sizeof frames[i], p);
        quic_hello_init(&h);
        cr_assert_eq(quic_hello_add(&h, p, n, host), QUIC_MORE, "%zu", i);
    }
}
