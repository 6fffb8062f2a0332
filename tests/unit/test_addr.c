#include <criterion/criterion.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/addr.h"
#include "lib/base.h"

static struct addr parse(const char *s)
{
    struct addr a;
    cr_assert(addr_parse(s, &a), "%s", s);
    return a;
}

Test(addr, text_forms)
{
    static const struct {
        const char *in, *out; /* NULL: refused */
    } t[] = {
        {"1.2.3.4", "1.2.3.4"},
        {"::ffff:1.2.3.4", "1.2.3.4"},
        {"::FFFF:102:304", "1.2.3.4"},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"::", "::"},
        {"1.2.3", NULL},
        {"01.2.3.4", NULL},
        {"0x1.2.3.4", NULL},
        {"256.1.1.1", NULL},
        {"1.2.3.4 ", NULL},
        {"fe80::1%eth0", NULL},
        {"[::1]", NULL},
        {"", NULL},
        {"1:2:3:4:5:6:7:8:9", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct addr a;
        char text[ADDR_STRLEN];
        bool ok = addr_parse(t[i].in, &a);
        cr_expect_eq(ok, t[i].out != NULL, "%s", t[i].in);
        if (ok && t[i].out)
            cr_expect_str_eq(addr_format(&a, text), t[i].out);
    }
}

Test(addr, endpoints)
{
    static const struct {
        const char *in, *addr; /* NULL: refused */
        uint16_t port;
    } t[] = {
        {"9.9.9.9", "9.9.9.9", 53},
        {"9.9.9.9:5353", "9.9.9.9", 5353},
        {"2620:fe::fe", "2620:fe::fe", 53},
        {"[2620:fe::fe]:853", "2620:fe::fe", 853},
        {"[::1]", "::1", 53},
        {"9.9.9.9:0", NULL, 0},
        {"9.9.9.9:65536", NULL, 0},
        {"9.9.9.9:053", NULL, 0},
        {"9.9.9.9:", NULL, 0},
        {"9.9.9.9:5 3", NULL, 0},
        {"[9.9.9.9]:53", NULL, 0},
        {"[::1", NULL, 0},
        {"[::1]x", NULL, 0},
        {"", NULL, 0},
        {"dns.example", NULL, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct endpoint ep;
        char text[ADDR_STRLEN];
        bool ok = endpoint_parse(t[i].in, 53, &ep);
        cr_expect_eq(ok, t[i].addr != NULL, "%s", t[i].in);
        if (ok && t[i].addr) {
            cr_expect_str_eq(addr_format(&ep.addr, text), t[i].addr);
            cr_expect_eq(ep.port, t[i].port, "%s", t[i].in);
        }
    }
}

Test(addr, sockaddr_round_trip)
{
    static const char *const t[] = {"192.0.2.1", "2001:db8::1"};
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct endpoint in = {.addr = parse(t[i]), .port = 443}, out;
        struct sockaddr_storage ss;
        unsigned len = addr_to_sockaddr(&in, &ss);
        cr_expect_eq(ss.ss_family, i == 0 ? AF_INET : AF_INET6);
        cr_expect_eq(len, i == 0 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
        cr_assert(addr_from_sockaddr((struct sockaddr *)&ss, &out));
        cr_expect(addr_eq(&in.addr, &out.addr) && out.port == 443);
    }
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct endpoint out;
    cr_expect_not(addr_from_sockaddr(&other, &out));
}

Test(addr, scopes)
{
    /* 'g' global, 'p' not global but a route may allow it, 'n' never */
    static const struct {
        const char *addr;
        char scope;
    } t[] = {
        {"8.8.8.8", 'g'}, {"1.1.1.1", 'g'}, {"99.255.255.255", 'g'}, {"100.128.0.0", 'g'},
        {"172.15.255.255", 'g'}, {"172.32.0.0", 'g'}, {"192.0.1.0", 'g'}, {"198.17.255.255", 'g'},
        {"198.20.0.0", 'g'}, {"223.255.255.255", 'g'}, {"0.0.0.0", 'n'}, {"0.1.2.3", 'n'}, {"10.0.0.0", 'p'},
        {"10.255.255.255", 'p'}, {"100.64.0.1", 'p'}, {"100.127.255.255", 'p'}, {"127.0.0.1", 'n'},
        {"127.255.255.255", 'n'}, {"168.63.129.16", 'p'}, {"169.254.169.254", 'n'}, {"172.16.0.0", 'p'},
        {"172.31.255.255", 'p'}, {"192.0.0.8", 'p'}, {"192.0.2.1", 'p'}, {"192.88.99.1", 'p'},
        {"192.168.1.1", 'p'}, {"198.18.0.0", 'p'}, {"198.19.255.255", 'p'}, {"198.51.100.1", 'p'},
        {"203.0.113.1", 'p'}, {"224.0.0.1", 'n'}, {"239.255.255.255", 'n'}, {"240.0.0.1", 'p'},
        {"255.255.255.255", 'n'}, {"2606:4700::1111", 'g'}, {"2001:200::1", 'g'}, {"2001:4:112::1", 'g'},
        {"2620:4f:8000::1", 'g'}, {"3ffe::1", 'g'}, {"::", 'n'}, {"::1", 'n'}, {"::2", 'n'},
        {"::127.0.0.1", 'n'}, {"::8.8.8.8", 'p'}, {"::ffff:0:10.0.0.1", 'p'}, {"::ffff:0:127.0.0.1", 'n'},
        {"100::1", 'p'}, {"2001:2::1", 'p'}, {"2001:10::1", 'p'}, {"2001:20::1", 'p'}, {"2001:1ff::1", 'p'},
        {"2001:db8::1", 'p'}, {"3fff::1", 'p'}, {"3fff:fff::1", 'p'}, {"4000::1", 'p'}, {"5f00::1", 'p'},
        {"fc00::1", 'p'}, {"fd12:3456::1", 'p'}, {"fd00:ec2::254", 'n'}, {"fe80::1", 'n'}, {"febf::1", 'n'},
        {"fec0::1", 'p'}, {"ff02::1", 'n'}, {"ff0e::1", 'n'},
        /* what stands for an IPv4 address is judged as that address */
        {"::ffff:8.8.8.8", 'g'}, {"::ffff:10.0.0.1", 'p'}, {"::ffff:127.0.0.1", 'n'},
        {"64:ff9b::8.8.8.8", 'g'}, {"64:ff9b::192.168.0.1", 'p'}, {"64:ff9b::169.254.169.254", 'n'},
        {"64:ff9b:1::8.8.8.8", 'p'}, {"64:ff9b:1::10.0.0.1", 'p'}, {"64:ff9b:1::127.0.0.1", 'n'},
        {"64:ff9b:1:7f00:0:100::", 'n'}, /* 127.0.0.1 behind a /48 */
        {"64:ff9b:1:a9:fe:a9fe::", 'n'}, /* 169.254.169.254 behind a /56 */
        {"2002:808:808::1", 'g'}, {"2002:a00:1::1", 'p'}, {"2002:7f00:1::1", 'n'},
        {"2001:0:808:808::f7f7:f7f7", 'g'}, /* Teredo: 8.8.8.8 and 8.8.8.8 */
        {"2001:0:808:808::f5ff:fffe", 'p'}, /* client 10.0.0.1 */
        {"2001:0:808:808::80ff:fffe", 'n'}, /* client 127.0.0.1 */
        {"2001:0:a00:1::f7f7:f7f7", 'p'}, /* server 10.0.0.1 */
    };
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct addr a = parse(t[i].addr);
        cr_expect_eq(addr_is_global(&a), t[i].scope == 'g', "%s global", t[i].addr);
        cr_expect_eq(addr_is_never(&a), t[i].scope == 'n', "%s never", t[i].addr);
    }
}
