/** \file
 * What the sockets of connections are set to.
 */
#ifndef EGRESS_APPLIANCE_FLOW_KEEPALIVE_H
#define EGRESS_APPLIANCE_FLOW_KEEPALIVE_H

/** Small segments are not held back. A peer that is gone without a word is noticed within two minutes,
 * whether the connection is idle or has octets under way; one that answers, but takes nothing (a window of
 * zero), is not gone. Connections that a listener accepts have what the listener has. */
void tcp_options(int fd);

#endif
