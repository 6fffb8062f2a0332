/* What upstreams send: matched strictly, followed within bounds, rebuilt from nothing but what was asked. */
#include <criterion/criterion.h>

#include <stdio.h>

#include "dns/answer.h"
#include "lib/base.h"
#include "tests/unit/dns_message.h"

static struct message m;
static struct answer a;
static struct dns_body body;
static struct dns_name www;

static void setup(void)
{
    dns_name_from_host("www.example", &www);
    answer_init(&a, &body, &www);
}

TestSuite(answer, .init = setup);

static enum answer_match match(void)
{
    unsigned rcode;

    return answer_match(
        m.b, m.len, &(struct answer_ask){.id = 0x1234, .qtype = TYPE_A, .name = &www}, &rcode);
}

static void begin(unsigned an, unsigned ns)
{
    m_header(&m, DNS_QR | DNS_RD | DNS_RA, 1, an, ns, 0);
    m_question(&m, "www.example", TYPE_A);
}

static int read_as(uint16_t qtype, bool private)
{
    return answer_read(&a, m.b, m.len, qtype, private);
}

static struct addr nth(unsigned i)
{
    struct body_view v = body_view(&body);

    return body_addr(&v, i);
}

static bool addr_is(unsigned i, const char *text)
{
    struct addr got = nth(i), want;

    return addr_parse(text, &want) && addr_eq(&got, &want);
}

Test(answer, matches_its_question_only)
{
    begin(0, 0);
    cr_assert_eq(match(), ANSWER_OURS);
    m.b[0] ^= 1; /* ID */
    cr_assert_eq(match(), ANSWER_FOREIGN);
    m_header(&m, DNS_RD, 1, 0, 0, 0); /* a query */
    m_question(&m, "www.example", TYPE_A);
    cr_assert_eq(match(), ANSWER_FOREIGN);
    m_header(&m, DNS_QR, 1, 0, 0, 0);
    m_question(&m, "wwx.example", TYPE_A);
    cr_assert_eq(match(), ANSWER_FOREIGN);
    m_header(&m, DNS_QR, 1, 0, 0, 0);
    m_question(&m, "www.example", TYPE_AAAA);
    cr_assert_eq(match(), ANSWER_FOREIGN);
    m_header(&m, DNS_QR, 2, 0, 0, 0);
    m_question(&m, "www.example", TYPE_A);
    m_question(&m, "www.example", TYPE_A);
    cr_assert_eq(match(), ANSWER_FOREIGN);
    m_header(&m, DNS_QR | 1u << 11, 1, 0, 0, 0); /* opcode */
    m_question(&m, "www.example", TYPE_A);
    cr_assert_eq(match(), ANSWER_FOREIGN);
    m_header(&m, DNS_QR, 0, 0, 0, 0); /* NOERROR without its question */
    cr_assert_eq(match(), ANSWER_FOREIGN);
    m_header(&m, DNS_QR | RCODE_FORMERR, 0, 0, 0, 0);
    cr_assert_eq(match(), ANSWER_OURS);
    m_header(&m, DNS_QR | DNS_TC, 1, 0, 0, 0);
    m_question(&m, "WWW.EXAMPLE", TYPE_A);
    cr_assert_eq(match(), ANSWER_TRUNCATED);
    begin(0, 0);
    for (size_t n = 0; n < m.len; n++) {
        unsigned rcode;
        cr_assert_eq(
            answer_match(m.b, n, &(struct answer_ask){.id = 0x1234, .qtype = TYPE_A, .name = &www}, &rcode),
            ANSWER_FOREIGN);
    }
}

Test(answer, addresses)
{
    begin(3, 0);
    m_a(&m, "www.example", 300, "93.184.216.34");
    m_a(&m, "WWW.Example", 200, "93.184.216.35");
    m_a(&m, "other.example", 100, "93.184.216.36");
    cr_assert_eq(read_as(TYPE_A, false), 0);
    cr_assert_eq(body.n_addr, 2);
    cr_assert(addr_is(0, "93.184.216.34") && addr_is(1, "93.184.216.35"));
    cr_assert_eq(a.ttl, 200);
    cr_assert_not(a.negative);
}

Test(answer, aliases_in_any_order)
{
    begin(3, 0);
    m_a(&m, "c.example", 300, "93.184.216.34");
    m_cname(&m, "b.example", 50, "C.example");
    m_cname(&m, "www.example", 60, "b.example");
    cr_assert_eq(read_as(TYPE_A, false), 0);
    cr_assert_eq(a.n_cnames, 2);
    cr_assert_eq(body.an, 3);
    cr_assert_eq(body.n_addr, 1);
    cr_assert_eq(a.ttl, 50);
    cr_assert(addr_is(0, "93.184.216.34"));
}

Test(answer, alias_loop_fails)
{
    begin(2, 0);
    m_cname(&m, "www.example", 60, "b.example");
    m_cname(&m, "b.example", 60, "www.example");
    cr_assert_lt(read_as(TYPE_A, false), 0);
}

Test(answer, bare_alias_is_unfinished)
{
    begin(1, 0);
    m_cname(&m, "www.example", 60, "b.example");
    cr_assert_eq(read_as(TYPE_A, false), 0);
    cr_assert(answer_unfinished(&a));
    cr_assert_arr_eq(a.owner.b, "\1b\7example", 11);
    /* The next message goes on where the first ended. */
    m_header(&m, DNS_QR, 1, 1, 0, 0);
    m_question(&m, "b.example", TYPE_A);
    m_a(&m, "b.example", 10, "93.184.216.34");
    cr_assert_eq(read_as(TYPE_A, false), 0);
    cr_assert_not(answer_unfinished(&a));
    cr_assert_eq(body.n_addr, 1);
    cr_assert_eq(a.ttl, 10);
}

Test(answer, alias_with_soa_is_finished)
{
    begin(1, 1);
    m_cname(&m, "www.example", 60, "b.example");
    m_soa(&m, "example", 900, 30);
    cr_assert_eq(read_as(TYPE_A, false), 0);
    cr_assert_not(answer_unfinished(&a));
    cr_assert(a.negative && a.has_soa);
    cr_assert_eq(a.ttl, 30);
}

Test(answer, negative_takes_the_lesser_of_ttl_and_minimum)
{
    begin(0, 1);
    m_soa(&m, "example", 20, 900);
    cr_assert_eq(read_as(TYPE_A, false), 0);
    cr_assert_eq(a.ttl, 20);
    cr_assert_eq(body.ns, 1);
}

Test(answer, rebinding_guard)
{
    begin(3, 0);
    m_a(&m, "www.example", 60, "10.0.0.1");
    m_a(&m, "www.example", 60, "169.254.169.254");
    m_a(&m, "www.example", 60, "93.184.216.34");
    cr_assert_eq(read_as(TYPE_A, false), 0);
    cr_assert_eq(body.n_addr, 1);
    cr_assert_eq(a.n_private, 1);
    cr_assert_eq(a.n_never, 1);
    setup();
    cr_assert_eq(read_as(TYPE_A, true), 0);
    cr_assert_eq(body.n_addr, 2);
    cr_assert_eq(a.n_never, 1);
}

Test(answer, v4_inside_v6_is_no_address)
{
    begin(1, 0);
    m_record(&m, "www.example", TYPE_AAAA, 60, 16);
    m_bytes(&m, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x5d\xb8\xd8\x22", 16);
    cr_assert_eq(read_as(TYPE_AAAA, true), 0);
    cr_assert_eq(body.n_addr, 0);
    cr_assert_eq(a.n_never, 1);
}

Test(answer, wrong_rdata_length_fails)
{
    begin(1, 0);
    m_record(&m, "www.example", TYPE_A, 60, 5);
    m_bytes(&m, "12345", 5);
    cr_assert_lt(read_as(TYPE_A, false), 0);
}

Test(answer, other_class_is_not_looked_at)
{
    begin(1, 0);
    m_a(&m, "www.example", 60, "93.184.216.34");
    m.b[m.len - 4 - 2 - 4 - 1] = 3; /* CH */
    cr_assert_eq(read_as(TYPE_A, false), 0);
    cr_assert_eq(body.n_addr, 0);
}

Test(answer, counts_beyond_the_message_fail)
{
    begin(2, 0);
    m_a(&m, "www.example", 60, "93.184.216.34");
    cr_assert_lt(read_as(TYPE_A, false), 0);
    setup();
    begin(65535, 0);
    m_a(&m, "www.example", 60, "93.184.216.34");
    cr_assert_lt(read_as(TYPE_A, false), 0);
}

Test(answer, every_cut_fails)
{
    begin(2, 0);
    m_cname(&m, "www.example", 60, "b.example");
    m_a(&m, "b.example", 300, "93.184.216.34");
    size_t whole = m.len;
    for (size_t n = DNS_HEADER; n < whole; n++) {
        setup();
        cr_assert_lt(answer_read(&a, m.b, n, TYPE_A, false), 0, "%zu", n);
    }
}

Test(answer, ttl_with_its_top_bit_is_zero)
{
    begin(1, 0);
    m_a(&m, "www.example", 0x80000001u, "93.184.216.34");
    cr_assert_eq(read_as(TYPE_A, false), 0);
    cr_assert_eq(a.ttl, 0);
}

Test(answer, names_in_rdata_are_expanded)
{
    begin(1, 0);
    m_record(&m, "www.example", TYPE_MX, 60, 4);
    m_u16(&m, 10);
    m_u16(&m, 0xc00c);
    cr_assert_eq(read_as(TYPE_MX, false), 0);
    cr_assert_eq(body.an, 1);
    cr_assert_arr_eq(body.b + body.len - 15, "\0\12\3www\7example", 15);
}

Test(answer, rdata_that_its_names_overrun_fails)
{
    begin(1, 0);
    m_record(&m, "www.example", TYPE_MX, 60, 3);
    m_u16(&m, 10);
    m_u16(&m, 0xc00c);
    cr_assert_lt(read_as(TYPE_MX, false), 0);
}

/* The last record, so that what its layout asks for is not in the message at all. */
Test(answer, rdata_that_ends_with_the_message_fails)
{
    static const uint16_t types[] = {TYPE_MX, TYPE_SRV, TYPE_NAPTR, TYPE_SOA};

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        for (unsigned n = 0; n < 8; n++) {
            setup();
            begin(1, 0);
            m_record(&m, "www.example", types[i], 60, n);
            memset(m.b + m.len, 0, n);
            m.len += n;
            bool whole = (types[i] == TYPE_MX && n == 3) || (types[i] == TYPE_SRV && n == 7);
            cr_assert(whole || read_as(types[i], false) < 0, "%u, %u octets", types[i], n);
        }
    setup();
    begin(0, 1);
    m_record(&m, "example", TYPE_SOA, 60, 2);
    m_u16(&m, 0); /* two names, and no more */
    cr_assert_lt(read_as(TYPE_A, false), 0);
}

Test(answer, too_many_addresses_are_left_out)
{
    char text[32];

    begin(200, 0);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(text, sizeof text, "93.184.216.%d", i);
        m_a(&m, "www.example", 60, text);
    }
    cr_assert_eq(read_as(TYPE_A, false), 0);
    cr_assert_eq(body.n_addr, BODY_RECORDS_MAX);
    cr_assert(body.full);
}
