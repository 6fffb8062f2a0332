/* Audit-only: what would be refused is written down and let through, as far as that is safe. */
#include "lib/base.h"
#include "lib/policy_loader.h"

static const struct port_range every_port = {1, UINT16_MAX};

static void init_implied(struct route *r, enum route_protocol protocol)
{
    *r = (struct route){.host = "*",
        .implied = true,
        .outbound = DETECT_TOKEN_PATTERNS | DETECT_KNOWN_SECRETS,
        .inbound = DETECT_INJECTION,
        .dlp_action = DLP_AUDIT,
        .protocol = protocol,
        .ports = &every_port,
        .n_ports = 1};
}

int policy_audit_only(struct policy *p)
{
    if (p->implied)
        return 0;
    struct route *implied = arena_alloc(p->arena, 2 * sizeof *implied);
    if (!implied)
        return -ENOMEM;
    init_implied(&implied[ROUTE_HTTP], ROUTE_HTTP);
    init_implied(&implied[ROUTE_TCP], ROUTE_TCP);
    implied[0].index = implied[1].index = (uint32_t)p->n_routes;
    /* Nobody else has seen the policy yet. */
    for (size_t i = 0; i < p->n_routes; i++)
        ((struct route *)(uintptr_t)p->routes)[i].dlp_action = DLP_AUDIT;
    p->implied = implied;
    return 0;
}

bool policy_only_notes(const struct policy *p, enum reason why)
{
    switch (why) {
    case REASON_NO_ROUTE:
    case REASON_NO_MATCH:
    case REASON_DNS_TYPE:
    case REASON_NO_SNI:
    case REASON_PLAINTEXT:
    case REASON_GIT:
    case REASON_GIT_PUSH:
    case REASON_DLP_OUTBOUND:
    case REASON_DLP_INBOUND:
    case REASON_ECH:
    case REASON_AMBIGUOUS_PATH: return p->implied != NULL;
    default: return false;
    }
}

const struct route *policy_route_port(const struct policy *p, const char *host, uint16_t port)
{
    const struct route *r = policy_route(p, host);
    if (r && route_has_port(r, port))
        return r;
    return p->implied;
}
