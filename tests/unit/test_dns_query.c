/* What clients send: the well-formed, the malformed, the odd. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "dns/query.h"
#include "lib/base.h"
#include "tests/unit/dns_message.h"

static struct message m;
static struct dns_query q;

static void opt(unsigned size, uint32_t ttl, unsigned rdlen)
{
    m_u8(&m, 0);
    m_u16(&m, TYPE_OPT);
    m_u16(&m, size);
    m_u32(&m, ttl);
    m_u16(&m, rdlen);
}

Test(query, plain)
{
    m_header(&m, DNS_RD, 1, 0, 0, 0);
    m_question(&m, "WwW.Example", TYPE_A);
    cr_assert_eq(query_parse(m.b, m.len, &q), QUERY_OK);
    cr_assert_eq(q.id, 0x1234);
    cr_assert_eq(q.qtype, TYPE_A);
    cr_assert_eq(q.name_len, 13);
    cr_assert_arr_eq(q.name, "\3www\7example", 13);
    cr_assert_eq(q.question_len, 17);
    cr_assert_arr_eq(q.question, "\3WwW\7Example", 13);
    cr_assert_not(q.edns);
    cr_assert_eq(q.udp_size, 512);
}

Test(query, edns)
{
    m_header(&m, DNS_RD, 1, 0, 0, 1);
    m_question(&m, "a.example", TYPE_AAAA);
    opt(4096, 0x8000, 12);
    m_u16(&m, 10); /* a cookie */
    m_u16(&m, 8);
    m_bytes(&m, "12345678", 8);
    cr_assert_eq(query_parse(m.b, m.len, &q), QUERY_OK);
    cr_assert(q.edns && q.dnssec_ok);
    cr_assert_eq(q.udp_size, 4096);
}

Test(query, edns_small_size_is_512)
{
    m_header(&m, 0, 1, 0, 0, 1);
    m_question(&m, "a.example", TYPE_A);
    opt(10, 0, 0);
    cr_assert_eq(query_parse(m.b, m.len, &q), QUERY_OK);
    cr_assert_eq(q.udp_size, 512);
}

Test(query, edns_version)
{
    m_header(&m, 0, 1, 0, 0, 1);
    m_question(&m, "a.example", TYPE_A);
    opt(1232, 1u << 16, 0);
    cr_assert_eq(query_parse(m.b, m.len, &q), QUERY_BADVERS);
}

Test(query, edns_option_beyond_its_end)
{
    m_header(&m, 0, 1, 0, 0, 1);
    m_question(&m, "a.example", TYPE_A);
    opt(1232, 0, 4);
    m_u16(&m, 10);
    m_u16(&m, 8);
    cr_assert_eq(query_parse(m.b, m.len, &q), QUERY_FORMERR);
}

Test(query, opt_twice)
{
    m_header(&m, 0, 1, 0, 0, 2);
    m_question(&m, "a.example", TYPE_A);
    opt(1232, 0, 0);
    opt(1232, 0, 0);
    cr_assert_eq(query_parse(m.b, m.len, &q), QUERY_FORMERR);
}

Test(query, additional_record_that_is_no_opt)
{
    m_header(&m, 0, 1, 0, 0, 1);
    m_question(&m, "a.example", TYPE_A);
    m_u8(&m, 0);
    m_u16(&m, 250);
    m_u16(&m, 255);
    m_u32(&m, 0);
    m_u16(&m, 0);
    cr_assert_eq(query_parse(m.b, m.len, &q), QUERY_FORMERR);
}

Test(query, every_cut_is_refused)
{
    m_header(&m, 0, 1, 0, 0, 1);
    m_question(&m, "www.example", TYPE_A);
    opt(1232, 0, 0);
    for (size_t n = 0; n < m.len; n++) {
        enum query_fault f = query_parse(m.b, n, &q);
        cr_assert_eq(f, n < DNS_HEADER ? QUERY_JUNK : QUERY_FORMERR, "%zu", n);
    }
}

Test(query, trailing_octet)
{
    m_header(&m, 0, 1, 0, 0, 0);
    m_question(&m, "www.example", TYPE_A);
    m_u8(&m, 0);
    cr_assert_eq(query_parse(m.b, m.len, &q), QUERY_FORMERR);
}

Test(query, an_answer_is_junk)
{
    m_header(&m, DNS_QR, 1, 0, 0, 0);
    m_question(&m, "www.example", TYPE_A);
    cr_assert_eq(query_parse(m.b, m.len, &q), QUERY_JUNK);
}

Test(query, opcodes)
{
    for (unsigned op = 1; op < 16; op++) {
        m_header(&m, op << 11, 1, 0, 0, 0);
        m_question(&m, "www.example", TYPE_A);
        cr_assert_eq(query_parse(m.b, m.len, &q), QUERY_NOTIMP);
        cr_assert_eq(q.question_len, 17);
    }
}

Test(query, compressed_name)
{
    m_header(&m, 0, 1, 0, 0, 0);
    m_u16(&m, 0xc00c);
    m_u16(&m, TYPE_A);
    m_u16(&m, CLASS_IN);
    cr_assert_eq(query_parse(m.b, m.len, &q), QUERY_FORMERR);
    cr_assert_eq(q.question_len, 0);
}

Test(query, name_of_255_octets_and_of_256)
{
    for (unsigned last = 61; last <= 62; last++) {
        m_header(&m, 0, 1, 0, 0, 0);
        for (unsigned i = 0; i < 4; i++) {
            unsigned n = i < 3 ? 63 : last;
            m_u8(&m, n);
            memset(m.b + m.len, 'x', n);
            m.len += n;
        }
        m_u8(&m, 0);
        m_u16(&m, TYPE_A);
        m_u16(&m, CLASS_IN);
        cr_assert_eq(query_parse(m.b, m.len, &q), last == 61 ? QUERY_OK : QUERY_FORMERR);
    }
}

struct counts {
    unsigned qd, an, ns, ar;
};

ParameterizedTestParameters(query, wrong_counts)
{
    static struct counts c[] = {{0, 0, 0, 0}, {2, 0, 0, 0}, {1, 1, 0, 0}, {1, 0, 1, 0}, {1, 0, 0, 1},
        {65535, 0, 0, 0}, {1, 65535, 0, 0}, {1, 0, 0, 65535}};

    return cr_make_param_array(struct counts, c, ARRAY_LEN(c));
}

ParameterizedTest(struct counts *c, query, wrong_counts)
{
    m_header(&m, 0, c->qd, c->an, c->ns, c->ar);
    m_question(&m, "www.example", TYPE_A);
    cr_assert_eq(query_parse(m.b, m.len, &q), QUERY_FORMERR);
}

Test(query, hash_depends_on_all)
{
    const uint8_t a[] = "\3www\7example", b[] = "\3wwx\7example";
    uint64_t h = dns_name_hash(a, 13, TYPE_A, 1);

    cr_assert_eq(h, dns_name_hash(a, 13, TYPE_A, 1));
    cr_assert_neq(h, dns_name_hash(a, 13, TYPE_AAAA, 1));
    cr_assert_neq(h, dns_name_hash(a, 13, TYPE_A, 2));
    cr_assert_neq(h, dns_name_hash(b, 13, TYPE_A, 1));
    cr_assert_neq(h, dns_name_hash(a, 12, TYPE_A, 1));
}
