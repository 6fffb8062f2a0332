/* Which questions are asked upstream, and which never. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "dns/budget.h"
#include "dns/judge.h"
#include "lib/base.h"

static const char text[] = "version: 1\n"
                           "egress:\n"
                           "  routes:\n"
                           "    - host: www.example\n"
                           "    - host: txt.example\n"
                           "      dns: [TXT]\n"
                           "    - host: \"*.wild.example\"\n"
                           "dns:\n"
                           "  wildcard_labels_per_minute: 10\n"
                           "  wildcard_label_max: 30\n";

static struct policy *policy(void)
{
    struct policy_error err;
    struct policy *p = policy_load(text, sizeof text - 1, &err);

    cr_assert_not_null(p, "%u: %s", err.line, err.text);
    return p;
}

struct judged {
    const char *host;
    uint16_t qtype, qclass;
    bool ipv6;
    enum dns_action action;
    enum reason reason;
};

Test(judge, table)
{
    static const struct judged table[] = {
        {"www.example", TYPE_A, CLASS_IN, false, DNS_ASK, REASON_NONE},
        {"www.example", TYPE_CNAME, CLASS_IN, false, DNS_ASK, REASON_NONE},
        {"www.example", TYPE_AAAA, CLASS_IN, false, DNS_EMPTY, REASON_NONE},
        {"www.example", TYPE_AAAA, CLASS_IN, true, DNS_ASK, REASON_NONE},
        {"www.example", TYPE_HTTPS, CLASS_IN, true, DNS_EMPTY, REASON_NONE},
        {"www.example", TYPE_SVCB, CLASS_IN, true, DNS_EMPTY, REASON_NONE},
        {"www.example", TYPE_ANY, CLASS_IN, true, DNS_ANY, REASON_NONE},
        {"www.example", TYPE_TXT, CLASS_IN, true, DNS_REFUSE_TYPE, REASON_DNS_TYPE},
        {"txt.example", TYPE_TXT, CLASS_IN, true, DNS_ASK, REASON_NONE},
        {"txt.example", TYPE_MX, CLASS_IN, true, DNS_REFUSE_TYPE, REASON_DNS_TYPE},
        {"www.example", 0, CLASS_IN, true, DNS_REFUSE, REASON_DNS_TYPE},
        {"www.example", TYPE_AXFR, CLASS_IN, true, DNS_REFUSE, REASON_DNS_TYPE},
        {"www.example", TYPE_IXFR, CLASS_IN, true, DNS_REFUSE, REASON_DNS_TYPE},
        {"www.example", TYPE_OPT, CLASS_IN, true, DNS_REFUSE, REASON_DNS_TYPE},
        {"www.example", TYPE_A, 3, true, DNS_REFUSE, REASON_DNS_TYPE},
        {"www.example", TYPE_A, 255, true, DNS_REFUSE, REASON_DNS_TYPE},
        {"example", TYPE_A, CLASS_IN, true, DNS_REFUSE_LOCAL, REASON_NO_ROUTE},
        {"a.www.example", TYPE_A, CLASS_IN, true, DNS_REFUSE_NAME, REASON_NO_ROUTE},
        {"other.example", TYPE_TXT, CLASS_IN, true, DNS_REFUSE_NAME, REASON_NO_ROUTE},
        {"wild.example", TYPE_A, CLASS_IN, true, DNS_REFUSE_NAME, REASON_NO_ROUTE},
        {"a.wild.example", TYPE_A, CLASS_IN, true, DNS_ASK, REASON_NONE},
        {"a.b.wild.example", TYPE_A, CLASS_IN, true, DNS_ASK, REASON_NONE},
        {"printer.local", TYPE_A, CLASS_IN, true, DNS_REFUSE_LOCAL, REASON_NO_ROUTE},
        {NULL, TYPE_A, CLASS_IN, true, DNS_REFUSE_LOCAL, REASON_NO_ROUTE},
        {"sentinel.egressd.internal", TYPE_A, CLASS_IN, true, DNS_SENTINEL, REASON_NONE},
        {"other.egressd.internal", TYPE_A, CLASS_IN, true, DNS_REFUSE_LOCAL, REASON_NO_ROUTE},
        {"4.3.2.1.in-addr.arpa", TYPE_PTR, CLASS_IN, true, DNS_REVERSE, REASON_NO_ROUTE},
        {"www.example.in-addr.arpa", TYPE_TXT, CLASS_IN, true, DNS_REVERSE, REASON_NO_ROUTE},
    };

    struct policy *p = policy();

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct judged *t = &table[i];
        struct dns_judgement j = dns_judge(p, t->host, t->qtype, t->qclass, t->ipv6);
        cr_assert_eq(j.action, t->action, "%zu: %d", i, j.action);
        cr_assert_eq(j.reason, t->reason, "%zu: %d", i, j.reason);
    }
    policy_free(p);
}

Test(judge, reverse_names)
{
    struct addr a, want;

    cr_assert(dns_reverse_addr("4.3.2.1.in-addr.arpa", &a));
    cr_assert(addr_parse("1.2.3.4", &want) && addr_eq(&a, &want));
    cr_assert(
        dns_reverse_addr("b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", &a));
    cr_assert(addr_parse("2001:db8::567:89ab", &want) && addr_eq(&a, &want));
    cr_assert_not(dns_reverse_addr("3.2.1.in-addr.arpa", &a));
    cr_assert_not(dns_reverse_addr("5.4.3.2.1.in-addr.arpa", &a));
    cr_assert_not(dns_reverse_addr("256.3.2.1.in-addr.arpa", &a));
    cr_assert_not(dns_reverse_addr("4.3.2.1.in-addr.arpa.example", &a));
    cr_assert_not(dns_reverse_addr("1.ip6.arpa", &a));
    cr_assert_not(dns_reverse_addr("", &a));
}

Test(budget, new_names_a_minute)
{
    struct policy *p = policy();
    struct budgets *b = budgets_new(p);
    const struct route *r = policy_route(p, "a.wild.example");
    char host[64];

    cr_assert_not_null(r);
    for (int i = 0; i < 10; i++) {
        (void)snprintf(host, sizeof host, "host%d.wild.example", i);
        cr_assert(budget_allows(b, r, host, false, 1000), "%d", i);
        cr_assert(budget_allows(b, r, host, false, 1000), "asked again");
    }
    cr_assert_not(budget_allows(b, r, "more.wild.example", false, 1000));
    cr_assert(budget_allows(b, r, "more.wild.example", false, 1006), "a tenth of a minute later");
    cr_assert_not(budget_allows(b, r, "evenmore.wild.example", false, 1006));
    budgets_free(b);
    policy_free(p);
}

/* Who knows many names could say something by asking for them in turn. */
Test(budget, known_names_a_minute)
{
    struct policy *p = policy();
    struct budgets *b = budgets_new(p);
    const struct route *r = policy_route(p, "a.wild.example");
    unsigned n = 0;

    while (n < 1000 && budget_allows(b, r, n % 2 ? "a.wild.example" : "b.wild.example", true, 1000))
        n++;
    cr_assert_eq(n, 10 * BUDGET_AGAIN);
    cr_assert(budget_allows(b, r, "new.wild.example", false, 1000), "new names have their own");
    cr_assert_not(budget_allows(b, r, "new.wild.example", false, 1000), "and are known then");
    cr_assert(budget_allows(b, r, "new.wild.example", false, 1001));
    budgets_free(b);
    policy_free(p);
}

Test(budget, data_costs_more_and_long_labels_fail)
{
    struct policy *p = policy();
    struct budgets *b = budgets_new(p);
    const struct route *r = policy_route(p, "a.wild.example");

    cr_assert_eq(budget_cost(r, "static-assets.wild.example"), 1);
    cr_assert_eq(budget_cost(r, "a.b.wild.example"), 2);
    cr_assert_gt(budget_cost(r, "mfrggzdfmztwq2lknnwg23tp.wild.example"), 4);
    cr_assert_gt(budget_cost(r, "0123456789abcdef0123456789abcdef.wild.example"), 4);
    cr_assert_not(budget_allows(b, r, "this-label-has-more-than-thirty-octets.wild.example", false, 1000));
    cr_assert(budget_allows(b, r, "mfrggzdfmztwq2lknnwg23tp.wild.example", false, 1000));
    cr_assert_not(budget_allows(b, r, "mfrggzdfmztwq2lknnwg23tq.wild.example", false, 1000));
    budgets_free(b);
    policy_free(p);
}
