/* Which DNS servers of the host a sidecar can ask. */
#include <criterion/criterion.h>
#include <string.h>

#include "hostctl/resolvers.h"

static struct opt_list parse(const char *text, bool *loopback)
{
    static char copy[4096];
    struct opt_list out = {0};
    (void)snprintf(copy, sizeof copy, "%s", text);
    resolvers_parse(copy, &out, loopback);
    return out;
}

Test(resolvers, takes_nameserver_lines_only)
{
    bool loopback;
    struct opt_list l = parse("# nameserver 9.9.9.9\nsearch a.example\nnameserver 192.0.2.1\n"
                              "nameserver\t2001:db8::1 trailing\r\noptions edns0\n;nameserver 8.8.8.8\n",
        &loopback);
    cr_assert_eq(l.n, 2u);
    cr_assert_str_eq(l.items[0], "192.0.2.1");
    cr_assert_str_eq(l.items[1], "2001:db8::1");
    cr_assert_not(loopback);
}

Test(resolvers, leaves_out_the_hosts_own_loopback)
{
    bool loopback;
    struct opt_list l = parse(
        "nameserver 127.0.0.53\nnameserver ::1\nnameserver 0.0.0.0\nnameserver ::\nnameserver 10.0.0.1\n",
        &loopback);
    cr_assert_eq(l.n, 1u);
    cr_assert_str_eq(l.items[0], "10.0.0.1");
    cr_assert(loopback);
}

Test(resolvers, ignores_what_is_no_address)
{
    bool loopback;
    struct opt_list l = parse("nameserver\nnameserver dns.example\nnameserver fe80::1%eth0\nnameserver "
                              "0x7f.1\nnameservers 1.1.1.1\n",
        &loopback);
    cr_assert_eq(l.n, 0u);
    cr_assert_not(loopback);
}
