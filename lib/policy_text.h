/** \file
 * A policy in words, for people: what may go where, why a request is refused, what a change changes.
 *
 * Secrets appear by name only; this code never sees their values.
 */
#ifndef EGRESS_LIB_POLICY_TEXT_H
#define EGRESS_LIB_POLICY_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "lib/hostname.h"
#include "lib/policy.h"

/** Every route and what it lets through, then the settings that are not the defaults. */
void policy_summary(FILE *out, const struct policy *p);

/** A request as someone would write it down. */
struct policy_query {
    const char *method; /* NULL: GET */
    const char *url; /* http:// or https:// */
    const char *const *headers; /* "Name: value" */
    size_t n_headers;
    const char *body; /* NULL: not known */
    size_t body_len;
    /* Looks into what the rules let through, says what it finds, and gives the reason if that blocks. NULL:
     * nobody here can; a note says so. */
    enum reason (*inspect)(
        void *arg, FILE *out, const struct route *r, const char *host, const struct request *req);
    void *inspect_arg;
};

/** Judges it offline and says which rule decides and why. REASON_NONE: allowed, as far as names, paths,
 * methods, headers, the one kind of body that rules depend on (git LFS) and `inspect` go; addresses and
 * certificates are judged when they are there. */
enum reason policy_explain(FILE *out, const struct policy *p, const struct policy_query *q);

/** A DNS query type's name, or NULL. */
const char *policy_type_name(uint16_t type);

/** A host in any script to its canonical form; HOST_BAD: it is none. */
enum host_kind policy_host_canon(const char *in, char out[static HOSTNAME_MAX + 1]);

/** What `b` changes in `a`, by host and setting. True if anything. */
bool policy_diff(FILE *out, const struct policy *a, const struct policy *b);

/** Which routes of `old` a flow may go on by: `kept[i]` stays as it is where `now` has route i unchanged and
 * no route of its own for a name below it; else it becomes 0. */
void policy_keep(const struct policy *old, const struct policy *now, uint8_t *kept);

#endif
