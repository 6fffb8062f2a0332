/* The pure parts of the netns backend. */
#ifdef __linux__
#include <criterion/criterion.h>
#include <string.h>

#include "hostctl/netns_link.h"
#include "hostctl/netns_nft.h"
#include "hostctl/sandbox.h"

static const char *between(const char *text, const char *a, const char *b)
{
    const char *p = strstr(text, a);
    return p ? strstr(p, b) : NULL;
}

Test(netns, subnets_overlap_by_the_shorter_prefix)
{
    const struct subnet a = {0x647f0000, 30}, b = {0x647f0004, 30}, wide = {0x64400000, 10}, all = {0, 0};
    cr_assert(subnet_overlaps(a, a));
    cr_assert_not(subnet_overlaps(a, b));
    cr_assert(subnet_overlaps(a, wide));
    cr_assert(subnet_overlaps(wide, a));
    cr_assert(subnet_overlaps(all, b));
    cr_assert_not(subnet_overlaps((struct subnet){0x0a000000, 8}, wide));
    cr_assert(subnet_overlaps((struct subnet){0x647f0001, 32}, a));
}

Test(netns, addresses_are_written_dotted)
{
    char ip[IP4_STRLEN];
    cr_assert_str_eq(ip4_format(0x647f0001, ip), "100.127.0.1");
    cr_assert_str_eq(ip4_format(0xffffffff, ip), "255.255.255.255");
}

Test(netns, the_hosts_table_lets_through_only_the_sidecar)
{
    char text[4096];
    json_t *forwarding = json_pack("[s,s]", "eth0", "wlan0");
    const struct host_table t = {
        .name = "egressd-x", .link = "egh01234567", .sidecar = 0x647f0002, .forwarding = forwarding};
    cr_assert_eq(host_table_text(&t, text, sizeof text), 0);
    cr_assert(strstr(text, "table ip egressd-x {"));
    cr_assert(strstr(text, "ip saddr 100.127.0.2 oifname != \"egh01234567\" masquerade"));
    cr_assert(between(text, "iifname \"egh01234567\" ip saddr != 100.127.0.2 drop",
                  "iifname \"egh01234567\" accept"),
        "spoofed sources are dropped before anything is accepted");
    cr_assert(
        between(text, "oifname \"egh*\" drop", "iifname \"egh01234567\" accept"), "sandboxes do not meet");
    cr_assert(between(text, "ct state established,related accept", "oifname \"egh01234567\" drop"));
    cr_assert(strstr(text, "iifname \"eth0\" oifname != \"egh*\" drop"), "the host routes for nobody else");
    cr_assert(strstr(text, "iifname \"wlan0\" oifname != \"egh*\" drop"));
    cr_assert(between(text, "oifname \"egh01234567\" drop", "ip daddr 100.127.0.2 drop"),
        "late answers do not go elsewhere");
    cr_assert(between(text, "hook postrouting priority 110",
                  "ip saddr 100.127.0.2 oifname != \"egh01234567\" drop"),
        "what was not translated stays here");
    cr_assert_null(strstr(text, "ip6"), "no table for what there is not");
    const struct ip6 six = {{0xfd, 0x65, [7] = 0xb, [15] = 2}};
    const struct host_table both = {.name = "egressd-x",
        .link = "egh01234567",
        .sidecar = 1,
        .sidecar6 = &six,
        .forwarding6 = forwarding};
    cr_assert_eq(host_table_text(&both, text, sizeof text), 0);
    const char *t6 = strstr(text, "table ip6 egressd-x {");
    cr_assert(t6);
    cr_assert(strstr(t6, "ip6 saddr fd65:0:0:b::2 oifname != \"egh01234567\" masquerade"));
    cr_assert(between(
        t6, "iifname \"egh01234567\" ip6 saddr != fd65:0:0:b::2 drop", "iifname \"egh01234567\" accept"));
    cr_assert(strstr(t6, "iifname \"eth0\" oifname != \"egh*\" drop"));
    char small[64];
    cr_assert_lt(host_table_text(&t, small, sizeof small), 0);
    json_decref(forwarding);
}

Test(netns, names_are_one_plain_label)
{
    cr_assert(sandbox_name_ok("a"));
    cr_assert(sandbox_name_ok("Build-7_x"));
    cr_assert(sandbox_name_ok("0123456789012345678901234567890123456789"));
    cr_assert_not(sandbox_name_ok("01234567890123456789012345678901234567890"));
    cr_assert_not(sandbox_name_ok(""));
    cr_assert_not(sandbox_name_ok("-x"));
    cr_assert_not(sandbox_name_ok("."));
    cr_assert_not(sandbox_name_ok("a/b"));
    cr_assert_not(sandbox_name_ok("a.b"));
    cr_assert_not(sandbox_name_ok("a b"));
    cr_assert_not(sandbox_name_ok("\xc3\xa4"));
    char made[SANDBOX_NAME_MAX + 1];
    sandbox_name_make(made);
    cr_assert(sandbox_name_ok(made));
}
#endif
