#include <criterion/criterion.h>
#include <netinet/in.h>

#include "appliance/packet.h"

/* 10.9.8.2 -> 93.184.216.10, a header of `ihl` words, then `n` octets. */
static size_t v4(uint8_t *p, uint8_t proto, unsigned ihl, uint16_t frag, const uint8_t *rest, size_t n)
{
    size_t total = ihl * 4 + n;
    memset(p, 0, ihl * 4);
    p[0] = (uint8_t)(0x40 | ihl);
    p[2] = (uint8_t)(total >> 8);
    p[3] = (uint8_t)total;
    p[6] = (uint8_t)(frag >> 8);
    p[7] = (uint8_t)frag;
    p[8] = 64;
    p[9] = proto;
    memcpy(p + 12, "\x0a\x09\x08\x02\x5d\xb8\xd8\x0a", 8);
    if (n)
        memcpy(p + ihl * 4, rest, n);
    return total;
}

static size_t v6(uint8_t *p, uint8_t next, const uint8_t *rest, size_t n)
{
    memset(p, 0, 40);
    p[0] = 0x60;
    p[4] = (uint8_t)(n >> 8);
    p[5] = (uint8_t)n;
    p[6] = next;
    p[7] = 64;
    p[8] = 0xfd;
    p[24] = 0x26;
    memcpy(p + 40, rest, n);
    return 40 + n;
}

static const uint8_t udp[] = {0x9c, 0x40, 0x01, 0xbb, 0, 12, 0, 0, 'l', 'e', 'a', 'k'};
static const uint8_t syn[] = {0x9c, 0x40, 0, 22, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0};

Test(packet, udp_v4)
{
    uint8_t p[100];
    struct packet k;
    char text[ADDR_STRLEN];
    size_t n = v4(p, IPPROTO_UDP, 5, 0x4000, udp, sizeof udp);
    packet_parse(p, n, n, &k);
    cr_assert_eq(k.odd, 0);
    cr_assert_eq(k.version, 4);
    cr_assert_eq(k.protocol, IPPROTO_UDP);
    cr_assert_eq(k.sport, 40000);
    cr_assert_eq(k.dport, 443);
    cr_assert_eq(k.payload_len, 4);
    cr_assert_arr_eq(k.payload, "leak", 4);
    cr_assert_str_eq(addr_format(&k.src, text), "10.9.8.2");
    cr_assert_str_eq(addr_format(&k.dst, text), "93.184.216.10");
}

Test(packet, syn_v6)
{
    uint8_t p[100];
    struct packet k;
    char text[ADDR_STRLEN];
    size_t n = v6(p, IPPROTO_TCP, syn, sizeof syn);
    packet_parse(p, n, n, &k);
    cr_assert_eq(k.odd, 0);
    cr_assert_eq(k.version, 6);
    cr_assert_eq(k.dport, 22);
    cr_assert_str_eq(addr_format(&k.dst, text), "2600::");
}

Test(packet, odd_kinds)
{
    uint8_t p[200], options[24] = {0};
    struct packet k;
    memcpy(options + 4, udp, sizeof udp);
    size_t n = v4(p, IPPROTO_UDP, 6, 0, udp, sizeof udp);
    packet_parse(p, n, n, &k);
    cr_assert_eq(k.odd, PACKET_OPTIONS);
    cr_assert_eq(k.dport, 443, "the ports are for the log, whatever the packet is");

    static const struct {
        uint16_t field;
        unsigned odd;
    } frags[] = {
        {0x2000, PACKET_FRAGMENT}, {0x0001, PACKET_FRAGMENT}, {0x8000, PACKET_FRAGMENT}, {0x4000, 0}, {0, 0}};
    for (size_t i = 0; i < sizeof frags / sizeof *frags; i++) {
        n = v4(p, IPPROTO_UDP, 5, frags[i].field, udp, sizeof udp);
        packet_parse(p, n, n, &k);
        cr_assert_eq(k.odd, frags[i].odd, "%zu", i);
        cr_assert_eq(k.dport, frags[i].field == 1 ? 0 : 443, "a later fragment has no ports");
    }

    static const uint8_t headers[] = {
        IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_AH, IPPROTO_NONE, IPPROTO_MH};
    for (size_t i = 0; i < sizeof headers; i++) {
        n = v6(p, headers[i], udp, sizeof udp);
        packet_parse(p, n, n, &k);
        cr_assert_eq(k.odd, PACKET_OPTIONS);
        cr_assert_eq(k.dport, 0);
    }
    n = v6(p, IPPROTO_FRAGMENT, udp, sizeof udp);
    packet_parse(p, n, n, &k);
    cr_assert_eq(k.odd, PACKET_FRAGMENT);
}

Test(packet, tcp_flags)
{
    static const struct {
        uint8_t flags;
        unsigned odd;
    } cases[] = {{0x02, 0}, {0xc2, 0}, {0x12, PACKET_FLAGS}, {0x03, PACKET_FLAGS}, {0x06, PACKET_FLAGS},
        {0x10, PACKET_FLAGS}, {0x00, PACKET_FLAGS}, {0x29, PACKET_FLAGS}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t p[100], t[sizeof syn];
        struct packet k;
        memcpy(t, syn, sizeof t);
        t[13] = cases[i].flags;
        size_t n = v4(p, IPPROTO_TCP, 5, 0, t, sizeof t);
        packet_parse(p, n, n, &k);
        cr_assert_eq(k.odd, cases[i].odd, "%02x", cases[i].flags);
    }
    uint8_t p[100], t[sizeof syn + 4] = {0};
    struct packet k;
    memcpy(t, syn, sizeof syn);
    size_t n = v4(p, IPPROTO_TCP, 5, 0, t, sizeof t);
    packet_parse(p, n, n, &k);
    cr_assert_eq(k.odd, PACKET_DATA);
}

Test(packet, broken)
{
    uint8_t p[200];
    struct packet k;
    size_t n = v4(p, IPPROTO_UDP, 5, 0, udp, sizeof udp);
    p[0] = 0x44; /* a header shorter than a header */
    packet_parse(p, n, n, &k);
    cr_assert_eq(k.odd, PACKET_BROKEN);

    n = v4(p, IPPROTO_UDP, 5, 0, udp, sizeof udp);
    p[3] = (uint8_t)(n + 1); /* more than came */
    packet_parse(p, n, n, &k);
    cr_assert_eq(k.odd, PACKET_BROKEN);

    uint8_t u[sizeof udp];
    static const uint8_t lengths[] = {0, 7, 8, 11, 13, 200};
    for (size_t i = 0; i < sizeof lengths; i++) {
        memcpy(u, udp, sizeof u);
        u[5] = lengths[i];
        n = v4(p, IPPROTO_UDP, 5, 0, u, sizeof u);
        packet_parse(p, n, n, &k);
        cr_assert_eq(k.odd, PACKET_BROKEN, "UDP length %u", lengths[i]);
    }
    uint8_t t[sizeof syn];
    memcpy(t, syn, sizeof t);
    t[12] = 0xf0; /* 60 octets of header in 20 */
    n = v4(p, IPPROTO_TCP, 5, 0, t, sizeof t);
    packet_parse(p, n, n, &k);
    cr_assert(k.odd & PACKET_BROKEN);

    n = v4(p, IPPROTO_TCP, 5, 0, syn, 19);
    packet_parse(p, n, n, &k);
    cr_assert(k.odd & PACKET_BROKEN);

    p[0] = 0x55;
    packet_parse(p, n, n, &k);
    cr_assert_eq(k.version, 0);
    cr_assert_eq(k.odd, PACKET_BROKEN);
    packet_parse(p, 0, 0, &k);
    cr_assert_eq(k.odd, PACKET_BROKEN);
}

/* The queue gives 2 KiB of a packet: what is cut off is not broken. */
Test(packet, captured_in_part)
{
    uint8_t p[1500], big[1400] = {0};
    struct packet k;
    memcpy(big, udp, sizeof udp);
    big[4] = (uint8_t)(sizeof big >> 8);
    big[5] = (uint8_t)(sizeof big & 0xff);
    size_t n = v4(p, IPPROTO_UDP, 5, 0, big, sizeof big);
    packet_parse(p, 100, n, &k);
    cr_assert_eq(k.odd, 0);
    cr_assert_eq(k.payload_len, 100 - 20 - 8);
}

Test(packet, every_cut_is_safe)
{
    uint8_t p[100];
    size_t n = v4(p, IPPROTO_TCP, 6, 0, syn, sizeof syn);
    for (size_t i = 0; i <= n; i++) {
        struct packet k;
        uint8_t *cut = malloc(i + 1);
        memcpy(cut, p, i);
        packet_parse(cut, i, i, &k);
        cr_assert(i == n || (k.odd & PACKET_BROKEN), "%zu", i);
        free(cut);
    }
}

Test(packet, names)
{
    cr_assert_str_eq(packet_protocol_name(IPPROTO_TCP), "tcp");
    cr_assert_str_eq(packet_protocol_name(IPPROTO_GRE), "gre");
    cr_assert_null(packet_protocol_name(253));
}
