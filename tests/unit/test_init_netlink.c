#include <criterion/criterion.h>
#include <errno.h>
#include <linux/rtnetlink.h>

#include "init/netlink.h"

Test(netlink, builds_what_it_finds_again)
{
    struct nl_request r = {0};
    struct rtmsg m = {.rtm_family = AF_INET};
    nl_begin(&r, RTM_NEWROUTE, NLM_F_ACK, &m, sizeof m);
    nl_put_u32(&r, RTA_OIF, 7);
    size_t nest = nl_nest(&r, RTA_METRICS | NLA_F_NESTED);
    nl_put_str(&r, 1, "abc");
    nl_nest_end(&r, nest);
    nl_begin(&r, RTM_NEWROUTE, 0, &m, sizeof m);
    nl_put_u32(&r, RTA_OIF, 8);

    const struct nlmsghdr *h = (const void *)r.data;
    struct nl_view v = nl_attributes(h, sizeof m);
    cr_assert_eq(nl_find_u32(v, RTA_OIF, 0), 7);
    cr_assert_eq(nl_find_u32(v, RTA_GATEWAY, 99), 99);
    struct nl_view inner = nl_find(v, RTA_METRICS);
    cr_assert_not_null(inner.data);
    cr_assert_str_eq((const char *)nl_find(inner, 1).data, "abc");
    const struct nlmsghdr *second = (const void *)(r.data + ((h->nlmsg_len + 3) & ~3u));
    cr_assert_eq(second->nlmsg_seq, 2);
    cr_assert_eq(nl_find_u32(nl_attributes(second, sizeof m), RTA_OIF, 0), 8);
    cr_assert_eq(r.len, second->nlmsg_len + ((h->nlmsg_len + 3) & ~3u));
}

Test(netlink, what_does_not_fit_is_never_sent)
{
    struct nl_request r = {0};
    char big[3000] = {0};
    nl_begin(&r, 1, 0, "", 0);
    for (int i = 0; i < 4; i++)
        nl_put(&r, 1, big, sizeof big);
    cr_assert(r.full);
    cr_assert_leq(r.len, sizeof r.data);
    cr_assert_eq(nl_call(-1, &r), -EMSGSIZE);
}

Test(netlink, damaged_attributes_end_the_search)
{
    /* A length shorter than its header, and one beyond the end. */
    static const uint8_t short_one[] = {3, 0, 1, 0, 8, 0, 2, 0, 1, 2, 3, 4},
                         long_one[] = {60, 0, 1, 0, 8, 0, 2, 0, 1, 2, 3, 4};
    cr_assert_null(nl_find((struct nl_view){short_one, sizeof short_one}, 2).data);
    cr_assert_null(nl_find((struct nl_view){long_one, sizeof long_one}, 2).data);
    cr_assert_null(nl_find((struct nl_view){long_one, sizeof long_one}, 1).data);
    static const uint8_t unaligned_end[] = {5, 0, 1, 0, 9};
    cr_assert_eq(nl_find((struct nl_view){unaligned_end, sizeof unaligned_end}, 1).len, 1);
    cr_assert_null(nl_find((struct nl_view){unaligned_end, sizeof unaligned_end}, 2).data);
}
