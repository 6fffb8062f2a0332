/** \file
 * The compiled policy: what a policy file means, immutable once loaded, shared by fork with every role.
 *
 * policy_load() turns YAML into this (errors carry line and column); policy_route() and policy_judge() are
 * pure lookups: no sockets, no clock. Cost does not grow with the number of routes (hash by name, one probe a
 * label).
 */
#ifndef EGRESS_LIB_POLICY_H
#define EGRESS_LIB_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/hostname.h"
#include "lib/reason.h"

enum route_tls { ROUTE_TLS_BUMP, ROUTE_TLS_SPLICE };
enum route_protocol { ROUTE_HTTP, ROUTE_TCP, ROUTE_UDP };
enum match_type { MATCH_PREFIX, MATCH_EXACT, MATCH_REGEX };
enum auth_scheme { AUTH_NONE, AUTH_BEARER, AUTH_TOKEN, AUTH_BASIC, AUTH_HEADER };
enum dns_refused { DNS_REFUSED_EXPLAIN, DNS_REFUSED_NXDOMAIN, DNS_REFUSED_REFUSED };
enum dns_dnssec { DNS_DNSSEC_PASSTHROUGH, DNS_DNSSEC_VALIDATE };
enum dlp_action { DLP_BLOCK, DLP_AUDIT };

/** Detectors, as bits. */
#define DETECT_TOKEN_PATTERNS 0x1u
#define DETECT_KNOWN_SECRETS 0x2u
#define DETECT_INJECTION 0x4u

struct regex; /* a PCRE2 pattern, anchored at both ends, with match and depth limits */

struct path_match {
    enum match_type type;
    const char *value;
    size_t len;
    const struct regex *regex; /* MATCH_REGEX only */
};

struct header_match {
    const char *name; /* lower case */
    enum match_type type; /* exact or regex */
    const char *value;
    const struct regex *regex;
};

struct match {
    const struct path_match *paths; /* none = every path */
    size_t n_paths;
    const char *const *methods; /* none = every method */
    size_t n_methods;
    const struct header_match *headers; /* all must hold */
    size_t n_headers;
};

struct auth {
    enum auth_scheme scheme;
    const char *token_ref; /* name of the secret */
    const char *header; /* lower-case field that carries it: "authorization" but for AUTH_HEADER */
    const char *placeholder; /* replaced inside the agent's own headers; NULL if none */
};

struct port_range {
    uint16_t lo, hi;
};

struct route {
    const char *host; /* as in the file, canonical: "a.example" or "*.a.example" */
    bool wildcard;
    bool implied; /* none of the file's: what audit-only mode lets through (policy_audit_only()) */
    const char *role; /* NULL if none */
    const char *const *strip_headers; /* by role, lower case; authorization is among them even without auth */
    size_t n_strip_headers;
    struct auth auth;
    const struct match *matches;
    size_t n_matches;
    unsigned outbound, inbound; /* DETECT_ bits; outbound covers the name too, where the rest is sealed */
    enum dlp_action dlp_action;
    bool git_fetch, git_push;
    const char *const *git_repos; /* push: only these "org/name" */
    size_t n_git_repos;
    enum route_tls tls;
    enum route_protocol protocol;
    const struct port_range *ports;
    size_t n_ports;
    bool allow_private;
    const uint16_t *dns_types; /* query types beside A, AAAA, CNAME, HTTPS, SVCB */
    size_t n_dns_types;
    uint32_t index; /* position in the file, from 0 */
    uint32_t line, col; /* of its host */
};

/** Milliseconds; the policy's `timeouts` section, by these names. */
struct timeouts {
    uint32_t client_hello, tls_handshake, request_head, request_body_idle, connect, response_head, idle,
        keepalive, upstream_keepalive, upstream_queue, drain;
};

struct policy_limits {
    uint32_t upstream_connections; /* at once to one host and port, of one engine */
};

struct policy_dns {
    enum dns_refused refused;
    enum dns_dnssec dnssec;
    const char *const *insecure; /* canonical names at and below which nothing is signed: private zones */
    size_t n_insecure;
    const char *trust_anchor; /* file of the root's DS records; NULL: the public root's */
    const char *const
        *upstreams; /* "IP[:PORT]" or "tls://IP[:PORT]#NAME"; empty = --dns-upstream or the host's */
    size_t n_upstreams;
    uint32_t ttl_min, ttl_max, negative_ttl_max, stale_max; /* seconds */
    size_t cache_bytes;
    uint32_t wildcard_labels_per_minute, wildcard_label_max;
};

struct policy_audit {
    bool query_strings;
    const char *const *headers; /* request fields whose values are logged */
    size_t n_headers;
    uint64_t rotate_bytes;
    uint32_t keep;
};

struct policy_inspect {
    const char *const *secrets; /* names of further known secrets */
    size_t n_secrets;
    uint32_t max_depth; /* nested encodings */
};

struct policy {
    const struct route *routes;
    size_t n_routes;
    struct timeouts timeouts;
    struct policy_limits limits;
    struct policy_dns dns;
    struct policy_audit audit;
    struct policy_inspect inspect;
    uint16_t proxy_port; /* explicit proxy listener; 0 = off */
    const struct route *implied; /* audit-only: [ROUTE_HTTP] and [ROUTE_TCP]; NULL: refusals are refusals */
    struct policy_index *index;
    struct arena *arena;
};

struct policy_error {
    unsigned line, col; /* from 1; 0 where the whole file is meant */
    char text[400]; /* what is wrong and what is allowed */
};

/** Parses and compiles `text`. NULL and `*err` on the first error. The result owns everything it points to.
 */
struct policy *policy_load(const char *text, size_t len, struct policy_error *err);
/** The same from a file; the error text names what failed. */
struct policy *policy_load_file(const char *path, struct policy_error *err);
/** A policy without routes: nothing is allowed. */
struct policy *policy_empty(void);
void policy_free(struct policy *p);

/** The route for a canonical host name: exact before wildcard, the longest wildcard first. Where there is
 * none: NULL, or the implied one for HTTP in audit-only mode. */
const struct route *policy_route(const struct policy *p, const char *host);
/** The same, where it has the port too. */
const struct route *policy_route_port(const struct policy *p, const char *host, uint16_t port);

/** Ports that are not the sidecar's otherwise: neither DNS, nor the web's, nor the engines'. */
bool policy_proxy_port_ok(uint16_t port);

/** From now on what no route allows goes by an implied route, and findings do not block: for an operator who
 * wants to see what an agent needs. Private addresses, malformed and ambiguous requests, and names that
 * differ stay refused; nothing is injected by an implied route. Before anything uses the policy. 0 or
 * -ENOMEM. */
int policy_audit_only(struct policy *p);
/** Is this refusal only written down? */
bool policy_only_notes(const struct policy *p, enum reason why);

/** Whether the route covers this port; whether its names may be asked for with this query type. */
bool route_has_port(const struct route *r, uint16_t port);
bool route_has_dns_type(const struct route *r, uint16_t qtype);

/** One header field; values are not NUL-terminated and hold no CR, LF or NUL. */
struct field {
    const char *name; /* lower case */
    const char *value;
    uint32_t name_len, value_len;
};

/** Whether some server takes the field for the one of that lower-case name. Those that hand fields on as CGI
 * variables (RFC 3875 4.1.18) make `x_kind` and `x-kind` the same HTTP_X_KIND, and some any other octet than
 * letters and digits. */
bool field_reads_as(const struct field *f, const char *lower);

/** What a request's judgement depends on. `path` is canonical (lib/target.h), without its query; `ambiguous`
 * are the AMBIGUOUS_ bits that came with it. `fields` are the agent's, before anything is stripped. */
struct request {
    const char *method;
    const char *path;
    size_t path_len;
    unsigned ambiguous;
    const char *query; /* without '?'; NULL if none */
    size_t query_len;
    const struct field *fields;
    size_t n_fields;
};

/** Whether `route` allows the request: REASON_NONE, NO_MATCH, GIT, GIT_PUSH, AMBIGUOUS_PATH (a rule or git
 * depends on what the path says, and it says two things) or LIMIT (a regex ran away). `*match` gets the index
 * of the entry that decided, or -1. */
enum reason policy_judge(const struct route *route, const struct request *req, int *match);

/** What of git's HTTP protocols a request is, whatever the route allows. */
enum git_kind {
    GIT_NONE,
    GIT_FETCH, /* upload-pack, its advertisement, the dumb protocol's info/refs, LFS reads */
    GIT_PUSH, /* receive-pack, its advertisement, LFS writes */
    GIT_LFS_BATCH, /* the body's "operation" says which: policy_judge_lfs() once it is known */
    GIT_OTHER, /* info/refs for any other service, or for several */
    GIT_HIDDEN, /* git only to a server that decodes further than we do */
};
/** `*repo` gets the slice of req->path before the service, without slashes around it and ".git"; "" if none.
 */
enum git_kind git_classify(const struct request *req, const char **repo, size_t *repo_len);
/** For GIT_LFS_BATCH that policy_judge() let through: may this route's LFS batch upload (or else download)?
 */
enum reason policy_judge_lfs(const struct route *route, const struct request *req, bool upload);

/** Secrets: NAME=value lines. Values never leave this table but through secrets_get(). */
struct secrets;
/** Refuses a file that others may read. NULL and a message in `err` on failure. */
struct secrets *secrets_load(const char *path, char *err, size_t errlen);
/** Those that the policy names, as far as the environment has them. NULL: no memory. */
struct secrets *secrets_of_environment(const struct policy *p);
const char *secrets_get(const struct secrets *s, const char *name);
size_t secrets_count(const struct secrets *s);
const char *secrets_at(const struct secrets *s, size_t i, const char **name);
/** Wipes the values. */
void secrets_free(struct secrets *s);

#endif
