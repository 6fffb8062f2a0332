#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "appliance/gate_flows.h"
#include "lib/audit.h"

static int fd;
static struct audit *audit;
static struct gate_flows *f;
static unsigned asked;
static struct ipc_count last;
static bool full;

static bool ask(void *arg, const struct ipc_count *c)
{
    (void)arg;
    if (full)
        return false;
    asked++;
    last = *c;
    return true;
}

static void set_up(void)
{
    fd = memfd_create("audit", 0);
    audit = audit_open(dup(fd), "engine", 0);
    f = gate_flows_new(audit, ask, NULL);
    cr_assert(audit && f);
}

static void tear_down(void)
{
    gate_flows_free(f);
    audit_close(audit);
    close(fd);
}

/* How many lines of the log have `s`. */
static unsigned count(const char *s)
{
    static char lines[4 << 20];
    unsigned n = 0;
    cr_assert_eq(audit_flush(audit), 0);
    ssize_t size = pread(fd, lines, sizeof lines - 1, 0);
    cr_assert_geq(size, 0);
    lines[size] = 0;
    for (char *save = NULL, *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        n += strstr(line, s) != NULL;
    return n;
}

static struct route route = {.host = "*.ntp.test"}, implied = {.host = "?", .implied = true};

static bool open_flow(uint16_t sport, const struct route *r, uint64_t now)
{
    struct packet p = {.version = 4, .protocol = IPPROTO_UDP, .sport = sport, .dport = 123};
    const struct gate_verdict v = {
        .route = r, .named = true, .lease = {.name = "a.ntp.test", .dns_id = "0123456789abcdef"}};
    cr_assert(addr_parse("10.9.8.2", &p.src) && addr_parse("93.184.216.10", &p.dst));
    return gate_flows_open(f, &p, &v, now);
}

static void answer(bool found, uint32_t out, uint32_t in, uint64_t now)
{
    struct ipc_count c = last;
    c.found = found;
    c.out[0] = out;
    c.in[0] = in;
    gate_flows_counted(f, &c, now);
}

TestSuite(gate_flows, .init = set_up, .fini = tear_down);

Test(gate_flows, a_line_when_it_opens_and_one_when_the_kernel_has_forgotten_it)
{
    (void)open_flow(1, &route, 10);
    (void)open_flow(1, &route, 12); /* the second packet, before the first had its verdict */
    cr_assert_eq(count("\"verdict\":\"allow\""), 1);
    cr_assert_eq(count("\"route\":\"*.ntp.test\",\"host\":\"a.ntp.test\""), 1);
    cr_assert_eq(count("\"state\":\"open\""), 1);
    cr_assert_eq(count("\"mode\":\"udp\",\"dns_id\":\"0123456789abcdef\""), 1);
    cr_assert(gate_flows_tick(f, 500));
    cr_assert_eq(asked, 0);
    cr_assert(gate_flows_tick(f, 1100));
    cr_assert_eq(asked, 1);
    cr_assert_eq(last.sport, 1);
    cr_assert_eq(last.dport, 123);
    answer(true, 76, 90, 1100);
    answer(true, 100, 200, 2010);
    answer(true, 100, 200, 9000);
    cr_assert_eq(count("\"state\":\"closed\""), 0);
    answer(false, 0, 0, 40000);
    cr_assert_eq(count("\"state\":\"closed\""), 1);
    cr_assert_eq(
        count("\"bytes_out\":100,\"bytes_in\":200,\"ms\":2000.000"), 1, "what was counted last, then");
    answer(false, 0, 0, 40001);
    cr_assert_eq(count(""), 2);
    cr_assert_not(gate_flows_tick(f, 41000));
}

Test(gate_flows, four_gigabytes_and_more)
{
    (void)open_flow(1, &route, 10);
    (void)gate_flows_tick(f, 1100);
    last.out[1] = 2;
    answer(true, 1, 7, 1200);
    answer(false, 0, 0, 1300);
    cr_assert_eq(count("\"bytes_out\":8589934593,\"bytes_in\":7"), 1);
}

Test(gate_flows, the_same_ports_later_are_another_flow)
{
    (void)open_flow(1, &route, 10);
    (void)open_flow(1, &route, 40000);
    cr_assert_eq(count("\"state\":\"open\""), 2);
    cr_assert_eq(count("\"state\":\"closed\""), 1);
}

Test(gate_flows, audit_only_says_so)
{
    (void)open_flow(1, &implied, 10);
    cr_assert_eq(count("\"verdict\":\"audit\",\"reason\":\"no_route\",\"route\":null"), 1);
}

Test(gate_flows, no_more_than_can_be_followed)
{
    for (uint16_t i = 0; i < GATE_FLOWS_MAX; i++)
        cr_assert(open_flow(i, &route, 10));
    cr_assert_not(open_flow(GATE_FLOWS_MAX, &route, 10));
    cr_assert(open_flow(7, &route, 11), "one that is open already");
    cr_assert_eq(count("\"state\":\"open\""), GATE_FLOWS_MAX);
    last = (struct ipc_count){.sport = 9, .dport = 123};
    cr_assert(addr_parse("10.9.8.2", &last.src) && addr_parse("93.184.216.10", &last.dst));
    answer(false, 0, 0, 20);
    cr_assert_eq(count("\"state\":\"closed\""), 1);
    cr_assert(open_flow(GATE_FLOWS_MAX, &route, 30), "once another has ended");
    cr_assert_not(open_flow(9, &route, 30));
}

Test(gate_flows, the_end_asks_once_more)
{
    (void)open_flow(1, &route, 10);
    gate_flows_end(f, 20);
    cr_assert_eq(asked, 1);
    cr_assert(gate_flows_any(f));
    answer(true, 5, 6, 25);
    cr_assert_not(gate_flows_any(f));
    cr_assert_eq(count("\"bytes_out\":5,\"bytes_in\":6"), 1);
}

Test(gate_flows, the_end_does_not_wait_for_long)
{
    (void)open_flow(1, &route, 10);
    full = true;
    gate_flows_end(f, 20);
    cr_assert(gate_flows_tick(f, 100));
    cr_assert_not(gate_flows_tick(f, 20 + GATE_LAST_MS));
    cr_assert_eq(count("\"state\":\"closed\""), 1);
    full = false;
}
