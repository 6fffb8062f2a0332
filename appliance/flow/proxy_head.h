/** \file
 * The CONNECT that a client of the explicit proxy sends first. Pure.
 */
#ifndef EGRESS_APPLIANCE_FLOW_PROXY_HEAD_H
#define EGRESS_APPLIANCE_FLOW_PROXY_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "lib/hostname.h"
#include "lib/reason.h"

/** What the CONNECT asks for, as far as it is known when it is refused. */
struct proxy_head {
    size_t head_len; /* octets of the head, which are still in the socket */
    char target[HOSTNAME_MAX + 10];
    char host[HOSTNAME_MAX + 1]; /* canonical; "": none that can be */
    uint16_t port;
};

/** A whole head. REASON_NONE: `host` is a name that Host does not contradict, `port` is not 0. */
enum reason proxy_head_parse(const uint8_t *p, size_t n, struct proxy_head *out);

#endif
