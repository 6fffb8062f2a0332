/** \file
 * The gate's lines in the audit log: one a denied flow, not more than the log should bear, and none
 * uncounted.
 *
 * Packets of one flow (addresses, protocol, ports) within some seconds are one line, and a later one with
 * `count` for those that came again. Above a rate, flows are only counted, and each second has a line with
 * their `count` for each protocol and reason. A QUIC flow's line waits a moment for the datagram that
 * completes the name. Knows neither sockets nor clocks: `now` is in milliseconds and never goes back.
 */
#ifndef EGRESS_APPLIANCE_GATE_LOG_H
#define EGRESS_APPLIANCE_GATE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/gate_judge.h"

/** A flow is forgotten this long after its first packet. */
#define GATE_FLOW_MS 5000u
/** Lines a second, and how many at once. */
#define GATE_LINES_PER_SECOND 200u
#define GATE_LINES_BURST 1000u
/** The longest that a QUIC flow's line waits for the rest of the name. */
#define GATE_QUIC_MS 150u

struct audit;
struct gate_log;

/** NULL: no memory. `audit` must outlive it. */
struct gate_log *gate_log_new(struct audit *audit);
/** Writes all that is left, then frees. NULL is fine. */
void gate_log_free(struct gate_log *l, uint64_t now);

/** A refused packet: a line for the first of its flow; those after it are counted. `now`: loop ms. */
void gate_log_denied(struct gate_log *l, const struct packet *p, const struct gate_verdict *v, uint64_t now);
/** Packets that the kernel dropped because the queue was full. */
void gate_log_lost(struct gate_log *l, uint64_t packets);

/** To be called about every 100 ms while it returns true: there is something that still has to be written. */
bool gate_log_tick(struct gate_log *l, uint64_t now);

#endif
