/** \file
 * How a peer that is gone without a word is noticed.
 */
#ifndef EGRESS_APPLIANCE_FLOW_KEEPALIVE_H
#define EGRESS_APPLIANCE_FLOW_KEEPALIVE_H

/** Within two minutes, whether the connection is idle or has octets under way; a peer that answers, but takes
 * nothing (a window of zero), is not gone. Connections that a listener accepts have what the listener has. */
void tcp_keepalive(int fd);

#endif
