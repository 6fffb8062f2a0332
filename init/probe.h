/** \file
 * Step 4: try every way round the sidecar. All of them at once; whatever has not answered after a short while
 * is taken for closed.
 *
 * The sidecar accepts TCP to web ports at any address, to judge what comes. So a connection that is accepted
 * shows nothing by itself: a door counts as open only where an address that exists nowhere (RFC 5737) is not
 * accepted on the same port. What it says to a name that no policy allows shows more: it has to be the
 * sidecar's own refusal.
 */
#ifndef EGRESS_INIT_PROBE_H
#define EGRESS_INIT_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "init/init.h"
#include "init/link.h"

/** Fatal, naming the door, where one is open or the sidecar's name server does not answer. `firewall`: the
 * packet rules are in place; without them sending past the routes is known to be open, and is not tried. */
void probe_all(const struct link *link, const struct settings *s, bool firewall);

#endif
