#include "lib/reason.h"

#include "lib/base.h"

static const struct {
    const char *name;
    int status;
    const char *hint;
} reasons[] = {
    [REASON_NONE] = {"", 200, ""},
    [REASON_NO_ROUTE] = {"no_route", 403,
        "No route of the policy allows this destination; ask the operator to add one."},
    [REASON_NO_MATCH] = {"no_match", 403,
        "The host is allowed, but none of its matches covers this method, path or header."},
    [REASON_DNS_TYPE] = {"dns_type", 403, "This DNS query type is not allowed for the name."},
    [REASON_NO_SNI] = {"no_sni", 403, "TLS without a server name cannot be judged; connect by host name."},
    [REASON_PLAINTEXT] = {"plaintext", 403,
        "This route carries credentials and refuses plain HTTP; use https."},
    [REASON_GIT] = {"git", 403, "git is not allowed on this route; the operator can set git.fetch."},
    [REASON_GIT_PUSH] = {"git_push", 403, "git push is not allowed on this route."},
    [REASON_DLP_OUTBOUND] = {"dlp_outbound", 403, "The request holds something that looks like a secret."},
    [REASON_DLP_INBOUND] = {"dlp_inbound", 403,
        "The response holds what looks like an injected instruction."},
    [REASON_HOST_MISMATCH] = {"host_mismatch", 403, "TLS server name and HTTP host differ; use one name."},
    [REASON_PRIVATE_ADDRESS] = {"private_address", 403,
        "The name resolves to an address that is not globally routable; the operator can set allow_private."},
    [REASON_ECH] = {"ech", 403, "Encrypted ClientHello hides the name that the policy judges; turn it off."},
    [REASON_MALFORMED] = {"malformed", 400, "The request is malformed or reads two ways."},
    [REASON_AMBIGUOUS_PATH] = {"ambiguous_path", 400, "The path reads two ways; send its plain form."},
    [REASON_LIMIT] = {"limit", 403, "A limit was reached; try again later."},
    [REASON_UPSTREAM_TLS] = {"upstream_tls", 502, "The upstream's TLS or certificate could not be verified."},
    [REASON_UPSTREAM_UNREACHABLE] = {"upstream_unreachable", 504, "The upstream could not be reached."},
    [REASON_AUDIT_UNAVAILABLE] = {"audit_unavailable", 403,
        "The audit log cannot be written, so nothing is allowed; the operator must free its disk."},
};
static_assert(ARRAY_LEN(reasons) == REASON_COUNT, "every reason has a name");

const char *reason_name(enum reason r)
{
    return (unsigned)r < REASON_COUNT ? reasons[r].name : "";
}

int reason_status(enum reason r)
{
    return (unsigned)r < REASON_COUNT ? reasons[r].status : 403;
}

const char *reason_hint(enum reason r)
{
    return (unsigned)r < REASON_COUNT ? reasons[r].hint : "";
}
