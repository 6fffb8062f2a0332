#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "appliance/gate_log.h"
#include "lib/audit.h"
#include "quic_seal.h"

static int fd;
static struct audit *audit;
static struct gate_log *l;
static char *lines;
static const struct gate_verdict refused = {.reason = REASON_NO_ROUTE};

static void set_up(void)
{
    fd = memfd_create("audit", 0);
    audit = audit_open(dup(fd), "engine", 0);
    l = gate_log_new(audit);
    cr_assert(audit && l);
}

static struct packet packet(uint16_t sport, uint16_t dport)
{
    struct packet p = {.version = 4, .protocol = IPPROTO_UDP, .sport = sport, .dport = dport};
    cr_assert(addr_parse("10.9.8.2", &p.src) && addr_parse("93.184.216.10", &p.dst));
    return p;
}

/* How many lines of the log have `s`. */
static unsigned count(const char *s)
{
    unsigned n = 0;
    cr_assert_eq(audit_flush(audit), 0);
    off_t size = lseek(fd, 0, SEEK_END);
    free(lines);
    lines = calloc(1, (size_t)size + 1);
    cr_assert_eq(pread(fd, lines, (size_t)size, 0), size);
    for (char *line = lines; *line; line = strchr(line, '\n') + 1) {
        char *end = strchr(line, '\n');
        *end = '\0';
        n += strstr(line, s) != NULL;
        *end = '\n';
    }
    return n;
}

/* The sum of all "count" fields. */
static unsigned long counted(void)
{
    unsigned long sum = 0;
    (void)count("");
    for (const char *at = lines; (at = strstr(at, "\"count\":")); at++)
        sum += strtoul(at + 8, NULL, 10);
    return sum;
}

Test(gate_log, one_line_a_flow, .init = set_up)
{
    struct packet p = packet(1, 9), q = packet(2, 9);
    for (int i = 0; i < 10; i++)
        gate_log_denied(l, &p, &refused, 100);
    gate_log_denied(l, &q, &refused, 100);
    cr_assert_eq(count("\"event\":\"flow\""), 2);
    cr_assert_eq(count("\"verdict\":\"deny\",\"reason\":\"no_route\""), 2);
    cr_assert_eq(
        count("\"proto\":\"udp\",\"dst\":\"93.184.216.10\",\"dport\":9,\"sni\":null,\"alpn\":null,\"mode\":"
              "\"refused\",\"bytes_out\":0,\"bytes_in\":0,\"ms\":0.000"),
        2);
    cr_assert(gate_log_tick(l, 200));
    cr_assert_eq(count(""), 2);
    cr_assert_not(gate_log_tick(l, 100 + GATE_FLOW_MS));
    cr_assert_eq(count("\"count\":9"), 1, "what came again is told when the flow is forgotten");
    cr_assert_eq(count(""), 3);
    gate_log_denied(l, &p, &refused, 200 + GATE_FLOW_MS);
    cr_assert_eq(count(""), 4, "then it is a new one");
}

Test(gate_log, a_flood_is_counted_to_the_packet, .init = set_up)
{
    unsigned long sent = 0;
    uint64_t now = 1;
    for (int second = 0; second < 3; second++)
        for (unsigned i = 0; i < 20000; i++) {
            struct packet p = packet((uint16_t)(i % 60000), (uint16_t)(1 + second));
            gate_log_denied(l, &p, &refused, now + i / 20);
            sent++;
            if (i == 19999)
                now += 1000;
        }
    while (gate_log_tick(l, now))
        now += 1000;
    unsigned total = count(""), with_count = count("\"count\":");
    cr_assert_leq(total, GATE_LINES_BURST + 60 * GATE_LINES_PER_SECOND);
    cr_assert_eq(total - with_count + counted(), sent);
}

Test(gate_log, nothing_is_lost_at_the_end, .init = set_up)
{
    struct packet p = packet(1, 9);
    for (unsigned i = 0; i < 5000; i++) {
        p.sport = (uint16_t)i;
        gate_log_denied(l, &p, &refused, 50);
        gate_log_denied(l, &p, &refused, 50);
    }
    gate_log_lost(l, 77);
    gate_log_free(l, 60);
    unsigned total = count(""), with_count = count("\"count\":");
    cr_assert_eq(total - with_count + counted(), 10000 + 77);
    cr_assert_eq(count("\"reason\":\"limit\""), 1);
    cr_assert_eq(count("\"count\":77"), 1);
}

Test(gate_log, a_quic_name_in_two_datagrams, .init = set_up)
{
    uint8_t hello[2000], plain[1300], one[1400], two[1400];
    struct packet p = packet(5, 443);
    size_t len = seal_hello("pq.example", 1200, hello);
    size_t n1 = seal_initial(
        QUIC_V1, (const uint8_t *)"12345678", 8, 0, plain, seal_crypto(0, hello, 900, plain), one);
    size_t n2 = seal_initial(QUIC_V1, (const uint8_t *)"12345678", 8, 1, plain,
        seal_crypto(900, hello + 900, len - 900, plain), two);
    p.payload = one;
    p.payload_len = n1;
    gate_log_denied(l, &p, &refused, 10);
    cr_assert_eq(count(""), 0, "the line waits");
    p.payload = two;
    p.payload_len = n2;
    gate_log_denied(l, &p, &refused, 11);
    cr_assert_eq(count("\"sni\":\"pq.example\""), 1);

    p.sport = 6;
    p.payload = one;
    p.payload_len = n1;
    gate_log_denied(l, &p, &refused, 20);
    (void)gate_log_tick(l, 20 + GATE_QUIC_MS);
    cr_assert_eq(count(""), 2, "but not for ever");
    cr_assert_eq(count("\"sni\":null"), 1);
}
