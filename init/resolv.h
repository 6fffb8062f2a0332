/** \file
 * Step 3a: /etc/resolv.conf names the sidecar and nobody else.
 */
#ifndef EGRESS_INIT_RESOLV_H
#define EGRESS_INIT_RESOLV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "init/place.h"

/** Fatal where the file says something else and cannot be changed. An image that has no /etc and cannot be
 * given one goes on with a warning: its programs resolve nothing. */
void resolv_point_at(struct place *p, uint32_t dns);

/** Whether the text's name servers are `dns` and nobody else. */
bool resolv_names_only(const char *text, uint32_t dns);

#endif
