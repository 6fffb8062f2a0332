/** \file
 * What flow.c (stages), flow_sniff.c (the verdict) and flow_audit.c (lines) share. Nobody else includes this.
 */
#ifndef EGRESS_APPLIANCE_FLOW_FLOW_INTERNAL_H
#define EGRESS_APPLIANCE_FLOW_FLOW_INTERNAL_H

#include "appliance/engine.h"
#include "appliance/flow/clienthello.h"
#include "appliance/flow/conn.h"
#include "appliance/flow/flow.h"
#include "appliance/http/codec.h"
#include "appliance/http/upstream.h"

enum stage { STAGE_SNIFF, STAGE_LEAF, STAGE_HANDSHAKE, STAGE_HTTP, STAGE_DIAL, STAGE_RELAY, STAGE_OVER };

enum alpn_offer { OFFER_NONE = 0, OFFER_ANY = 1, OFFER_HTTP11 = 2, OFFER_H2 = 4 };

struct flow {
    struct flow *next, **prev;
    struct engine *e;
    struct conn *c; /* the agent's; NULL once handed on */
    struct conn *up; /* the upstream's, between DIAL and RELAY */
    struct relay *relay;
    struct upstream_request *probe; /* of upstream_alpn(), while it has not answered */
    struct http_front front;
    struct engine_timer timer;
    struct endpoint agent, dst;
    const struct route *route; /* the one that the name has, also if it is refused */
    const struct route *tcp; /* an address that is leased to a tcp route and an http route alike: where to, if
                                no name says otherwise */
    char *tcp_name; /* in audit-only mode also without `tcp`: what the address is leased to */
    char *connect; /* what a CONNECT asked for: the one name that the tunnel may have; NULL: there was none */
    char *name; /* what is judged: SNI, leased name, or the text of an address; NULL: not known */
    const char *mode; /* as the log has it */
    const char *detail; /* static text, or `detail_own` */
    char *detail_own;
    uint64_t started; /* us */
    uint64_t from_agent, to_agent; /* octets */
    uint32_t leaf_token; /* of engine_leaf(); 0: none under way */
    uint64_t deadline; /* loop ms: of sniffing */
    uint16_t wanted; /* octets that SO_RCVLOWAT was set to wait for; 0: not yet */
    uint16_t peeked; /* octets that were there when we last looked */
    uint8_t stage; /* enum stage */
    uint8_t reason; /* enum reason */
    uint8_t noted; /* enum reason: audit-only, why it would have been refused */
    uint8_t offer; /* enum alpn_offer bits */
    bool tls, has_sni; /* there is a ClientHello; it has a server name */
    bool alpn_wanted, leaf_wanted;
    bool opened; /* its first line is written */
    bool upstream_h2;
    bool lowat; /* SO_RCVLOWAT is set */
    bool ech;
    bool proxy; /* the proxy's client has yet to say where to */
    char id[AUDIT_ID_LEN + 1];
    char dns_id[LEASE_DNS_ID_LEN + 1];
};

/* flow_sniff.c */

/** Looks at what has come, and once it is enough ends in one of the verdicts below. */
void flow_sniff(struct flow *f);
/** To the tcp route that the address is leased to, since no name says otherwise. */
void flow_relay_unnamed(struct flow *f);
/** Audit-only: a refusal that is only noted. False: it stands, or there is no name to go by. */
bool flow_relay_noted(struct flow *f, enum reason why);

/** Waits for `need` octets in all; `n` are there. */
void flow_wait_for(struct flow *f, size_t n, size_t need);

/* flow_proxy.c */

/** The first octets of a proxy's client. */
void flow_proxy_sniff(struct flow *f, const uint8_t *p, size_t n);

/* flow.c */

/** The first look, and the time there is for it. */
void flow_begin_sniff(struct flow *f);
/** Over, in order: what was sent gets out first. */
void flow_end(struct flow *f);
/** TLS with our leaf, HTTP inside. */
void flow_bump(struct flow *f);
/** HTTP without TLS. */
void flow_plain(struct flow *f);
/** As they are, to `f->name` by `f->route`. */
void flow_dial(struct flow *f);
/** The handshake and an answer that says `why`; where there is nothing to answer to, RST. */
void flow_deny(struct flow *f, enum reason why, const char *detail);
/** A TLS alert and FIN. */
void flow_alert(struct flow *f, uint8_t description, enum reason why, const char *detail);
/** RST. */
void flow_cut(struct flow *f, enum reason why, const char *detail);
/** Calls flow_sniff() again in a while, whatever the socket says. */
void flow_look_again(struct flow *f);
/** Wakes us when so many octets are there. */
void flow_set_lowat(struct flow *f, size_t octets);
/** `name` is copied. False: no memory. */
bool flow_set_name(struct flow *f, const char *name);

/* flow_audit.c */
void flow_audit_open(struct flow *f, const char *mode);
void flow_audit_closed(struct flow *f);
/** What the server name carries. */
void flow_audit_finding(struct flow *f, const char *detector, bool block);
/** The line of a CONNECT that is refused. */
void flow_audit_connect(struct flow *f, const char *target, int status);

#endif
