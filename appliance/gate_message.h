/** \file
 * One NFQUEUE message (linux/netfilter/nfnetlink_queue.h) as a value. Pure.
 */
#ifndef EGRESS_APPLIANCE_GATE_MESSAGE_H
#define EGRESS_APPLIANCE_GATE_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

struct gate_message {
    uint32_t id; /* of the packet, counted by the kernel for each queue from 1 */
    uint16_t queue;
    uint32_t mark; /* MARK_QUEUE, MARK_ODD or MARK_SPOOFED */
    const uint8_t *data; /* inside the caller's octets */
    size_t len; /* captured */
    size_t total; /* of the packet itself; >= len */
};

/** 1: a packet; 0: some other message, to be ignored; -EBADMSG: cannot be read.
 */
int gate_message_parse(const void *buf, size_t len, struct gate_message *out);

#endif
