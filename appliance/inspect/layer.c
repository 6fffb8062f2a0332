/* A layer: the matcher over a text, and transforms to the texts inside it. */
#include "appliance/inspect/layer.h"

#include <string.h>
#include <strings.h>

#include "appliance/inspect/inspect_internal.h"
#include "appliance/inspect/utf16.h"

/* Octets looked at in all layers together, for each octet that came: what is packed tighter than this, or
 * nested wider, is made to tire us out (the matcher's time is what an agent could take from others). */
#define WORK_FREE MIB(8)
#define WORK_RATIO 400u
#define SQUEEZE_BEFORE KIB(4) /* octets before an escape within an escape */
#define UNPACKS_MAX 8u /* at once; a font has octets that begin five by chance */
#define CODINGS_MAX 3u

struct layer {
    struct scan_env *env;
    unsigned depth, kind;
    uint64_t end; /* octets that came */
    struct runs *runs;
    struct utf16 *utf16;
    struct unescape *unescape;
    uint8_t *past; /* the latest octets, for what escapes matter to */
    size_t n_past, past_room;
    struct join *join;
    struct join_judge judge;
    uint8_t last[ZLIB_SEEN], n_last; /* the latest octets: a stream's first may be among them */
    struct squeeze *squeeze;
    struct loose *loose;
    struct injection *injection;
    struct unpack *unpacks[UNPACKS_MAX];
    struct scan scan; /* the last: what is large in it need not be cleared */
};

/* ---- below ---- */

bool below_open(struct below *b, struct scan_env *env, unsigned depth, unsigned kind)
{
    *b = (struct below){.l = layer_new(env, depth + 1, kind)};
    if (!b->l)
        env->too_much = true;
    return b->l != NULL;
}

static void add_mark(struct below *b, uint64_t above)
{
    unsigned k = 0, n = b->n_marks;
    while (k + 1 < n && b->mark[k + 1].below <= b->settled) /* of those behind us, one is enough */
        k++;
    if (k) {
        memmove(b->mark, b->mark + k, (n - k) * sizeof b->mark[0]);
        n -= k;
    }
    if (n == MARKS_MAX) { /* every other one: what is settled is then told later, never too early */
        for (k = 1; 2 * k < n; k++)
            b->mark[k] = b->mark[(size_t)2 * k];
        n = k;
    }
    b->mark[n].below = b->end;
    b->mark[n].above = above;
    b->n_marks = n + 1;
}

void below_feed(struct below *b, const uint8_t *p, size_t n, uint64_t above, bool fin)
{
    if (!b->l)
        return;
    if (n)
        add_mark(b, above);
    for (size_t fed = 0, k; fed < n || (fin && n == 0); fed += k) {
        k = MIN(n - fed, PIECE_MAX);
        b->end += k;
        b->settled = layer_feed(b->l, n ? p + fed : p, k, fin && fed + k == n);
        if (n == 0)
            break;
    }
}

uint64_t below_settled(const struct below *b, uint64_t above)
{
    if (!b->l || b->settled >= b->end)
        return above;
    uint64_t at = b->n_marks ? b->mark[0].above : above;
    for (unsigned i = 0; i < b->n_marks && b->mark[i].below <= b->settled; i++)
        at = b->mark[i].above;
    return MIN(at, above);
}

void below_close(struct below *b)
{
    layer_free(b->l);
    b->l = NULL;
}

bool below_waits(const struct scan_env *env, unsigned depth, unsigned kind, const uint8_t *p, size_t n)
{
    struct scan_env peek = *env;
    struct below b;
    peek.found = false;
    peek.stop = true;
    if (env->too_much || (env->found && env->stop) || !below_open(&b, &peek, depth, kind))
        return true;
    below_feed(&b, p, n, 0, false);
    bool waits = peek.found || peek.too_much || b.settled < b.end;
    below_close(&b);
    return waits;
}

/* ---- life ---- */

struct layer *layer_new(struct scan_env *env, unsigned depth, unsigned kind)
{
    struct layer *l = malloc(sizeof *l); /* often, and for a few octets */
    if (!l)
        return NULL;
    memset(l, 0, offsetof(struct layer, scan.magic));
    l->env = env;
    l->depth = depth;
    l->kind = depth < env->i->max_depth ? kind : kind & (LAYER_WRAPPER | LAYER_PHRASES | LAYER_HTML);
    return l;
}

void layer_free(struct layer *l)
{
    if (!l)
        return;
    scan_free(&l->scan);
    runs_free(l->runs);
    utf16_free(l->utf16);
    unescape_free(l->unescape);
    free(l->past);
    join_free(l->join);
    squeeze_free(l->squeeze);
    loose_free(l->loose);
    injection_free(l->injection);
    for (unsigned i = 0; i < UNPACKS_MAX; i++)
        unpack_free(l->unpacks[i]);
    free(l);
}

static bool coding_of(const char *s, size_t n, enum coding *c)
{
    static const struct {
        const char *name;
        enum coding coding;
    } known[] = {{"gzip", CODING_GZIP}, {"x-gzip", CODING_GZIP}, {"deflate", CODING_DEFLATE},
        {"br", CODING_BR}, {"zstd", CODING_ZSTD}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (n == strlen(known[i].name) && strncasecmp(s, known[i].name, n) == 0) {
            *c = known[i].coding;
            return true;
        }
    return false;
}

static bool says_nothing(const char *s, size_t n)
{
    static const char *const names[] = {"identity", "aws-chunked", "none", "utf-8"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (n == strlen(names[i]) && strncasecmp(s, names[i], n) == 0)
            return true;
    return n == 0;
}

/* RFC 9110 8.4: in the order in which they were applied. False: one that we cannot undo. */
static bool parse_codings(const char *text, enum coding *out, size_t *n)
{
    *n = 0;
    while (text && *text) {
        text += strspn(text, " \t,");
        size_t len = strcspn(text, " \t,");
        if (!says_nothing(text, len) && (*n == CODINGS_MAX || !coding_of(text, len, &out[(*n)++])))
            return false;
        text += len;
    }
    return true;
}

struct layer *layer_new_body(struct scan_env *env, bool strict, unsigned kind, const char *content_encoding)
{
    enum coding c[CODINGS_MAX];
    size_t n;
    if (!parse_codings(content_encoding, c, &n)) {
        env->too_much |= strict;
        n = 0;
    }
    if (n == 0)
        return layer_new(env, 0, kind);
    /* The packed octets themselves are looked at too: who says that they are packed need not be right. */
    struct layer *l = layer_new(env, 0, LAYER_PLAIN), *above = l;
    for (size_t i = n; l && i-- > 0;) {
        struct unpack *u = unpack_new(env, 0, c[i], strict, i ? LAYER_PLAIN : kind);
        if (!u) {
            layer_free(l);
            return NULL;
        }
        above->unpacks[0] = u;
        above = unpack_below(u);
    }
    return l;
}

bool layer_is_packed(const struct layer *l)
{
    return l->unpacks[0] != NULL;
}

bool layer_is_busy(const struct layer *l)
{
    return scan_waits(&l->scan) || (l->runs && runs_busy(l->runs)) || (l->utf16 && utf16_busy(l->utf16)) ||
           (l->unescape && unescape_busy(l->unescape)) || (l->squeeze && squeeze_busy(l->squeeze));
}

bool layer_takes_blanks(const struct layer *l)
{
    for (unsigned i = 0; i < UNPACKS_MAX; i++)
        if (l->unpacks[i] && !unpack_over(l->unpacks[i]))
            return false;
    return !layer_is_busy(l) && !(l->unescape && unescape_is_active(l->unescape));
}

/* ---- feeding ---- */

/* Of those that the matcher finds. */
static const uint8_t *magic_of(enum coding c)
{
    static const uint8_t gzip[] = {0x1f, 0x8b, 0x08}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd},
                         zip[] = {'P', 'K', 3, 4};
    return c == CODING_ZSTD ? zstd : c == CODING_ZIP ? zip : gzip;
}

/* RFC 1950 2.2; of one octet alone: maybe. */
static bool is_zlib(const uint8_t *p, size_t n)
{
    return n && (p[0] & 0x0f) == 8 && p[0] >> 4 <= 7 && (n < 2 || ((unsigned)p[0] << 8 | p[1]) % 31 == 0);
}

static struct unpack **free_unpack(struct layer *l)
{
    for (unsigned i = 0; i < UNPACKS_MAX; i++) {
        if (l->unpacks[i] && unpack_over(l->unpacks[i])) {
            unpack_free(l->unpacks[i]);
            l->unpacks[i] = NULL;
        }
        if (!l->unpacks[i])
            return &l->unpacks[i];
    }
    return NULL;
}

/* A stream that begins at offset `from`, at the latest in these octets; `magic` are its first few, which can
 * have come before them. */
static void start_unpack(
    struct layer *l, uint64_t from, const uint8_t *magic, const uint8_t *p, size_t n, bool fin, enum coding c)
{
    struct unpack **slot = free_unpack(l);
    if (!slot || !(*slot = unpack_new(l->env, l->depth, c, false, l->kind))) {
        l->env->too_much = true;
        return;
    }
    if (from < l->end)
        (void)unpack_feed(*slot, from, magic, (size_t)(l->end - from), false);
    size_t skip = from > l->end ? (size_t)(from - l->end) : 0;
    (void)unpack_feed(*slot, l->end + skip, p + skip, n - skip, fin);
}

/* As a member of a stream that began before: one reader is enough. */
static bool is_followed(const struct layer *l, uint64_t at)
{
    for (unsigned i = 0; i < UNPACKS_MAX; i++)
        if (l->unpacks[i] && unpack_has_member(l->unpacks[i], at))
            return true;
    return false;
}

/* Streams of zlib's format within a text: of PDF, PNG, git. */
static void find_zlib(struct layer *l, const uint8_t *p, size_t n, bool fin)
{
    uint8_t seam[2 * ZLIB_SEEN];
    size_t old = l->n_last, more = MIN(n, (size_t)ZLIB_SEEN), from = 0;
    if (old)
        memcpy(seam, l->last, old);
    if (more)
        memcpy(seam + old, p, more);
    while ((from = unpack_find_zlib(seam, old + more, from)) < old) {
        start_unpack(l, l->end - old + from, seam + from, p, n, fin, CODING_DEFLATE);
        from++;
    }
    for (from = 0; (from = unpack_find_zlib(p, n, from)) < n && !l->env->too_much; from++)
        if (l->end + from)
            start_unpack(l, l->end + from, p, p, n, fin, CODING_DEFLATE);
    /* from where a stream would have been seen too little of */
    size_t kept = MIN(old + more, (size_t)ZLIB_SEEN - 1);
    if (kept && n >= kept)
        memcpy(l->last, p + n - kept, kept);
    else if (kept)
        memcpy(l->last, seam + old + more - kept, kept);
    l->n_last = (uint8_t)kept;
}

static void start_unpacks(struct layer *l, const uint8_t *p, size_t n, bool fin)
{
    if (l->end == 0 && is_zlib(p, n))
        start_unpack(l, 0, p, p, n, fin, CODING_DEFLATE);
    find_zlib(l, p, n, fin);
    for (unsigned i = 0; i < l->scan.n_magic; i++)
        if (!is_followed(l, l->scan.magic[i].at))
            start_unpack(l, l->scan.magic[i].at, magic_of(l->scan.magic[i].coding), p, n, fin,
                l->scan.magic[i].coding);
}

static uint64_t feed_unpacks(struct layer *l, const uint8_t *p, size_t n, bool fin)
{
    uint64_t settled = l->end + n;
    for (unsigned i = 0; i < UNPACKS_MAX; i++)
        if (l->unpacks[i] && !unpack_over(l->unpacks[i]))
            (void)unpack_feed(l->unpacks[i], l->end, p, n, fin);
    if (l->kind & LAYER_COMPRESSED)
        start_unpacks(l, p, n, fin);
    for (unsigned i = 0; i < UNPACKS_MAX; i++)
        if (l->unpacks[i])
            settled = MIN(settled, unpack_settled(l->unpacks[i]));
    return settled;
}

static struct held_text past(const struct layer *l)
{
    return (struct held_text){l->past, l->n_past};
}

/* Grows to twice what is kept, so that it is not moved at every octet. */
static void remember(struct layer *l, const uint8_t *p, size_t n)
{
    size_t old = MIN(l->n_past, (size_t)UNESCAPE_BEFORE), k = MIN(n, (size_t)UNESCAPE_BEFORE);
    if (l->n_past + k > l->past_room && l->past_room < 2 * UNESCAPE_BEFORE) {
        size_t room = MIN(2 * (l->n_past + k), (size_t)2 * UNESCAPE_BEFORE);
        uint8_t *grown = realloc(l->past, room);
        if (!grown) {
            l->env->too_much = true;
            return;
        }
        l->past = grown;
        l->past_room = room;
    }
    if (l->n_past + k > l->past_room) {
        memmove(l->past, l->past + l->n_past - old, old);
        l->n_past = old;
    }
    if (k)
        memcpy(l->past + l->n_past, p + n - k, k);
    l->n_past += k;
}

static uint64_t feed_unescape(struct layer *l, const uint8_t *p, size_t n, bool fin)
{
    const struct held_text before = past(l);
    if (!l->unescape) {
        if (!unescape_wants(l->env, l->end, &before, p, n, fin))
            return l->end + n;
        l->unescape = unescape_new(l->env, l->depth, l->end);
        if (!l->unescape) {
            l->env->too_much = true;
            return l->end;
        }
    }
    return unescape_feed(l->unescape, l->end, &before, p, n, fin);
}

static uint64_t feed_join(struct layer *l, const uint8_t *p, size_t n, bool fin)
{
    size_t from = 0;
    if (!l->judge.done) {
        enum join_mode mode = join_judge(&l->judge, p, n, &from);
        if (l->kind & LAYER_UNESCAPED && mode != JOIN_JSON)
            mode = JOIN_NONE; /* it has been, above */
        if (mode != JOIN_NONE && !(l->join = join_new(l->env, l->depth, mode)))
            l->env->too_much = true;
    }
    return l->join ? join_feed(l->join, l->end + from, from ? p + from : p, n - from, fin) : l->end + n;
}

static uint64_t feed_runs(struct layer *l, const uint8_t *p, size_t n, bool fin)
{
    if (!l->runs && !(l->runs = runs_new(l->env, l->depth))) {
        l->env->too_much = true;
        return l->end;
    }
    return runs_feed(l->runs, l->end, p, n, fin);
}

/* Where there is no NUL there is none of it. */
static uint64_t feed_utf16(struct layer *l, const uint8_t *p, size_t n, bool fin)
{
    if (!l->utf16 && (!n || !memchr(p, 0, n)))
        return l->end + n;
    int last = l->n_past ? l->past[l->n_past - 1] : -1;
    if (!l->utf16 && !(l->utf16 = utf16_new(l->env, l->depth, last))) {
        l->env->too_much = true;
        return l->end;
    }
    return utf16_feed(l->utf16, l->end, p, n, fin);
}

/* What was unescaped has been squeezed above, but for escapes within escapes: from some way before the first
 * of these on. */
static uint64_t feed_squeeze(struct layer *l, const uint8_t *p, size_t n, bool fin)
{
    uint64_t from = l->end, first = 0;
    if (!l->env->i->squeezed.db || !(l->env->detectors & DETECT_KNOWN_SECRETS))
        return l->end + n;
    if (!l->squeeze && l->kind & LAYER_UNESCAPED) {
        if (!l->unescape || !unescape_seen(l->unescape, &first))
            return l->end + n;
        from = first - MIN(first, (uint64_t)SQUEEZE_BEFORE);
    }
    if (!l->squeeze && !(l->squeeze = squeeze_new(l->env))) {
        l->env->too_much = true;
        return l->end;
    }
    size_t skip = from > l->end ? (size_t)(from - l->end) : 0,
           old = from < l->end ? (size_t)(l->end - from) : 0;
    if (old)
        (void)squeeze_feed(l->squeeze, from, l->past + l->n_past - old, old, false);
    return squeeze_feed(l->squeeze, l->end + skip, skip ? p + skip : p, n - skip, fin);
}

static uint64_t feed_loose(struct layer *l, const uint8_t *p, size_t n, bool fin)
{
    if (!(l->env->detectors & DETECT_TOKEN_PATTERNS) || l->kind & LAYER_UNESCAPED) /* looked at above */
        return l->end + n;
    if (!l->loose && !(l->loose = loose_new(l->env))) {
        l->env->too_much = true;
        return l->end;
    }
    return loose_feed(l->loose, l->end, p, n, fin);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t feed_injection(struct layer *l, const uint8_t *p, size_t n, bool fin)
{
    if (!l->injection && !(l->injection = injection_new(l->env, l->kind & LAYER_HTML))) {
        l->env->too_much = true;
        return l->end;
    }
    return injection_feed(l->injection, l->end, p, n, fin);
}

uint64_t layer_feed(struct layer *l, const uint8_t *p, size_t n, bool fin)
{
    struct scan_env *env = l->env;
    uint64_t end = l->end + n, settled = end;
    env->work += n;
    if (env->work > WORK_FREE + WORK_RATIO * env->input)
        env->too_much = true;
    if (l->kind & LAYER_ESCAPES)
        settled = feed_unescape(l, p, n, fin);
    if (!(l->kind & LAYER_WRAPPER))
        settled = least(settled, scan_feed(&l->scan, env, p, n, fin));
    if (l->kind & LAYER_SQUEEZED)
        settled = least(settled, feed_squeeze(l, p, n, fin));
    if (l->kind & LAYER_LOOSE)
        settled = least(settled, feed_loose(l, p, n, fin));
    if (l->kind & LAYER_RUNS)
        settled = least(least(settled, feed_runs(l, p, n, fin)), feed_utf16(l, p, n, fin));
    if (l->kind & LAYER_JOINED)
        settled = least(settled, feed_join(l, p, n, fin));
    if (l->kind & LAYER_PHRASES)
        settled = least(settled, feed_injection(l, p, n, fin));
    settled = least(settled, feed_unpacks(l, p, n, fin));
    if (l->kind & LAYER_ESCAPES && !fin)
        remember(l, p, n);
    l->end = end;
    return settled;
}
