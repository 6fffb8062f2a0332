/* Git over HTTP: which requests are git's, and whether a server might see git where we do not.
 *
 * Smart protocol: gitprotocol-http(5); LFS: git-lfs' docs/api. Every route blocks git unless it says
 * otherwise, so this is a block list and has to see through spellings: a second look is taken at the path as
 * the most lenient server would read it. */
#include <string.h>

#include "lib/base.h"
#include "lib/hex.h"
#include "lib/policy.h"
#include "lib/target.h"

#define UPLOAD "git-upload-pack"
#define RECEIVE "git-receive-pack"
#define ROUNDS 8 /* of decoding; what still changes then is hiding something */

/* A canonical path or query at its longest. Such buffers are written before they are read; filling each with
 * zeros first, as the build does for others, would cost more than the judgement. */
#define ROOM ((size_t)3 * TARGET_MAX)
#define SCRATCH(name) char name[ROOM] __attribute__((uninitialized))

struct slice {
    const char *s;
    size_t n;
};

static bool ends_with(struct slice path, const char *suffix, struct slice *before)
{
    size_t len = strlen(suffix);
    if (path.n < len || memcmp(path.s + path.n - len, suffix, len) != 0)
        return false;
    *before = (struct slice){path.s, path.n - len};
    return true;
}

/* The octet that "%XX" or IIS' "%u00XX" stands for at s[i], and in `*len` how long that is; -1: it is no
 * escape. */
static int escape(const char *s, size_t n, size_t i, size_t *len)
{
    if (s[i] != '%')
        return -1;
    size_t at = i + 1;
    if (at + 2 < n && (s[at] == 'u' || s[at] == 'U') && s[at + 1] == '0' && s[at + 2] == '0')
        at += 3;
    int hi = at + 1 < n ? hex_value(s[at]) : -1, lo = at + 1 < n ? hex_value(s[at + 1]) : -1;
    *len = at + 2 - i;
    return hi < 0 || lo < 0 ? -1 : hi << 4 | lo;
}

/* One decoding in place. Returns the new length. */
static size_t decode_once(char *s, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; to++) {
        size_t len;
        int octet = escape(s, n, i, &len);
        s[to] = octet < 0 ? s[i] : (char)octet;
        i += octet < 0 ? 1 : len;
    }
    return to;
}

/* Decodes until nothing changes, and folds case. False: it never settled. */
static bool decode_all(char *s, size_t *n)
{
    unsigned round = 0;
    for (size_t before = *n + 1; *n != before; round++) {
        if (round > ROUNDS)
            return false;
        before = *n;
        *n = decode_once(s, *n);
    }
    for (size_t i = 0; i < *n; i++)
        if (s[i] >= 'A' && s[i] <= 'Z')
            s[i] = (char)(s[i] + ('a' - 'A'));
    return true;
}

/* ---- the query ---- */

static void plus_to_space(char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] == '+')
            s[i] = ' ';
}

static bool contains(const char *s, size_t n, const char *what)
{
    return memmem(s, n, what, strlen(what)) != NULL;
}

struct service {
    unsigned count; /* parameters that some server takes for `service` */
    bool receive; /* one of them has to do with receive-pack */
    enum git_kind kind; /* of the last one, if it is spelled as git does */
};

static void look_at_param(struct service *out, struct slice p, char *scratch)
{
    const char *eq = memchr(p.s, '=', p.n);
    size_t name_len = eq ? (size_t)(eq - p.s) : p.n, value_len = eq ? p.n - name_len - 1 : 0;
    bool exact = name_len == 7 && memcmp(p.s, "service", 7) == 0;
    memcpy(scratch, p.s, name_len);
    plus_to_space(scratch, name_len);
    bool settled = decode_all(scratch, &name_len);
    if (settled && !contains(scratch, name_len, "service"))
        return;
    out->count++;
    out->kind = GIT_OTHER;
    if (!eq)
        return;
    memcpy(scratch, eq + 1, value_len);
    plus_to_space(scratch, value_len);
    value_len = decode_once(scratch, value_len);
    if (exact && value_len == strlen(UPLOAD) && memcmp(scratch, UPLOAD, value_len) == 0)
        out->kind = GIT_FETCH;
    if (exact && value_len == strlen(RECEIVE) && memcmp(scratch, RECEIVE, value_len) == 0)
        out->kind = GIT_PUSH;
    (void)decode_all(scratch, &value_len);
    out->receive |= contains(scratch, value_len, "receive");
}

/* The advertisement's service. Parameters are split at ';' too, as some servers do; several that could be
 * meant, or one that is spelled oddly, are no fetch. None at all is the dumb protocol, which reads. */
static enum git_kind classify_refs(const struct request *req)
{
    struct service s = {0};
    SCRATCH(scratch);
    struct slice q = {req->query, req->query ? req->query_len : 0};
    if (q.n > ROOM)
        return GIT_OTHER;
    for (size_t at = 0; at < q.n;) {
        size_t end = at;
        while (end < q.n && q.s[end] != '&' && q.s[end] != ';')
            end++;
        look_at_param(&s, (struct slice){q.s + at, end - at}, scratch);
        at = end + 1;
    }
    if (s.receive)
        return GIT_PUSH;
    if (s.count == 0)
        return GIT_FETCH;
    return s.count == 1 ? s.kind : GIT_OTHER;
}

/* ---- the path ---- */

static enum git_kind classify_lfs(const struct request *req, struct slice path, const char *lfs)
{
    size_t at = (size_t)(lfs - path.s) + strlen("/info/lfs/");
    if (path.n - at == strlen("objects/batch") && memcmp(path.s + at, "objects/batch", path.n - at) == 0)
        return GIT_LFS_BATCH;
    bool reads = strcmp(req->method, "GET") == 0 || strcmp(req->method, "HEAD") == 0;
    return reads ? GIT_FETCH : GIT_PUSH;
}

/* Not by a method that only asks, nor by POST, which the services take. */
static bool writes(const struct request *req)
{
    static const char *const others[] = {"GET", "HEAD", "POST", "OPTIONS", "PROPFIND"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (strcmp(req->method, others[i]) == 0)
            return false;
    return true;
}

/* A repository's own files: a push of old writes them by WebDAV (git-http-push(1)). */
static bool is_file_of_git(struct slice path, struct slice *repo)
{
    static const char *const files[] = {
        "objects/", "refs/", "info/", "hooks/", "HEAD", "packed-refs", "config"};
    const char *end = path.s + path.n, *at = path.s;
    while ((at = memmem(at, (size_t)(end - at), ".git/", 5)) != NULL) {
        at += 5;
        for (size_t i = 0; i < ARRAY_LEN(files); i++)
            if ((size_t)(end - at) >= strlen(files[i]) && memcmp(at, files[i], strlen(files[i])) == 0) {
                repo->n = (size_t)(at - path.s) - 1;
                return true;
            }
    }
    return false;
}

static enum git_kind classify_path(const struct request *req, struct slice path, struct slice *repo)
{
    *repo = (struct slice){path.s, 0};
    if (ends_with(path, "/" UPLOAD, repo))
        return GIT_FETCH;
    if (ends_with(path, "/" RECEIVE, repo))
        return GIT_PUSH;
    if (ends_with(path, "/git-upload-archive", repo))
        return GIT_OTHER;
    if (ends_with(path, "/info/refs", repo))
        return writes(req) ? GIT_PUSH : classify_refs(req);
    if (writes(req) && is_file_of_git(path, repo))
        return GIT_PUSH;
    const char *lfs = path.n ? memmem(path.s, path.n, "/info/lfs/", strlen("/info/lfs/")) : NULL;
    if (!lfs)
        return GIT_NONE;
    repo->n = (size_t)(lfs - path.s);
    return classify_lfs(req, path, lfs);
}

/* The segments as a lenient server would have them: without parameters, empty ones, dot segments, trailing
 * dots and spaces. `s` was decoded and is rewritten in place; returns its new length. */
static size_t normalise(char *s, size_t n)
{
    size_t to = 0;
    for (size_t at = 0; at < n;) {
        size_t start = at + 1, len = 0; /* s[at] is a separator, so writing never overtakes reading */
        while (start + len < n && !strchr("/\\;", s[start + len]))
            len++;
        for (at = start + len; at < n && s[at] != '/' && s[at] != '\\';)
            at++;
        bool up = len == 2 && s[start] == '.' && s[start + 1] == '.';
        while (len && (s[start + len - 1] == '.' || (unsigned char)s[start + len - 1] <= ' '))
            len--;
        if (up) {
            while (to && s[--to] != '/')
                ;
        } else if (len) {
            s[to] = '/';
            memmove(s + to + 1, s + start, len);
            to += len + 1;
        }
    }
    return to;
}

static bool loosely_git(const struct request *req, const char *s, size_t n)
{
    struct slice repo;
    SCRATCH(copy);
    memcpy(copy, s, n);
    return classify_path(req, (struct slice){copy, normalise(copy, n)}, &repo) != GIT_NONE;
}

/* Could any server read this path as one of git's? A '?' or '#' that was encoded may end it. */
static bool is_hidden(const struct request *req)
{
    SCRATCH(s);
    size_t n = req->path_len;
    if (n > ROOM)
        return true;
    memcpy(s, req->path, n);
    if (!decode_all(s, &n) || n == 0 || s[0] != '/')
        return true;
    for (const char *ends = "?#"; *ends; ends++) {
        const char *end = memchr(s, *ends, n);
        if (end && loosely_git(req, s, (size_t)(end - s)))
            return true;
    }
    return loosely_git(req, s, n);
}

/* Is there anything in the path that a second look would read differently? */
static bool is_plain(const struct request *req)
{
    if (req->ambiguous)
        return false;
    for (size_t i = 0; i < req->path_len; i++) {
        char c = req->path[i];
        if (c == '%' || c == ';' || c == '\\' || (c >= 'A' && c <= 'Z'))
            return false;
    }
    char last = req->path_len ? req->path[req->path_len - 1] : 'x';
    return last != '/' && last != '.';
}

enum git_kind git_classify(const struct request *req, const char **repo, size_t *repo_len)
{
    struct slice before;
    enum git_kind kind = classify_path(req, (struct slice){req->path, req->path_len}, &before);
    while (before.n && before.s[0] == '/') {
        before.s++;
        before.n--;
    }
    if (before.n > 4 && memcmp(before.s + before.n - 4, ".git", 4) == 0)
        before.n -= 4;
    *repo = before.s;
    *repo_len = before.n;
    return kind == GIT_NONE && !is_plain(req) && is_hidden(req) ? GIT_HIDDEN : kind;
}
