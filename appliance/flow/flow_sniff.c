/* From an accepted socket to a verdict. Octets are only looked at: they stay in the socket for whoever is to
 * read them. */
#include "appliance/flow/flow_internal.h"

#include <netinet/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "appliance/flow/sniff.h"

enum { ALERT_DECODE_ERROR = 50, ALERT_UNRECOGNIZED_NAME = 112 };

/* Has the agent ended its side, so that what is there is all there will be? */
static bool input_ended(const struct flow *f)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    if (getsockopt(conn_fd(f->c), IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return true;
    return info.tcpi_state != TCP_ESTABLISHED;
}

/* SO_RCVLOWAT wakes us once there is as much as we asked for. Being woken with less means that no more will
 * come, or that the kernel is short of room for it (segments of one octet each cost it hundreds): then look
 * again in a while. */
void flow_wait_for(struct flow *f, size_t n, size_t need)
{
    bool woken_early = f->wanted && n < f->wanted;
    if (woken_early && input_ended(f)) {
        flow_cut(f, REASON_MALFORMED, "ended within its first octets");
        return;
    }
    f->peeked = (uint16_t)n;
    if (n) {
        f->wanted = (uint16_t)need;
        flow_set_lowat(f, need);
    }
    conn_read_enable(f->c, !woken_early);
    if (woken_early)
        flow_look_again(f);
}

static void found_name(struct flow *f, const char *name)
{
    if (flow_set_name(f, name))
        (void)engine_dns_id(f->e, &f->dst.addr, name, f->dns_id);
}

void flow_relay_unnamed(struct flow *f)
{
    f->has_sni = false; /* it is not what decided */
    f->route = f->tcp;
    found_name(f, f->tcp_name);
    flow_dial(f);
}

bool flow_relay_noted(struct flow *f, enum reason why)
{
    if (!policy_only_notes(f->e->policy, why) || !f->tcp_name)
        return false;
    f->noted = (uint8_t)why;
    f->tcp = &f->e->policy->implied[ROUTE_TCP];
    flow_relay_unnamed(f);
    return true;
}

/* Audit-only: by the implied route instead of a refusal; or as the route says, noted. */
static bool goes_noted(struct flow *f, enum reason why, const struct route *instead)
{
    if (!policy_only_notes(f->e->policy, why))
        return false;
    f->noted = (uint8_t)why;
    if (instead)
        f->route = instead;
    return true;
}

/* A name that nobody may see in the clear must not travel sealed: on a spliced connection a ClientHello may
 * hold another one, encrypted, for the upstream's front end to act on. GREASE looks the same by design, so it
 * is refused as well; where the route is opened (bump), both are harmless: ours is the only ClientHello that
 * the upstream gets. */
static void judge_route(struct flow *f)
{
    const struct route *r = f->route, *implied = f->e->policy->implied;
    const char *finding = r ? engine_name_finding(f->e->inspector, r, f->name) : NULL;
    if (finding)
        flow_audit_finding(f, finding, r->dlp_action == DLP_BLOCK);
    if (finding && r->dlp_action == DLP_BLOCK) {
        flow_deny(f, REASON_DLP_OUTBOUND, NULL);
        return;
    }
    bool fits = r && route_has_port(r, f->dst.port) && r->protocol != ROUTE_UDP;
    if (!fits && goes_noted(f, REASON_NO_ROUTE, implied))
        flow_bump(f);
    else if (!fits)
        flow_deny(f, REASON_NO_ROUTE, NULL);
    else if (r->protocol == ROUTE_TCP)
        flow_dial(f);
    else if (r->tls == ROUTE_TLS_SPLICE && f->ech && !goes_noted(f, REASON_ECH, NULL))
        flow_deny(f, REASON_ECH, NULL);
    else if (r->tls == ROUTE_TLS_SPLICE)
        flow_dial(f);
    else
        flow_bump(f);
}

static void judge_hello(struct flow *f, const struct client_hello *h)
{
    f->tls = true;
    f->ech = h->ech;
    f->offer = (uint8_t)((h->alpn ? OFFER_ANY : 0) | (h->alpn_http11 ? OFFER_HTTP11 : 0) |
                         (h->alpn_h2 ? OFFER_H2 : 0));
    if (h->sni_kind == SNI_NAME) {
        f->has_sni = true;
        f->route = policy_route(f->e->policy, h->sni);
        found_name(f, h->sni);
    }
    const struct route *r = f->has_sni ? policy_route_port(f->e->policy, h->sni, f->dst.port) : NULL;
    bool web = r && r->protocol == ROUTE_HTTP;
    if (web && r->implied)
        web = h->alpn_h2 || h->alpn_http11; /* TLS on other ports may hold anything */
    if (f->connect && h->sni_kind == SNI_NAME && strcmp(f->connect, h->sni) != 0) {
        flow_deny(f, REASON_HOST_MISMATCH, "CONNECT and server name differ");
    } else if (f->tcp && !web) {
        flow_relay_unnamed(f);
    } else if (h->sni_kind == SNI_BAD) {
        flow_alert(f, ALERT_UNRECOGNIZED_NAME, REASON_MALFORMED, "the server name is not a host name");
    } else if (h->sni_kind == SNI_NAME) {
        judge_route(f);
    } else if (h->sni_kind != SNI_NONE || !flow_relay_noted(f, REASON_NO_SNI)) {
        char text[ADDR_STRLEN];
        f->has_sni = h->sni_kind == SNI_ADDRESS;
        const char *meant = f->connect ? f->connect : addr_format(&f->dst.addr, text);
        (void)flow_set_name(f, f->has_sni ? h->sni : meant);
        flow_deny(f, REASON_NO_SNI, NULL);
    }
}

static void sniff_tls(struct flow *f, const uint8_t *p, size_t n)
{
    struct client_hello h;
    size_t need;
    switch (client_hello_parse(p, n, &h, &need)) {
    case HELLO_MORE: flow_wait_for(f, n, need); break;
    case HELLO_OK: judge_hello(f, &h); break;
    case HELLO_BAD:
        flow_alert(f, ALERT_DECODE_ERROR, REASON_MALFORMED, "not a well-formed ClientHello");
        break;
    }
}

void flow_sniff(struct flow *f)
{
    uint8_t *p = f->e->scratch;
    ssize_t n;
    do
        n = recv(conn_fd(f->c), p, CLIENT_HELLO_MAX, MSG_PEEK);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        flow_wait_for(f, 0, 1);
        return;
    }
    if (n <= 0) {
        flow_cut(f, REASON_NO_ROUTE, "ended before it named a host");
        return;
    }
    if (f->proxy) {
        flow_proxy_sniff(f, p, (size_t)n);
        return;
    }
    switch (sniff(p, (size_t)n)) {
    case SNIFF_MORE: flow_wait_for(f, (size_t)n, (size_t)n + 1); break;
    case SNIFF_TLS: sniff_tls(f, p, (size_t)n); break;
    case SNIFF_HTTP:
        if (f->tcp && !f->tcp->implied)
            flow_relay_unnamed(f);
        else
            flow_plain(f);
        break;
    case SNIFF_NEITHER:
        if (f->tcp)
            flow_relay_unnamed(f);
        else if (!flow_relay_noted(f, REASON_NO_ROUTE))
            flow_cut(f, REASON_NO_ROUTE, "neither TLS nor HTTP");
        break;
    }
}
