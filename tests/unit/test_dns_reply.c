/* Replies and the cache that their bodies rest in. */
#include <criterion/criterion.h>

#include <stdio.h>

#include "dns/answer.h"
#include "dns/cache.h"
#include "lib/base.h"
#include "tests/unit/dns_message.h"

static uint8_t out[REPLY_HEAD_MAX + BODY_MAX];

static struct dns_query query(struct message *m, const char *name, bool edns, unsigned size)
{
    struct dns_query q;

    m_header(m, DNS_RD, 1, 0, 0, edns);
    m_question(m, name, TYPE_A);
    if (edns) {
        m_u8(m, 0);
        m_u16(m, TYPE_OPT);
        m_u16(m, size);
        m_u32(m, 0);
        m_u16(m, 0);
    }
    cr_assert_eq(query_parse(m->b, m->len, &q), QUERY_OK);
    return q;
}

static struct addr address(unsigned i)
{
    return addr_v4((uint8_t[]){93, 184, 216, (uint8_t)i});
}

/* What we write reads back as what we meant. */
Test(reply, reads_back)
{
    struct message m;
    struct dns_query q = query(&m, "WwW.example", false, 0);
    struct dns_body b, again;
    struct dns_name target, name;
    struct answer a;
    struct addr addr = address(1), got;

    dns_name_from_host("b.example.net", &target);
    body_init(&b, q.name_len);
    body_add_cname(&b, &target);
    body_add_addr(&b, &addr);
    struct body_view v = body_view(&b);
    size_t len = reply_write(out, 512, &q, &(struct reply){.ede = EDE_NONE, .ttl = 77, .body = &v});
    cr_assert_arr_eq(out + DNS_HEADER, "\3WwW\7example", 13);
    dns_name_from_host("www.example", &name);
    answer_init(&a, &again, &name);
    cr_assert_eq(answer_read(&a, out, len, TYPE_A, false), 0);
    cr_assert_eq(a.n_cnames, 1);
    cr_assert_eq(a.ttl, 77);
    struct body_view w = body_view(&again);
    cr_assert_eq(w.n_addr, 1);
    got = body_addr(&w, 0);
    cr_assert(addr_eq(&got, &addr));
}

Test(reply, truncates_to_the_limit)
{
    struct message m;
    struct dns_body b;

    for (unsigned edns = 0; edns < 2; edns++) {
        struct dns_query q = query(&m, "www.example", edns, 1232);
        body_init(&b, q.name_len);
        for (unsigned i = 0; i < 60; i++) {
            struct addr addr = address(i);
            body_add_addr(&b, &addr);
        }
        struct body_view v = body_view(&b);
        size_t len =
            reply_write(out, reply_udp_limit(&q), &q, &(struct reply){.ede = EDE_NONE, .ttl = 1, .body = &v});
        cr_assert_leq(len, reply_udp_limit(&q));
        cr_assert_eq((out[2] & 2) != 0, edns == 0, "TC without EDNS only: 60 addresses are 960 octets");
        cr_assert_eq(out[7], edns ? 60 : 0);
    }
}

Test(reply, limit_is_capped)
{
    struct message m;
    struct dns_query q = query(&m, "www.example", true, 65535);

    cr_assert_eq(reply_udp_limit(&q), DNS_UDP_MAX);
    q = query(&m, "www.example", true, 1);
    cr_assert_eq(reply_udp_limit(&q), 512);
}

Test(reply, longest_question_and_error_fit_the_head)
{
    struct message m;
    struct dns_query q;

    m_header(&m, DNS_RD, 1, 0, 0, 1);
    for (unsigned i = 0; i < 4; i++) {
        unsigned n = i < 3 ? 63 : 61;
        m_u8(&m, n);
        memset(m.b + m.len, 'x', n);
        m.len += n;
    }
    m_u8(&m, 0);
    m_u16(&m, TYPE_A);
    m_u16(&m, CLASS_IN);
    m_bytes(&m, "\0\0\51\2\0\0\0\0\0\0\0", 11);
    cr_assert_eq(query_parse(m.b, m.len, &q), QUERY_OK);
    size_t len = reply_write(out, 512, &q, &(struct reply){.rcode = RCODE_BADVERS, .ede = EDE_BLOCKED});
    cr_assert_leq(len, REPLY_HEAD_MAX);
    cr_assert_eq(out[3] & 15, 0);
    cr_assert_eq(out[len - 17 + 5], 1, "extended RCODE");
    cr_assert_eq(out[len - 1], 15);
}

Test(reply, reduced_to_servfail)
{
    struct message m;
    struct dns_query q = query(&m, "www.example", true, 1232);
    struct dns_body b;
    struct addr addr = address(1);

    body_init(&b, q.name_len);
    body_add_addr(&b, &addr);
    struct body_view v = body_view(&b);
    (void)reply_write(out, 1232, &q, &(struct reply){.ad = true, .ede = EDE_NONE, .body = &v});
    cr_assert_eq(reply_reduce(out, q.question_len, RCODE_SERVFAIL), (size_t)DNS_HEADER + q.question_len);
    cr_assert_arr_eq(out + 4, "\0\1\0\0\0\0\0\0", 8);
    cr_assert_eq(out[3] & 15, RCODE_SERVFAIL);
    cr_assert_eq(out[3] & DNS_AD, 0);
}

static struct cache_entry *put(struct cache *c, unsigned i, uint32_t ttl, uint32_t stale, uint32_t now)
{
    struct dns_name name;
    struct dns_body b;
    char host[32];
    struct addr addr = address(i);

    (void)snprintf(host, sizeof host, "n%u.example", i);
    dns_name_from_host(host, &name);
    body_init(&b, name.len);
    body_add_addr(&b, &addr);
    struct body_view v = body_view(&b);
    return cache_put(c, &(struct cache_key){.name = name.b, .name_len = name.len, .qtype = TYPE_A},
        &(struct cache_value){.body = &v, .ttl = ttl, .stale = stale}, now);
}

static struct cache_entry *get(struct cache *c, unsigned i, uint32_t now)
{
    struct dns_name name;
    char host[32];

    (void)snprintf(host, sizeof host, "n%u.example", i);
    dns_name_from_host(host, &name);
    return cache_get(c, &(struct cache_key){.name = name.b, .name_len = name.len, .qtype = TYPE_A}, now);
}

Test(cache, keeps_for_its_time)
{
    struct cache *c = cache_new(MIB(1), 1);

    cr_assert_not_null(put(c, 1, 10, 5, 100));
    struct cache_entry *e = get(c, 1, 109);
    cr_assert_not_null(e);
    struct body_view v = cache_body(e);
    struct addr addr = body_addr(&v, 0), want = address(1);
    cr_assert(addr_eq(&addr, &want));
    cr_assert_null(get(c, 2, 109));
    e = get(c, 1, 114);
    cr_assert(e != NULL && e->expires <= 114, "stale");
    cr_assert_null(get(c, 1, 115));
    cr_assert_eq(cache_count(c), 0);
    cache_free(c);
}

Test(cache, is_bounded_and_spares_what_is_used)
{
    struct cache *c = cache_new(KIB(64), 1);

    for (unsigned i = 0; i < 5000; i++) {
        cr_assert_not_null(put(c, i, 1000, 0, 1));
        cr_assert_not_null(get(c, 0, 1), "asked for all the time: %u", i);
        cr_assert_leq(cache_bytes(c), KIB(64));
    }
    cr_assert_gt(cache_count(c), 200);
    cr_assert_null(get(c, 1, 1));
    cr_assert_not_null(get(c, 4999, 1));
    cache_free(c);
}

/* A host name with an address: an allocation of 112 octets, and four of the table. */
Test(cache, is_small)
{
    struct cache *c = cache_new(MIB(4), 1);

    for (unsigned i = 0; i < 10000; i++)
        cr_assert_not_null(put(c, i, 1000, 0, 1));
    cr_assert_eq(cache_count(c), 10000);
    cr_assert_leq(cache_bytes(c), (size_t)10000 * (112 + 16 + 8));
    for (unsigned i = 0; i < 10000; i++)
        cr_assert_not_null(get(c, i, 1));
    cache_free(c);
}

Test(cache, replaces)
{
    struct cache *c = cache_new(MIB(1), 1);

    (void)put(c, 1, 10, 0, 1);
    (void)put(c, 1, 20, 0, 5);
    cr_assert_eq(cache_count(c), 1);
    cr_assert_eq(get(c, 1, 5)->expires, 25);
    cache_free(c);
}
