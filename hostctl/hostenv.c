#include "hostctl/hostenv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "hostctl/wipe.h"
#include "lib/base.h"
#include "lib/log.h"

extern char **environ;

/** Shorter values appear in other variables by chance ("1", "true"). */
#define ALIAS_MIN 8

static int add_name(struct secret_names *out, const char *name)
{
    for (size_t i = 0; i < out->n; i++)
        if (strcmp(out->name[i], name) == 0)
            return 0;
    if (out->n == HOSTENV_SECRETS_MAX)
        return -E2BIG;
    out->name[out->n++] = name;
    return 0;
}

int secret_names_of(const struct policy *p, struct secret_names *out)
{
    int err = 0;
    out->n = 0;
    for (size_t i = 0; i < p->n_routes && !err; i++)
        if (p->routes[i].auth.scheme != AUTH_NONE && p->routes[i].auth.token_ref)
            err = add_name(out, p->routes[i].auth.token_ref);
    for (size_t i = 0; i < p->inspect.n_secrets && !err; i++)
        err = add_name(out, p->inspect.secrets[i]);
    return err;
}

/* The line of `name` in "NAME=value" lines; its value and length. */
static const char *line_of(const struct blob *b, const char *name, size_t *len)
{
    size_t nlen = strlen(name);
    for (const char *p = b->p, *end = p ? p + b->n : p; p && p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const char *stop = nl ? nl : end;
        if ((size_t)(stop - p) > nlen && memcmp(p, name, nlen) == 0 && p[nlen] == '=') {
            *len = (size_t)(stop - p) - nlen - 1;
            return p + nlen + 1;
        }
        p = nl ? nl + 1 : end;
    }
    return NULL;
}

static int append(struct blob *out, const char *name, const char *value, size_t len)
{
    size_t nlen = strlen(name), total = out->n + nlen + len + 2;
    char *p = malloc(total + 1);
    if (!p)
        return -ENOMEM;
    if (out->n)
        memcpy(p, out->p, out->n);
    memcpy(p + out->n, name, nlen);
    p[out->n + nlen] = '=';
    memcpy(p + out->n + nlen + 1, value, len);
    p[total - 1] = '\n';
    p[total] = 0;
    blob_wipe(out);
    out->p = p;
    out->n = total;
    return 0;
}

static int value_ok(const char *name, const char *value)
{
    if (!*value) {
        log_warn("the environment variable %s, which the policy needs as a secret, is empty", name);
        return -EINVAL;
    }
    if (strpbrk(value, "\r\n")) {
        log_warn("the environment variable %s, which the policy needs as a secret, holds a line break", name);
        return -EINVAL;
    }
    return 0;
}

int hostenv_take(const struct secret_names *names, const struct blob *known, struct blob *out)
{
    int err = 0;
    *out = (struct blob){0};
    for (size_t i = 0; i < names->n && !err; i++) {
        const char *name = names->name[i], *old = NULL;
        size_t len = 0;
        char *value = getenv(name);
        if (value) {
            err = value_ok(name, value);
            if (!err)
                err = append(out, name, value, strlen(value));
        } else if (known && (old = line_of(known, name, &len))) {
            err = append(out, name, old, len);
        } else {
            log_warn("the policy needs the secret %s, but there is no such environment variable; export "
                     "%s=... and "
                     "start again (under sudo: sudo --preserve-env=%s)",
                name, name, name);
            err = -ENOENT;
        }
    }
    for (size_t i = 0; i < names->n; i++) {
        char *value = getenv(names->name[i]);
        if (value)
            wipe(value, strlen(value));
        (void)unsetenv(names->name[i]);
    }
    if (err)
        blob_wipe(out);
    return err;
}

static bool listed(const char *const *list, size_t n, const char *name, size_t len)
{
    for (size_t i = 0; i < n; i++) {
        size_t l = strlen(list[i]);
        bool prefix = list[i][l - 1] == '*';
        if (prefix ? len >= l - 1 && memcmp(name, list[i], l - 1) == 0
                   : len == l && memcmp(name, list[i], l) == 0)
            return true;
    }
    return false;
}

bool hostenv_passes(const char *name, size_t len)
{
    /* Ways to a service of the host, or to the invoking user's session. */
    static const char *const closed[] = {"SUDO_*", "DBUS_*", "XDG_RUNTIME_DIR", "XDG_SESSION_*",
        "SSH_AUTH_SOCK", "SSH_AGENT_PID", "GPG_AGENT_INFO", "DOCKER_*", "CONTAINER_HOST", "CONTAINERD_*",
        "PODMAN_*", "BUILDKIT_HOST", "KUBECONFIG", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY",
        "NOTIFY_SOCKET", "LISTEN_*", "WATCHDOG_*", "JOURNAL_STREAM", "INVOCATION_ID", "CREDENTIALS_DIRECTORY",
        "TMUX*", "STY", "VSCODE_*", "EGRESS_*", "EGRESSD_*", "LD_AUDIT"};
    static const char *const proxies[] = {
        "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy", "socks_proxy", "rsync_proxy"};
    if (listed(closed, ARRAY_LEN(closed), name, len))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
        if (len == strlen(proxies[i]) && strncasecmp(name, proxies[i], len) == 0)
            return false;
    return true;
}

/* The name of the secret whose value stands inside `value`. */
static bool holds_secret(const struct blob *secrets, const char *value)
{
    size_t vlen = strlen(value);
    for (const char *p = secrets->p, *end = p ? p + secrets->n : p; p && p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)),
                   *eq = nl ? memchr(p, '=', (size_t)(nl - p)) : NULL;
        if (!eq)
            return false;
        size_t len = (size_t)(nl - eq) - 1;
        if (len >= ALIAS_MIN && len <= vlen)
            for (size_t at = 0; at + len <= vlen; at++)
                if (memcmp(value + at, eq + 1, len) == 0)
                    return true;
        p = nl + 1;
    }
    return false;
}

/* Is the variable itself one of them, whatever its value? */
static bool is_secret(const struct blob *secrets, const char *entry, const char *eq)
{
    size_t len = 0;
    cleanup_free char *name = strndup(entry, (size_t)(eq - entry));
    return !name || line_of(secrets, name, &len) != NULL;
}

static bool overridden(const char *const *overrides, const char *entry, size_t name_len)
{
    for (size_t i = 0; overrides[i]; i++)
        if (strncmp(overrides[i], entry, name_len + 1) == 0)
            return true;
    return false;
}

char **hostenv_for_agent(const struct blob *secrets, const char *const *overrides)
{
    size_t n = 0, more = 0, used = 0;
    while (environ && environ[n])
        n++;
    while (overrides[more])
        more++;
    char **env = calloc(n + more + 1, sizeof *env);
    if (!env)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        char *eq = strchr(environ[i], '=');
        if (!eq || overridden(overrides, environ[i], (size_t)(eq - environ[i])))
            continue;
        if (!hostenv_passes(environ[i], (size_t)(eq - environ[i])) || is_secret(secrets, environ[i], eq))
            continue;
        if (holds_secret(secrets, eq + 1)) {
            log_info("not passing on the variable %.*s: it holds a secret of the policy",
                (int)(eq - environ[i]), environ[i]);
            wipe(eq + 1, strlen(eq + 1));
            continue;
        }
        env[used++] = strdup(environ[i]);
    }
    for (size_t i = 0; i < more; i++)
        env[used++] = strdup(overrides[i]);
    for (size_t i = 0; i < used; i++)
        if (!env[i]) {
            hostenv_free(env);
            return NULL;
        }
    return env;
}

void hostenv_free(char **env)
{
    for (size_t i = 0; env && env[i]; i++)
        free(env[i]);
    free(env);
}
