/* egress-init: the agent's first process. DESIGN: confine the network, check it, give every privilege up,
 * become the agent. See egress-init(8). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "init/environment.h"
#include "init/exec.h"
#include "init/firewall.h"
#include "init/init.h"
#include "init/link.h"
#include "init/netlink.h"
#include "init/options.h"
#include "init/place.h"
#include "init/privilege.h"
#include "init/probe.h"
#include "init/reap.h"
#include "init/resolv.h"
#include "init/route.h"
#include "init/say.h"
#include "init/text.h"
#include "init/trust.h"

/* A closed descriptor below 3 would be reused by our own sockets, and messages written into them. */
static void open_standard_descriptors(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0) {
            /* An image without /dev: a descriptor that is at its end serves as well. */
            int ends[2];
            if (pipe(ends) == 0 && ends[0] != fd)
                (void)dup2(ends[0], fd);
        }
}

/* Returns whether there are packet rules. */
static bool confine_network(const struct settings *s, struct link *link)
{
    int rtnl = nl_open(NETLINK_ROUTE);
    if (rtnl < 0)
        fatal_error(rtnl, "cannot open a route socket");
    link_confine(rtnl, s->gateway, link);
    /* Before anything is taken away: the kernel tells the link of addresses that go. */
    bool firewall = firewall_load(link, s->gateway, &s->gateway6);
    link_close_ipv6(rtnl, link);
    if (ipv6_is_set(&s->gateway6))
        link_open_ipv6(rtnl, link, &s->gateway6);
    route_confine(rtnl, link, s->gateway, &s->gateway6);
    (void)close(rtnl);
    return firewall;
}

/* The same, as it was left. */
static bool check_network(const struct settings *s, struct link *link)
{
    int rtnl = nl_open(NETLINK_ROUTE);
    if (rtnl < 0)
        fatal_error(rtnl, "cannot open a route socket");
    link_check(rtnl, s->gateway, &s->gateway6, link);
    bool firewall = firewall_check(link, s->gateway, &s->gateway6);
    route_check(rtnl, link, s->gateway, &s->gateway6);
    (void)close(rtnl);
    return firewall;
}

static void prepare_files(const struct settings *s)
{
    struct place place;
    place_open(&place, s->setup_only);
    resolv_point_at(&place, s->dns);
    if (s->ca != NULL)
        trust_install(&place, s->ca);
}

static _Noreturn void become_agent(const struct settings *s, mode_t mask)
{
    environment_clean();
    (void)umask(mask);
    int error = exec_search(s->command);
    say("cannot run %s: %s", s->command[0], strerror(error));
    _exit(error == ENOENT ? EXIT_NOTFOUND : EXIT_NOEXEC);
}

int main(int argc, char **argv)
{
    struct settings s;
    struct link link;
    open_standard_descriptors();
    mode_t mask = umask(022); /* for what we write; the rest is the caller's */
    options_parse(argc, argv, &s);
    if (s.probe_only) {
        bool firewall = check_network(&s, &link);
        probe_all(&link, &s, firewall);
        return 0;
    }
    if (!s.exec_only) {
        bool firewall = confine_network(&s, &link);
        prepare_files(&s);
        if (s.probe)
            probe_all(&link, &s, firewall);
        if (s.setup_only)
            return 0;
    } else {
        environment_load();
    }
    environment_identify(&s);
    privilege_drop(&s);
    privilege_prove(&s);
    if (s.reap)
        reap_become_parent();
    become_agent(&s, mask);
}
