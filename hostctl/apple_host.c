/* The macOS host around a sandbox: its packet filter, and what is known to leak there. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostctl/apple.h"
#include "lib/base.h"
#include "lib/log.h"

/* -- pf -- */

/* Only what reads as an address, with or without a prefix, gets into a rule. */
static bool is_prefix(const char *text)
{
    char plain[ADDR_STRLEN];
    struct addr a;
    size_t n = text ? strcspn(text, "/") : 0;
    if (n == 0 || n >= sizeof plain || strspn(text + n, "/0123456789") != strlen(text + n))
        return false;
    (void)snprintf(plain, sizeof plain, "%.*s", (int)n, text);
    return addr_parse(plain, &a);
}

static void print_rules(const char *name, const char *subnet, const char *host, const char *subnet6)
{
    printf(
        "# pf anchor of the sandbox %s. No interface is named, since bridges come and go with their "
        "networks.\n"
        "# Once, in /etc/pf.conf, at its top level (anchors below com.apple are not evaluated for guests):\n"
        "#     anchor \"egressd/*\"\n"
        "# then: sudo pfctl -nf /etc/pf.conf && sudo pfctl -f /etc/pf.conf && sudo pfctl -E\n"
        "# and:  egressctl pf %s | sudo pfctl -a egressd/%s -f -\n"
        "# It goes with: sudo pfctl -a egressd/%s -F rules, and sudo pfctl -X TOKEN (never -d)\n",
        name, name, name, name);
    printf("block drop quick inet from %s to %s\n", subnet, host);
    printf("pass quick inet from %s to %s no state\n", subnet, subnet);
    printf("block drop quick inet from %s to any\n", subnet);
    if (is_prefix(subnet6))
        printf("block drop quick inet6 from %s to any\n", subnet6);
}

int apple_print_pf(const struct record *r)
{
    char name[CONTAINER_NAME_MAX];
    const struct cli c = cli_of("apple");
    json_t *net = cli_inspect(&c, CLI_NETWORK, container_name(name, r->name, "net"));
    const char *subnet = apple_subnet(net), *host = apple_gateway(net);
    int err = is_prefix(subnet) && is_prefix(host) ? 0 : -EADDRNOTAVAIL;
    if (err)
        log_warn("container does not say which addresses the network %s has; is the sandbox running?", name);
    else
        print_rules(r->name, subnet, host, apple_subnet6(net));
    json_decref(net);
    return err;
}

/* -- doctor -- */

static void finding(const char *state, const char *what, const char *more)
{
    printf("%-5s %s: %s\n", state, what, more);
}

/* Does this host itself answer there? Its address in a network answers too, then. */
static bool host_listens(uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    cleanup_fd int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0;
}

static void host_services(void)
{
    static const struct {
        uint16_t port;
        const char *name;
    } known[] = {{22, "ssh"}, {53, "DNS"}, {88, "Kerberos"}, {445, "file sharing"},
        {3283, "remote management"}, {5000, "AirPlay"}, {5900, "screen sharing"}};
    char open[256] = "";
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (host_listens(known[i].port)) {
            size_t n = strlen(open);
            (void)snprintf(open + n, sizeof open - n, "%s%s (%u)", n ? ", " : "", known[i].name,
                (unsigned)known[i].port);
        }
    if (!open[0]) {
        finding("ok", "the host's address in a network", "nothing of the usual listens on this host");
        return;
    }
    printf("leak  the host's address in a network: this host answers there to %s. In the agent the shim's "
           "packet rules let "
           "nothing out\n      but to the sidecar, and the start-up proof tries the host; egressctl pf NAME "
           "prints rules "
           "that close it on this host as well\n",
        open);
}

static void internal_networks(struct apple_version v)
{
    if (apple_since(v, 1, 2, 0) && !apple_since(v, 1, 2, 1))
        finding("leak", "--internal networks let raw TCP out on some hosts with 1.2.0",
            "the shim's routes and packet rules close it in the agent and the proof tries it; install a "
            "later version, "
            "or use egressctl pf NAME");
    else
        finding("note", "--internal networks have let raw TCP out on some hosts",
            "not trusted with any version: the shim closes it in the agent, and the proof tries it");
}

static void read_only_settings(struct apple_version v)
{
    if (apple_since(v, 1, 2, 0) && !apple_since(v, 1, 2, 1))
        finding("note", "/proc/sys is read-only in 1.2.0",
            "the sidecar sets what it needs by netlink; no udp routes "
            "where that fails");
}

/* Two agents on one network would see each other. */
static bool shared_networks(const struct cli *c, json_t *containers)
{
    static const char suffix[] = "-net";
    bool good = true;
    cleanup_free char *networks = c->d->list(c, CLI_NETWORK);
    for (char *save = NULL, *net = networks ? strtok_r(networks, "\n", &save) : NULL; net;
         net = strtok_r(NULL, "\n", &save)) {
        size_t i, n = 0, len = strlen(net);
        json_t *one;
        if (strncmp(net, "egressd-", 8) != 0 || len < sizeof suffix ||
            strcmp(net + len - strlen(suffix), suffix) != 0)
            continue;
        json_array_foreach(containers, i, one)
        {
            n += apple_place(one, net).address[0] != 0;
        }
        if (n > 2) {
            good = false;
            finding("LACKS", net,
                "more than a sidecar and its agent are on it and see each other; remove the others");
        }
    }
    if (good)
        finding("ok", "guests on one network see each other", "each sandbox has an agent network of its own");
    return good;
}

static void ipv6_prefixes(const struct cli *c)
{
    json_t *list = apple_ask(c, (const char *const[]){"network", "list", "--format", "json", NULL}, NULL),
           *one;
    size_t i;
    bool any = false;
    json_array_foreach(list, i, one)
    {
        any |= apple_subnet6(one) != NULL;
    }
    json_decref(list);
    if (any)
        finding("leak", "IPv6",
            "networks of this host get a unique local prefix and router advertisements; the shim removes "
            "IPv6 from the agent, and the proof tries it");
    else
        finding("ok", "IPv6", "no network of this host has a prefix");
}

bool apple_doctor(void)
{
    const struct cli c = cli_of("apple");
    if (apple_check(&c))
        return false;
    struct apple_version v = apple_version(&c);
    printf("ok    Apple's container %u.%u.%u, its service is running\n", v.major, v.minor, v.patch);
    internal_networks(v);
    read_only_settings(v);
    host_services();
    ipv6_prefixes(&c);
    json_t *containers =
        apple_ask(&c, (const char *const[]){"list", "--all", "--format", "json", NULL}, NULL);
    bool good = shared_networks(&c, containers);
    json_decref(containers);
    finding("note", "starting a NAT network enables pf and may replace loaded rules",
        "look at pfctl -s rules after a start if you rely on pf");
    finding("note", "a kernel older than the one that 1.0.0 installs has no nf_tables",
        "the shim says so at the start and closes the way by its system call filter; container system kernel "
        "set "
        "--recommended installs the present one");
    return good;
}
