/** \file
 * `egressd run`: the process with the privileges. It parses the operator's files, and of what an agent or an
 * upstream wrote nothing: only fixed-size messages from its own children reach it.
 */
#ifndef EGRESS_APPLIANCE_MONITOR_H
#define EGRESS_APPLIANCE_MONITOR_H

#include <stdbool.h>

#include "lib/opt.h"

#define STATE_DIR_DEFAULT "/var/lib/egressd"

/** As on the command line; NULL and 0 where not given. */
struct monitor_options {
    const char *policy, *secrets, *agent_if, *uplink_if, *state_dir, *ca_dir;
    struct opt_list dns_upstream, upstream_ca;
    const char *resolv_conf; /* read by each generation anew; NULL: the system's */
    unsigned proxy_port; /* the explicit proxy's, whatever the policy says; 0 = as it says */
    unsigned engines; /* 0 = one a CPU */
    bool audit_only; /* log what would be refused instead of refusing it */
    const char *status_socket; /* who connects to it is told how we are; NULL: none */
    unsigned ready_fd; /* gets "READY\n" once everything serves; 0 = none */
};

/** Returns the exit status: 0 after SIGTERM or SIGINT, 1 when something vital ended, 2 for a bad policy. */
int monitor_run(const struct monitor_options *o);

#endif
