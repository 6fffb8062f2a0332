#include <criterion/criterion.h>
#include <string.h>

#include "lib/base.h"
#include "lib/hostname.h"

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define N253 L63 "." L63 "." L63 ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *in;
    enum host_kind kind;
    const char *out;
} table[] = {
    {"a.example", HOST_NAME, "a.example"},
    {"A.Example", HOST_NAME, "a.example"},
    {"a.example.", HOST_NAME, "a.example"},
    {"localhost", HOST_NAME, "localhost"},
    {"_dmarc.a.example", HOST_NAME, "_dmarc.a.example"},
    {"r3---sn-x.example", HOST_NAME, "r3---sn-x.example"},
    {"xn--bcher-kva.example", HOST_NAME, "xn--bcher-kva.example"},
    {"1.2.3.4.example", HOST_NAME, "1.2.3.4.example"},
    {"127.0.0.1.nip.io", HOST_NAME, "127.0.0.1.nip.io"},
    {"3com", HOST_NAME, "3com"},
    {"a.0xyz", HOST_NAME, "a.0xyz"},
    {"0xface.b00k", HOST_NAME, "0xface.b00k"},
    {L63 ".example", HOST_NAME, L63 ".example"},
    {N253, HOST_NAME, N253},
    {N253 ".", HOST_NAME, N253},

    {"1.2.3.4", HOST_IP, "1.2.3.4"},
    {"1.2.3.4.", HOST_IP, "1.2.3.4"},
    {"127.1", HOST_IP, "127.0.0.1"},
    {"127.0.1", HOST_IP, "127.0.0.1"},
    {"2130706433", HOST_IP, "127.0.0.1"},
    {"0x7f000001", HOST_IP, "127.0.0.1"},
    {"0X7F.1", HOST_IP, "127.0.0.1"},
    {"0177.0.0.1", HOST_IP, "127.0.0.1"},
    {"0x7f.0x0.0x0.0x1", HOST_IP, "127.0.0.1"},
    {"00000000177.0.0.1", HOST_IP, "127.0.0.1"},
    {"0", HOST_IP, "0.0.0.0"},
    {"0x", HOST_IP, "0.0.0.0"},
    {"4294967295", HOST_IP, "255.255.255.255"},
    {"[::1]", HOST_IP, "::1"},
    {"::1", HOST_IP, "::1"},
    {"[::ffff:1.2.3.4]", HOST_IP, "1.2.3.4"},
    {"[::FFFF:7F00:1]", HOST_IP, "127.0.0.1"},
    {"[2001:DB8::0:1]", HOST_IP, "2001:db8::1"},

    {"", HOST_BAD, NULL},
    {".", HOST_BAD, NULL},
    {"..", HOST_BAD, NULL},
    {"a.example..", HOST_BAD, NULL},
    {".a.example", HOST_BAD, NULL},
    {"a..example", HOST_BAD, NULL},
    {"-a.example", HOST_BAD, NULL},
    {"a-.example", HOST_BAD, NULL},
    {"a.example-", HOST_BAD, NULL},
    {"*.example", HOST_BAD, NULL},
    {"a b.example", HOST_BAD, NULL},
    {" a.example", HOST_BAD, NULL},
    {"a.example ", HOST_BAD, NULL},
    {"a.example\n", HOST_BAD, NULL},
    {"a%2eexample", HOST_BAD, NULL},
    {"a/b", HOST_BAD, NULL},
    {"a\\b", HOST_BAD, NULL},
    {"user@a.example", HOST_BAD, NULL},
    {"a.example:443", HOST_BAD, NULL},
    {"b\xc3\xbc"
     "cher.example",
        HOST_BAD, NULL},
    {"\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.1", HOST_BAD, NULL}, /* fullwidth 127 */
    {"a\xe3\x80\x82"
     "example",
        HOST_BAD, NULL}, /* ideographic full stop */
    {"a" L63 ".example", HOST_BAD, NULL},
    {"a" N253, HOST_BAD, NULL},
    {"a.1", HOST_BAD, NULL}, /* a numeric last label is never a name */
    {"a.0x1f", HOST_BAD, NULL},
    {"a.0x", HOST_BAD, NULL},
    {"1.2.3.4.5", HOST_BAD, NULL},
    {"256.1.1.1", HOST_BAD, NULL},
    {"1.2.3.256", HOST_BAD, NULL},
    {"1.256", HOST_IP, "1.0.1.0"},
    {"08.1.1.1", HOST_BAD, NULL},
    {"09", HOST_BAD, NULL},
    {"4294967296", HOST_BAD, NULL},
    {"1.16777216", HOST_BAD, NULL},
    {"99999999999999999999999999", HOST_BAD, NULL},
    {"[1.2.3.4]", HOST_BAD, NULL},
    {"[::1%eth0]", HOST_BAD, NULL},
    {"[fe80::1%25eth0]", HOST_BAD, NULL},
    {"[::1", HOST_BAD, NULL},
    {"::1]", HOST_BAD, NULL},
    {"[]", HOST_BAD, NULL},
    {"[v1.a]", HOST_BAD, NULL},
};

Test(hostname, canon)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char out[HOSTNAME_MAX + 1];
        struct addr ip;
        enum host_kind k = host_canon(table[i].in, strlen(table[i].in), out, &ip);
        cr_expect_eq(k, table[i].kind, "'%s': %d", table[i].in, (int)k);
        if (k == table[i].kind && table[i].out)
            cr_expect_str_eq(out, table[i].out);
        /* What is canonical stays as it is. */
        char again[HOSTNAME_MAX + 1];
        if (k != HOST_BAD) {
            cr_expect_eq(host_canon(out, strlen(out), again, NULL), k, "'%s'", out);
            cr_expect_str_eq(again, out);
        }
    }
}

Test(hostname, embedded_nul_is_bad)
{
    char out[HOSTNAME_MAX + 1];
    cr_expect_eq(host_canon("a.example\0.b.example", 20, out, NULL), HOST_BAD);
    cr_expect_eq(host_canon("[::1\0]", 6, out, NULL), HOST_BAD);
}

Test(hostname, with_port)
{
    static const struct {
        const char *in;
        enum host_kind kind;
        const char *out;
        uint16_t port;
    } t[] = {
        {"a.example", HOST_NAME, "a.example", 0},
        {"A.example:443", HOST_NAME, "a.example", 443},
        {"a.example.:443", HOST_NAME, "a.example", 443},
        {"a.example:", HOST_NAME, "a.example", 0},
        {"[::1]:8080", HOST_IP, "::1", 8080},
        {"[::1]", HOST_IP, "::1", 0},
        {"1.2.3.4:80", HOST_IP, "1.2.3.4", 80},
        {"::1", HOST_BAD, NULL, 0},
        {"a.example:0", HOST_BAD, NULL, 0},
        {"a.example:0443", HOST_BAD, NULL, 0},
        {"a.example:65536", HOST_BAD, NULL, 0},
        {"a.example:443:443", HOST_BAD, NULL, 0},
        {"a.example:+443", HOST_BAD, NULL, 0},
        {"a.example: 443", HOST_BAD, NULL, 0},
        {"u:p@a.example:443", HOST_BAD, NULL, 0},
        {"u@a.example:443", HOST_BAD, NULL, 0},
        {"[::1]443", HOST_BAD, NULL, 0},
        {":443", HOST_BAD, NULL, 0},
        {"", HOST_BAD, NULL, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        char out[HOSTNAME_MAX + 1];
        uint16_t port;
        enum host_kind k = host_port_canon(t[i].in, strlen(t[i].in), out, NULL, &port);
        cr_expect_eq(k, t[i].kind, "'%s'", t[i].in);
        if (k == t[i].kind && k != HOST_BAD) {
            cr_expect_str_eq(out, t[i].out);
            cr_expect_eq(port, t[i].port);
        }
    }
}

Test(hostname, special_use)
{
    static const char *const yes[] = {"localhost", "printer", "a.local", "x.localhost", "abc.onion",
        "a.invalid", "metadata.google.internal", "1.0.0.10.in-addr.arpa", "home.arpa", "x.alt"};
    static const char *const no[] = {"a.example", "a.test", "local.example", "notlocal.notonion"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        cr_expect(host_is_special(yes[i]), "%s", yes[i]);
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        cr_expect_not(host_is_special(no[i]), "%s", no[i]);
}
