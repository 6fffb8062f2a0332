/* Escapes undone: percent (RFC 3986 2.1), backslash (RFC 8259 7, ECMA-262 12.9.4, C), HTML character
 * references. All of one text in one pass; an escape inside an escape is one layer deeper. */
#include <string.h>
#include <strings.h>

#include "appliance/inspect/layer.h"
#include "appliance/inspect/skip.h"

#define ESCAPE_MAX 12u /* "\u{10ffff}", "&#x0010ffff;" */

/* Text around an escape that goes below with it. No token is longer; of a longer secret more follows. */
#define AROUND 512u

struct unescape {
    struct scan_env *env;
    unsigned depth;
    bool active, partial; /* partial: the last run() ended before an escape that is not whole */
    uint64_t until; /* active: up to there at least */
    uint64_t end; /* of what has come */
    struct below below;
    uint8_t carry[ESCAPE_MAX]; /* an escape that is not whole */
    size_t n_carry;
    uint8_t out[4096];
    size_t n_out;
    uint64_t out_at; /* where out[0] comes from */
};

struct unescape *unescape_new(struct scan_env *env, unsigned depth)
{
    struct unescape *u = calloc(1, sizeof *u);
    if (u) {
        u->env = env;
        u->depth = depth;
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

/* Could the character be within what is looked for? `before` octets can be read before p. */
static bool matters(const struct unescape *u, const struct escape *e, const uint8_t *p, size_t before)
{
    uint32_t v = e->value;
    if (!e->used)
        return true; /* not whole yet */
    if (e->none)
        return false;
    if (v == '\n' || v == '\r' || e->nothing) { /* a line break in base64 */
        size_t k = 0;
        while (k < before && k < 16 && b64_value(p[-1 - (ptrdiff_t)k]) >= 0)
            k++;
        return k == 16;
    }
    return v >= 0x80 || u->env->lits->in_secrets[v] || is_word((uint8_t)v) || is_escape((uint8_t)v) ||
           (v && strchr("/+=.~:@$", (int)v));
}

/* Returns the octets used: all, or up to an escape that is not whole. */
static size_t run(struct unescape *u, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    size_t i = 0;
    u->partial = false;
    while (i < n) {
        size_t k = next_escape(p + i, n - i);
        put(u, at + i, p + i, k);
        i += k;
        if (i == n)
            break;
        struct escape e = parse(p + i, n - i, fin || n - i >= ESCAPE_MAX);
        if (!e.used) {
            u->until = MAX(u->until, at + i + ESCAPE_MAX);
            u->partial = true;
            break;
        }
        if (matters(u, &e, p + i, i))
            u->until = at + i + AROUND;
        if (e.none)
            put(u, at + i, p + i, 1);
        else
            put_value(u, at + i, &e, p[i]);
        i += e.used;
    }
    return i;
}

/* The escapes that most JSON has, where they stand for nothing that is looked for: as parse() and matters()
 * would say, but soon. */
static bool is_common(const struct unescape *u, const uint8_t *p, size_t n, size_t before)
{
    if (n < ESCAPE_MAX || p[0] != '\\')
        return false;
    if (p[1] == '"')
        return !u->env->lits->in_secrets['"'];
    return p[1] == 'n' && before && b64_value(p[-1]) < 0;
}

/* The next escape that matters; n: none. */
static size_t find(const struct unescape *u, const uint8_t *p, size_t n, size_t from, bool fin)
{
    for (size_t i = from; (i += next_escape(p + i, n - i)) < n;) {
        if (is_common(u, p + i, n - i, i)) {
            i += 2;
            continue;
        }
        struct escape e = parse(p + i, n - i, fin || n - i >= ESCAPE_MAX);
        if (matters(u, &e, p + i, i))
            return i;
        i += e.used;
    }
    return n;
}

static void begin(struct unescape *u, uint64_t at)
{
    u->active = below_open(&u->below, u->env, u->depth, LAYER_TEXT | LAYER_UNESCAPED);
    u->until = at + ESCAPE_MAX; /* more, where it matters as a whole */
    u->n_carry = u->n_out = 0;
}

static void finish(struct unescape *u, uint64_t at)
{
    flush(u);
    below_feed(&u->below, NULL, 0, at, true);
    below_close(&u->below);
    u->active = false;
}

/* Octets of a text around escapes. Returns those used; the rest of an escape that is not whole is carried. */
static size_t follow(struct unescape *u, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    size_t i = 0;
    while (u->n_carry && i < n) { /* one more octet at a time: it is short */
        uint8_t text[ESCAPE_MAX];
        size_t len = u->n_carry;
        memcpy(text, u->carry, len);
        text[len++] = p[i++];
        size_t used = run(u, at + i - len, text, len, fin && i == n);
        u->n_carry = len - used;
        memcpy(u->carry, text + used, u->n_carry);
        if (used && u->n_carry <= i) { /* another, all of these octets */
            i -= u->n_carry;
            u->n_carry = 0;
        }
    }
    while (i < n && !(u->env->found && u->env->stop)) {
        size_t k = u->until > at + i ? MIN((size_t)(u->until - at - i), n - i) : 0;
        size_t used = run(u, at + i, p + i, k, fin && i + k == n);
        i += used;
        if (u->until > at + i && used == k)
            continue;
        if (used == k && i < n) { /* the next octets, if something below waits for them */
            flush(u);
            if (!u->below.l || (u->below.settled >= u->below.end && !layer_is_busy(u->below.l)))
                break;
            u->until = at + i + AROUND;
        } else if (used < k && i + ESCAPE_MAX > n) {
            break;
        }
    }
    return i;
}

bool unescape_wants(struct scan_env *env, const uint8_t *p, size_t n, bool fin)
{
    return n && find(&(const struct unescape){.env = env}, p, n, 0, fin) < n;
}

/* Where the text below begins: some way before the escape, and not within a run of base64, whose groups would
 * be lost. */
static size_t around(const uint8_t *p, size_t e)
{
    size_t b = e - MIN(e, (size_t)AROUND);
    while (b > 0 && e - b < (size_t)8 * AROUND && b64_value(p[b - 1]) >= 0)
        b--;
    return b;
}

uint64_t unescape_feed(
    struct unescape *u, uint64_t at, const struct held_text *before, const uint8_t *p, size_t n, bool fin)
{
    size_t i = 0;
    u->end = at + n;
    while (i < n) {
        if (!u->active) {
            size_t e = find(u, p, n, i, fin), b = around(p, e);
            if (e == n)
                break;
            begin(u, at + e);
            if (!u->active)
                return at;
            if (b == 0 && before->n)
                put(u, at - before->n, before->p, before->n);
            i = b;
        }
        i += follow(u, at + i, p + i, n - i, fin);
        /* First of all: follow() ends anywhere then, not only before the end of the octets. */
        if (u->env->too_much || (u->env->found && u->env->stop))
            return at;
        if (i < n && u->partial) {
            u->n_carry = n - i;
            memcpy(u->carry, p + i, u->n_carry);
            i = n;
        } else if (i < n) {
            finish(u, at + i);
        }
        if (u->env->too_much || (u->env->found && u->env->stop))
            return at;
    }
    if (u->active && fin) {
        if (n == 0 && u->n_carry)
            (void)run(u, at - u->n_carry, u->carry, u->n_carry, true);
        finish(u, at + n);
    }
    if (!u->active)
        return at + n;
    flush(u);
    return below_settled(&u->below, at + n); /* half an escape is not waited for */
}

/* Half an escape is none that matters yet: where it was put together from escapes, these are followed for
 * longer than it takes to end. */
bool unescape_busy(const struct unescape *u)
{
    return u->active && u->until > u->end;
}
