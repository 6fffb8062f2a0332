/* One database of literals for the matcher, and the same list sorted, for what may become one. */
#include <stdio.h>
#include <string.h>

#include "appliance/inspect/inspect_internal.h"
#include "lib/arena.h"

static size_t anchor_len(const struct literal *l)
{
    return MIN(l->len, ANCHOR_MAX);
}

static bool is_known(const struct literals *l, const uint8_t *text, size_t len)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].len == len && memcmp(l->v[i].text, text, len) == 0)
            return true;
    return false;
}

bool literals_add(
    struct literals *l, const uint8_t *text, size_t len, const struct pattern *p, const char *detector)
{
    if (!p && is_known(l, text, len))
        return true;
    if (l->n == l->room) {
        size_t room = l->room ? 2 * l->room : 128;
        struct literal *v = realloc(l->v, room * sizeof *v);
        if (!v)
            return false;
        l->v = v;
        l->room = room;
    }
    const char *copy = arena_strndup(l->arena, (const char *)text, len);
    if (!copy || !detector)
        return false;
    l->v[l->n++] = (struct literal){.text = (const uint8_t *)copy,
        .len = (uint32_t)len,
        .pattern = p,
        .detector = detector,
        .fold = p && (p->flags & PATTERN_FOLD)};
    return true;
}

const char *literals_detector(struct arena *a, const char *family, const char *name)
{
    char text[160];
    (void)snprintf(text, sizeof text, "%s:%.120s", family, name);
    return arena_strndup(a, text, strlen(text));
}

bool literals_add_patterns(struct literals *l)
{
    for (size_t i = 0; i < inspect_n_patterns; i++) {
        const struct pattern *p = &inspect_patterns[i];
        const char *d = literals_detector(l->arena, "token_patterns", p->name);
        if (!literals_add(l, (const uint8_t *)p->anchor, strlen(p->anchor), p, d))
            return false;
    }
    return true;
}

/* A form too short would be found by chance. */
static bool add_form(struct literals *l, const uint8_t *text, size_t len, const char *detector)
{
    return len < SECRET_MIN || literals_add(l, text, len, NULL, detector);
}

/* As a form field: RFC 1866 8.2.1 writes a space as '+'. Percent escapes are undone elsewhere. */
static bool add_plus(struct literals *l, const char *value, size_t n, uint8_t *out, const char *detector)
{
    if (!memchr(value, ' ', n))
        return true;
    for (size_t i = 0; i < n; i++)
        out[i] = value[i] == ' ' ? '+' : (uint8_t)value[i];
    return add_form(l, out, n, detector);
}

/* In base64, base85, uuencode, base32 and hex; `out` has room for all. */
static bool add_encoded(struct literals *l, const uint8_t *v, size_t n, uint8_t *out, const char *d)
{
    bool ok = true;
    for (unsigned shift = 0; ok && shift < 3; shift++)
        ok = add_form(l, out, form_base64(v, n, shift, false, out), d) &&
             add_form(l, out, form_base64(v, n, shift, true, out), d);
    for (unsigned shift = 0; ok && shift < 3; shift++)
        ok = add_form(l, out, form_uuencode(v, n, shift, false, out), d) &&
             add_form(l, out, form_uuencode(v, n, shift, true, out), d);
    for (unsigned k = 0; ok && k < 4 * FORM_BASE85S; k++)
        ok = add_form(l, out, form_base85(v, n, k % 4, k / 4, out), d);
    for (unsigned shift = 0; ok && shift < 5; shift++)
        ok = add_form(l, out, form_base32(v, n, shift, false, out), d);
    return ok && add_form(l, out, form_hex(v, n, false, out), d) &&
           add_form(l, out, form_hex(v, n, true, out), d);
}

bool literals_add_secret(struct literals *l, const char *name, const char *value)
{
    size_t n = strlen(value), room = 8 * (n / 4 + 2);
    const uint8_t *v = (const uint8_t *)value;
    const char *d = literals_detector(l->arena, "known_secrets", name);
    cleanup_free uint8_t *out = malloc(room + n);
    for (size_t i = 0; i < n; i++)
        l->in_secrets[v[i]] = true;
    for (size_t i = 0; i < n; i++)
        l->beyond_ascii |= v[i] >= 0x80;
    bool ok =
        out && d && add_form(l, v, n, d) && add_plus(l, value, n, out, d) && add_encoded(l, v, n, out, d);
    /* what it is the writing of, too */
    size_t octets = ok ? form_octets(v, n, out + room) : 0;
    for (size_t i = 0; i < octets; i++)
        l->beyond_ascii |= out[room + i] >= 0x80;
    if (octets)
        ok = add_form(l, out + room, octets, d) && add_encoded(l, out + room, octets, out, d);
    if (out)
        explicit_bzero(out, room + n);
    return ok;
}

/* Not among the literals from `from` on: two of one text would each be told. */
static bool is_new(const struct literals *l, size_t from, const uint8_t *text, size_t len)
{
    for (size_t i = from; i < l->n; i++)
        if (l->v[i].len == len && memcmp(l->v[i].text, text, len) == 0)
            return false;
    return true;
}

bool literals_add_escaped(struct literals *l, const char *name, const char *value)
{
    size_t n = strlen(value), from = l->n, len;
    const uint8_t *v = (const uint8_t *)value;
    const char *d = literals_detector(l->arena, "known_secrets", name);
    cleanup_free uint8_t *out = malloc(6 * n + 1);
    bool ok = out && d;
    for (unsigned k = 0; ok && k < FORM_PERCENTS + FORM_WRITINGS; k++) {
        len = k < FORM_PERCENTS ? form_percent(v, n, k, out) : form_written(v, n, k - FORM_PERCENTS, out);
        if (len != n && is_new(l, from, out, len)) /* else it is the secret itself */
            ok = add_form(l, out, len, d);
    }
    if (out)
        explicit_bzero(out, 6 * n + 1);
    return ok;
}

static int by_text(const void *a, const void *b, void *arg)
{
    const struct literals *l = arg;
    const struct literal *x = &l->v[*(const uint32_t *)a], *y = &l->v[*(const uint32_t *)b];
    int c = memcmp(x->text, y->text, MIN(anchor_len(x), anchor_len(y)));
    return c ? c : (anchor_len(x) > anchor_len(y)) - (anchor_len(x) < anchor_len(y));
}

/* Of the first two octets. */
static unsigned pair_of(const uint8_t *p)
{
    return (p[0] * 31u + p[1]) % (64 * LITERAL_PAIRS);
}

static int sort(struct literals *l)
{
    l->sorted = malloc(MAX(l->n, (size_t)1) * sizeof *l->sorted);
    if (!l->sorted)
        return -ENOMEM;
    for (size_t i = 0; i < l->n; i++) {
        const struct literal *x = &l->v[i];
        l->sorted[i] = (uint32_t)i;
        l->first[x->text[0] + 1]++;
        if (x->len > 1)
            l->pairs[pair_of(x->text) / 64] |= 1ull << pair_of(x->text) % 64;
        l->longest = MAX(l->longest, anchor_len(x));
    }
    for (size_t i = 0; i < 256; i++)
        l->first[i + 1] += l->first[i];
    qsort_r(l->sorted, l->n, sizeof *l->sorted, by_text, l);
    return 0;
}

int literals_compile(struct literals *l, char *err, size_t errlen)
{
    if (l->n == 0)
        return 0;
    cleanup_free const char **text = malloc(l->n * sizeof *text);
    cleanup_free unsigned *flags = calloc(l->n, sizeof *flags), *ids = malloc(l->n * sizeof *ids);
    cleanup_free size_t *lens = malloc(l->n * sizeof *lens);
    hs_compile_error_t *why = NULL;
    if (!text || !flags || !ids || !lens || sort(l) != 0)
        return -ENOMEM;
    for (size_t i = 0; i < l->n; i++) {
        text[i] = (const char *)l->v[i].text;
        lens[i] = anchor_len(&l->v[i]);
        ids[i] = (unsigned)i;
        flags[i] = l->v[i].fold ? HS_FLAG_CASELESS : 0;
    }
    if (hs_compile_lit_multi(text, flags, ids, lens, (unsigned)l->n, HS_MODE_BLOCK, NULL, &l->db, &why) ==
        HS_SUCCESS)
        return 0;
    (void)snprintf(err, errlen, "cannot build the matcher: %s", why ? why->message : "?");
    hs_free_compile_error(why);
    return -EINVAL;
}

void literals_free(struct literals *l)
{
    hs_free_database(l->db);
    for (size_t i = 0; i < l->n; i++)
        explicit_bzero((void *)(uintptr_t)l->v[i].text, l->v[i].len);
    free(l->v);
    free(l->sorted);
}

/* Is p[0..n) the beginning of a literal that is longer? The first literal that is not less than it is, if
 * any. */
static bool begins_literal(const struct literals *l, const uint8_t *p, size_t n)
{
    size_t lo = l->first[p[0]], end = l->first[p[0] + 1], hi = end;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct literal *x = &l->v[l->sorted[mid]];
        int c = memcmp(x->text, p, MIN(anchor_len(x), n));
        if (c < 0 || (c == 0 && anchor_len(x) <= n))
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == end)
        return false;
    const struct literal *x = &l->v[l->sorted[lo]];
    return anchor_len(x) > n && memcmp(x->text, p, n) == 0;
}

size_t literals_partial(const struct literals *l, const uint8_t *p, size_t n, size_t min)
{
    size_t from = n >= l->longest ? n - l->longest + 1 : 0;
    for (size_t i = from; i + min <= n; i++) {
        unsigned pair = pair_of(p + i);
        if (l->pairs[pair / 64] >> pair % 64 & 1 && begins_literal(l, p + i, n - i))
            return i;
    }
    return n;
}
