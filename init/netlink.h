/** \file
 * Netlink without a library: build one message or a batch, send it, wait for the answers.
 *
 * The builder is sticky: what does not fit sets `full`, and sending then fails with -EMSGSIZE.
 */
#ifndef EGRESS_INIT_NETLINK_H
#define EGRESS_INIT_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <linux/netlink.h>

struct nl_request {
    _Alignas(struct nlmsghdr) uint8_t data[8192];
    size_t len;
    size_t message; /* offset of the message being built */
    unsigned count; /* messages so far */
    bool full;
};

/** Starts a message (several make a batch); `header` is the family's own, e.g. struct rtmsg. */
void nl_begin(struct nl_request *r, uint16_t type, uint16_t flags, const void *header, size_t header_len);
void nl_put(struct nl_request *r, uint16_t type, const void *data, size_t len);
void nl_put_u32(struct nl_request *r, uint16_t type, uint32_t value);
/** With the terminating NUL. */
void nl_put_str(struct nl_request *r, uint16_t type, const char *s);
/** Attributes until nl_nest_end() go inside. Returns what nl_nest_end() needs. */
size_t nl_nest(struct nl_request *r, uint16_t type);
void nl_nest_end(struct nl_request *r, size_t nest);

/** A socket for `protocol` (NETLINK_ROUTE, NETLINK_NETFILTER), or -errno. */
int nl_open(int protocol);

/** Sends the request and waits for as many acknowledgements as messages have NLM_F_ACK. 0, or the first
 * -errno. */
int nl_call(int fd, const struct nl_request *r);

/** Called with each message of a dump. Returns 0 to go on, -errno to fail. */
typedef int nl_visit(const struct nlmsghdr *h, void *arg);
/** Sends a dump request (one message with NLM_F_DUMP) and visits the answers. 0 or -errno. A dump that
 * changed under way is -EINTR: ask again. */
int nl_dump(int fd, const struct nl_request *r, nl_visit *visit, void *arg);

/** An attribute's view: NULL where it is missing. `at` is the first octet after the family header. */
struct nl_view {
    const uint8_t *data;
    size_t len;
};

/** Attributes of a message after its family header of `header_len` octets. */
struct nl_view nl_attributes(const struct nlmsghdr *h, size_t header_len);
/** The first attribute of `type` (flags in the type are ignored); .data is NULL where there is none. */
struct nl_view nl_find(struct nl_view attributes, uint16_t type);
/** A 32-bit attribute as it is on the wire, or `otherwise`. */
uint32_t nl_find_u32(struct nl_view attributes, uint16_t type, uint32_t otherwise);

#endif
