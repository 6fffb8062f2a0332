/* Runs of base64 or hex in a text, and what they say.
 *
 * A run is kept until it ends or is RUN_KEPT long. One that ends is decoded in every way that there is: where
 * its groups begin is not known, for a letter before it may belong to the text around it. A longer one is
 * decoded from its beginning, piece by piece. Line breaks in a run are skipped. */
#include <string.h>

#include "appliance/inspect/layer.h"
#include "appliance/inspect/run_look.h"
#include "appliance/inspect/skip.h"

#define RUN_MIN 16u /* also the stride at which a text is looked at: no run of that length lies between */
#define RUN_KEPT 4096u
#define PRINTABLE_MIN 8u /* no secret is shorter */
#define PEEK_MAX 512u /* of a run that goes on: what is looked at before it is let go of */

struct runs {
    struct scan_env *env;
    unsigned depth;
    uint64_t at; /* offset of the run's first octet */
    size_t n; /* octets of it that are kept; 0 and !open: none */
    bool open; /* it is being decoded piece by piece */
    bool hex; /* by hex digits: so it began */
    bool skipped_line; /* the last octet was a line break */
    unsigned bits, acc; /* of the piecewise decoding */
    struct below below;
    uint8_t *kept; /* RUN_KEPT; NULL until there is something to keep */
};

/* 64: none; 65: line break; else the base64 digit */
static const uint8_t *digit_table(void)
{
    static const uint8_t table[256] = {
#define R16 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 65, 64, 64, 65, 64, 64, R16, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 62, 64, 62, 64, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64, 64, 64, 0,
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64,
        64, 63, 64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
        48, 49, 50, 51, 64, 64, 64, 64, 64, R16, R16, R16, R16, R16, R16, R16, R16};
#undef R16
    return table;
}

struct runs *runs_new(struct scan_env *env, unsigned depth)
{
    struct runs *r = calloc(1, sizeof *r);
    if (r) {
        r->env = env;
        r->depth = depth;
    }
    return r;
}

void runs_free(struct runs *r)
{
    if (!r)
        return;
    below_close(&r->below);
    free(r->kept);
    free(r);
}

/* ---- decoding ---- */

static size_t decode64(const uint8_t *p, size_t n, unsigned *acc, unsigned *bits, uint8_t *out)
{
    const uint8_t *digit = digit_table();
    size_t len = 0;
    unsigned a = *acc, b = *bits;
    for (size_t i = 0; i < n; i++) {
        for (; b == 0 && i + 4 < n; i += 4) { /* a whole group */
            unsigned v = (unsigned)digit[p[i]] << 18 | (unsigned)digit[p[i + 1]] << 12 |
                         (unsigned)digit[p[i + 2]] << 6 | digit[p[i + 3]];
            if ((digit[p[i]] | digit[p[i + 1]] | digit[p[i + 2]] | digit[p[i + 3]]) >= 64)
                break;
            out[len++] = (uint8_t)(v >> 16);
            out[len++] = (uint8_t)(v >> 8);
            out[len++] = (uint8_t)v;
        }
        unsigned d = digit[p[i]];
        if (d >= 64)
            continue;
        a = a << 6 | d;
        b += 6;
        if (b >= 8) {
            b -= 8;
            out[len++] = (uint8_t)(a >> b);
        }
    }
    *acc = a & 0xffu;
    *bits = b;
    return len;
}

/* Stops at what is no hex digit; `*used` octets were read. */
static size_t decode16(const uint8_t *p, size_t n, unsigned *acc, unsigned *bits, uint8_t *out, size_t *used)
{
    size_t len = 0, i = 0;
    unsigned a = *acc, b = *bits;
    for (; i < n; i++) {
        int d = hex_value(p[i]);
        if (d < 0 && (p[i] == '\n' || p[i] == '\r'))
            continue;
        if (d < 0)
            break;
        a = a << 4 | (unsigned)d;
        b += 4;
        if (b == 8) {
            out[len++] = (uint8_t)a;
            b = 0;
        }
    }
    *acc = a & 0xffu;
    *bits = b;
    *used = i;
    return len;
}

/* Is there anything in it that could be looked for? A decoded secret is text, and so is another encoding of
 * one. */
static bool worth_a_look(const uint8_t *p, size_t n)
{
    size_t run = 0;
    if (n >= 4 && ((p[0] == 0x1f && p[1] == 0x8b) || (p[0] == 0x28 && p[1] == 0xb5) || (p[0] & 0x8f) == 0x08))
        return true;
    if (n >= 4 && p[0] == 'P' && p[1] == 'K' && p[2] == 3 && p[3] == 4)
        return true;
    for (size_t i = skip_to_text(p, n); i < n; i++) {
        bool wide = p[i] == 0 && run; /* UTF-16 */
        run = p[i] >= 0x20 && p[i] < 0x7f ? run + 1 : wide ? run : 0;
        if (run >= PRINTABLE_MIN)
            return true;
    }
    return false;
}

static void look_below(struct runs *r, const uint8_t *p, size_t n, uint64_t above)
{
    struct below b;
    if (!worth_a_look(p, n) || r->env->too_much || (r->env->found && r->env->stop) ||
        !below_open(&b, r->env, r->depth, LAYER_TEXT))
        return;
    below_feed(&b, p, n, above, true);
    below_close(&b);
}

static void whole_base64(struct runs *r, const uint8_t *p, size_t n, uint64_t above)
{
    uint8_t out[RUN_KEPT];
    for (size_t skip = 0; skip < 4 && skip < n; skip++) {
        unsigned acc = 0, bits = 0;
        look_below(r, out, decode64(p + skip, n - skip, &acc, &bits, out), above);
    }
}

static void whole_hex(struct runs *r, const uint8_t *p, size_t n, uint64_t above)
{
    uint8_t out[RUN_KEPT];
    for (size_t i = 0; i < n;) {
        size_t used = 0, start = i;
        while (i + used < n && (hex_value(p[i + used]) >= 0 || p[i + used] == '\n' || p[i + used] == '\r'))
            used++;
        i += used + 1;
        bool says = used >= RUN_MIN && run_hex_says(p + start, used);
        for (size_t skip = 0; says && skip < 2; skip++) {
            unsigned acc = 0, bits = 0;
            size_t ignored, len = decode16(p + start + skip, used - skip, &acc, &bits, out, &ignored);
            look_below(r, out, len, above);
        }
    }
}

/* A run that is at hand as a whole. */
static void whole(struct runs *r, const uint8_t *p, size_t n, uint64_t above)
{
    if (n < RUN_MIN)
        return;
    struct run_look l = run_look(p, n);
    /* In words and numbers there is no base64: what it says has both kinds of letters. */
    if (l.mixed && l.text)
        whole_base64(r, p, n, above);
    if (l.hex)
        whole_hex(r, p, n, above);
}

/* ---- piece by piece ---- */

static void feed_open(struct runs *r, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    uint8_t out[1024];
    for (size_t i = 0, k; i < n && !(r->env->found && r->env->stop); i += k) {
        k = MIN(n - i, sizeof out);
        size_t len = r->hex ? decode16(p + i, k, &r->acc, &r->bits, out, &k)
                            : decode64(p + i, k, &r->acc, &r->bits, out);
        below_feed(&r->below, out, len, at + i, false);
        if (k < n - i && k < sizeof out) { /* the digits begin anew behind what is none */
            r->bits = 0;
            k++;
        }
    }
    if (fin) {
        below_feed(&r->below, out, 0, at + n, true);
        below_close(&r->below);
        r->open = false;
        r->n = 0;
    }
}

static bool all_hex(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (hex_value(p[i]) < 0 && p[i] != '\n' && p[i] != '\r')
            return false;
    return true;
}

/* The kept part is full: looked at in every way, and from here on in one. */
static void open_run(struct runs *r)
{
    whole(r, r->kept, r->n, r->at);
    r->open = below_open(&r->below, r->env, r->depth, LAYER_TEXT);
    r->hex = all_hex(r->kept, r->n);
    r->acc = r->bits = 0;
    size_t n = r->n;
    r->n = 0;
    if (r->open)
        feed_open(r, r->at, r->kept, n, false);
}

static void add(struct runs *r, uint64_t at, const uint8_t *p, size_t n)
{
    if (!r->open && r->n == 0)
        r->at = at;
    if (!r->kept && !(r->kept = calloc(1, RUN_KEPT))) {
        r->env->too_much = true;
        return;
    }
    while (n && !r->open) {
        size_t k = MIN(n, RUN_KEPT - r->n);
        memcpy(r->kept + r->n, p, k);
        r->n += k;
        at += k;
        p += k;
        n -= k;
        if (r->n == RUN_KEPT)
            open_run(r);
        if (r->env->too_much)
            return;
    }
    if (r->open)
        feed_open(r, at, p, n, false);
}

static void finish(struct runs *r, uint64_t at)
{
    if (r->open)
        feed_open(r, at, NULL, 0, true);
    else
        whole(r, r->kept, r->n, r->at);
    r->n = 0;
    r->skipped_line = false;
}

/* ---- finding them ---- */

/* How far the run goes from p[i] on. A line break belongs to it, two in a row do not (but CR LF is one). */
static size_t run_end(const uint8_t *p, size_t n, size_t i, bool *line)
{
    const uint8_t *digit = digit_table();
    for (size_t plain; i < n; i++) {
        if ((plain = skip_digits_only(p + i, n - i)) != 0) {
            *line = false;
            if ((i += plain) == n)
                break;
        }
        unsigned d = digit[p[i]];
        if (d < 64)
            *line = false;
        else if (d == 65 && p[i] == '\r' && !*line)
            continue;
        else if (d == 65 && p[i] == '\n' && !*line)
            *line = true;
        else
            break;
    }
    return i;
}

/* Where the run begins that goes up to `end`; end: none does. */
static size_t run_begin(const uint8_t *p, size_t low, size_t end)
{
    const uint8_t *digit = digit_table();
    size_t b = end;
    bool gap = false; /* CRs and one LF behind them */
    for (; b > low; b--) {
        uint8_t c = p[b - 1];
        if (digit[c] == 64 || (c == '\n' && gap))
            break;
        gap = digit[c] == 65;
    }
    while (b < end && digit[p[b]] == 65)
        b++;
    return b;
}

/* The run at the end may go on: it is kept. */
static void keep_last(struct runs *r, uint64_t at, const uint8_t *p, size_t n, size_t from)
{
    size_t b = run_begin(p, from, n);
    bool line = false;
    if (b == n || run_end(p, n, b, &line) < n)
        return;
    add(r, at + b, p + b, n - b);
    r->skipped_line = line;
}

/* Runs that begin at `from` or later and end before n are decoded. */
static void find(struct runs *r, uint64_t at, const uint8_t *p, size_t n, size_t from, bool fin)
{
    const uint8_t *digit = digit_table();
    for (;;) {
        from += skip_to_run(p + from, n - from);
        size_t i = from + RUN_MIN - 1;
        while (i < n && digit[p[i]] == 64)
            i += RUN_MIN;
        if (i >= n)
            break;
        size_t b = run_begin(p, from, i + 1);
        bool line = false;
        size_t e = run_end(p, n, b, &line);
        if (e == n && !fin)
            break;
        if (e - b >= RUN_MIN && e - b < RUN_KEPT) {
            whole(r, p + b, e - b, at + b);
        } else if (e - b >= RUN_KEPT) {
            add(r, at + b, p + b, e - b);
            finish(r, at + e);
        }
        if (r->env->too_much || (r->env->found && r->env->stop))
            return;
        from = MAX(e, i + 1);
    }
    if (!fin)
        keep_last(r, at, p, n, from);
}

/* Does what the run says so far end in the beginning of something? In that case alone the run is held. Only
 * its end is asked about: no token is longer, and what is asked at each call must not be much. */
static bool waits(struct runs *r)
{
    uint8_t out[PEEK_MAX];
    size_t n = MIN(r->n, (size_t)PEEK_MAX);
    const uint8_t *p = r->kept + r->n - n;
    bool hex = all_hex(p, n), waiting = false;
    uint64_t work = r->env->work; /* bounded here: it does not count against the text */
    for (size_t skip = 0; n >= RUN_MIN / 2 && skip < (hex ? 2 : 4) && !waiting; skip++) {
        unsigned acc = 0, bits = 0;
        size_t used, len = hex ? decode16(p + skip, n - skip, &acc, &bits, out, &used)
                               : decode64(p + skip, n - skip, &acc, &bits, out);
        waiting =
            below_waits(r->env, r->depth, r->depth < 2 ? LAYER_ESCAPES | LAYER_RUNS : LAYER_PLAIN, out, len);
    }
    r->env->work = work;
    return waiting;
}

uint64_t runs_feed(struct runs *r, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    size_t i = 0;
    if (r->open || r->n) {
        i = run_end(p, n, 0, &r->skipped_line);
        add(r, at, p, i);
        if (i < n || fin)
            finish(r, at + i);
    }
    if (i < n)
        find(r, at, p, n, i, fin);
    if (r->open)
        return below_settled(&r->below, at + n);
    return r->n && !fin && waits(r) ? r->at : at + n;
}

bool runs_busy(const struct runs *r)
{
    return r->open || r->n;
}
