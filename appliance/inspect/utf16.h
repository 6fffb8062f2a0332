/** \file
 * Text in UTF-16 or UTF-32 (RFC 2781), in either order of octets, within other octets: its ASCII is a text
 * below. Private to inspection. Pure.
 */
#ifndef EGRESS_APPLIANCE_INSPECT_UTF16_H
#define EGRESS_APPLIANCE_INSPECT_UTF16_H

#include "appliance/inspect/layer.h"

struct utf16;
/** `last`: the octet before, -1: there is none. */
struct utf16 *utf16_new(struct scan_env *env, unsigned depth, int last);
/** A transform, as those of layer.h. */
uint64_t utf16_feed(struct utf16 *u, uint64_t at, const uint8_t *p, size_t n, bool fin);
/** Is such text under way at the end? */
bool utf16_busy(const struct utf16 *u);
void utf16_free(struct utf16 *u);

#endif
