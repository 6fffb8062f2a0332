/** \file
 * Messages between egressd's processes: SOCK_SEQPACKET socket pairs, one fixed-size struct a message,
 * descriptors by SCM_RIGHTS. The size is checked before anything is read from a message; an unknown type or a
 * wrong size is the end of the peer. Nothing here is text that a network peer wrote but host names, which
 * both ends bring to canonical form.
 *
 *   monitor <-> signer, resolver, engine     control, verdicts, descriptors
 *   engine  <-> signer                       one pair an engine: leaf certificates
 *   engine  <-> resolver                     one pair an engine: look-ups on the engine's own behalf
 *
 * The monitor keeps both ends of the pairs between children, so that they outlive either. An engine starts
 * its ids at a random number: an answer that was meant for a dead predecessor then matches nothing it has
 * asked.
 */
#ifndef EGRESS_APPLIANCE_IPC_H
#define EGRESS_APPLIANCE_IPC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/addr.h"
#include "lib/hostname.h"

enum ipc_type {
    IPC_READY = 1, /* child -> monitor: sandboxed and serving */
    IPC_DRAIN, /* monitor -> child: stop accepting, finish, exit */
    IPC_AUDIT_FD, /* monitor -> child: a rotated log, one descriptor */
    IPC_ROTATE, /* child -> monitor: the log has reached its size */
    IPC_LEAF_ASK, /* engine -> signer */
    IPC_LEAF, /* signer -> engine */
    IPC_RESOLVE, /* engine -> resolver */
    IPC_RESOLVED, /* resolver -> engine */
    IPC_PING, /* monitor -> child, which sends it back: it is alive and has turns of its loop */
    IPC_COUNT_ASK, /* engine -> monitor: a forwarded flow, of which it wants to know what the kernel counted
                    */
    IPC_COUNT, /* monitor -> engine */
    IPC_VERDICT, /* engine -> monitor: what to do with a queued packet */
    IPC_TYPE_END
};

#define IPC_SPKI_MAX 160
#define IPC_LEAF_MAX 1200
#define IPC_ADDRS_MAX 16

struct ipc_leaf_ask {
    uint32_t id;
    uint16_t spki_len;
    char host[HOSTNAME_MAX + 1]; /* canonical name, or the text of an address */
    uint8_t spki[IPC_SPKI_MAX]; /* DER SubjectPublicKeyInfo */
};
struct ipc_leaf {
    uint32_t id;
    uint16_t len; /* 0: refused */
    uint8_t der[IPC_LEAF_MAX];
};
struct ipc_resolve {
    uint32_t id;
    char host[HOSTNAME_MAX + 1];
};
/** Instead of an RCODE: the name has addresses, but none that may be dialled (the rebinding guard). */
#define IPC_RCODE_WITHHELD 0xfffeu
struct ipc_resolved {
    uint32_t id;
    uint16_t rcode; /* DNS RCODE, 0 = NOERROR; 0xffff = no upstream answered; IPC_RCODE_WITHHELD */
    uint16_t n;
    uint32_t ttl; /* seconds */
    char dns_id[17];
    struct addr addrs[IPC_ADDRS_MAX];
};
struct ipc_verdict {
    uint32_t packet_id;
    uint32_t mark; /* MARK_* of netfilter.h; 0 = drop */
    uint16_t queue;
};

/** Octets of packets, headers included; the lower half first. */
struct ipc_count {
    struct addr src, dst; /* as the agent sees it */
    uint16_t sport, dport;
    uint32_t found; /* the rest of an answer: whether the kernel (still) knows it */
    uint32_t out[2], in[2];
};

struct ipc_msg {
    uint32_t type; /* enum ipc_type */
    union {
        struct ipc_leaf_ask leaf_ask;
        struct ipc_leaf leaf;
        struct ipc_resolve resolve;
        struct ipc_resolved resolved;
        struct ipc_verdict verdict;
        struct ipc_count count;
    };
};

/** Octets a message of this type has on the wire, padding left out; 0 for an unknown type. */
size_t ipc_size(uint32_t type);
/** Checks a received datagram: known type, exact size, every length and string inside within its bounds.
 * Pure. 0 or -EBADMSG. */
int ipc_check(const void *buf, size_t len, struct ipc_msg *out);
/** Never blocks. 0 or -errno (-EAGAIN: the peer is slow; -EPIPE: it is gone). `fd` is -1 for none; it is not
 * closed. Zero the message before filling it: all of its arrays are sent. */
int ipc_send(int sock, const struct ipc_msg *m, int fd);
/** Never blocks. 1 = a message; 0 = the peer is gone; -EAGAIN; -EBADMSG. `*fd` gets the descriptor of an
 * IPC_AUDIT_FD, else -1; NULL: none expected. */
int ipc_recv(int sock, struct ipc_msg *out, int *fd);

#endif
