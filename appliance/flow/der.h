/** \file
 * Walking a DER certificate (X.690) for one of its parts, where parsing it whole costs too much. Pure.
 */
#ifndef EGRESS_APPLIANCE_FLOW_DER_H
#define EGRESS_APPLIANCE_FLOW_DER_H

#include <stdbool.h>
#include <stdint.h>

/** `*p` into `depth` elements, one within the other, each the first of its kind. False: not DER. */
bool der_enter(const uint8_t **p, const uint8_t *end, unsigned depth);
/** `*p` behind the next element: its universal tag (V_ASN1_...), 0 for another class, -1: not DER. */
int der_skip(const uint8_t **p, const uint8_t *end);

#endif
