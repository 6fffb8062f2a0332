/* Names: compression, and that no name looks like another. */
#include <criterion/criterion.h>

#include "lib/base.h"
#include "tests/unit/dns_message.h"

static struct message m;

static struct wire_in at(size_t pos)
{
    return (struct wire_in){.p = m.b, .len = m.len, .at = pos};
}

Test(wire, compression_is_followed_backwards)
{
    struct dns_name n;

    m_header(&m, 0, 0, 0, 0, 0);
    m_name(&m, "example.org");
    size_t second = m.len;
    m_u8(&m, 3);
    m_bytes(&m, "www", 3);
    m_u16(&m, 0xc000 | 12);
    struct wire_in w = at(second);
    wire_name(&w, &n);
    cr_assert_not(w.bad);
    cr_assert_eq(w.at, m.len);
    cr_assert_eq(n.len, 17);
    cr_assert_arr_eq(n.b, "\3www\7example\3org", 17);
}

Test(wire, loops_and_forward_pointers_fail)
{
    static const uint16_t pointers[] = {0xc00c, 0xc00d, 0xc00e, 0xc0ff, 0xffff, 0xc000, 0xc004};
    struct dns_name n;

    for (size_t i = 0; i < ARRAY_LEN(pointers); i++) {
        m_header(&m, 0, 0, 0, 0, 0);
        m_u16(&m, pointers[i]);
        struct wire_in w = at(12);
        wire_name(&w, &n);
        cr_assert(w.bad, "%x", pointers[i]);
    }
    /* Two pointers at each other. */
    m_header(&m, 0, 0, 0, 0, 0);
    m_u16(&m, 0xc00e);
    m_u16(&m, 0xc00c);
    struct wire_in w = at(14);
    wire_name(&w, &n);
    cr_assert(w.bad);
    /* A label that leads into its own pointer. */
    m_header(&m, 0, 0, 0, 0, 0);
    m_u8(&m, 1);
    m_u8(&m, 'a');
    m_u16(&m, 0xc00c);
    w = at(12);
    wire_name(&w, &n);
    cr_assert(w.bad);
}

Test(wire, reserved_label_types_fail)
{
    struct dns_name n;

    for (unsigned top = 0x40; top <= 0x80; top += 0x40) {
        m_header(&m, 0, 0, 0, 0, 0);
        m_u8(&m, top | 1);
        m_u8(&m, 'a');
        m_u8(&m, 0);
        struct wire_in w = at(12);
        wire_name(&w, &n);
        cr_assert(w.bad);
    }
}

Test(wire, expansion_stops_at_255_octets)
{
    struct dns_name n;
    size_t prev = 0, last = 0;

    m_header(&m, 0, 0, 0, 0, 0);
    for (int i = 0; i < 10; i++) { /* each adds 63 octets before the one before */
        last = m.len;
        m_u8(&m, 63);
        memset(m.b + m.len, 'x', 63);
        m.len += 63;
        m_u16(&m, i == 0 ? 0 : 0xc000 | (unsigned)prev);
        prev = last;
    }
    struct wire_in w = at(last);
    wire_name(&w, &n);
    cr_assert(w.bad);
}

Test(wire, host_names)
{
    char host[HOSTNAME_MAX + 1];

    cr_assert(dns_name_host((const uint8_t *)"\3WWW\7example", 13, host));
    cr_assert_str_eq(host, "www.example");
    cr_assert(dns_name_host((const uint8_t *)"\5_dmar\7example", 15, host));
    cr_assert_not(dns_name_host((const uint8_t *)"\13www.example\0", 13, host));
    cr_assert_not(dns_name_host((const uint8_t *)"\3w w\7example", 13, host));
    cr_assert_not(dns_name_host((const uint8_t *)"\3w\0w\7example", 13, host));
    cr_assert_not(dns_name_host((const uint8_t *)"\3w\xc3\xa4\7example", 13, host));
    cr_assert_not(dns_name_host((const uint8_t *)"", 1, host));
    cr_assert_not(dns_name_host((const uint8_t *)"\00210\0010\0010\0011", 10, host), "an address is no name");
}

Test(wire, text_is_escaped)
{
    char text[DNS_TEXT_MAX];

    dns_name_text((const uint8_t *)"\4a.\\\0\7example", 14, text);
    cr_assert_str_eq(text, "a\\.\\\\\\000.example");
    dns_name_text((const uint8_t *)"\2\xff \1b", 6, text);
    cr_assert_str_eq(text, "\\255\\032.b");
    dns_name_text((const uint8_t *)"", 1, text);
    cr_assert_str_eq(text, ".");
}

Test(wire, longest_text_fits)
{
    struct dns_name n = {.len = 255};
    char text[DNS_TEXT_MAX];

    for (size_t i = 0, left = 254; left > 0;) {
        size_t label = left > 64 ? 63 : left - 1;
        n.b[i] = (uint8_t)label;
        memset(n.b + i + 1, 1, label);
        i += label + 1;
        left -= label + 1;
    }
    dns_name_text(n.b, n.len, text);
    cr_assert_lt(strlen(text), sizeof text);
}

Test(wire, from_host_and_back)
{
    struct dns_name n;
    char host[HOSTNAME_MAX + 1];

    dns_name_from_host("a.b-c.example", &n);
    cr_assert_eq(n.len, 15);
    cr_assert(dns_name_host(n.b, n.len, host));
    cr_assert_str_eq(host, "a.b-c.example");
    dns_name_from_host("a..b", &n);
    cr_assert_eq(n.len, 0);
    dns_name_from_host("", &n);
    cr_assert_eq(n.len, 0);
}
