#include "appliance/flow/proxy_head.h"

#include <stdio.h>
#include <string.h>

#include "appliance/http/h1_parse.h"
#include "lib/arena.h"
#include "lib/base.h"

#define ARENA_MAX KIB(256)

/* RFC 9110 9.3.6: the target is host and port, and Host says the same. */
static enum reason read_target(const struct http_head *h, struct proxy_head *a)
{
    char named[HOSTNAME_MAX + 1];
    uint16_t port;
    (void)snprintf(a->target, sizeof a->target, "%s", h->target);
    enum host_kind kind = host_port_canon(h->target, strlen(h->target), a->host, NULL, &a->port);
    if (kind == HOST_BAD || a->port == 0) {
        a->host[0] = '\0';
        return REASON_MALFORMED;
    }
    if (h->authority && host_port_canon(h->authority, strlen(h->authority), named, NULL, &port) == HOST_BAD)
        return REASON_MALFORMED;
    if (h->authority && strcmp(named, a->host) != 0)
        return REASON_HOST_MISMATCH;
    return kind == HOST_IP ? REASON_NO_ROUTE : REASON_NONE;
}

enum reason proxy_head_parse(const uint8_t *p, size_t n, struct proxy_head *out)
{
    struct arena arena;
    struct h1_head head;
    arena_init(&arena, ARENA_MAX);
    enum reason why = h1_parse_request(&arena, p, n, false, &head);
    if (why == REASON_NONE)
        why = read_target(&head.h, out);
    arena_free(&arena);
    return why;
}
