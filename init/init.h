/** \file
 * The shim's settings and the order of its steps.
 *
 * Everything here is set-up: a step either holds, and has been read back, or it ends the process with one
 * line and EXIT_SETUP before the agent's first instruction. So no step returns an error.
 */
#ifndef EGRESS_INIT_H
#define EGRESS_INIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    EXIT_SETUP = 125, /* the shim itself failed; as env(1) and container runtimes do */
    EXIT_NOEXEC = 126, /* CMD was found but cannot be run */
    EXIT_NOTFOUND = 127, /* CMD was not found */
};

/** Who the agent is where nobody says: "nobody". */
#define DEFAULT_ID 65534u

/** An IPv6 address in network order; all zeros: none. */
struct ipv6 {
    uint8_t b[16];
};

#define PROBE_HOSTS_MAX 4

struct settings {
    uint32_t gateway, dns; /* IPv4 in network order; 0: not given */
    struct ipv6 gateway6; /* none: IPv6 is closed */
    const char *ca; /* a PEM file in the agent's file system, or NULL */
    uid_t uid;
    gid_t gid;
    bool gid_given;
    bool probe, probe_only, setup_only, exec_only, reap;
    uint32_t probe_hosts[PROBE_HOSTS_MAX]; /* IPv4: addresses of the host's, tried too */
    unsigned n_probe_hosts;
    const char *probe_skip; /* "tcp/22,udp/123": what the policy lets out; NULL */
    char **command; /* NULL-terminated; empty with --setup-only */
};

#endif
