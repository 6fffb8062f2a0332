/* One text. The matcher sees what is held together with what is new, in one block; so no state of its own is
 * needed, and a candidate is judged from its first octet each time. */
#include <string.h>

#include "appliance/inspect/inspect_internal.h"

/* A verifier reads a bounded stretch. Text made of nothing but beginnings could make it read that again and
 * again: past this many octets a piece, it cannot be followed. */
#define VERIFY_WORK_MAX (64 * PIECE_MAX)
#define VERIFY_COST 64u
#define HOLD_DIGITS_MIN 12u /* of a squeezed text that ends in digits */

struct look {
    struct scan_env *env;
    const struct literals *lits;
    const uint8_t *p;
    size_t n, ctx, old; /* old: octets of p that came before */
    uint64_t base; /* offset of p[0] in the text */
    bool fin;
    size_t open; /* the first octet that is not settled */
    size_t watch; /* the first octet that is looked at again, settled or not */
    size_t match; /* the first match's first octet; n: none */
    size_t match_end; /* of what it begins with */
    const char *detector;
    uint64_t work;
    struct scan *scan; /* gets where compressed streams may begin */
};

static enum scan_verdict verify_secret(const struct candidate *c, const struct literal *l)
{
    size_t have = MIN(c->n, (size_t)l->len);
    if (memcmp(c->p, l->text, have) != 0)
        return SCAN_NO;
    if (have == l->len)
        return SCAN_MATCH;
    return c->fin ? SCAN_NO : SCAN_MORE;
}

static bool belongs(const struct scan_env *env, const struct pattern *t)
{
    if (t->verify == verify_jwt || t->verify == verify_basic || t->verify == verify_environment)
        return true;
    return env->detectors & DETECT_NOT_SIGNED_URLS && (t->verify == verify_aws_id || t->anchor[0] == 's') &&
           (t->verify == verify_aws_id || t->verify == verify_parts);
}

/* Compressed streams are followed for the sake of whatever is looked for. */
static bool wanted(const struct scan_env *env, const struct literal *l)
{
    if (l->pattern && !l->pattern->verify)
        return true;
    if (l->pattern && (env->detectors & (DETECT_NOT_SESSIONS | DETECT_NOT_SIGNED_URLS)) &&
        belongs(env, l->pattern))
        return false;
    return env->detectors & (l->pattern ? DETECT_TOKEN_PATTERNS : DETECT_KNOWN_SECRETS);
}

/* A secret that comes back. Its first octets may have gone already (see INSPECT_HOLD_MIN): what is left is
 * covered. */
static int cover(struct look *k, const struct literal *l, size_t start)
{
    struct scan_env *env = k->env;
    struct candidate c = {.p = k->p + start, .n = k->n - start, .before = start, .fin = k->fin};
    enum scan_verdict v = verify_secret(&c, l);
    if (v == SCAN_MORE)
        k->open = MIN(k->open, MAX(start, k->ctx));
    if (v != SCAN_MATCH || start + l->len <= k->ctx)
        return 0;
    if (env->n_ranges == SCAN_RANGES_MAX) {
        env->too_much = true;
        return 1;
    }
    env->range[env->n_ranges++] = (struct scan_range){k->base + start, k->base + start + l->len};
    return 0;
}

/* Of a URL with a password what comes before that is anybody's: it is watched, not held. */
static bool says_nothing(const struct candidate *c, const struct literal *l)
{
    if (!l->pattern)
        return false;
    return l->pattern->verify == verify_url ? !memchr(c->p + l->len, ':', c->n - l->len)
                                            : named_says_nothing(c, l->pattern);
}

static int on_hit(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *arg)
{
    struct look *k = arg;
    const struct literal *l = &k->lits->v[id];
    size_t start = (size_t)to - MIN(l->len, ANCHOR_MAX);
    (void)from, (void)flags;
    if (k->env->redact && !l->pattern)
        return cover(k, l, start);
    /* One that began in the context was too short to be held; one that is all in there has been judged. */
    if (to <= k->ctx || start >= k->match || !wanted(k->env, l))
        return 0;
    if (l->pattern && !l->pattern->verify) {
        if (to <= k->old) /* each is told once */
            return 0;
        if (k->scan->n_magic == SCAN_MAGIC_MAX)
            k->env->too_much = true;
        else
            k->scan->magic[k->scan->n_magic++] = (struct scan_magic){k->base + start, l->pattern->min};
        return 0;
    }
    struct candidate c = {.p = k->p + start, .n = k->n - start, .before = start, .fin = k->fin};
    enum scan_verdict v = !l->pattern || l->len > ANCHOR_MAX ? verify_secret(&c, l) : SCAN_MATCH;
    if (l->pattern && v == SCAN_MATCH)
        v = l->pattern->verify(&c, l->pattern);
    k->work += VERIFY_COST;
    if (v == SCAN_MATCH) {
        k->match = start;
        k->match_end = (size_t)to;
        k->detector = l->detector;
    } else if (v == SCAN_MORE) {
        size_t *wait = says_nothing(&c, l) ? &k->watch : &k->open;
        *wait = MIN(*wait, MAX(start, k->ctx));
    }
    if (k->work > VERIFY_WORK_MAX)
        k->env->too_much = true;
    return k->env->too_much;
}

/* The beginning of a known secret at the end of the text is held; that of a token format is not before it is
 * whole, for it is the same in every token and says nothing. It may have begun in the context: octet by octet
 * each end is too short by itself. Less than INSPECT_HOLD_MIN is not held: a letter or two at the end of a
 * message are nearly always the first of some secret's forms, and whoever reads it may be waiting. */
static void hold_partial(struct look *k)
{
    const struct literals *l = k->lits == &k->env->i->squeezed ? k->lits : &k->env->i->secrets;
    if (!k->env->redact && !(k->env->detectors & DETECT_KNOWN_SECRETS))
        return;
    size_t tail = MIN(k->n, l->longest);
    size_t partial = k->n - tail + literals_partial(l, k->p + k->n - tail, tail, INSPECT_HOLD_MIN);
    size_t min = INSPECT_HOLD_MIN, digits = partial;
    while (k->lits == &k->env->i->squeezed && digits < k->n && k->p[digits] <= '9')
        digits++;
    if (digits == k->n) /* a few digits are anybody's */
        min = HOLD_DIGITS_MIN;
    if (k->n - partial >= min)
        k->open = MIN(k->open, MAX(partial, k->ctx));
}

static void look(struct look *k)
{
    struct scan_env *env = k->env;
    k->open = k->watch = k->match = k->n;
    if (!k->lits->db || k->n == 0)
        return;
    env->work += k->n;
    hs_error_t r = hs_scan(k->lits->db, (const char *)k->p, (unsigned)k->n, 0, env->i->scratch, on_hit, k);
    if (r != HS_SUCCESS && r != HS_SCAN_TERMINATED)
        env->too_much = true; /* what was not looked at does not pass */
    if (!k->fin)
        hold_partial(k);
}

static uint64_t detector_bit(const char *d)
{
    uint64_t h = 14695981039346656037u;
    for (; *d; d++)
        h = (h ^ (uint8_t)*d) * 1099511628211u;
    return 1ull << (h >> 58);
}

void scan_tell(struct scan_env *env, const char *detector, uint64_t offset)
{
    uint64_t bit = detector_bit(detector);
    if (!env->stop && env->seen & bit)
        return;
    env->found = true;
    env->detector = detector;
    env->offset = offset;
    env->seen |= bit;
}

/* Octets from `from` on wait, with a few before them. */
static void keep(struct scan *s, struct scan_env *env, const uint8_t *w, size_t n, size_t from)
{
    size_t ctx = MIN(from, CONTEXT_MAX), len = n - from + ctx;
    uint8_t *to = s->small;
    if (n - from > HOLD_MAX) {
        env->too_much = true;
        len = ctx;
    }
    if (len > sizeof s->small) {
        if (s->room < len) {
            uint8_t *grown = realloc(s->buf, len + 1024);
            if (!grown) {
                env->too_much = true;
                return;
            }
            s->buf = grown;
            s->room = (uint32_t)len + 1024;
        }
        to = s->buf;
    }
    memmove(to, w + from - ctx, len);
    s->n = (uint32_t)len;
    s->ctx = (uint32_t)ctx;
}

static const uint8_t *held(const struct scan *s)
{
    return s->n > sizeof s->small ? s->buf : s->small;
}

uint64_t scan_feed(struct scan *s, struct scan_env *env, const uint8_t *p, size_t n, bool fin)
{
    struct look k = {
        .env = env, .lits = s->lits ? s->lits : env->lits, .p = p, .n = n, .fin = fin, .scan = s};
    if (s->n) {
        uint8_t *w = env->i->window;
        memcpy(w, held(s), s->n);
        if (n)
            memcpy(w + s->n, p, n);
        k.p = w;
        k.n += s->n;
        k.ctx = s->ctx;
        k.old = s->n;
    }
    uint64_t base = k.base = s->at - k.ctx;
    s->n_magic = 0;
    look(&k);
    if (k.match < k.n) {
        scan_tell(env, k.detector, base + k.match);
        if (env->stop)
            return base + MIN(k.match, k.open);
        k.open = MAX(k.open, k.match_end);
        k.watch = MAX(k.watch, k.match_end);
    }
    k.watch = MIN(k.watch, k.open);
    s->at = base + k.watch;
    if (!fin)
        keep(s, env, k.p, k.n, k.watch);
    return base + k.open;
}

bool scan_waits(const struct scan *s)
{
    return s->n > s->ctx;
}

void scan_free(struct scan *s)
{
    free(s->buf);
    s->buf = NULL;
}

/* Dots cut a text into labels; so it is looked at without them, too. Short enough to compare one by one. */
static bool host_holds(struct scan_env *env, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < env->lits->n; i++) {
        const struct literal *l = &env->lits->v[i];
        size_t len = MIN(l->len, ANCHOR_MAX);
        if (!wanted(env, l) || len < 4)
            continue;
        for (size_t at = 0; at + l->len <= n; at++) {
            if (strncasecmp((const char *)p + at, (const char *)l->text, l->pattern ? len : l->len) != 0)
                continue;
            struct candidate c = {.p = p + at, .n = n - at, .before = at, .fin = true, .folded = true};
            if (!l->pattern || (l->pattern->chars[0] && l->pattern->verify(&c, l->pattern) == SCAN_MATCH)) {
                env->found = true;
                env->detector = l->detector;
                return true;
            }
        }
    }
    return false;
}

bool scan_host(struct scan_env *env, const char *host, size_t n)
{
    uint8_t joined[256];
    size_t len = 0;
    if (host_holds(env, (const uint8_t *)host, n))
        return true;
    for (size_t i = 0; i < n && len < sizeof joined; i++)
        if (host[i] != '.')
            joined[len++] = (uint8_t)host[i];
    if (host_holds(env, joined, len))
        return true;
    for (size_t at = 0; (env->detectors & DETECT_TOKEN_PATTERNS) && at < n;) {
        size_t label = strcspn(host + at, ".");
        if (looks_like_data_label(host + at, MIN(label, n - at))) {
            env->found = true;
            env->detector = "token_patterns:high_entropy_label";
            return true;
        }
        at += label + 1;
    }
    return false;
}
