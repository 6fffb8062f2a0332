/* Is this request allowed on its route? */
#include <string.h>

#include "lib/base.h"
#include "lib/policy.h"
#include "lib/policy_override.h"
#include "lib/regex.h"
#include "lib/target.h"

enum outcome { NO, YES, TWO_WAYS, RAN_AWAY };

static bool field_is(const struct field *f, const char *name)
{
    return f->name_len == strlen(name) && memcmp(f->name, name, f->name_len) == 0;
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool field_reads_as(const struct field *f, const char *lower)
{
    if (f->name_len != strlen(lower))
        return false;
    for (uint32_t i = 0; i < f->name_len; i++)
        if (f->name[i] != lower[i] && (is_alphanumeric(f->name[i]) || is_alphanumeric(lower[i])))
            return false;
    return true;
}

static enum outcome of_regex(enum regex_result r)
{
    return r == REGEX_YES ? YES : r == REGEX_NO ? NO : RAN_AWAY;
}

/* Whole segments: a value that ends in '/' is a beginning, another also needs a '/' after it. */
static bool has_prefix(const struct request *req, const struct path_match *m)
{
    if (req->path_len < m->len || memcmp(req->path, m->value, m->len) != 0)
        return false;
    return req->path_len == m->len || m->value[m->len - 1] == '/' || req->path[m->len] == '/';
}

static enum outcome match_path(const struct request *req, const struct path_match *m)
{
    switch (m->type) {
    case MATCH_PREFIX: return has_prefix(req, m) ? YES : NO;
    case MATCH_EXACT: return req->path_len == m->len && memcmp(req->path, m->value, m->len) == 0 ? YES : NO;
    case MATCH_REGEX: return of_regex(regex_match(m->regex, req->path, req->path_len));
    }
    return NO;
}

static enum outcome match_paths(const struct request *req, const struct match *m)
{
    if (m->n_paths == 0)
        return YES;
    if (req->ambiguous)
        return TWO_WAYS;
    for (size_t i = 0; i < m->n_paths; i++) {
        enum outcome o = match_path(req, &m->paths[i]);
        if (o != NO)
            return o;
    }
    return NO;
}

static bool has_method(const struct match *m, const char *method)
{
    for (size_t i = 0; i < m->n_methods; i++)
        if (strcmp(m->methods[i], method) == 0)
            return true;
    return false;
}

/* Some servers take the method from a field or a parameter; then that one has to be allowed as well. */
static enum outcome match_method(const struct request *req, const struct match *m)
{
    if (m->n_methods == 0)
        return YES;
    return has_method(m, req->method) && override_allowed(req, m->methods, m->n_methods) ? YES : NO;
}

/* Exactly once, and in this spelling: of two, a server may take either. */
static enum outcome match_header(const struct request *req, const struct header_match *h)
{
    const struct field *found = NULL;
    for (size_t i = 0; i < req->n_fields; i++) {
        if (!field_reads_as(&req->fields[i], h->name))
            continue;
        if (found || !field_is(&req->fields[i], h->name))
            return NO;
        found = &req->fields[i];
    }
    if (!found)
        return NO;
    if (h->type == MATCH_REGEX)
        return of_regex(regex_match(h->regex, found->value, found->value_len));
    return found->value_len == strlen(h->value) && memcmp(found->value, h->value, found->value_len) == 0 ? YES
                                                                                                         : NO;
}

static enum outcome match_entry(const struct request *req, const struct match *m)
{
    enum outcome o = match_method(req, m);
    for (size_t i = 0; o == YES && i < m->n_headers; i++)
        o = match_header(req, &m->headers[i]);
    return o == YES ? match_paths(req, m) : o;
}

static bool may_push(const struct route *r, const struct request *req, const char *repo, size_t len)
{
    if (!r->git_push || req->ambiguous)
        return false;
    for (size_t i = 0; i < r->n_git_repos; i++)
        if (strlen(r->git_repos[i]) == len && memcmp(r->git_repos[i], repo, len) == 0)
            return true;
    return false;
}

static enum reason judge_git(
    const struct route *r, const struct request *req, enum git_kind kind, const char *repo, size_t len)
{
    switch (kind) {
    case GIT_FETCH: return r->git_fetch ? REASON_NONE : REASON_GIT;
    case GIT_PUSH: return may_push(r, req, repo, len) ? REASON_NONE : REASON_GIT_PUSH;
    case GIT_LFS_BATCH: return r->git_fetch || may_push(r, req, repo, len) ? REASON_NONE : REASON_GIT;
    case GIT_HIDDEN: return REASON_AMBIGUOUS_PATH;
    case GIT_NONE:
    case GIT_OTHER: break;
    }
    return REASON_GIT;
}

enum reason policy_judge_lfs(const struct route *route, const struct request *req, bool upload)
{
    const char *repo;
    size_t len;
    (void)git_classify(req, &repo, &len);
    return judge_git(route, req, upload ? GIT_PUSH : GIT_FETCH, repo, len);
}

static enum reason judge_target(const struct route *route, const struct request *req, int *match)
{
    const char *repo;
    size_t len;
    enum git_kind kind = git_classify(req, &repo, &len);
    if (kind != GIT_NONE)
        return judge_git(route, req, kind, repo, len);
    if (route->n_matches == 0)
        return REASON_NONE;
    enum reason why = REASON_NO_MATCH;
    for (size_t i = 0; i < route->n_matches; i++) {
        switch (match_entry(req, &route->matches[i])) {
        case YES: *match = (int)i; return REASON_NONE;
        case RAN_AWAY: *match = (int)i; return REASON_LIMIT;
        case TWO_WAYS: why = REASON_AMBIGUOUS_PATH; break;
        case NO: break;
        }
    }
    return why;
}

/* What COPY and MOVE write to is judged as their own target is. Its room on the stack is no other request's.
 */
__attribute__((noinline)) static enum reason judge_destination(
    const struct route *route, const struct request *req, const char *destination, size_t len)
{
    char out[3 * TARGET_MAX + 2] __attribute__((uninitialized)); /* written before it is read */
    struct target t;
    int match;
    if (target_canon(destination, len, out, sizeof out, &t) != TARGET_OK)
        return REASON_AMBIGUOUS_PATH;
    struct request other = *req;
    other.path = t.path;
    other.path_len = t.path_len;
    other.ambiguous = t.ambiguous;
    other.query = t.query;
    other.query_len = t.query_len;
    return judge_target(route, &other, &match);
}

enum reason policy_judge(const struct route *route, const struct request *req, int *match)
{
    *match = -1;
    if (override_path(req))
        return REASON_AMBIGUOUS_PATH;
    enum reason why = judge_target(route, req, match);
    const char *destination;
    for (size_t at = 0, len; why == REASON_NONE && (destination = override_destination(req, &at, &len));)
        why = judge_destination(route, req, destination, len);
    return why;
}
