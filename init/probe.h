/** \file
 * Step 4: try every way round the sidecar. All of them at once, each to be closed before a short deadline.
 */
#ifndef EGRESS_INIT_PROBE_H
#define EGRESS_INIT_PROBE_H

#include <stdint.h>

#include "init/link.h"

/** Fatal, naming the door, where one is open or the sidecar's name server does not answer. */
void probe_all(const struct link *link, uint32_t gateway, uint32_t dns);

#endif
