/* Escapes undone: percent (RFC 3986 2.1), backslash (RFC 8259 7, ECMA-262 12.9.4, C), HTML character
 * references. All of one text in one pass; an escape inside an escape is one layer deeper. */
#include <string.h>
#include <strings.h>

#include "appliance/inspect/layer.h"
#include "appliance/inspect/skip.h"

#define ESCAPE_MAX 12u /* "\u{10ffff}", "&#x0010ffff;" */

/* Text around an escape that goes below with it. No token is longer; of a longer secret more follows. */
#define AROUND 512u
#define BEFORE_MAX KIB(4) /* a run of base64, or what looks like half an escape, before one */
#define LINE_MIN 16u /* octets of base64 before an escaped line break */
static_assert(
    BEFORE_MAX + ESCAPE_MAX + LINE_MIN + LINE_MIN <= UNESCAPE_BEFORE, "what is looked back at is kept");

struct unescape {
    struct scan_env *env;
    unsigned depth;
    bool active; /* a text is followed below */
    bool seen; /* an escape that matters has come, the first at `first` */
    uint64_t first;
    uint64_t
        pos; /* what comes before has been looked at: behind it is an escape that is not whole, at most */
    uint64_t until; /* active: up to there at least */
    uint64_t end; /* of what has come */
    struct below below;
    size_t n_out;
    uint64_t out_at; /* where out[0] comes from */
    uint8_t out[4096];
};

/* What has come, and as much of what came before it as may matter. All that is decided is decided by it and
 * by offsets, so that it does not depend on how the text is cut. */
struct view {
    const struct held_text *before;
    const uint8_t *p;
    uint64_t at, end; /* of p; its end */
    bool fin;
};

struct unescape *unescape_new(struct scan_env *env, unsigned depth, uint64_t at)
{
    struct unescape *u = malloc(sizeof *u);
    if (u) {
        memset(u, 0, offsetof(struct unescape, out));
        u->env = env;
        u->depth = depth;
        u->pos = at;
    }
    return u;
}

void unescape_free(struct unescape *u)
{
    if (!u)
        return;
    below_close(&u->below);
    free(u);
}

/* ---- one escape ---- */

struct escape {
    size_t used; /* octets read; 0: not whole */
    uint32_t value; /* the character */
    bool none, nothing; /* it is no escape; it stands for no character */
};

static struct escape literal(void)
{
    return (struct escape){.used = 1, .none = true};
}

/* At p, min..max digits. */
static struct escape number(
    const uint8_t *p, size_t n, size_t at, size_t min, size_t max, unsigned base, bool fin)
{
    uint32_t v = 0;
    size_t k = 0;
    for (; k < max && at + k < n; k++) {
        int d = hex_value(p[at + k]);
        if (d < 0 || (unsigned)d >= base)
            break;
        v = v * base + (unsigned)d;
    }
    if (k < max && at + k == n && !fin)
        return (struct escape){0};
    return k < min ? literal() : (struct escape){.used = at + k, .value = v};
}

/* ... and what ends it */
static struct escape ended_by(struct escape e, const uint8_t *p, size_t n, uint8_t c, bool fin, bool must)
{
    if (e.none || !e.used)
        return e;
    if (e.used == n)
        return fin ? (must ? literal() : e) : (struct escape){0};
    if (p[e.used] == c)
        e.used++;
    else if (must)
        return literal();
    return e;
}

static struct escape backslash(const uint8_t *p, size_t n, bool fin)
{
    static const char from[] = "nrtbf/\\\"'`0", to[] = "\n\r\t\b\f/\\\"'`";
    if (n < 2)
        return fin ? literal() : (struct escape){0};
    if (p[1] == 'x' || p[1] == 'X')
        return number(p, n, 2, 2, 2, 16, fin);
    if (p[1] == 'u' && n > 2 && p[2] == '{')
        return ended_by(number(p, n, 3, 1, 6, 16, fin), p, n, '}', fin, true);
    if (p[1] == 'u' && n == 2 && !fin)
        return (struct escape){0};
    if (p[1] == 'u' || p[1] == 'U')
        return number(p, n, 2, 4, p[1] == 'u' ? 4 : 8, 16, fin);
    if (p[1] >= '0' && p[1] <= '3')
        return number(p, n, 1, 1, 3, 8, fin);
    if (p[1] == '\n')
        return (struct escape){.used = 2, .nothing = true};
    const char *at = p[1] ? strchr(from, p[1]) : NULL;
    return at ? (struct escape){.used = 2, .value = (uint8_t)to[at - from]} : literal();
}

static struct escape entity(const uint8_t *p, size_t n, bool fin)
{
    static const struct {
        const char *name;
        char c;
    } names[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''},
        {"&sol;", '/'}, {"&plus;", '+'}, {"&equals;", '='}, {"&lowbar;", '_'}, {"&period;", '.'},
        {"&colon;", ':'}, {"&nbsp;", ' '}, {"&hyphen;", '-'}, {"&num;", '#'}, {"&percnt;", '%'},
        {"&bsol;", '\\'}, {"&commat;", '@'}};
    if (n < 2)
        return fin ? literal() : (struct escape){0};
    if (p[1] == '#') {
        if (n == 2)
            return fin ? literal() : (struct escape){0};
        bool hex = p[2] == 'x' || p[2] == 'X';
        struct escape e = number(p, n, hex ? 3 : 2, 1, 8, hex ? 16 : 10, fin);
        return ended_by(e, p, n, ';', fin, false);
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if ((char)p[1] != names[i].name[1])
            continue;
        size_t len = strlen(names[i].name), have = MIN(n, len);
        if (memcmp(p, names[i].name, have) != 0)
            continue;
        if (have == len)
            return (struct escape){.used = len, .value = (uint8_t)names[i].c};
        if (!fin)
            return (struct escape){0};
    }
    return literal();
}

static struct escape percent(const uint8_t *p, size_t n, bool fin)
{
    if (n < 2)
        return fin ? literal() : (struct escape){0};
    if (p[1] == 'u')
        return number(p, n, 2, 4, 4, 16, fin);
    return number(p, n, 1, 2, 2, 16, fin);
}

static struct escape parse(const uint8_t *p, size_t n, bool fin)
{
    if (p[0] == '%')
        return percent(p, n, fin);
    return p[0] == '\\' ? backslash(p, n, fin) : entity(p, n, fin);
}

/* ---- the text ---- */

static void flush(struct unescape *u)
{
    if (u->n_out)
        below_feed(&u->below, u->out, u->n_out, u->out_at, false);
    u->n_out = 0;
}

static void put(struct unescape *u, uint64_t at, const uint8_t *p, size_t n)
{
    for (size_t k; n; n -= k, p += k, at += k) {
        if (u->n_out == sizeof u->out)
            flush(u);
        if (u->n_out == 0)
            u->out_at = at;
        k = MIN(n, sizeof u->out - u->n_out);
        memcpy(u->out + u->n_out, p, k);
        u->n_out += k;
    }
}

/* Octets up to 0xff as they are ("%e2%82%ac"), characters above in UTF-8. */
static void put_value(struct unescape *u, uint64_t at, const struct escape *e, uint8_t lead)
{
    uint32_t v = e->value;
    uint8_t b[4];
    size_t n = 0;
    if (e->nothing)
        return;
    if (v < 0x80 || (v < 0x100 && lead == '%')) {
        b[n++] = (uint8_t)v;
    } else if (v < 0x800) {
        b[n++] = (uint8_t)(0xc0 | v >> 6);
        b[n++] = (uint8_t)(0x80 | (v & 0x3f));
    } else if (v < 0x10000) {
        b[n++] = (uint8_t)(0xe0 | v >> 12);
        b[n++] = (uint8_t)(0x80 | (v >> 6 & 0x3f));
        b[n++] = (uint8_t)(0x80 | (v & 0x3f));
    } else {
        b[n++] = '?';
    }
    put(u, at, b, n);
}

static bool is_escape(uint8_t c)
{
    return c == '\\' || c == '%' || c == '&';
}

/* By its second octet, as soon as can be told. */
static bool may_be_escape(const uint8_t *p, size_t n)
{
    if (!is_escape(p[0]))
        return false;
    if (n < 2 || p[0] == '\\')
        return true;
    return p[0] == '%' ? hex_value(p[1]) >= 0 || p[1] == 'u' : p[1] == '#' || (p[1] >= 'a' && p[1] <= 's');
}

static size_t next_escape(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        i += skip_to(p + i, n - i, '\\', '%', '&');
        if (i < n && may_be_escape(p + i, n - i))
            return i;
    }
    return n;
}

/* ---- what there is ---- */

/* The octets from `x` on that stand in one place. */
static size_t stretch(const struct view *v, uint64_t x, const uint8_t **p)
{
    if (x >= v->at) {
        *p = v->p + (x - v->at);
        return (size_t)(v->end - x);
    }
    size_t k = (size_t)(v->at - x);
    *p = v->before->p + v->before->n - k;
    return k;
}

/* The octet before `x`; -1: none is known. */
static int octet_before(const struct view *v, uint64_t x)
{
    if (x > v->at)
        return v->p[x - v->at - 1];
    size_t k = (size_t)(v->at - x) + 1;
    return k <= v->before->n ? v->before->p[v->before->n - k] : -1;
}

static bool is_digit64(int c)
{
    static const bool digits[256] = {['0' ... '9'] = true,
        ['A' ... 'Z'] = true,
        ['a' ... 'z'] = true,
        ['+'] = true,
        ['/'] = true,
        ['-'] = true,
        ['_'] = true};
    return c >= 0 && digits[c];
}

static struct escape parse_at(const struct view *v, uint64_t x)
{
    uint8_t text[ESCAPE_MAX];
    const uint8_t *p;
    size_t n = stretch(v, x, &p), all = (size_t)(v->end - x);
    if (n < ESCAPE_MAX && n < all) { /* on the seam */
        size_t more = MIN(all, (size_t)ESCAPE_MAX) - n;
        memcpy(text, p, n);
        memcpy(text + n, v->p, more);
        p = text;
        n += more;
    }
    return parse(p, n, v->fin || n >= ESCAPE_MAX);
}

/* In ASCII, what tokens and encodings are written with; control characters, and punctuation that is not here,
 * are in known secrets alone. */
static const bool in_tokens[0x80] = {['0' ... '9'] = true,
    ['A' ... 'Z'] = true,
    ['a' ... 'z'] = true,
    ['_'] = true,
    ['-'] = true,
    ['\\'] = true,
    ['%'] = true,
    ['&'] = true,
    ['/'] = true,
    ['+'] = true,
    ['='] = true,
    ['.'] = true,
    ['~'] = true,
    [':'] = true,
    ['@'] = true,
    ['$'] = true};

enum mattering { MATTERS_NOT, MATTERS, MATTERS_MAYBE /* what comes next decides */ };

/* The octet at `x`; -1: not yet, -2: there is none. */
static int octet_at(const struct view *v, uint64_t x)
{
    const uint8_t *p;
    if (x >= v->end)
        return v->fin ? -2 : -1;
    (void)stretch(v, x, &p);
    return *p;
}

/* Is the octet before `x` one that tokens are written with? Of a row of backslashes the first alone is asked.
 */
static bool follows_token(const struct view *v, uint64_t x)
{
    int c = octet_before(v, x);
    return c >= 0 && c < 0x80 && c != '\\' && in_tokens[c];
}

/* Do LINE_MIN octets of base64 end before `x`? */
static bool follows_digits(const struct view *v, uint64_t x)
{
    unsigned k = 0;
    while (k < LINE_MIN && is_digit64(octet_before(v, x - k)))
        k++;
    return k == LINE_MIN;
}

/* A character that is in no secret and no token can move the groups of base64 behind it, no more than that.
 */
static enum mattering leads_digits(const struct view *v, uint64_t x)
{
    for (unsigned k = 0; k < LINE_MIN; k++) {
        int c = octet_at(v, x + k);
        if (c == -1)
            return MATTERS_MAYBE;
        if (!is_digit64(c))
            return MATTERS_NOT;
    }
    return MATTERS;
}

/* "\\\": may it be a line break escaped below, within a token? */
static enum mattering joins_lines(const struct view *v, uint64_t x)
{
    if (!follows_token(v, x))
        return MATTERS_NOT;
    int c = '\\';
    for (unsigned k = 3; c == '\\' && k < LINE_MIN; k++)
        c = octet_at(v, x + k);
    if (c == -1)
        return MATTERS_MAYBE;
    return c == 'n' || c == '\n' || c == '\\' || follows_digits(v, x) ? MATTERS : MATTERS_NOT;
}

/* "\\": a backslash that may begin an escape below. Does that one matter there? Where another escape follows,
 * that one is asked about by itself. */
static enum mattering backslash_matters(const struct scan_env *env, const struct view *v, uint64_t x)
{
    int next = octet_at(v, x + 2);
    switch (next) {
    case -1: return MATTERS_MAYBE;
    case 't': return env->lits->in_secrets['\t'] ? MATTERS : MATTERS_NOT;
    case 'b': return env->lits->in_secrets['\b'] ? MATTERS : MATTERS_NOT;
    case 'f': return env->lits->in_secrets['\f'] ? MATTERS : MATTERS_NOT;
    case '"':
    case '\'':
    case '`': return env->lits->in_secrets[next] ? MATTERS : MATTERS_NOT;
    case '\n': return follows_token(v, x) ? MATTERS : MATTERS_NOT;
    case '\\': return joins_lines(v, x);
    case 'n':
    case 'r': return follows_digits(v, x) ? MATTERS : MATTERS_NOT;
    default: return next >= 0 && strchr("uUxX0123/", next) && next ? MATTERS : MATTERS_NOT;
    }
}

/* Could the character of the escape at `x` be within what is looked for? */
static enum mattering matters(
    const struct scan_env *env, const struct escape *e, const struct view *v, uint64_t x)
{
    uint32_t value = e->value;
    if (e->none)
        return MATTERS_NOT;
    if (e->nothing) /* a line break that is none */
        return follows_token(v, x) ? MATTERS : MATTERS_NOT;
    if (value == '\n' || value == '\r') /* one in base64 */
        return follows_digits(v, x) ? MATTERS : MATTERS_NOT;
    if (value >= 0x80)
        return env->lits->beyond_ascii || octet_at(v, x) == '%' ? MATTERS : leads_digits(v, x + e->used);
    if (env->lits->in_secrets[value])
        return MATTERS;
    if (value == '\\' && e->used == 2 && octet_at(v, x) == '\\')
        return backslash_matters(env, v, x);
    if (value == '"' || value == '\'') /* what is assigned may be quoted */
        return octet_at(v, x) == '\\' ? MATTERS_NOT : leads_digits(v, x + e->used);
    return in_tokens[value] ? MATTERS : MATTERS_NOT;
}

/* The escapes that most JSON has, where they stand for nothing that is looked for: as parse() and matters()
 * would say, but soon. */
static bool is_common(
    const struct scan_env *env, const struct view *v, uint64_t x, const uint8_t *p, size_t n)
{
    if (n < ESCAPE_MAX || p[0] != '\\')
        return false;
    if (p[1] == '"')
        return !env->lits->in_secrets['"'];
    if (p[1] == 't')
        return !env->lits->in_secrets['\t'];
    return p[1] == 'n' && !follows_digits(v, x);
}

/* From *x on: true at an escape that matters, false at the end or at one that cannot be told yet. */
static bool find(const struct scan_env *env, const struct view *v, uint64_t *x)
{
    const bool *secret = env->lits->in_secrets;
    while (*x < v->end) {
        const uint8_t *p;
        size_t n = stretch(v, *x, &p), k = next_escape(p, n);
        *x += k;
        if (k == n)
            continue;
        if (is_common(env, v, *x, p + k, n - k)) {
            *x += 2 + skip_escapes(p + k + 2, n - k - 2, !secret['"'], !secret['\t']);
            continue;
        }
        struct escape e = parse_at(v, *x);
        enum mattering m = e.used ? matters(env, &e, v, *x) : MATTERS_MAYBE;
        if (m != MATTERS_NOT)
            return m == MATTERS;
        *x += e.used;
    }
    return false;
}

/* ---- the text below ---- */

/* Where it begins: some way before the escape, and not within another, nor within a run of base64, whose
 * groups would be lost. */
static uint64_t around(const struct view *v, uint64_t x)
{
    uint64_t b = x;
    for (int c; x - b < BEFORE_MAX && (c = octet_before(v, b)) >= 0; b--)
        if (x - b >= AROUND && !is_digit64(c) && !is_escape((uint8_t)c) && c != '#')
            break;
    return b;
}

static bool begin(struct unescape *u, const struct view *v)
{
    if (!u->seen)
        u->first = u->pos;
    u->seen = true;
    u->active = below_open(&u->below, u->env, u->depth, LAYER_TEXT | LAYER_UNESCAPED);
    u->until = u->pos + 1; /* more, as it matters */
    u->pos = around(v, u->pos);
    u->n_out = 0;
    return u->active;
}

static void finish(struct unescape *u)
{
    flush(u);
    below_feed(&u->below, NULL, 0, u->pos, true);
    below_close(&u->below);
    u->active = false;
}

/* Does something below wait for the next octets? */
static bool is_awaited(struct unescape *u)
{
    flush(u);
    return u->below.l && (u->below.settled < u->below.end || layer_is_busy(u->below.l));
}

static bool is_over(const struct unescape *u)
{
    return u->env->too_much || (u->env->found && u->env->stop);
}

/* Octets of a text around escapes, as long as there is a reason to. Ends before an escape that is not whole.
 */
static void follow(struct unescape *u, const struct view *v)
{
    while (u->pos < v->end && !is_over(u)) {
        if (u->pos >= u->until) {
            if (!is_awaited(u)) {
                finish(u);
                return;
            }
            u->until = u->pos + AROUND;
        }
        const uint8_t *p;
        size_t n = stretch(v, u->pos, &p), k = next_escape(p, MIN(n, (size_t)(u->until - u->pos)));
        put(u, u->pos, p, k);
        u->pos += k;
        if (k == n || u->pos == u->until)
            continue;
        struct escape e = parse_at(v, u->pos);
        enum mattering m = e.used ? matters(u->env, &e, v, u->pos) : MATTERS_MAYBE;
        if (m == MATTERS_MAYBE)
            return;
        if (m == MATTERS)
            u->until = MAX(u->until, u->pos + AROUND); /* what it was begun for may lie further on */
        if (e.none)
            put(u, u->pos, p + k, 1);
        else
            put_value(u, u->pos, &e, p[k]);
        u->pos += e.used;
    }
}

bool unescape_wants(
    struct scan_env *env, uint64_t at, const struct held_text *before, const uint8_t *p, size_t n, bool fin)
{
    struct view v = {.before = before, .p = p, .at = at, .end = at + n, .fin = fin};
    return find(env, &v, &at) || at < v.end;
}

uint64_t unescape_feed(
    struct unescape *u, uint64_t at, const struct held_text *before, const uint8_t *p, size_t n, bool fin)
{
    struct view v = {.before = before, .p = p, .at = at, .end = at + n, .fin = fin};
    u->end = v.end;
    while (u->pos < v.end) {
        if (!u->active && !find(u->env, &v, &u->pos))
            break;
        if (!u->active && !begin(u, &v))
            return at;
        follow(u, &v);
        if (is_over(u))
            return at;
        if (u->active) /* all of it, but for an escape that is not whole */
            break;
    }
    if (u->active && fin)
        finish(u);
    if (!u->active)
        return v.end;
    flush(u);
    return below_settled(&u->below, v.end); /* half an escape is not waited for */
}

bool unescape_seen(const struct unescape *u, uint64_t *first)
{
    *first = u->first;
    return u->seen;
}

/* Half an escape is none that matters yet: where it was put together from escapes, these are followed for
 * longer than it takes to end. */
bool unescape_busy(const struct unescape *u)
{
    return u->active && u->until > u->end;
}

bool unescape_is_active(const struct unescape *u)
{
    return u->active;
}
