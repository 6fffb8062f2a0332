/** \file
 * Why something was refused: one list for answers to the agent, the audit log and the tests.
 */
#ifndef EGRESS_LIB_REASON_H
#define EGRESS_LIB_REASON_H

enum reason {
    REASON_NONE, /* allowed */
    REASON_NO_ROUTE,
    REASON_NO_MATCH,
    REASON_DNS_TYPE,
    REASON_NO_SNI,
    REASON_PLAINTEXT,
    REASON_GIT,
    REASON_GIT_PUSH,
    REASON_DLP_OUTBOUND,
    REASON_DLP_INBOUND,
    REASON_HOST_MISMATCH,
    REASON_PRIVATE_ADDRESS,
    REASON_ECH,
    REASON_MALFORMED,
    REASON_AMBIGUOUS_PATH,
    REASON_LIMIT,
    REASON_UPSTREAM_TLS,
    REASON_UPSTREAM_UNREACHABLE,
    REASON_AUDIT_UNAVAILABLE,
    REASON_COUNT
};

/** "no_route"...; "" for REASON_NONE. */
const char *reason_name(enum reason r);
/** The HTTP status that carries it: 403, 400, 502 or 504. */
int reason_status(enum reason r);
/** A sentence for whoever reads the 403: what to do about it. */
const char *reason_hint(enum reason r);

#endif
