/** \file
 * The agent's credentials come off, the real ones go on: at the one place through which every request passes,
 * after the judgement and after inspection, so that what we inject is neither judged nor scanned.
 */
#include <openssl/evp.h>
#include <string.h>

#include "appliance/http/exchange_internal.h"
#include "appliance/http/fields.h"
#include "lib/log.h"

static bool listed(const struct field *f, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (field_is(f, names[i], strlen(names[i])))
            return true;
    return false;
}

static bool is_stripped(const struct route *r, const struct field *f)
{
    if (FIELD_IS(f, "proxy-authorization"))
        return true;
    if (r->auth.scheme != AUTH_NONE) {
        if (FIELD_IS(f, "authorization") ||
            (r->auth.header && field_is(f, r->auth.header, strlen(r->auth.header))))
            return true;
    }
    return listed(f, r->strip_headers, r->n_strip_headers);
}

static size_t strip(const struct route *r, struct field *f, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!is_stripped(r, &f[i]))
            f[kept++] = f[i];
    return kept;
}

size_t exchange_filter_trailers(const struct route *r, struct field *f, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!http_trailer_forbidden(f[i].name, f[i].name_len) && !is_stripped(r, &f[i]))
            f[kept++] = f[i];
    return kept;
}

void exchange_filter_response(struct http_head *h)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->n_fields; i++) {
        const struct field *f = &h->fields[i];
        /* alt-svc would lead to HTTP/3 and to other hosts; the verdict is ours to give */
        if (!FIELD_IS(f, "alt-svc") && !FIELD_IS(f, "x-egress-verdict"))
            h->fields[kept++] = *f;
    }
    h->n_fields = kept;
}

/* A value that could end the line would let whoever sets the secret write header fields. */
static bool is_clean(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

/* "Bearer x", "token x", "Basic base64(x)" (RFC 7617), or x alone. Lives in the arena until the end wipes it.
 */
static bool build_value(struct exchange *x, const char *secret)
{
    enum auth_scheme scheme = x->route->auth.scheme;
    const char *word = scheme == AUTH_BEARER ? "Bearer " : scheme == AUTH_TOKEN ? "token " : "";
    if (scheme == AUTH_BASIC)
        word = "Basic ";
    size_t len = strlen(secret), at = strlen(word);
    char *v = arena_alloc(x->arena, at + 4 * (len / 3 + 1) + 1);
    if (!v)
        return false;
    memcpy(v, word, at);
    if (scheme == AUTH_BASIC)
        len = (size_t)EVP_EncodeBlock((unsigned char *)v + at, (const unsigned char *)secret, (int)len);
    else
        memcpy(v + at, secret, len);
    x->secret = v;
    x->secret_len = at + len;
    return true;
}

static enum reason inject(struct exchange *x, const char **hint)
{
    const struct auth *a = &x->route->auth;
    const char *secret =
        x->e->config && x->e->config->secrets ? secrets_get(x->e->config->secrets, a->token_ref) : NULL;
    if (!x->f->tls) /* judged before; a credential must not hang on one check */
        return REASON_PLAINTEXT;
    if (!secret || !is_clean(secret)) {
        log_warn("route %s: the secret %s has no usable value, so its requests are refused; give it with "
                 "--secrets",
            x->route->host, a->token_ref);
        *hint = "The credential that this route injects has no value; the operator must supply it.";
        return REASON_NO_MATCH;
    }
    struct field *f = arena_alloc(x->arena, (x->req->n_fields + 1) * sizeof *f);
    if (!f || !build_value(x, secret))
        return REASON_LIMIT;
    if (x->req->n_fields)
        memcpy(f, x->req->fields, x->req->n_fields * sizeof *f);
    const char *name = a->header ? a->header : "authorization";
    f[x->req->n_fields++] = (struct field){.name = name,
        .name_len = (uint32_t)strlen(name),
        .value = x->secret,
        .value_len = (uint32_t)x->secret_len};
    x->req->fields = f;
    return REASON_NONE;
}

enum reason exchange_credentials(struct exchange *x, const char **hint)
{
    x->req->n_fields = strip(x->route, x->req->fields, x->req->n_fields);
    return x->route->auth.scheme == AUTH_NONE ? REASON_NONE : inject(x, hint);
}
