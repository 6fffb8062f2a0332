/** \file
 * One way round the sidecar, tried without waiting.
 */
#ifndef EGRESS_INIT_DOOR_H
#define EGRESS_INIT_DOOR_H

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

enum door_kind {
    DOOR_TCP, /* open when a connection is accepted */
    DOOR_NTP, /* these three when anything comes back */
    DOOR_QUIC,
    DOOR_ECHO,
    DOOR_DNS_UDP, /* when somebody else than the sidecar answers */
    DOOR_DNS_TCP,
    DOOR_HTTP, /* asks for UNLISTED_NAME: open when anything but the sidecar's refusal answers */
    DOOR_TLS, /* the same: open when a certificate comes that is not for that name, so not the sidecar's */
};

/** A name that no policy allows and for which nobody has a certificate (RFC 6761 6.4). */
#define UNLISTED_NAME "probe.egressd.invalid"

enum door_state { DOOR_PENDING, DOOR_CLOSED, DOOR_OPEN, DOOR_UNTRIED /* no socket for it could be had */ };

struct door {
    const char *what; /* for the message */
    enum door_kind kind;
    enum door_state state;
    struct sockaddr_storage to;
    uint32_t sidecar; /* IPv4 of the only one who may answer DNS */
    int fd; /* -1 once decided */
    bool asked; /* kinds that ask over TCP: the question is sent */
    bool answering; /* DOOR_HTTP, DOOR_TLS: something came that does not show yet who sends it */
    uint8_t matched; /* octets of what only the sidecar says that the answer's last ones are */
};

struct sockaddr_storage door_ipv4(uint32_t addr, uint16_t port);
struct sockaddr_storage door_ipv6(const uint8_t addr[static 16], uint16_t port, uint32_t scope);

/** Sends the first packet; `what`, `kind`, `to` and `sidecar` are set. */
void door_knock(struct door *d);

/** What to poll for. */
short door_events(const struct door *d);
/** Something came. */
void door_listen(struct door *d);
/** Closes the socket; a pending door becomes a closed one. */
void door_leave(struct door *d);

/** Sends a datagram past the routing table, as any user may. True where it went out. */
bool door_send_past(const char *interface, const struct sockaddr_storage *to);

#endif
