/* Request targets: what is canonical is a fixed point, stays under its root, and is judged without complaint.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/policy.h"
#include "lib/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

static const char policy_text[] = //
    "version: 1\n"
    "egress:\n"
    "  routes:\n"
    "    - {host: git.example, git: {fetch: true, push: true, repos: [o/n]}}\n"
    "    - {host: any.example}\n"
    "    - host: some.example\n"
    "      matches: [{paths: [{value: /api}, {type: regex, value: '/r/(a+)+[bc]'}], methods: [GET, POST, "
    "MOVE]}]\n";

static const struct policy *policy(void)
{
    static struct policy *p;
    struct policy_error e;
    if (!p)
        p = policy_load(policy_text, sizeof policy_text - 1, &e);
    require(p);
    return p;
}

static bool has_dot_segment(const char *s, size_t n)
{
    for (size_t at = 0; at < n;) {
        const char *slash = memchr(s + at, '/', n - at);
        size_t len = slash ? (size_t)(slash - (s + at)) : n - at;
        if ((len == 1 && s[at] == '.') || (len == 2 && s[at] == '.' && s[at + 1] == '.'))
            return true;
        at += len + 1;
    }
    return false;
}

static void judge(const struct target *t)
{
    static const char *const hosts[] = {"git.example", "any.example", "some.example"};
    static const char *const methods[] = {"GET", "POST"};
    enum reason why[3];
    for (size_t i = 0; i < ARRAY_LEN(hosts) * 2; i++) {
        const struct request req = {.method = methods[i % 2],
            .path = t->path,
            .path_len = t->path_len,
            .ambiguous = t->ambiguous,
            .query = t->query,
            .query_len = t->query_len};
        int match;
        why[i / 2] = policy_judge(policy_route(policy(), hosts[i / 2]), &req, &match);
        /* Where git is not allowed, nothing gets through that would be git's with it. */
        const char *repo;
        size_t len;
        if (git_classify(&req, &repo, &len) != GIT_NONE)
            require(i / 2 == 0 || why[i / 2] != REASON_NONE);
        else
            require(why[i / 2] == REASON_NONE || i / 2 == 2);
        require(repo >= t->path && repo + len <= t->path + t->path_len);
    }
}

static enum reason move(const struct target *t, const struct field *f)
{
    const struct request req = {.method = "MOVE",
        .path = t->path,
        .path_len = t->path_len,
        .ambiguous = t->ambiguous,
        .query = t->query,
        .query_len = t->query_len,
        .fields = f,
        .n_fields = f != NULL};
    int match;
    return policy_judge(policy_route(policy(), "some.example"), &req, &match);
}

/* Where a MOVE goes is judged as its own target would be. */
static void judge_destination(const char *in, size_t n, const struct target *t)
{
    static const struct target from = {.path = "/api", .path_len = 4};
    const struct field f = {.name = "destination", .name_len = 11, .value = in, .value_len = (uint32_t)n};
    enum reason why = move(&from, &f);
    if (n && in[0] == '/')
        require(why == (t ? move(t, NULL) : REASON_AMBIGUOUS_PATH));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > TARGET_MAX)
        return 0;
    struct target t, u;
    size_t room = 3 * size + 2;
    cleanup_free char *in = malloc(size + 1), *out = malloc(room), *again = malloc(3 * room + 2);
    require(in && out && again);
    memcpy(in, data, size);
    bool canonical = target_canon(in, size, out, room, &t) == TARGET_OK;
    judge_destination(in, size, canonical ? &t : NULL);
    if (!canonical)
        return 0;
    size_t len = strlen(out);
    require(len < room && t.path == out && t.path_len <= len);
    require(len == t.path_len + (t.query ? t.query_len + 1 : 0));
    for (size_t i = 0; i < len; i++)
        require(out[i] > 0x20 && out[i] < 0x7f && out[i] != '#' && out[i] != '\\');
    require(!has_dot_segment(t.path, t.path_len));
    if (len <= TARGET_MAX)
        require(target_canon(out, len, again, 3 * room + 2, &u) == TARGET_OK && strcmp(again, out) == 0);
    judge(&t);
    return 0;
}
