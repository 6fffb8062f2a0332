/** \file
 * The agent's credentials come off, the real ones go on: at the one place through which every request passes,
 * after the judgement and after inspection, so that what we inject is neither judged nor scanned.
 */
#include <openssl/evp.h>
#include <string.h>

#include "appliance/http/exchange_internal.h"
#include "lib/fields.h"
#include "lib/log.h"
#include "lib/policy_override.h"

/* By whatever spelling some server would take it. */
static bool listed(const struct field *f, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (field_reads_as(f, names[i]))
            return true;
    return false;
}

bool exchange_strips(const struct route *r, const struct field *f)
{
    if (field_reads_as(f, "proxy-authorization"))
        return true;
    if (r->auth.scheme != AUTH_NONE) {
        if (FIELD_IS(f, "authorization") || (r->auth.header && field_reads_as(f, r->auth.header)))
            return true;
    }
    return listed(f, r->strip_headers, r->n_strip_headers);
}

static size_t strip(const struct route *r, struct field *f, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!exchange_strips(r, &f[i]))
            f[kept++] = f[i];
    return kept;
}

size_t exchange_filter_trailers(const struct route *r, struct field *f, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!http_trailer_forbidden(f[i].name, f[i].name_len) && !exchange_strips(r, &f[i]) &&
            !override_trailer(r, &f[i]))
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

/* Room for a value that holds a secret; the end wipes it. */
static char *secret_room(struct exchange *x, size_t len)
{
    struct secret_copy *c = arena_alloc(x->arena, sizeof *c);
    char *p = c ? arena_alloc(x->arena, len + 1) : NULL;
    if (!p)
        return NULL;
    *c = (struct secret_copy){.next = x->secrets, .p = p, .len = len};
    x->secrets = c;
    return p;
}

bool exchange_is_secret(const struct exchange *x, const char *value)
{
    for (const struct secret_copy *c = x->secrets; c; c = c->next)
        if (c->p == value)
            return true;
    return false;
}

void exchange_wipe_secrets(struct exchange *x)
{
    for (struct secret_copy *c = x->secrets; c; c = c->next)
        explicit_bzero(c->p, c->len);
}

static const char *basic(struct exchange *x, const char *pair, size_t len)
{
    char *v = secret_room(x, 6 + 4 * (len / 3 + 1));
    if (!v)
        return NULL;
    memcpy(v, "Basic ", sizeof "Basic ");
    (void)EVP_EncodeBlock((unsigned char *)v + 6, (const unsigned char *)pair, (int)len);
    return v;
}

/* "Bearer x", "token x", "Basic base64(x)" (RFC 7617), or x alone. */
static const char *scheme_value(struct exchange *x, const char *secret)
{
    enum auth_scheme scheme = x->route->auth.scheme;
    const char *word = scheme == AUTH_BEARER ? "Bearer " : scheme == AUTH_TOKEN ? "token " : "";
    size_t len = strlen(secret), at = strlen(word);
    if (scheme == AUTH_BASIC)
        return basic(x, secret, len);
    char *v = secret_room(x, at + len);
    if (!v)
        return NULL;
    memcpy(v, word, at + 1);
    memcpy(v + at, secret, len + 1);
    return v;
}

/* `in` with each placeholder replaced by the secret; NULL: there is none in it, or no memory. */
static const char *replaced(struct exchange *x, const char *in, size_t n, const char *secret, size_t *out_len)
{
    const char *placeholder = x->route->auth.placeholder;
    size_t plen = strlen(placeholder), slen = strlen(secret), hits = 0, at = 0;
    for (const char *p = in; (p = memmem(p, n - (size_t)(p - in), placeholder, plen)) != NULL; p += plen)
        hits++;
    char *v = hits ? secret_room(x, n + hits * slen) : NULL;
    if (!v)
        return NULL;
    for (size_t i = 0; i < n;) {
        bool hit = n - i >= plen && memcmp(in + i, placeholder, plen) == 0;
        memcpy(v + at, hit ? secret : in + i, hit ? slen : 1);
        at += hit ? slen : 1;
        i += hit ? plen : 1;
    }
    *out_len = at;
    return v;
}

/* The agent's own Basic credentials with the placeholder inside their base64. */
static const char *replaced_basic(struct exchange *x, const struct field *f, const char *secret)
{
    unsigned char pair[1024];
    if (f->value_len < 10 || f->value_len > sizeof pair || !http_ieq(f->value, 5, "basic"))
        return NULL;
    int n = EVP_DecodeBlock(pair, (const unsigned char *)f->value + 6, (int)f->value_len - 6);
    for (uint32_t i = f->value_len; n > 0 && f->value[i - 1] == '='; i--)
        n--; /* EVP_DecodeBlock() counts the padding */
    size_t len;
    const char *v = n > 0 ? replaced(x, (const char *)pair, (size_t)n, secret, &len) : NULL;
    return v ? basic(x, v, len) : NULL;
}

/* Where the route says what stands for the secret, the agent's own field says how it is wrapped. */
static const char *agent_value(struct exchange *x, const char *secret)
{
    const struct auth *a = &x->route->auth;
    const char *name = a->header ? a->header : "authorization";
    const struct field *f = http_field(x->req->fields, x->req->n_fields, name);
    size_t len;
    if (!a->placeholder || !f)
        return NULL;
    const char *v = replaced(x, f->value, f->value_len, secret, &len);
    return v ? v : replaced_basic(x, f, secret);
}

static void replace_elsewhere(struct exchange *x, const char *secret)
{
    for (size_t i = 0; x->route->auth.placeholder && i < x->req->n_fields; i++) {
        struct field *f = &x->req->fields[i];
        size_t len;
        const char *v = replaced(x, f->value, f->value_len, secret, &len);
        if (v) {
            f->value = v;
            f->value_len = (uint32_t)len;
        }
    }
}

static const char *usable_secret(const struct exchange *x, const char **hint)
{
    const char *ref = x->route->auth.token_ref;
    const struct secrets *s = x->e->config ? x->e->config->secrets : NULL;
    const char *secret = s ? secrets_get(s, ref) : NULL;
    if (secret && is_clean(secret))
        return secret;
    log_warn("route %s: secret %s has no usable value, so its requests are refused; give it with --secrets",
        x->route->host, ref);
    *hint = "The credential that this route injects has no value; the operator must supply it.";
    return NULL;
}

static enum reason inject(struct exchange *x, const char *secret)
{
    const char *name = x->route->auth.header ? x->route->auth.header : "authorization";
    const char *value = agent_value(x, secret);
    if (!value)
        value = scheme_value(x, secret);
    size_t n = strip(x->route, x->req->fields, x->req->n_fields);
    struct field *f = value ? arena_alloc(x->arena, (n + 1) * sizeof *f) : NULL;
    if (!f)
        return REASON_LIMIT;
    if (n)
        memcpy(f, x->req->fields, n * sizeof *f);
    x->req->fields = f;
    x->req->n_fields = n;
    replace_elsewhere(x, secret);
    f[x->req->n_fields++] = (struct field){.name = name,
        .name_len = (uint32_t)strlen(name),
        .value = value,
        .value_len = (uint32_t)strlen(value)};
    return REASON_NONE;
}

enum reason exchange_credentials(struct exchange *x, const char **hint)
{
    /* What the policy would refuse gets no credential, also where refusals are only noted. */
    if (x->route->auth.scheme == AUTH_NONE || x->noted != REASON_NONE) {
        x->req->n_fields = strip(x->route, x->req->fields, x->req->n_fields);
        return REASON_NONE;
    }
    if (!x->f->tls) /* judged before; a credential must not hang on one check */
        return REASON_PLAINTEXT;
    if (http_echoes(x->req->method)) {
        *hint = "A method that returns the request as it was sent is refused where a credential is injected.";
        return REASON_NO_MATCH;
    }
    const char *secret = usable_secret(x, hint);
    return secret ? inject(x, secret) : REASON_NO_MATCH;
}
