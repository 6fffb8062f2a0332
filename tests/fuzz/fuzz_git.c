/* What decides that a request is git's, and what an LFS batch wants. Up to the first line feed a target,
 * behind it a body. pkt-lines are in bodies, which nobody here parses. */
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/lfs.h"
#include "lib/policy.h"

static bool has(const char *s, size_t n, const char *what)
{
    return memmem(s, n, what, strlen(what)) != NULL;
}

static enum git_kind classify(
    const char *method, const char *path, size_t path_len, const char *query, size_t query_len)
{
    const char *repo;
    size_t repo_len;
    struct request r = {
        .method = method, .path = path, .path_len = path_len, .query = query, .query_len = query_len};
    enum git_kind kind = git_classify(&r, &repo, &repo_len);
    if (repo_len && (repo < path || repo + repo_len > path + path_len))
        abort(); /* the repository is a part of the path */
    return kind;
}

static void target(const char *p, size_t n)
{
    const char *mark = memchr(p, '?', n);
    size_t path_len = mark ? (size_t)(mark - p) : n, query_len = mark ? n - path_len - 1 : 0;
    const char *query = mark ? mark + 1 : NULL;
    if (n == 0 || p[0] != '/')
        return;
    enum git_kind kind = classify("GET", p, path_len, query, query_len);
    /* as plainly as it can be said */
    if (path_len >= 17 && memcmp(p + path_len - 17, "/git-receive-pack", 17) == 0 && kind != GIT_PUSH)
        abort();
    if (kind == GIT_FETCH && path_len >= 10 && memcmp(p + path_len - 10, "/info/refs", 10) == 0 && query &&
        has(query, query_len, "&service=git-receive-pack"))
        abort();
    if (kind == GIT_NONE && classify("POST", p, path_len, query, query_len) != GIT_NONE)
        abort(); /* a method does not make it git's */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    const char *end = size ? memchr(copy, '\n', size) : NULL;
    size_t n = end ? (size_t)(end - copy) : size;
    target(copy, MIN(n, (size_t)4096));
    if (end) {
        enum lfs_operation op = lfs_operation(end + 1, size - n - 1);
        if (op == LFS_DOWNLOAD && !has(end + 1, size - n - 1, "\"download\""))
            abort();
        if (op == LFS_UPLOAD && !has(end + 1, size - n - 1, "\"upload\""))
            abort();
    }
    free(copy);
    return 0;
}
