/** \file
 * Flows of udp routes, which the kernel forwards: a line when one opens, and one with its octets when the
 * kernel has forgotten it.
 *
 * The kernel counts, and only the monitor may ask it. So each flow that is open is asked for about once a
 * second, by IPC_COUNT_ASK; the kernel forgets one only half a minute after its last packet, so what was
 * counted last is all. Where a reload or an end comes before that, what the last second brought may be
 * missing. Knows neither sockets nor clocks: `now` is in milliseconds and never goes back.
 */
#ifndef EGRESS_APPLIANCE_GATE_FLOWS_H
#define EGRESS_APPLIANCE_GATE_FLOWS_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/gate_judge.h"
#include "appliance/ipc.h"

/** Flows at a time. The host's connection tracking, which is not the agent's alone, remembers each. */
#define GATE_FLOWS_MAX 2048u
#define GATE_COUNT_MS 1000u
/** After gate_flows_end(): the longest that answers are waited for. */
#define GATE_LAST_MS 200u

struct audit;
struct gate_flows;

/** Sends the question; false: not now. */
typedef bool gate_ask_fn(void *arg, const struct ipc_count *c);
/** NULL: no memory. `audit` must outlive it. */
struct gate_flows *gate_flows_new(struct audit *audit, gate_ask_fn *ask, void *arg);
/** Writes the last lines of those that are open. NULL is fine. */
void gate_flows_free(struct gate_flows *f);

/** A packet may go through: false where there are too many flows. The first of a flow has the line; more may
 * come before the kernel knows it. */
bool gate_flows_open(
    struct gate_flows *f, const struct packet *p, const struct gate_verdict *v, uint64_t now);
void gate_flows_counted(struct gate_flows *f, const struct ipc_count *c, uint64_t now);
/** Asks once more for all; each has its last line with the answer. */
void gate_flows_end(struct gate_flows *f, uint64_t now);
bool gate_flows_any(const struct gate_flows *f);

/** To be called about every 100 ms while it returns true. */
bool gate_flows_tick(struct gate_flows *f, uint64_t now);

#endif
