/** \file
 * The gate: a verdict on the first packet of every flow that is neither DNS nor web.
 *
 * Lives in an engine, reads the engine's NFQUEUE socket, judges by leases and policy, and sends IPC_VERDICT
 * to the monitor, which alone may answer the kernel. What is refused gets one line in the log (gate_log.h). A
 * packet without a verdict stays where it is: no gate, no passage.
 *
 *   gate.c          the socket, batches, verdicts
 *   gate_message.c  nfnetlink message -> packet's octets; pure
 *   packet.c        octets -> what the packet says of itself; pure
 *   gate_judge.c    packet, leases, policy -> verdict; pure
 *   gate_log.c      denials -> lines: one a flow, not too many, none uncounted
 *   gate_flows.c    flows that the kernel forwards: a line when they open, one with the octets when they end
 */
#ifndef EGRESS_APPLIANCE_GATE_H
#define EGRESS_APPLIANCE_GATE_H

#include <stdbool.h>

struct engine;
struct gate;
struct ipc_count;

/** Starts reading e->config->nfqueue. NULL: no memory, or there is no queue (-1). */
struct gate *gate_new(struct engine *e);
/** Stops reading (a successor reads on) and asks what the flows that it let through have come to. */
void gate_stop(struct gate *g);
/** IPC_COUNT has come. NULL is fine, here and below. */
void gate_counted(struct gate *g, const struct ipc_count *c);
/** After gate_stop(): whether there is nothing that it still waits for. */
bool gate_has_said_all(const struct gate *g);
/** Stops, then frees once the loop lets go of its handles: the loop must run once more. NULL is fine. */
void gate_free(struct gate *g);

#endif
