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
 */
#ifndef EGRESS_APPLIANCE_GATE_H
#define EGRESS_APPLIANCE_GATE_H

struct engine;
struct gate;

/** Starts reading e->config->nfqueue. NULL: no memory, or there is no queue (-1). */
struct gate *gate_new(struct engine *e);
/** Stops reading (a successor reads on) and writes what it still has to say. */
void gate_stop(struct gate *g);
/** Stops, then frees once the loop lets go of its handles: the loop must run once more. NULL is fine. */
void gate_free(struct gate *g);

#endif
