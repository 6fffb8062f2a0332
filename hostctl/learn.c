/* Reading: what was seen of each host, in JSON objects whose keys are the sets. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/learn_internal.h"
#include "lib/base.h"
#include "lib/hostname.h"
#include "lib/policy.h"

struct learn *learn_new(unsigned siblings)
{
    struct learn *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->siblings = siblings;
    l->hosts = json_object();
    l->flows = json_object();
    l->refused = json_object();
    l->addresses = json_object();
    if (l->hosts && l->flows && l->refused && l->addresses)
        return l;
    learn_free(l);
    return NULL;
}

void learn_free(struct learn *l)
{
    if (!l)
        return;
    json_decref(l->hosts);
    json_decref(l->flows);
    json_decref(l->refused);
    json_decref(l->addresses);
    free(l);
}

static const char *text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static bool is(const json_t *o, const char *key, const char *value)
{
    const char *s = text(o, key);
    return s && strcmp(s, value) == 0;
}

/* One more of `key` in the set `set` of `o`. */
static void count(json_t *o, const char *set, const char *key)
{
    json_t *s = json_object_get(o, set);
    if (!s) {
        s = json_object();
        (void)json_object_set_new(o, set, s);
    }
    (void)json_object_set_new(s, key, json_integer(json_integer_value(json_object_get(s, key)) + 1));
}

static void count_port(json_t *host, const char *set, json_int_t port)
{
    char key[8];
    (void)snprintf(key, sizeof key, "%05u", (unsigned)(port & 0xffff)); /* sorts as numbers do */
    if (port > 0)
        count(host, set, key);
}

static void set_flag(json_t *host, const char *key)
{
    (void)json_object_set_new(host, key, json_true());
}

/* The log is in the order of writing, which is that of time but for what several processes wrote at once. */
static void note_time(json_t *host, const json_t *e)
{
    const char *ts = text(e, "ts"), *first = text(host, "first"), *last = text(host, "last");
    if (ts && (!first || strcmp(ts, first) < 0))
        (void)json_object_set(host, "first", json_object_get(e, "ts"));
    if (ts && (!last || strcmp(ts, last) > 0))
        (void)json_object_set(host, "last", json_object_get(e, "ts"));
}

static json_t *host_of(struct learn *l, const json_t *e, const char *name)
{
    char canonical[HOSTNAME_MAX + 1];
    switch (name ? host_canon(name, strlen(name), canonical, NULL) : HOST_BAD) {
    case HOST_NAME: break;
    case HOST_IP: count(l->addresses, "seen", canonical); return NULL;
    case HOST_BAD: return NULL;
    }
    if (host_is_special(canonical) && !text(e, "route"))
        return NULL; /* the sidecar's own, and what no route need name */
    json_t *host = json_object_get(l->hosts, canonical);
    if (!host) {
        host = json_object();
        (void)json_object_set_new(l->hosts, canonical, host);
    }
    note_time(host, e);
    return host;
}

static bool is_private(const char *address)
{
    struct addr a;
    return addr_parse(address, &a) && !addr_is_global(&a);
}

static void see_dns(struct learn *l, const json_t *e)
{
    json_t *host = host_of(l, e, text(e, "qname"));
    const char *type = text(e, "qtype");
    if (!host)
        return;
    if (type)
        count(host, "dns", type);
    const json_t *answers = json_object_get(e, "answers");
    for (size_t i = 0; i < json_array_size(answers); i++) {
        const char *a = json_string_value(json_array_get(answers, i));
        if (a && is_private(a))
            set_flag(host, "private");
    }
}

static void see_flow(struct learn *l, const json_t *e)
{
    const char *id = text(e, "flow");
    json_t *port = json_object_get(e, "dport");
    if (is(e, "state", "closed") && id) {
        (void)json_object_del(l->flows, id);
        return;
    }
    if (id && port)
        (void)json_object_set(l->flows, id, port); /* its requests do not say their port */
    if (is(e, "mode", "bump") && !text(e, "host"))
        return; /* plain HTTP: each request has its own host */
    json_t *host = host_of(l, e, text(e, "host"));
    const char *mode = text(e, "mode");
    if (host && mode)
        count_port(host, mode, json_integer_value(port));
}

/* git's services have rules of their own. What the log leaves out, the query, decides between reading and
 * writing only where the repository's requests say it as well. */
static bool see_git(json_t *host, const json_t *e, const char *path)
{
    const struct request r = {
        .method = text(e, "method"), .path = path, .path_len = strlen(path), .query = NULL};
    const char *repo;
    size_t len;
    enum git_kind kind = git_classify(&r, &repo, &len);
    if (kind == GIT_NONE)
        return false;
    cleanup_free char *name = strndup(repo, len);
    bool advertisement = strlen(path) > 10 && strcmp(path + strlen(path) - 10, "/info/refs") == 0;
    bool push = kind == GIT_PUSH || (kind == GIT_LFS_BATCH && is(e, "reason", "git_push"));
    if (name)
        count(host, push ? "push" : advertisement ? "refs" : "fetch", name);
    return true;
}

static void see_http(struct learn *l, const json_t *e)
{
    json_t *host = host_of(l, e, text(e, "host"));
    const char *method = text(e, "method"), *path = text(e, "path"), *id = text(e, "flow");
    if (!host || !method || !path)
        return;
    const json_t *port = id ? json_object_get(l->flows, id) : NULL;
    count_port(host, "bump", port ? json_integer_value(port) : 443);
    (void)json_object_set_new(
        host, "requests", json_integer(json_integer_value(json_object_get(host, "requests")) + 1));
    if (!see_git(host, e, path)) {
        cleanup_free char *key = malloc(strlen(method) + strlen(path) + 2);
        if (key) {
            (void)sprintf(key, "%s %s", method, path);
            count(host, "http", key);
        }
    }
}

static void see_refusal(struct learn *l, const json_t *e)
{
    const char *host = text(e, "host"), *reason = text(e, "reason");
    char key[400];
    if (!host || !reason || !*reason)
        return;
    (void)snprintf(key, sizeof key, "%s: %s", host, reason);
    count(l->refused, "seen", key);
}

bool learn_line(struct learn *l, const char *line, size_t len)
{
    json_t *e = json_loadb(line, len, 0, NULL);
    const char *event = text(e, "event");
    if (!event) {
        json_decref(e);
        return false;
    }
    bool dns = strcmp(event, "dns") == 0, refused = is(e, "verdict", "deny");
    if (refused)
        see_refusal(l, e);
    else if (dns && (text(e, "route") || is(e, "verdict", "audit")))
        see_dns(l, e);
    else if (strcmp(event, "flow") == 0)
        see_flow(l, e);
    else if (strcmp(event, "http") == 0)
        see_http(l, e);
    else if (strcmp(event, "dlp") == 0) {
        json_t *host = host_of(l, e, text(e, "host"));
        const char *detector = text(e, "detector");
        if (host && detector)
            count(host, "dlp", detector);
    }
    json_decref(e);
    return true;
}
