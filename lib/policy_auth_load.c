/* A route's credentials: `role` and `auth`. */
#include <string.h>

#include "lib/base.h"
#include "lib/policy_loader.h"

/* ---- role ---- */

/* Templates of auth handling. Beside them, Authorization is stripped whether or not something is injected. */
static const struct role {
    const char *name;
    const char *strip[4];
    size_t n_strip;
} roles[] = {
    /* An API key or a session cookie of the agent's own would let it use another account on that host. */
    {"claude_code_oauth", {"authorization", "x-api-key", "cookie"}, 3},
};

void load_role(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    struct route *r = out;
    const char *name = load_text(l, n);
    const char *known[ARRAY_LEN(roles) + 1] = {0};
    char allowed[200];
    for (size_t i = 0; name && i < ARRAY_LEN(roles); i++) {
        known[i] = roles[i].name;
        if (strcmp(name, roles[i].name) == 0) {
            r->role = roles[i].name;
            r->strip_headers = roles[i].strip;
            r->n_strip_headers = roles[i].n_strip;
            return;
        }
    }
    load_error(l, n, "unknown role '%.60s'; known: %s", name ? name : "",
        join_words(known, allowed, sizeof allowed));
}

/* ---- auth ---- */

static void load_scheme(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    static const char *const words[] = {"Bearer", "token", "Basic", NULL};
    static const enum auth_scheme schemes[] = {AUTH_BEARER, AUTH_TOKEN, AUTH_BASIC};
    const struct key_spec word = {.name = spec->name, .words = words};
    unsigned i = 0;
    load_word(l, n, &word, &i);
    *(enum auth_scheme *)out = schemes[i];
}

static void load_secret_name(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    const char *s = load_text(l, n);
    if (s && (strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != n->len ||
                 (s[0] >= '0' && s[0] <= '9')))
        load_error(l, n,
            "%s is the name of a secret (letters, digits and '_', as an environment variable's), never "
            "its value",
            spec ? spec->name : "this");
    *(const char **)out = s;
}

static void load_auth_header(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    *(const char **)out = load_field_name(l, n);
}

static void load_placeholder(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    const char *s = load_text(l, n);
    if (s && n->len < 8)
        load_error(l, n, "placeholder must have at least 8 characters, so that it occurs nowhere by chance");
    *(const char **)out = s;
}

void load_auth(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    static const struct key_spec keys[] = {
        {.name = "scheme", .fn = load_scheme, .offset = offsetof(struct auth, scheme)},
        {.name = "token_ref", .fn = load_secret_name, .offset = offsetof(struct auth, token_ref)},
        {.name = "header", .fn = load_auth_header, .offset = offsetof(struct auth, header)},
        {.name = "placeholder", .fn = load_placeholder, .offset = offsetof(struct auth, placeholder)},
    };
    (void)spec;
    struct auth *a = out;
    if (!load_map(l, n, "auth", keys, ARRAY_LEN(keys), a))
        return;
    if (!a->token_ref)
        load_error(l, n, "auth needs token_ref: the name of the secret to send");
    if (a->header && a->scheme != AUTH_NONE)
        load_error(l, ynode_get(n, "header"),
            "auth takes either scheme (in the authorization header) or header (the bare value in that one)");
    if (a->header)
        a->scheme = AUTH_HEADER;
    else
        a->header = "authorization";
}

void load_check_auth(struct load *l, const struct ynode *n, struct route *r)
{
    const struct ynode *auth = ynode_get(n, "auth");
    if (!auth || l->failed)
        return;
    if (r->auth.scheme == AUTH_NONE && !r->role)
        load_error(l, auth, "auth needs scheme: Bearer, token or Basic (or header: NAME)");
    if (r->auth.scheme == AUTH_NONE)
        r->auth.scheme = AUTH_BEARER;
}
