#include <criterion/criterion.h>
#include <string.h>

#include "init/init.h"
#include "init/options.h"
#include "init/resolv.h"
#include "init/text.h"

Test(text, formats_what_the_shim_needs)
{
    TEXT(t, 64);
    text_fmt(&t, "%s=%d %u %x%% %d", "a", -2147483647 - 1, 4294967295u, 0xbeefu, 0);
    cr_assert_str_eq(t.data, "a=-2147483648 4294967295 beef% 0");
    cr_assert_not(t.cut);
}

Test(text, cuts_and_says_so)
{
    TEXT(t, 5);
    text_fmt(&t, "%s", "123456");
    cr_assert_str_eq(t.data, "1234");
    cr_assert(t.cut);
    text_fmt(&t, "x");
    cr_assert_str_eq(t.data, "1234");
}

Test(text, addresses_are_strict)
{
    static const char *const bad[] = {"", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ",
        " 1.2.3.4", "1..3.4", "0x1.2.3.4", "1.2.3.-4", "1.2.3.4294967300", "a.b.c.d", "::1"};
    uint32_t a;
    char out[IPV4_STRLEN];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_not(ipv4_parse(bad[i], &a), "%s", bad[i]);
    cr_assert(ipv4_parse("255.0.10.1", &a));
    cr_assert_eq(memcmp(&a, "\xff\0\x0a\1", 4), 0);
    cr_assert_str_eq(ipv4_format(a, out), "255.0.10.1");
}

Test(options, users)
{
    static const char *const bad[] = {
        "", ":", "1:", ":1", "root", "1:x", "1:2:3", "-1", "4294967295", "1:4294967295", "1 ", "0x1"};
    struct settings s = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_not(options_user(bad[i], &s), "%s", bad[i]);
    cr_assert(options_user("1000", &s));
    cr_assert(s.uid == 1000 && s.gid == 1000 && !s.gid_given);
    cr_assert(options_user("7:4294967294", &s));
    cr_assert(s.uid == 7 && s.gid == 4294967294u && s.gid_given);
}

Test(resolv, only_the_sidecar)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"nameserver 10.0.0.1\n", true},
        {"nameserver 10.0.0.1", true},
        {"search a.test\n# nameserver 8.8.8.8\nnameserver\t10.0.0.1 \noptions ndots:1\n", true},
        {"nameserver 10.0.0.1\nnameserver 10.0.0.1\n", true},
        {"", false},
        {"options edns0\n", false},
        {"nameserver 10.0.0.2\n", false},
        {"nameserver 10.0.0.1\nnameserver 8.8.8.8\n", false},
        {"nameserver ::1\nnameserver 10.0.0.1\n", false},
        {"nameserver 10.0.0.1.example.org.is.long\n", false},
    };
    uint32_t dns;
    cr_assert(ipv4_parse("10.0.0.1", &dns));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(resolv_names_only(cases[i].text, dns), cases[i].good, "%s", cases[i].text);
}

Test(text, ipv6_there_and_back)
{
    static const struct {
        const char *in, *out; /* out NULL: not an address */
    } cases[] = {
        {"fd65:1:2:a::1", "fd65:1:2:a::1"},
        {"FD65:0001:0:0:0:0:0:1", "fd65:1::1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"1::", "1::"},
        {"::", "::"},
        {"::1", "::1"},
        {"fd00::10.0.0.1", "fd00::a00:1"},
        {"fd65::1%eth0", NULL},
        {"fd65::1/64", NULL},
        {"10.0.0.1", NULL},
        {":::", NULL},
        {"", NULL},
    };
    char text[IPV6_STRLEN];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ipv6 a;
        bool good = ipv6_parse(cases[i].in, &a);
        cr_expect_eq(good, cases[i].out != NULL, "%s", cases[i].in);
        if (good && cases[i].out != NULL)
            cr_expect_str_eq(ipv6_format(&a, text), cases[i].out);
    }
}
