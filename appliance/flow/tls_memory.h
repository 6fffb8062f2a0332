/** \file
 * Where OpenSSL's buffers come from. A record's buffers (16 KiB) live for microseconds between objects that
 * live as long as their connection: from the general heap they leave holes that cost a quarter of what a
 * connection takes. They are kept for the next record instead.
 */
#ifndef EGRESS_APPLIANCE_FLOW_TLS_MEMORY_H
#define EGRESS_APPLIANCE_FLOW_TLS_MEMORY_H

/** First thing in main(), before OpenSSL has allocated anything; later it has no effect, and harm neither. */
void tls_memory_init(void);

#endif
