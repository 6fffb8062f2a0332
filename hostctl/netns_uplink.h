/** \file
 * The host's uplink while a sandbox runs: a cable pulled, another network joined, an address that changed
 * (Linux). The sidecar's way out follows, and what the start proved is proved again.
 */
#ifndef EGRESS_HOSTCTL_NETNS_UPLINK_H
#define EGRESS_HOSTCTL_NETNS_UPLINK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hostctl/follow.h"
#include "hostctl/record.h"

/** By which way, and from where, the host reaches the world. */
struct uplink_state {
    int index; /* of the interface; 0: none */
    struct host_addresses at;
};
/** Looks; nothing is sent. */
void uplink_look(struct uplink_state *out);

struct uplink_watch {
    int news; /* the kernel's; to be polled for POLLIN; -1 */
    struct uplink_state known;
    long long due; /* ms: when to look, since changes come in bursts; 0: no need */
    struct follow follow;
};

/** A host that gives no news is one whose changes go unnoticed, no more: never fails. The
 * record says where it was when the sandbox began to start. */
void uplink_watch_open(struct uplink_watch *w, const struct sandbox *sb);
void uplink_watch_close(struct uplink_watch *w);
/** For poll(2). */
int uplink_watch_timeout(const struct uplink_watch *w);
/** After each poll: takes the news, looks when it is time, and collects a proof that has ended. `news`: there
 * are some. */
void uplink_watch_turn(struct uplink_watch *w, struct record *r, bool news);
#endif
