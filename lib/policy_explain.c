/* `policy test`: one request judged offline, with the rule that decided. */
#include <string.h>

#include "lib/base.h"
#include "lib/fields.h"
#include "lib/framing.h"
#include "lib/lfs.h"
#include "lib/policy_text.h"
#include "lib/target.h"

#define HEADERS_MAX 64

struct question {
    FILE *out;
    const struct policy *policy;
    const struct policy_query *query;
    bool tls;
    char host[HOSTNAME_MAX + 1];
    uint16_t port;
    const char *path; /* in the URL: path and query, as far as it has them */
    struct target target;
    char canonical[3 * TARGET_MAX + 2];
    struct field fields[HEADERS_MAX];
    size_t n_fields;
    char *names; /* lower-case names of `fields` */
};

static enum reason refuse(struct question *q, enum reason why, const char *detail)
{
    (void)fprintf(q->out, "deny (%s): %s\n", reason_name(why), detail);
    return why;
}

/* As a client makes it of a host that a person wrote. */
static enum host_kind read_host(struct question *q, const char *text, size_t n, struct addr *ip)
{
    char host[HOSTNAME_MAX + 8], plain[HOSTNAME_MAX + 1];
    char name[4 * HOSTNAME_MAX];
    const char *colon = memchr(text, ':', n);
    size_t len = colon ? (size_t)(colon - text) : n;
    (void)snprintf(name, sizeof name, "%.*s", (int)len, text);
    if (len >= sizeof name || memchr(text, '[', n) || policy_host_canon(name, plain) != HOST_NAME)
        return host_port_canon(text, n, q->host, ip, &q->port);
    int k = snprintf(host, sizeof host, "%s%.*s", plain, (int)(n - len), text + len);
    return (size_t)k < sizeof host ? host_port_canon(host, (size_t)k, q->host, ip, &q->port) : HOST_BAD;
}

/* Sets host, port and path. */
static enum reason read_url(struct question *q)
{
    const char *url = q->query->url, *rest = NULL;
    struct addr ip;
    if (strncmp(url, "https://", 8) == 0)
        rest = url + 8;
    else if (strncmp(url, "http://", 7) == 0)
        rest = url + 7;
    if (!rest)
        return refuse(q, REASON_MALFORMED, "the URL must begin with http:// or https://");
    q->tls = url[4] == 's';
    size_t n = strcspn(rest, "/?#");
    q->path = rest + n;
    switch (read_host(q, rest, n, &ip)) {
    case HOST_NAME: break;
    case HOST_BAD: return refuse(q, REASON_MALFORMED, "the URL's host is not a host name");
    case HOST_IP:
        return refuse(
            q, q->tls ? REASON_NO_SNI : REASON_NO_ROUTE, "the host is an address; routes go by name");
    }
    if (q->port == 0)
        q->port = q->tls ? 443 : 80;
    return REASON_NONE;
}

static enum reason read_target(struct question *q)
{
    /* A client leaves the fragment at home and asks for "/" where there is no path. */
    size_t len = strcspn(q->path, "#");
    bool rooted = q->path[0] == '/';
    char target[TARGET_MAX + 1];
    if (len + !rooted > TARGET_MAX)
        return refuse(q, REASON_LIMIT, "the path and query are longer than is accepted");
    (void)snprintf(target, sizeof target, "%s%.*s", rooted ? "" : "/", (int)len, q->path);
    switch (target_canon(target, strlen(target), q->canonical, sizeof q->canonical, &q->target)) {
    case TARGET_OK: return REASON_NONE;
    case TARGET_BAD: return refuse(q, REASON_MALFORMED, "the path or query is malformed");
    case TARGET_AMBIGUOUS: break;
    }
    return refuse(q, REASON_AMBIGUOUS_PATH, "the path reads two ways, whatever the rules");
}

static bool has_control(const char *s)
{
    for (; *s; s++)
        if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
            return true;
    return false;
}

static enum reason read_headers(struct question *q)
{
    size_t room = 1;
    for (size_t i = 0; i < q->query->n_headers; i++)
        room += strlen(q->query->headers[i]) + 1;
    q->names = calloc(1, room);
    if (!q->names || q->query->n_headers > HEADERS_MAX)
        return refuse(q, REASON_LIMIT, "too many headers");
    char *to = q->names;
    for (size_t i = 0; i < q->query->n_headers; i++) {
        const char *h = q->query->headers[i], *colon = strchr(h, ':');
        if (!colon || colon == h)
            return refuse(q, REASON_MALFORMED, "a header is 'Name: value'");
        q->fields[i] = (struct field){to, colon + 1, (uint32_t)(colon - h), (uint32_t)strlen(colon + 1)};
        memcpy(to, h, (size_t)(colon - h));
        to += colon - h;
        if (!http_is_token(q->fields[i].name, q->fields[i].name_len) || has_control(colon + 1))
            return refuse(q, REASON_MALFORMED, "a header's name or value has octets that may not be there");
    }
    q->n_fields = q->query->n_headers;
    return REASON_NONE;
}

/* RFC 6455 4.1: exactly one of each, which is the key of 16 octets in base64 or the version. */
static bool has_only(const struct question *q, const char *name, const char *value, size_t len)
{
    unsigned n = 0;
    for (size_t i = 0; i < q->n_fields; i++) {
        const struct field *f = &q->fields[i];
        if (!field_is(f, name, strlen(name)))
            continue;
        n += f->value_len == len && (!value || memcmp(f->value, value, len) == 0) ? 1 : 2;
    }
    return n == 1;
}

static bool bad_websocket(const struct question *q, const struct framing *fr)
{
    bool get = !q->query->method || strcmp(q->query->method, "GET") == 0;
    if (!get || !fr->websocket || !fr->upgrade || fr->chunked || fr->length > 0)
        return false;
    return !has_only(q, "sec-websocket-version", "13", 2) || !has_only(q, "sec-websocket-key", NULL, 24);
}

/* What is said of the connection and of framing, as the parser of HTTP/1 takes it; the rest goes on. */
static enum reason judge_form(struct question *q)
{
    struct framing fr = {0};
    char host[HOSTNAME_MAX + 1];
    uint16_t port;
    if (q->query->method && (!http_is_method(q->query->method) || strcmp(q->query->method, "CONNECT") == 0))
        return refuse(q, REASON_MALFORMED, "that is not a method of a request");
    q->n_fields = framing_take(&fr, q->fields, q->n_fields);
    if (!framing_ok(&fr, 1) || fr.hosts > 1)
        return refuse(q, REASON_MALFORMED, "a header of framing or connection is malformed or contradicts");
    if (bad_websocket(q, &fr))
        return refuse(
            q, REASON_MALFORMED, "a WebSocket needs Sec-WebSocket-Version: 13 and one Sec-WebSocket-Key");
    if (!fr.hosts)
        return REASON_NONE;
    if (host_port_canon(fr.host.value, fr.host.value_len, host, NULL, &port) == HOST_BAD)
        return refuse(q, REASON_MALFORMED, "the Host header is not a host name");
    if (strcmp(host, q->host) != 0 || (port && port != q->port))
        return refuse(q, REASON_HOST_MISMATCH, reason_hint(REASON_HOST_MISMATCH));
    return REASON_NONE;
}

/* What of an entry the request does not have, found by judging it with the entry's parts one by one. */
static void explain_entry(struct question *q, const struct route *r, const struct request *req, size_t i)
{
    const struct match *m = &r->matches[i];
    const struct match parts[] = {{.methods = m->methods, .n_methods = m->n_methods},
        {.headers = m->headers, .n_headers = m->n_headers}, {.paths = m->paths, .n_paths = m->n_paths}};
    static const char *const names[] = {"method", "headers", "path"};
    const char *comma = "";
    (void)fprintf(q->out, "  matches[%zu]: not the ", i);
    for (size_t k = 0; k < ARRAY_LEN(parts); k++) {
        struct route one = *r;
        int match;
        one.matches = &parts[k];
        one.n_matches = 1;
        if (policy_judge(&one, req, &match) == REASON_NONE)
            continue;
        (void)fprintf(q->out, "%s%s", comma, names[k]);
        comma = ", ";
    }
    (void)fputc('\n', q->out);
}

/* The batch request of LFS for reading and that for writing differ in their body only. */
static enum reason judge_batch(struct question *q, const struct route *r, const struct request *req)
{
    if (!q->query->body) {
        (void)fprintf(q->out, "note: an LFS upload would be %s\n",
            policy_judge_lfs(r, req, true) == REASON_NONE ? "allowed" : "refused");
        return REASON_NONE;
    }
    bool upload = lfs_operation(q->query->body, q->query->body_len) != LFS_DOWNLOAD;
    enum reason why = policy_judge_lfs(r, req, upload);
    return why == REASON_NONE ? why
                              : refuse(q, why, upload ? "the body asks for an LFS upload" : reason_hint(why));
}

static void note_rest(struct question *q, const struct route *r)
{
    if (r->auth.scheme != AUTH_NONE)
        (void)fprintf(
            q->out, "note: sends %s in %s; the agent's own is stripped\n", r->auth.token_ref, r->auth.header);
    if (r->outbound && !q->query->inspect)
        (void)fprintf(q->out,
            "note: a live request's path, query, headers and body are scanned too; a finding %s\n",
            r->dlp_action == DLP_BLOCK ? "blocks" : "is only logged");
}

static enum reason judge_request(struct question *q, const struct route *r)
{
    if (framing_is_hidden(q->fields, q->n_fields))
        return refuse(q, REASON_MALFORMED, "some servers would take a header for one of framing");
    enum reason why = read_target(q);
    if (why != REASON_NONE)
        return why;
    const struct request req = {
        .method = q->query->method ? q->query->method : "GET",
        .path = q->target.path,
        .path_len = q->target.path_len,
        .ambiguous = q->target.ambiguous,
        .query = q->target.query,
        .query_len = q->target.query_len,
        .fields = q->fields,
        .n_fields = q->n_fields,
    };
    int match;
    const char *repo;
    size_t repo_len;
    why = policy_judge(r, &req, &match);
    enum git_kind git = git_classify(&req, &repo, &repo_len);
    if (why == REASON_NONE && git == GIT_LFS_BATCH)
        why = judge_batch(q, r, &req);
    else if (why != REASON_NONE)
        (void)refuse(q, why, reason_hint(why));
    for (size_t i = 0; why == REASON_NO_MATCH && i < r->n_matches; i++)
        explain_entry(q, r, &req, i);
    if (why != REASON_NONE)
        return why;
    if (r->auth.scheme != AUTH_NONE && http_echoes(req.method))
        return refuse(
            q, REASON_NO_MATCH, "a credential is injected here, and the answer would be the request itself");
    if (r->outbound && q->query->inspect)
        why = q->query->inspect(q->query->inspect_arg, q->out, r, q->host, &req);
    if (why != REASON_NONE)
        return refuse(q, why, reason_hint(why));
    if (git != GIT_NONE)
        (void)fprintf(q->out, "allow: git, repository '%.*s'\n", (int)repo_len, repo);
    else if (match >= 0)
        (void)fprintf(q->out, "allow: matches[%d]\n", match);
    else
        (void)fputs("allow: the route has no matches, so every request but git's\n", q->out);
    note_rest(q, r);
    return REASON_NONE;
}

static enum reason judge_connection(struct question *q)
{
    const struct route *r = policy_route(q->policy, q->host);
    if (!r)
        return refuse(q, REASON_NO_ROUTE, "no route names this host or a wildcard above it");
    (void)fprintf(q->out, "route: %s (line %u)\n", r->host, r->line);
    if (!route_has_port(r, q->port))
        return refuse(q, REASON_NO_ROUTE, "the route does not have this port");
    if (r->protocol == ROUTE_UDP)
        return refuse(q, REASON_NO_ROUTE, "the route is for UDP");
    if (r->protocol == ROUTE_TCP || (r->tls == ROUTE_TLS_SPLICE && q->tls)) {
        (void)fputs("allow: passed sealed, judged by name and port only\n", q->out);
        return REASON_NONE;
    }
    if (r->tls == ROUTE_TLS_SPLICE)
        (void)fputs("note: plain HTTP on a spliced route is judged as any other\n", q->out);
    if (!q->tls && r->auth.scheme != AUTH_NONE)
        return refuse(q, REASON_PLAINTEXT, reason_hint(REASON_PLAINTEXT));
    enum reason why = judge_form(q);
    return why == REASON_NONE ? judge_request(q, r) : why;
}

enum reason policy_explain(FILE *out, const struct policy *p, const struct policy_query *query)
{
    struct question q = {.out = out, .policy = p, .query = query};
    enum reason why = read_url(&q);
    if (why == REASON_NONE)
        why = read_headers(&q);
    if (why == REASON_NONE)
        why = judge_connection(&q);
    free(q.names);
    return why;
}
