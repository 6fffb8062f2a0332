/** \file
 * Counts what costs us more than the peer (CVE-2023-44487, CVE-2019-9511 to 9518, CVE-2025-8671): frames that
 * carry nothing, and streams that end before they were of use. Token buckets; work that was really done earns
 * some back, so that a client that pings or updates windows along with its data is never near the limit.
 * Pure: the time is passed in.
 */
#ifndef EGRESS_APPLIANCE_HTTP_H2_FLOOD_H
#define EGRESS_APPLIANCE_HTTP_H2_FLOOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define H2_CONTROL_BURST 600u /* frames without content at once */
#define H2_CONTROL_RATE 50u /* and a second */
#define H2_RESET_BURST 400u /* streams that were given up */
#define H2_RESET_RATE 40u

struct h2_flood {
    uint32_t control, resets; /* tokens left */
    uint64_t at_ms; /* when some were last added */
};

void h2_flood_init(struct h2_flood *f, uint64_t now_ms);
/** A frame that carries nothing, worth `cost` of them. True: too many. */
bool h2_flood_control(struct h2_flood *f, uint64_t now_ms, uint32_t cost);
/** A stream that the peer gave up, or made us give up. True: too many. */
bool h2_flood_reset(struct h2_flood *f, uint64_t now_ms);
/** Data or a head went one way or the other. */
void h2_flood_useful(struct h2_flood *f, uint32_t worth);

/** Where frames begin in the octets that come, whatever they are: nghttp2 says nothing of those that it
 * ignores.
 */
struct h2_frames {
    uint32_t skip; /* octets until the next frame's head */
    uint32_t length; /* of a payload, from the head that is not whole */
    uint8_t got; /* octets of that head */
};
/** `server`: the client's preface comes first. */
void h2_frames_init(struct h2_frames *f, bool server);
/** How many heads have become whole with these octets. */
uint32_t h2_frames_count(struct h2_frames *f, const uint8_t *p, size_t n);

#endif
