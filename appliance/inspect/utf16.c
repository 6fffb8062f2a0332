#include "appliance/inspect/utf16.h"

#include <string.h>

#include "appliance/inspect/inspect_internal.h"

#define CHARS_MIN 12u /* in a row: no token is shorter */
#define OUT 512u
#define NULS_MAX 3u /* from one character to the next, in UTF-32 */

struct utf16 {
    struct scan_env *env;
    unsigned depth;
    int last; /* the octet before; -1: none */
    unsigned nuls; /* behind the last character */
    bool open; /* a text is followed below */
    struct below below;
    uint64_t out_at; /* where out[0] comes from */
    size_t n; /* characters in a row that are not below yet */
    uint8_t out[OUT];
};

struct utf16 *utf16_new(struct scan_env *env, unsigned depth, int last)
{
    struct utf16 *u = calloc(1, sizeof *u);
    if (u) {
        u->env = env;
        u->depth = depth;
        u->last = last;
    }
    return u;
}

void utf16_free(struct utf16 *u)
{
    if (!u)
        return;
    below_close(&u->below);
    free(u);
}

static bool is_text(int c)
{
    return (c >= ' ' && c < 0x7f) || c == '\n' || c == '\r' || c == '\t';
}

static void flush(struct utf16 *u, bool fin)
{
    if (u->n || fin)
        below_feed(&u->below, u->out, u->n, u->out_at, fin);
    u->n = 0;
}

static void put(struct utf16 *u, uint64_t at, int c)
{
    if (u->n == 0)
        u->out_at = at;
    u->out[u->n++] = (uint8_t)c;
    if (!u->open && u->n == CHARS_MIN)
        u->open = below_open(&u->below, u->env, u->depth, LAYER_TEXT);
    if (u->open && u->n == OUT)
        flush(u, false);
}

static void finish(struct utf16 *u)
{
    if (u->open) {
        flush(u, true);
        below_close(&u->below);
    }
    u->open = false;
    u->n = 0;
}

/* From i on, the next NUL, or n; `u->last` is what stands before it. */
static size_t next_nul(struct utf16 *u, const uint8_t *p, size_t n, size_t i)
{
    while (i < n && p[i] == 0 && u->last == 0)
        i++;
    const uint8_t *nul = i < n ? memchr(p + i, 0, n - i) : NULL;
    size_t to = nul ? (size_t)(nul - p) : n;
    u->last = to > i ? p[to - 1] : u->last;
    return to;
}

static void step(struct utf16 *u, uint64_t at, int c)
{
    if (utf16_busy(u)) {
        if (c == 0 && u->nuls < NULS_MAX) {
            u->nuls++;
            return;
        }
        if (is_text(c) && u->last == 0) {
            put(u, at, c);
            u->nuls = 0;
            return;
        }
        finish(u);
    }
    u->nuls = c == 0;
    if (c == 0 && is_text(u->last))
        put(u, at - 1, u->last);
    else if (is_text(c) && u->last == 0)
        put(u, at, c);
}

uint64_t utf16_feed(struct utf16 *u, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    for (size_t i = 0; i < n && !u->env->too_much && !(u->env->found && u->env->stop); i++) {
        if (!utf16_busy(u) && (i = next_nul(u, p, n, i)) == n)
            break;
        step(u, at + i, p[i]);
        u->last = p[i];
    }
    if (fin)
        finish(u);
    if (!u->open)
        return at + n;
    flush(u, false);
    return below_settled(&u->below, at + n);
}

bool utf16_busy(const struct utf16 *u)
{
    return u->open || u->n;
}
