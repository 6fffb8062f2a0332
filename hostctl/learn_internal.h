/** \file
 * What learn.c (reading) and learn_write.c share. Nobody else includes this.
 */
#ifndef EGRESS_HOSTCTL_LEARN_INTERNAL_H
#define EGRESS_HOSTCTL_LEARN_INTERNAL_H

#include <jansson.h>

#include "hostctl/learn.h"

/** A host is an object of sets, each an object from what was seen to how often:
 *     http    "METHOD /path"          bump, splice, tcp, udp   ports, five digits
 *     dns     query types             fetch, push, refs        git repositories (refs: which of the two is
 * not known) dlp     detectors               first, last, requests, private: of the whole */
struct learn {
    unsigned siblings;
    json_t *hosts; /* by name */
    json_t *flows; /* open ones: id to port */
    json_t *refused, *addresses; /* sets "seen": "host: reason"; hosts that are addresses */
};

#endif
