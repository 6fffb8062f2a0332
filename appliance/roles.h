/** \file
 * What the monitor hands to each role when it forks it. Every descriptor is open already; a role prepares
 * (may still open files), sandboxes itself, says IPC_READY on `control`, and serves until IPC_DRAIN or the
 * monitor is gone. The run functions return the exit status of the process.
 */
#ifndef EGRESS_APPLIANCE_ROLES_H
#define EGRESS_APPLIANCE_ROLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#include "lib/policy.h"

/** Unassigned on Debian, Alpine and Fedora; in systemd's dynamic range, so nobody logs in as them. */
#define UID_SIGNER 65521
#define UID_RESOLVER 65522
#define UID_ENGINE 65523

/** Engine slots: those of all generations that live at one time. */
#define ENGINES_MAX 64
#define QUEUE_NUMBER 7
/** What the engines share of TLS session tickets; TLS_TICKET_KEY_LEN of flow/tls.h, which the monitor does
 * not know. */
#define TICKET_KEY_LEN 80

/** After a reload, what goes by a route that stayed as it was may go on for so long. */
#define KEPT_DRAIN_MS 3600000u

struct inspector;

struct signer_config {
    int control;
    const char *ca_dir; /* holds ca.crt and ca.key; made here where they are missing */
    const int *engines; /* one socket an engine slot, of every generation; slots outlive engines. At most
                           ENGINES_MAX */
    size_t n_engines;
};

struct resolver_config {
    int control, audit_fd;
    const struct policy *policy;
    const struct secrets *secrets;
    const struct inspector *inspector; /* as the engines' */
    int udp4, udp6, tcp4, tcp6; /* port 53, IP_TRANSPARENT, IP_RECVORIGDSTADDR; -1 where there is none */
    const int *engines; /* one socket an engine slot */
    size_t n_engines;
    void *lease_mem; /* writable */
    size_t lease_len;
    void *refused_mem; /* writable: a table of names that were refused with an address of ours; NULL: none */
    size_t refused_len;
    const char *const *upstreams; /* --dns-upstream; empty: the policy's, else /etc/resolv.conf's */
    size_t n_upstreams;
    const char *resolv_conf; /* read in place of /etc/resolv.conf; NULL: that */
    X509_STORE *trust; /* what DNS-over-TLS upstreams are verified against; NULL: the system's CAs */
    struct addr self4, self6; /* the sidecar's address on the agent network: what `explain` answers with */
    bool ipv6; /* the uplink has IPv6 */
};

struct engine_config {
    unsigned index;
    int control, audit_fd, signer, resolver;
    const struct policy *policy;
    const struct secrets *secrets;
    int listen4, listen6; /* TPROXY listeners, or REDIRECT ones where `redirect` is set; -1 for none */
    bool has_proxy;
    int proxy4; /* the explicit proxy's listener, where `has_proxy` */
    bool redirect; /* original destination by SO_ORIGINAL_DST, not by getsockname() */
    int nfqueue; /* NETLINK_NETFILTER socket bound to QUEUE_NUMBER + index; -1 for none */
    const void *lease_mem, *refused_mem; /* read-only; as the resolver's */
    size_t lease_len, refused_len;
    X509_STORE *trust; /* of engine_trust() */
    struct addr self4, self6;
    bool ipv6;
    bool ktls; /* the kernel can encrypt */
    const uint8_t *kept; /* by route: 0 once a newer policy has it no more, or changed; the monitor's to
                            write. May be NULL: as if all were */
    struct inspector *inspector; /* built from this policy before the fork (inspect/inspect.h); NULL: none */
    const uint8_t
        *ticket_key; /* TICKET_KEY_LEN random octets, the same for all engines; NULL: each its own */
};

/** A process's whole life behind fork(2): give up privileges, serve until told to end. Return its exit
 * status. */
int signer_run(const struct signer_config *c);
int resolver_run(const struct resolver_config *c);
/** What upstreams are verified against: the system's CAs and those in these PEM files. The monitor loads it
 * once for all engines of a generation. NULL and a sentence in `err`. */
X509_STORE *engine_trust(const char *const *upstream_ca, size_t n_upstream_ca, char *err, size_t errlen);
/** What inspection looks for, made once for all processes of a generation. NULL and a sentence in `err`. */
struct inspector *engine_inspector(const struct policy *p, const struct secrets *s, char *err, size_t errlen);
void engine_inspector_free(struct inspector *i);
/** For the resolver: what a name below `r` carries out that its outbound detectors look for; a detector's
 * name, or NULL. Names that the policy spells out are not the agent's to choose. */
const char *engine_name_finding(const struct inspector *i, const struct route *r, const char *host);
int engine_run(const struct engine_config *c);

#endif
