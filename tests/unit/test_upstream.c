/* Names to connections: which addresses are dialled, which never, what is reused. In a network namespace of
 * its own, whose loopback holds a few globally routable addresses; the resolver is a fake of the same
 * symbols. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>

#define WORLD_REAL_POOL
#define WORLD_SETTINGS "limits: {upstream_connections: 2}\n"
#include "tests/unit/http_world.h"

#define PUBLIC "93.184.216.10"
#define OTHER "93.184.216.11"

static struct ipc_resolved answer;
static unsigned asked;
static int listener, peer;
static void *lease_mem;
static struct lease_table *leases;

uint32_t engine_resolve(struct engine *e, const char *host, engine_resolve_fn *done, void *arg)
{
    (void)e, (void)host;
    asked++;
    done(arg, &answer);
    return 0;
}

void engine_cancel(struct engine *e, uint32_t token)
{
    (void)e, (void)token;
}

static void resolves_to(const char *one, const char *two)
{
    answer = (struct ipc_resolved){.n = (uint16_t)(two ? 2 : one ? 1 : 0)};
    if (one)
        cr_assert(addr_parse(one, &answer.addrs[0]));
    if (two)
        cr_assert(addr_parse(two, &answer.addrs[1]));
}

static int listen_at(const char *ip)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(80)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    cr_assert_eq(inet_pton(AF_INET, ip, &sin.sin_addr), 1);
    cr_assert_eq(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0, "bind %s", ip);
    cr_assert_eq(listen(fd, 8), 0);
    return fd;
}

static void setup(void)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0)
        cr_skip_test("needs root, for a network namespace");
    cr_assert_eq(system("ip link set lo up && for a in " PUBLIC " " OTHER
                        " 10.1.2.3; do ip addr add $a/32 dev lo; done"),
        0);
    world_open();
    asked = 0;
    peer = listener = -1;
    answer = (struct ipc_resolved){0};
    lease_mem = calloc(1, lease_size(64));
    leases = lease_create(lease_mem, 64);
    w.e.leases = leases;
    w.e.pool = upstream_pool_new(&w.e);
    world_front(NULL);
}

static void teardown(void)
{
    if (w.front.codec)
        http_front_close(&w.front);
    upstream_pool_free(w.e.pool);
    world_close();
    free(lease_mem);
    if (listener >= 0)
        close(listener);
    if (peer >= 0)
        close(peer);
}

TestSuite(upstream, .init = setup, .fini = teardown, .timeout = 20);

static void ask_for(const char *host)
{
    char req[200];
    (void)snprintf(req, sizeof req, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);
    put(w.agent, req);
}

static bool accepted(void)
{
    pump();
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return false;
    if (peer >= 0)
        close(peer);
    peer = fd;
    return true;
}

static void respond(void)
{
    EXPECT_HAS(take(peer), "GET / HTTP/1.1\r\n");
    put(peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_HAS(take(w.agent), "\r\n\r\nok");
}

static void expect_refused(const char *host, const char *reason)
{
    ask_for(host);
    cr_expect(!accepted(), "%s was dialled", host);
    EXPECT_HAS(take(w.agent), reason);
}

static void lease(const char *ip, const char *name)
{
    struct addr a;
    cr_assert(addr_parse(ip, &a));
    lease_put(leases, &a, name, "d", engine_now_s(&w.e) + 60, engine_now_s(&w.e));
    w.dst = (struct endpoint){a, 80};
}

Test(upstream, resolves_dials_and_reuses)
{
    listener = listen_at(PUBLIC);
    resolves_to(PUBLIC, NULL);
    for (int i = 0; i < 4; i++) {
        ask_for("a.example");
        cr_assert_eq(accepted(), i == 0, "one connection serves all");
        respond();
    }
    cr_assert_eq(asked, 1);
}

Test(upstream, hosts_do_not_share_connections)
{
    listener = listen_at(PUBLIC);
    resolves_to(PUBLIC, NULL);
    ask_for("a.example");
    cr_assert(accepted());
    respond();
    ask_for("m.example"); /* refused by its rules */
    EXPECT_HAS(take(w.agent), "no_match");
    ask_for("in.example");
    cr_assert(accepted(), "another name, another connection, though the address is the same");
}

Test(upstream, a_connection_that_the_upstream_closed_is_not_used)
{
    listener = listen_at(PUBLIC);
    resolves_to(PUBLIC, NULL);
    ask_for("a.example");
    cr_assert(accepted());
    respond();
    close(peer);
    peer = -1;
    pump();
    ask_for("a.example");
    cr_assert(accepted());
    respond();
}

Test(upstream, a_leased_address_is_preferred)
{
    listener = listen_at(OTHER);
    resolves_to(PUBLIC, NULL);
    lease(OTHER, "a.example");
    ask_for("a.example");
    cr_assert(accepted());
    cr_assert_eq(asked, 0);
    respond();
}

Test(upstream, an_address_leased_to_another_name_is_not_dialled)
{
    listener = listen_at(OTHER);
    resolves_to(NULL, NULL);
    lease(OTHER, "forbidden.example");
    expect_refused("a.example", "upstream_unreachable");
    cr_assert_eq(asked, 1);
}

Test(upstream, a_leased_address_that_fails_is_replaced)
{
    listener = listen_at(PUBLIC);
    resolves_to(PUBLIC, NULL);
    lease(OTHER, "a.example"); /* nobody listens there */
    ask_for("a.example");
    cr_assert(accepted());
    respond();
}

Test(upstream, the_next_address_is_tried)
{
    listener = listen_at(PUBLIC);
    resolves_to(OTHER, PUBLIC);
    ask_for("a.example");
    cr_assert(accepted());
}

Test(upstream, private_addresses_only_where_the_route_says_so)
{
    listener = listen_at("10.1.2.3");
    resolves_to("10.1.2.3", NULL);
    expect_refused("a.example", "private_address");
    ask_for("in.example");
    cr_assert(accepted());
}

Test(upstream, a_leased_private_address_is_refused_too)
{
    listener = listen_at("10.1.2.3");
    resolves_to("10.1.2.3", NULL);
    lease("10.1.2.3", "a.example");
    expect_refused("a.example", "private_address");
}

Test(upstream, some_addresses_are_never_dialled)
{
    static const char *const never[] = {"127.0.0.1", "0.0.0.0", "169.254.169.254", "::1", "::ffff:127.0.0.1",
        "224.0.0.1", "255.255.255.255", "fe80::1"};
    listener = listen_at("0.0.0.0");
    w.config.ipv6 = true;
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        resolves_to(never[i], NULL);
        expect_refused("in.example", "private_address");
    }
}

Test(upstream, nor_is_the_sidecar_itself)
{
    listener = listen_at("10.1.2.3");
    resolves_to("10.1.2.3", NULL);
    w.config.self4 = answer.addrs[0];
    expect_refused("in.example", "private_address");
}

Test(upstream, what_the_resolver_withholds_is_private)
{
    answer = (struct ipc_resolved){.rcode = IPC_RCODE_WITHHELD};
    listener = listen_at(PUBLIC);
    expect_refused("a.example", "private_address");
}

Test(upstream, nobody_listens)
{
    listener = listen_at(PUBLIC);
    resolves_to(OTHER, NULL);
    ask_for("a.example");
    const char *got = take(w.agent);
    EXPECT_HAS(got, "HTTP/1.1 504 ");
    EXPECT_HAS(got, "Connection refused");
}

Test(upstream, an_agent_that_leaves_while_we_dial)
{
    cr_assert_eq(
        system("ip route add 8.8.8.8/32 dev lo; "
               "nft add table inet t && nft add chain inet t o '{type filter hook output priority 0;}' && "
               "nft add rule inet t o ip daddr 8.8.8.8 drop"),
        0);
    resolves_to("8.8.8.8", NULL);
    listener = listen_at(PUBLIC);
    ask_for("a.example");
    http_front_close(&w.front);
    pump();
    EXPECT_HAS(audit_lines(), "the agent closed");
}

static void warm(const char *host)
{
    const struct upstream_key k = {.host = host, .port = 80};
    upstream_warm(w.e.pool, &k);
}

Test(upstream, a_connection_dialled_ahead_serves_the_request)
{
    listener = listen_at(PUBLIC);
    resolves_to(PUBLIC, NULL);
    warm("a.example");
    warm("a.example");
    cr_assert(accepted(), "one is dialled");
    cr_assert_not(accepted(), "and no other beside it");
    ask_for("a.example");
    cr_assert_not(accepted(), "nor for the request");
    respond();
    warm("a.example");
    cr_assert_not(accepted(), "nor where one is idle");
}

Test(upstream, a_request_waits_for_what_is_dialled_ahead)
{
    listener = listen_at(PUBLIC);
    resolves_to(PUBLIC, NULL);
    warm("a.example"); /* under way: nobody has looked since */
    ask_for("a.example");
    cr_assert(accepted());
    cr_assert_not(accepted());
    respond();
    cr_assert_eq(asked, 1);
}

Test(upstream, what_is_dialled_ahead_fails_for_the_request_too)
{
    resolves_to(OTHER, NULL);
    cr_assert_eq(
        system("nft add table inet t && nft add chain inet t o '{type filter hook output priority 0;}' && "
               "nft add rule inet t o ip daddr " OTHER " drop"),
        0);
    warm("a.example");
    ask_for("a.example");
    pump();
    cr_assert_eq(asked, 1, "it waits");
    cr_assert_eq(system("nft flush chain inet t o"), 0); /* now the SYN that is sent again meets a RST */
    for (int i = 0; i < 300 && !strstr(audit_lines(), "upstream_unreachable"); i++) {
        (void)usleep(10000);
        pump();
    }
    EXPECT_HAS(take(w.agent), "Connection refused");
    cr_assert_eq(asked, 1, "it is not dialled again");
}

Test(upstream, one_dialled_ahead_may_be_stale)
{
    listener = listen_at(PUBLIC);
    resolves_to(PUBLIC, NULL);
    warm("a.example");
    cr_assert(accepted());
    ask_for("a.example");
    EXPECT_HAS(take(peer), "GET / ");
    close(peer); /* it had timed out there when the request came */
    peer = -1;
    cr_assert(accepted(), "the request is sent again");
    respond();
}

/* ---- how many ---- */

/* Another agent's connection that asks for `host`; its socket. */
static int one_more(struct http_front *f, const char *host)
{
    int ours, theirs;
    char req[200];
    world_socket(&ours, &theirs);
    *f = w.front;
    f->codec = NULL;
    cr_assert_eq(h1_front_start(f, conn_new(&w.e, theirs, NULL, NULL), on_front_closed, NULL), 0);
    (void)snprintf(req, sizeof req, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);
    put(ours, req);
    return ours;
}

static int accept_peer(void)
{
    pump();
    return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static const char ok_answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

Test(upstream, requests_beyond_the_limit_wait_for_their_turn)
{
    struct http_front f[5];
    int agent[5], up[2];
    listener = listen_at(PUBLIC);
    resolves_to(PUBLIC, NULL);
    for (int i = 0; i < 4; i++)
        agent[i] = one_more(&f[i], "a.example");
    up[0] = accept_peer();
    up[1] = accept_peer();
    cr_assert(up[0] >= 0 && up[1] >= 0);
    cr_assert(accept_peer() < 0, "no third connection");
    agent[4] = one_more(&f[4], "in.example");
    int elsewhere = accept_peer();
    cr_assert(elsewhere >= 0, "another host has its own");
    EXPECT_HAS(take(up[0]), "GET / HTTP/1.1");
    put(up[0], ok_answer);
    EXPECT_HAS(take(agent[0]), "\r\n\r\nok");
    EXPECT_HAS(take(up[0]), "GET / HTTP/1.1"); /* the one that waits longest */
    cr_assert_str_eq(take(agent[3]), "");
    put(up[0], ok_answer);
    EXPECT_HAS(take(agent[2]), "\r\n\r\nok");
    close(up[1]); /* one that breaks makes room, too */
    up[1] = accept_peer();
    EXPECT_HAS(take(agent[1]), "HTTP/1.1 502 ");
    put(up[0], ok_answer);
    pump();
    cr_assert(has(take(agent[3]), "\r\n\r\nok") || up[1] >= 0);
    for (int i = 0; i < 5; i++) {
        if (f[i].codec)
            http_front_close(&f[i]);
        close(agent[i]);
    }
    close(up[0]);
    if (up[1] >= 0)
        close(up[1]);
    close(elsewhere);
}

Test(upstream, who_waits_too_long_is_refused)
{
    struct http_front f[3];
    int agent[3];
    w.policy->timeouts.upstream_queue = 400;
    listener = listen_at(PUBLIC);
    resolves_to(PUBLIC, NULL);
    for (int i = 0; i < 3; i++)
        agent[i] = one_more(&f[i], "a.example");
    wait_ms(700);
    const char *got = take(agent[2]);
    EXPECT_HAS(got, "HTTP/1.1 403 ");
    EXPECT_HAS(got, "\"reason\":\"limit\"");
    EXPECT_HAS(got, "too many connections to this host");
    for (int i = 0; i < 3; i++) {
        http_front_close(&f[i]);
        close(agent[i]);
    }
}

Test(upstream, who_leaves_the_queue_takes_no_turn)
{
    struct http_front f[4];
    int agent[4];
    listener = listen_at(PUBLIC);
    resolves_to(PUBLIC, NULL);
    for (int i = 0; i < 4; i++)
        agent[i] = one_more(&f[i], "a.example");
    int up = accept_peer(), second = accept_peer();
    http_front_close(&f[2]);
    http_front_close(&f[3]);
    pump();
    (void)take(up);
    put(up, ok_answer);
    EXPECT_HAS(take(agent[0]), "\r\n\r\nok");
    cr_assert_str_eq(take(up), "", "it is idle");
    int late = one_more(&f[3], "a.example");
    EXPECT_HAS(take(up), "GET / HTTP/1.1");
    for (int i = 0; i < 4; i++) {
        if (f[i].codec)
            http_front_close(&f[i]);
        close(agent[i]);
    }
    close(late);
    close(up);
    close(second);
}

static void on_probed(void *arg, enum reason why, bool h2, const char *detail)
{
    (void)why, (void)h2, (void)detail;
    ++*(unsigned *)arg;
}

/* Two are dialled, two wait for a connection; an agent that leaves takes its own along, wherever it is. */
Test(upstream, probes_are_called_off_by_their_handles)
{
    struct upstream_request *r[4];
    unsigned answers = 0;
    listener = listen_at(PUBLIC);
    resolves_to(PUBLIC, NULL);
    const struct upstream_key k = {
        .host = "a.example", .port = 80, .tls = true, .route = policy_route(w.policy, "a.example")};
    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        r[i] = upstream_alpn(w.e.pool, &k, true, on_probed, &answers);
        cr_assert(r[i]);
    }
    upstream_cancel(r[2]);
    upstream_cancel(r[0]); /* its place is another's from the loop on... */
    upstream_cancel(r[3]); /* ...who has gone by then */
    upstream_cancel(r[1]);
    pump();
    cr_assert_eq(answers, 0);
    resolves_to(NULL, NULL);
    cr_assert_null(upstream_alpn(w.e.pool, &k, true, on_probed, &answers), "no address: it has answered");
    cr_assert_eq(answers, 1);
}
