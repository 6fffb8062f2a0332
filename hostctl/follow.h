/** \file
 * What a running sandbox follows of its host: addresses, DNS servers, and that it has slept. Portable.
 *
 * The sidecar goes on with what the host has now: its processes are replaced as by a reload, so that they ask
 * the present servers and begin with new connections, while those of the agent's that still work go on. What
 * the start proved is proved again.
 */
#ifndef EGRESS_HOSTCTL_FOLLOW_H
#define EGRESS_HOSTCTL_FOLLOW_H

#include <netinet/in.h>
#include <stdbool.h>

#include "hostctl/backend.h"
#include "hostctl/prove.h"
#include "hostctl/resolvers.h"

/** From where the host reaches the world. */
struct host_addresses {
    struct in_addr ip; /* 0.0.0.0: none */
    struct in6_addr ip6;
};
/** Looks; nothing is sent. */
void host_addresses(struct host_addresses *out);

enum { FOLLOW_ADDRESS = 1, FOLLOW_SERVERS = 2, FOLLOW_SLEEP = 4 };

struct follow {
    struct host_addresses known;
    char servers[RESOLVERS_TEXT]; /* the host's DNS servers as a resolv.conf; "": not ours to follow */
    long long asleep; /* ms that the host has been so far */
    long long next; /* ms: when to look */
    struct proof proof;
};

void follow_open(struct follow *f, const struct sandbox *sb);
void follow_close(struct follow *f);
/** For poll(2): until follow_look() looks again. */
int follow_timeout(const struct follow *f);
/** What has changed since it was last asked, of the above; 0, mostly. */
unsigned follow_look(struct follow *f);
/** Has the sidecar begin anew, since these have changed. */
void follow_renew(struct follow *f, unsigned changed, struct record *r);

#endif
