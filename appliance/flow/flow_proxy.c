/* The explicit proxy: its first request says where a client that was told of us wants to go. A CONNECT
 * becomes a flow like any other, whose one name is known beforehand; everything else is HTTP in absolute
 * form, request by request. */
#include "appliance/flow/flow_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "appliance/flow/proxy_head.h"
#include "appliance/http/h1_scan.h"

#define CONNECT "CONNECT "

static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";

/* The head is done with. What is behind it stays for whoever reads next. */
static void take_head(struct flow *f, size_t len)
{
    flow_set_lowat(f, 1);
    if (len)
        (void)!recv(conn_fd(f->c), f->e->scratch, len, 0);
}

static void refuse(struct flow *f, const struct proxy_head *a, enum reason why)
{
    static const char *const words[] = {[0] = "Forbidden", [1] = "Bad Request", [2] = "Bad Gateway"};
    char body[1024], head[300];
    int status = reason_status(why);
    size_t n = deny_body(body, sizeof body, why, a->host, f->id, NULL);
    int len = snprintf(head, sizeof head,
        "HTTP/1.1 %d %s\r\ncontent-type: application/json\r\nx-egress-verdict: deny\r\ncache-control: "
        "no-store\r\n"
        "content-length: %zu\r\nconnection: close\r\n\r\n",
        status,
        words[status == 403   ? 0
              : status == 400 ? 1
                              : 2],
        n);
    take_head(f, a->head_len);
    f->reason = (uint8_t)why;
    flow_audit_open(f, "refused");
    flow_audit_connect(f, a->target, status);
    conn_cork(f->c);
    (void)conn_send(f->c, head, (size_t)len);
    (void)conn_send(f->c, body, n);
    (void)conn_uncork(f->c);
    conn_set_linger(f->c);
    flow_end(f);
}

static enum reason judge(struct flow *f, const struct proxy_head *a)
{
    if (!audit_ok(f->e->audit))
        return REASON_AUDIT_UNAVAILABLE;
    const struct route *r = policy_route_port(f->e->policy, a->host, a->port);
    if (!r || r->protocol == ROUTE_UDP || engine_revoked(f->e, r))
        return REASON_NO_ROUTE;
    f->route = r;
    f->connect = strdup(a->host);
    f->tcp_name = strdup(a->host);
    return f->connect && f->tcp_name ? REASON_NONE : REASON_LIMIT;
}

/* From here on the flow is one that came by packet rules to this name and port. */
static void open_tunnel(struct flow *f, const struct proxy_head *a)
{
    bool web = a->port == 80 || a->port == 443;
    take_head(f, a->head_len);
    f->dst.port = a->port;
    f->proxy = false;
    f->wanted = f->peeked = 0;
    if (conn_send(f->c, established, sizeof established - 1) < 0) {
        flow_end(f);
        return;
    }
    if (f->route->protocol == ROUTE_TCP)
        f->tcp = f->route;
    else if (f->route->implied && !web)
        f->tcp = &f->e->policy->implied[ROUTE_TCP];
    if (f->route->protocol == ROUTE_TCP)
        flow_relay_unnamed(f);
    else
        flow_begin_sniff(f);
}

static void on_head(struct flow *f, const uint8_t *p, size_t n, size_t stop)
{
    struct proxy_head a = {.head_len = stop};
    (void)n;
    enum reason why = proxy_head_parse(p, stop, &a);
    if (a.host[0] && !flow_set_name(f, a.host))
        why = REASON_LIMIT;
    if (why == REASON_NONE)
        why = judge(f, &a);
    if (why == REASON_NONE)
        open_tunnel(f, &a);
    else
        refuse(f, &a, why);
}

void flow_proxy_sniff(struct flow *f, const uint8_t *p, size_t n)
{
    const size_t word = sizeof CONNECT - 1;
    if (memcmp(p, CONNECT, MIN(n, word)) != 0) {
        f->proxy = false;
        f->front.proxy = true;
        flow_plain(f);
        return;
    }
    struct h1_scan scan = {.kind = H1_REQUEST};
    size_t stop;
    switch (n < word ? H1_MORE : h1_scan(&scan, p, n, &stop)) {
    case H1_DONE: on_head(f, p, n, stop); break;
    case H1_MORE:
        if (n < CLIENT_HELLO_MAX) {
            flow_wait_for(f, n, n + 1);
            break;
        }
        refuse(f, &(struct proxy_head){.head_len = n}, REASON_LIMIT);
        break;
    case H1_LIMIT: refuse(f, &(struct proxy_head){.head_len = n}, REASON_LIMIT); break;
    case H1_BAD: refuse(f, &(struct proxy_head){.head_len = n}, REASON_MALFORMED); break;
    }
}
