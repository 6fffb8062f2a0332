#include "appliance/inspect/inspect.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "appliance/inspect/inspect_internal.h"
#include "appliance/inspect/layer.h"
#include "lib/arena.h"
#include "lib/log.h"

/* Raw octets of one stream that wait: a zstd block that has not said anything yet, and what a layer holds. */
#define RAW_HOLD_MAX KIB(512)

/* ---- the inspector ---- */

/* For what goes out, for what comes back, and squeezed. */
static bool add_value(struct inspector *i, const char *name, const char *value)
{
    const char *d = literals_detector(i->arena, "known_secrets", name);
    return literals_add_secret(&i->all, name, value) && literals_add_secret(&i->secrets, name, value) &&
           literals_add_escaped(&i->secrets, name, value) && literals_add_squeezed(&i->squeezed, d, value);
}

static bool add_secret(struct inspector *i, const char *name, const char *value)
{
    if (strlen(value) < SECRET_MIN) {
        log_warn("the secret %s is shorter than %u octets: too short to be told from other text, so it is "
                 "not watched",
            name, SECRET_MIN);
        return true;
    }
    /* of "user:password" the password alone is as secret */
    const char *colon = strchr(value, ':');
    bool ok = add_value(i, name, value);
    if (ok && colon && strlen(colon + 1) >= SECRET_MIN)
        ok = add_value(i, name, colon + 1);
    return ok;
}

static bool add_all(struct inspector *i, const struct secrets *s)
{
    if (!literals_add_patterns(&i->all))
        return false;
    for (size_t k = 0; s && k < secrets_count(s); k++) {
        const char *name, *value = secrets_at(s, k, &name);
        if (!add_secret(i, name, value))
            return false;
    }
    return true;
}

struct inspector *inspector_new(const struct policy *p, const struct secrets *s, char *err, size_t errlen)
{
    struct inspector *i = calloc(1, sizeof *i);
    struct arena *a = calloc(1, sizeof *a);
    (void)snprintf(err, errlen, "out of memory");
    if (!i || !a) {
        free(i);
        free(a);
        return NULL;
    }
    arena_init(a, 0);
    i->arena = i->all.arena = i->secrets.arena = i->squeezed.arena = a;
    i->max_depth = MIN(p->inspect.max_depth, DEPTH_MAX);
    if (!add_all(i, s) || literals_compile(&i->all, err, errlen) != 0 ||
        literals_compile(&i->secrets, err, errlen) != 0 || literals_compile(&i->squeezed, err, errlen) != 0) {
        inspector_free(i);
        return NULL;
    }
    return i;
}

void inspector_free(struct inspector *i)
{
    if (!i)
        return;
    literals_free(&i->all);
    literals_free(&i->secrets);
    literals_free(&i->squeezed);
    hs_free_scratch(i->scratch);
    free(i->window);
    free(i->squeeze_room);
    free(i->gather);
    arena_free(i->arena);
    free(i->arena);
    free(i);
}

int inspector_thread_init(struct inspector *i)
{
    if (!i->window)
        i->window = malloc(HOLD_MAX + CONTEXT_MAX + SQUEEZED_MAX);
    if (!i->squeeze_room)
        i->squeeze_room = malloc(SQUEEZED_MAX);
    if (!i->gather)
        i->gather = malloc((size_t)2 * (DEPTH_MAX + 1) * GATHER_MAX);
    if (!i->window || !i->squeeze_room || !i->gather)
        return -ENOMEM;
    if (i->all.db && hs_alloc_scratch(i->all.db, &i->scratch) != HS_SUCCESS)
        return -ENOMEM;
    if (i->secrets.db && hs_alloc_scratch(i->secrets.db, &i->scratch) != HS_SUCCESS)
        return -ENOMEM;
    if (i->squeezed.db && hs_alloc_scratch(i->squeezed.db, &i->scratch) != HS_SUCCESS)
        return -ENOMEM;
    return 0;
}

bool inspector_has_secrets(const struct inspector *i)
{
    return i && i->secrets.n > 0;
}

/* ---- short texts ---- */

bool inspect_host(
    const struct inspector *i, unsigned detectors, const char *host, size_t len, struct finding *out)
{
    struct scan_env env = {.lits = &i->all, .detectors = detectors};
    *out = (struct finding){.where = "host"};
    bool found = detectors && len && scan_host(&env, host, len);
    out->detector = env.detector;
    return found;
}

bool inspect_text(struct inspector *i, unsigned detectors, enum inspect_direction dir, const char *where,
    const char *text, size_t len, struct finding *out)
{
    struct scan_env env = {.i = i,
        .lits = dir == INSPECT_OUTBOUND ? &i->all : &i->secrets,
        .detectors = detectors,
        .stop = true,
        .input = len};
    if (len == 0 || !detectors)
        return false;
    struct layer *l = layer_new(&env, 0, dir == INSPECT_OUTBOUND ? LAYER_TEXT : LAYER_PLAIN);
    if (!l)
        return true;
    for (size_t at = 0; at < len && !env.found && !env.too_much; at += PIECE_MAX)
        (void)layer_feed(
            l, (const uint8_t *)text + at, MIN(len - at, (size_t)PIECE_MAX), len - at <= PIECE_MAX);
    layer_free(l);
    if (!env.found && !env.too_much)
        return false;
    *out = (struct finding){
        .detector = env.found ? env.detector : "encoding:too_deep", .where = where, .offset = env.offset};
    return true;
}

/* ---- streams ---- */

struct inspect {
    struct scan_env env;
    struct layer *root;
    uint64_t end; /* octets that came */
    uint64_t released; /* octets that went on */
    uint8_t *held; /* what came and did not */
    size_t n_held, room, sent; /* sent: of held, went on in the last call */
    bool dead, bypass;
};

static bool type_is(const char *type, size_t n, const char *name)
{
    return n == strlen(name) && strncasecmp(type, name, n) == 0;
}

static bool type_ends(const char *type, size_t n, const char *end)
{
    return n > strlen(end) && strncasecmp(type + n - strlen(end), end, strlen(end)) == 0;
}

/* What phrases are looked for in: text that a model would be given to read. */
static unsigned kind_of_text(const char *type)
{
    static const char *const not_prose[] = {"text/css", "text/javascript", "text/csv"};
    static const char *const prose[] = {"application/json", "application/x-ndjson", "application/ndjson",
        "application/jsonl", "application/json-seq", "application/xml", "application/markdown",
        "application/yaml", "application/x-yaml", "application/toml"};
    if (!type)
        return LAYER_PHRASES;
    type += strspn(type, " \t");
    size_t n = strcspn(type, "; \t");
    if (type_is(type, n, "text/html") || type_ends(type, n, "+xml") || type_ends(type, n, "/xml"))
        return LAYER_PHRASES | LAYER_HTML;
    for (size_t i = 0; i < ARRAY_LEN(not_prose); i++)
        if (type_is(type, n, not_prose[i]))
            return 0;
    for (size_t i = 0; i < ARRAY_LEN(prose); i++)
        if (type_is(type, n, prose[i]))
            return LAYER_PHRASES;
    return strncasecmp(type, "text/", 5) == 0 || type_ends(type, n, "+json") ? LAYER_PHRASES : 0;
}

struct inspect *inspect_open(struct inspector *i, const struct inspect_config *c)
{
    bool outbound = c->direction == INSPECT_OUTBOUND;
    unsigned kind = outbound ? LAYER_TEXT : 0;
    errno = 0;
    if (!outbound && c->detectors & DETECT_INJECTION)
        kind = kind_of_text(c->content_type);
    bool secrets = i->secrets.n && (c->redact || c->detectors & DETECT_KNOWN_SECRETS);
    if (outbound ? !c->detectors : !kind && !secrets)
        return NULL;
    struct inspect *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->env = (struct scan_env){
        .i = i, .lits = outbound ? &i->all : &i->secrets, .detectors = c->detectors, .stop = !c->audit_only};
    s->root = layer_new_body(&s->env, outbound, kind, c->content_encoding);
    if (!s->root) {
        free(s);
        errno = ENOMEM;
        return NULL;
    }
    s->env.redact = secrets && c->redact && !layer_is_packed(s->root);
    if (secrets && c->redact && !s->env.redact) /* packed though we asked for it plain: it ends there */
        s->env.detectors |= DETECT_KNOWN_SECRETS;
    return s;
}

bool inspect_redact(struct inspector *i, struct arena *a, const char *text, size_t len, const char **out)
{
    struct scan_env env = {.i = i, .lits = &i->secrets, .detectors = DETECT_KNOWN_SECRETS, .redact = true};
    struct scan scan = {0};
    for (size_t at = 0; at < len; at += PIECE_MAX)
        (void)scan_feed(
            &scan, &env, (const uint8_t *)text + at, MIN(len - at, PIECE_MAX), len - at <= PIECE_MAX);
    scan_free(&scan);
    if (!env.n_ranges && !env.too_much)
        return false;
    char *copy = arena_strndup(a, text, len);
    if (copy && env.too_much)
        memset(copy, '*', len);
    for (unsigned k = 0; copy && k < env.n_ranges; k++)
        memset(copy + env.range[k].from, '*', (size_t)(env.range[k].to - env.range[k].from));
    *out = copy;
    return true;
}

void inspect_close(struct inspect *s)
{
    if (!s)
        return;
    layer_free(s->root);
    free(s->held);
    free(s);
}

static void add_span(struct inspect_out *out, const uint8_t *p, size_t n)
{
    if (n) {
        out->span[out->n_spans].p = p;
        out->span[out->n_spans++].n = n;
    }
}

/* Makes room before spans point into it. */
static int reserve(struct inspect *s, size_t n)
{
    if (s->sent) {
        s->n_held -= s->sent;
        memmove(s->held, s->held + s->sent, s->n_held);
        s->sent = 0;
    }
    if (s->n_held + n <= s->room)
        return 0;
    if (s->n_held + n > RAW_HOLD_MAX + MIB(1))
        return -EMSGSIZE;
    uint8_t *grown = realloc(s->held, s->n_held + n);
    if (!grown)
        return -ENOMEM;
    s->held = grown;
    s->room = s->n_held + n;
    return 0;
}

/* Known secrets that came back. */
static int cover(struct inspect *s, const uint8_t *in, size_t n)
{
    int r = reserve(s, n);
    if (r)
        return r;
    if (n)
        memcpy(s->held + s->n_held, in, n);
    s->n_held += n;
    for (unsigned i = 0; i < s->env.n_ranges; i++) {
        uint64_t from = MAX(s->env.range[i].from, s->released), to = s->env.range[i].to;
        if (to > from)
            memset(s->held + (from - s->released), '*', (size_t)(to - from));
    }
    s->env.n_ranges = 0;
    return 0;
}

/* Lets go of octets up to `upto`: first of what is held, then of `in`; the rest of `in` is held. */
static int let_go(struct inspect *s, const uint8_t *in, size_t n, uint64_t upto, struct inspect_out *out)
{
    int r = 0;
    if (s->env.n_ranges) {
        r = cover(s, in, n);
        n = 0;
    }
    size_t go = (size_t)(upto - s->released), old = MIN(go, s->n_held), fresh = go - old;
    if (!r && n > fresh)
        r = reserve(s, n - fresh);
    if (r)
        return r;
    add_span(out, s->held, old);
    add_span(out, in, fresh);
    if (n > fresh) {
        memcpy(s->held + s->n_held, in + fresh, n - fresh);
        s->n_held += n - fresh;
    }
    s->sent = old;
    s->released = upto;
    return s->n_held - old > RAW_HOLD_MAX ? -EMSGSIZE : 0;
}

int inspect_feed(struct inspect *s, const uint8_t *in, size_t n, bool fin, struct inspect_out *out)
{
    uint64_t upto = s->released;
    size_t fed = 0;
    *out = (struct inspect_out){0};
    if (s->sent)
        (void)reserve(s, 0);
    if (s->dead)
        return -EMSGSIZE;
    s->env.input += n;
    s->end += n;
    if (s->bypass) {
        add_span(out, in, n);
        return 0;
    }
    do {
        size_t k = MIN(n - fed, PIECE_MAX);
        uint64_t settled = layer_feed(s->root, in + fed, k, fin && fed + k == n);
        /* What is blocked: of the piece that holds it, and of what waited for that, nothing goes on. */
        if (!s->env.too_much && !(s->env.found && s->env.stop))
            upto = MAX(upto, settled);
        fed += k;
        if (s->env.found && !out->found) {
            out->found = true;
            out->finding =
                (struct finding){.detector = s->env.detector, .where = "body", .offset = s->env.offset};
            s->env.found = false;
        }
    } while (fed < n && !(out->found && s->env.stop) && !s->env.too_much);
    int r = s->env.too_much ? -EMSGSIZE : 0;
    if (r && !s->env.stop) { /* told once; from here on nobody looks */
        s->bypass = true;
        return let_go(s, in, n, s->end, out) ? -ENOMEM : r;
    }
    if (!s->env.stop && !s->env.redact)
        upto = s->end; /* nothing will be cut: no reason to keep anyone waiting */
    int kept = let_go(s, in, n, upto, out);
    r = r ? r : kept;
    s->dead = r != 0 || (out->found && s->env.stop);
    return r;
}
