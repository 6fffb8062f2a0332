/** \file
 * Which DNS servers the host itself asks, as far as a sidecar can reach them. Portable.
 */
#ifndef EGRESS_HOSTCTL_RESOLVERS_H
#define EGRESS_HOSTCTL_RESOLVERS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/opt.h"

/** Nameservers of a resolv.conf text, written over it NUL-terminated; `out` points into it. Loopback
 * addresses are left out, since the sidecar has a loopback of its own; `*loopback` says that there were some.
 * Pure. */
void resolvers_parse(char *text, struct opt_list *out, bool *loopback);

/** The host's, from resolv.conf or, behind a local stub, from where systemd-resolved writes the real ones.
 * `*text` is to be freed after `out` was used. -ENOENT after a message where there is none that a sidecar
 * could ask. */
int resolvers_of_host(char **text, struct opt_list *out);

/** The same without a word, and whether some were left out since they are on this host's own loopback. */
int resolvers_look(char **text, struct opt_list *out, bool *stub);

/** As a resolv.conf. Those beyond its size are left out. */
#define RESOLVERS_TEXT 1024
void resolvers_write(const struct opt_list *list, char out[static RESOLVERS_TEXT]);

#endif
