/** \file
 * One connection of an agent, from accept to its last audit line: the only place that knows which stage it is
 * in.
 *
 *     (the explicit proxy's: first a CONNECT, see flow_proxy.c, or plain HTTP in absolute form)
 *     SNIFF ----> LEAF (leaf asked, upstream's ALPN asked) ----> HANDSHAKE ----> HTTP ----> closed
 *       |                                                                         ^
 *       |-- plain HTTP on a web port ---------------------------------------------+
 *       |-- tls: splice, or a tcp route ----> DIAL ----> RELAY ----> closed
 *       `-- refused: RST, or the handshake and a 403 (LEAF with `deny` set)
 *
 * SNIFF       octets stay in the socket; nothing goes out but a TCP handshake with the agent. Ends with a
 * verdict or with policy->timeouts.client_hello. LEAF        waits for the signer and, where ALPN must be
 * mirrored, for a verified upstream. No octet has been read. HANDSHAKE   OpenSSL reads what SNIFF judged; a
 * ClientHello of another name (after a retry) ends it. HTTP        the front codec owns the conn until it
 * calls back. DIAL        waits for the upstream. No octet has been read. RELAY       splice.h owns both
 * conns until it calls back.
 *
 * Every flow writes two audit lines, `state` "open" and "closed", whatever becomes of it.
 */
#ifndef EGRESS_APPLIANCE_FLOW_FLOW_H
#define EGRESS_APPLIANCE_FLOW_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"

struct engine;
struct flow;

/** Takes a socket that was just accepted. `dst` is where the agent wanted to go. */
void flow_start(struct engine *e, int fd, const struct endpoint *agent, const struct endpoint *dst);
/** The same for a connection to the explicit proxy; `dst` is our own end of it. */
void flow_start_proxied(struct engine *e, int fd, const struct endpoint *agent, const struct endpoint *dst);
/** A connection that is not taken at all, because of a limit: RST and its audit line. Takes `fd`. */
void flow_refuse(struct engine *e, int fd, const struct endpoint *agent, const struct endpoint *dst);

/** Identity, for the audit lines of its requests; valid while the flow lives. */
const char *flow_id(const struct flow *f);
const struct addr *flow_agent(const struct flow *f);
const struct endpoint *flow_dst(const struct flow *f);
/** Audit id of the look-up that leased the address to the flow's name; NULL: there was none. */
const char *flow_dns_id(const struct flow *f);

/** Drain: those that serve nothing end now, the others after what they serve. */
void flows_drain(struct engine *e);
/** After that: those whose route the present policy has no more as it was. */
void flows_abort_revoked(struct engine *e);
/** The end of the engine: all of them, now. */
void flows_abort(struct engine *e);

#endif
