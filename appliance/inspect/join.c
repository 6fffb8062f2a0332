/* The parts of a text, put together: what is cut into several of them reads as one again. Parts are the
 * strings of JSON (RFC 8259), values and keys apart; the values of a form (WHATWG URL 5.1); the parts of a
 * multipart body (RFC 2046 5.1); the text between tags and comments. A part is looked at by itself elsewhere;
 * of a long one its two ends are enough here. */
#include <string.h>

#include "appliance/inspect/layer.h"
#include "appliance/inspect/skip.h"

#define EDGE 512u
/* Of prose, less: no token has so many spaces in it, and a known secret that has one is asked about before.
 */
#define EDGE_MIN 96u
#define EDGE_SPACES 5u /* past that */
#define APART_MAX KIB(16) /* strings further apart are not put together: nothing is held that long */
#define KEY_MAX 256u /* of a form's first key */
#define NESTING_MAX 64u /* deeper, a key may be taken for a value */

enum { VALUES, KEYS };

/* Octets on their way to a layer below, so that it does not get them by the string. Empty between calls. */
struct gather {
    uint8_t *out; /* of the inspector, for this depth */
    size_t n;
    uint64_t at; /* where out[0] comes from */
};

struct join {
    struct scan_env *env;
    enum join_mode mode;
    struct gather gather[2];
    struct below below[2]; /* VALUES, KEYS */
    uint64_t objects; /* of the nesting: bit set: an object */
    unsigned depth;
    bool in_string, escaped, key_next;
    bool comment; /* in a comment, not a tag */
    unsigned seen; /* of what ends a part or a comment, octets; in a tag: of it */
    uint64_t line; /* octets of the header line */
    unsigned which; /* what the string is */
    size_t head; /* octets of the string that went on as its beginning */
    bool behind; /* so much is enough */
    unsigned spaces; /* in them, past EDGE_MIN */
    uint64_t n; /* octets behind them */
    uint8_t tail[EDGE]; /* the last of these, as a ring */
    uint64_t end; /* where the ring's last octet ends */
};

struct join *join_new(struct scan_env *env, unsigned depth, enum join_mode mode)
{
    struct join *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->env = env;
    j->mode = mode;
    for (unsigned k = 0; k < 2; k++)
        j->gather[k].out = env->i->gather + (2 * (size_t)depth + k) * GATHER_MAX;
    unsigned kind = mode == JOIN_JSON ? LAYER_ESCAPES | LAYER_RUNS : LAYER_WRAPPER | LAYER_SQUEEZED;
    if (!below_open(&j->below[VALUES], env, depth, kind) || !below_open(&j->below[KEYS], env, depth, kind)) {
        join_free(j);
        return NULL;
    }
    return j;
}

void join_free(struct join *j)
{
    if (!j)
        return;
    below_close(&j->below[VALUES]);
    below_close(&j->below[KEYS]);
    free(j);
}

static void flush(struct join *j, unsigned which)
{
    struct gather *g = &j->gather[which];
    if (g->n)
        below_feed(&j->below[which], g->out, g->n, g->at, false);
    g->n = 0;
}

static void put(struct join *j, uint64_t at, const uint8_t *p, size_t n)
{
    struct gather *g = &j->gather[j->which];
    if (g->n + n > GATHER_MAX)
        flush(j, j->which);
    if (g->n == 0)
        g->at = at;
    memcpy(g->out + g->n, p, n); /* at most EDGE */
    g->n += n;
}

static bool may_shorten(const struct join *j)
{
    return j->mode == JOIN_JSON && !j->env->lits->in_secrets[' '];
}

/* How much of it belongs to the string's beginning. */
static size_t head_length(struct join *j, const uint8_t *p, size_t n)
{
    n = MIN(n, EDGE - j->head);
    j->behind = j->head + n == EDGE;
    if (!may_shorten(j))
        return n;
    size_t i = j->head < EDGE_MIN ? EDGE_MIN - j->head : 0;
    for (const uint8_t *space; i < n && (space = memchr(p + i, ' ', n - i)) != NULL;) {
        i = (size_t)(space - p) + 1;
        if (++j->spaces == EDGE_SPACES) {
            j->behind = true;
            return i;
        }
    }
    return n;
}

/* Octets of the string's inside. */
static void inside(struct join *j, uint64_t at, const uint8_t *p, size_t n)
{
    if (!j->behind) {
        size_t k = head_length(j, p, n);
        put(j, at, p, k);
        j->head += k;
        at += k;
        p += k;
        n -= k;
    }
    if (n == 0)
        return;
    j->end = at + n;
    if (n > EDGE) {
        j->n += n - EDGE;
        p += n - EDGE;
        n = EDGE;
    }
    size_t to = (size_t)(j->n % EDGE), k = MIN(n, EDGE - to);
    memcpy(j->tail + to, p, k);
    memcpy(j->tail, p + k, n - k);
    j->n += n;
}

/* How much of the ring belongs to the string's end. */
static size_t tail_length(const struct join *j)
{
    size_t n = (size_t)MIN(j->n, (uint64_t)EDGE);
    unsigned spaces = 0;
    for (size_t k = EDGE_MIN; k < n && may_shorten(j); k++) {
        spaces += j->tail[(j->n - 1 - k) % EDGE] == ' ';
        if (spaces == EDGE_SPACES)
            return k + 1;
    }
    return n;
}

static void end_string(struct join *j)
{
    if (j->n) {
        size_t n = tail_length(j), first = (size_t)(j->n - n) % EDGE, k = MIN(n, EDGE - first);
        static const uint8_t gap[] = "\n\n";
        if (j->n > n)
            put(j, j->end - n, gap, 2);
        put(j, j->end - n, j->tail + first, k);
        if (n > k)
            put(j, j->end - n, j->tail, n - k);
    }
    j->in_string = false;
}

static void open_nest(struct join *j, bool object)
{
    j->depth++;
    if (j->depth < NESTING_MAX)
        j->objects = (j->objects & ~(1ull << j->depth)) | (uint64_t)object << j->depth;
    j->key_next = object;
}

static void begin_string(struct join *j)
{
    j->in_string = true;
    j->escaped = j->behind = false;
    j->head = j->spaces = 0;
    j->n = 0;
    j->seen = 0;
}

/* Up to the next string. Returns the octets used. */
static size_t outside_json(struct join *j, const uint8_t *p, size_t n)
{
    static const bool counts[256] = {
        ['"'] = true, ['{'] = true, ['['] = true, ['}'] = true, [']'] = true, [':'] = true, [','] = true};
    for (size_t i = 0; i < n; i++) {
        if (!counts[p[i]])
            continue;
        if (p[i] == '"') {
            begin_string(j);
            j->which = j->key_next ? KEYS : VALUES;
            return i + 1;
        }
        if (p[i] == ':')
            j->key_next = false;
        else if (p[i] == ',')
            j->key_next = j->depth < NESTING_MAX && (j->objects >> j->depth & 1);
        else if (p[i] == '{' || p[i] == '[')
            open_nest(j, p[i] == '{');
        else {
            j->depth -= j->depth > 0;
            j->key_next = false;
        }
    }
    return n;
}

/* Header lines, up to an empty one. */
static void outside_multipart(struct join *j, uint8_t c)
{
    if (c == '\n' && j->line == 0)
        begin_string(j);
    if (c == '\n')
        j->line = 0;
    else
        j->line += c != '\r';
}

/* In a tag or a comment. */
static void outside_markup(struct join *j, uint64_t at, const uint8_t *c)
{
    static const char opening[] = "!--";
    if (!j->comment && j->line == j->seen && j->seen < 3 && *c == (uint8_t)opening[j->seen]) {
        j->line++;
        if (++j->seen == 3) {
            j->comment = true;
            j->seen = 0;
        }
        return;
    }
    bool first = j->line++ == 0;
    if (first && (*c < 0x21 || *c == '<' || (*c >= '0' && *c <= '9'))) { /* it was no tag */
        begin_string(j);
        if (*c != '<')
            inside(j, at, c, 1);
    } else if (*c == '>' && (!j->comment || j->seen >= 2)) {
        j->comment = false;
        begin_string(j);
    } else if (j->comment) {
        j->seen = *c == '-' ? j->seen + 1 : 0;
    }
}

/* Returns the octets used. */
static size_t outside(struct join *j, uint64_t at, const uint8_t *p, size_t n)
{
    switch (j->mode) {
    case JOIN_JSON: return outside_json(j, p, n);
    case JOIN_FORM:
        if (*p == '=')
            begin_string(j);
        break;
    case JOIN_MULTIPART: outside_multipart(j, *p); break;
    case JOIN_MARKUP: outside_markup(j, at, p); break;
    case JOIN_NONE: break;
    }
    return 1;
}

/* Up to the octet that ends it. */
static size_t up_to(const uint8_t *p, size_t n, int end)
{
    const uint8_t *at = memchr(p, end, n);
    return at ? (size_t)(at - p) : n;
}

/* Up to the second '-' of a line that begins with them. */
static size_t part_length(struct join *j, const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (i < n) {
        if (j->seen == 0) {
            i += up_to(p + i, n - i, '\n');
            j->seen = i < n;
            i += i < n;
        } else if (p[i] != '-') {
            j->seen = p[i++] == '\n';
        } else if (++j->seen == 3) {
            break;
        } else {
            i++;
        }
    }
    return i;
}

/* How much of it is inside the string; p[that] ends it. */
static size_t string_length(struct join *j, const uint8_t *p, size_t n)
{
    if (j->mode == JOIN_FORM)
        return up_to(p, n, '&');
    if (j->mode == JOIN_MARKUP)
        return up_to(p, n, '<');
    if (j->mode == JOIN_MULTIPART)
        return part_length(j, p, n);

    size_t i = 0;
    while (i < n) {
        if (j->escaped) {
            j->escaped = false;
            i++;
            i += skip_string(p + i, n - i);
            continue;
        }
        i += skip_to(p + i, n - i, '\\', '"', '"');
        while (i < n && p[i] != '\\' && p[i] != '"')
            i++;
        if (i == n || p[i] == '"')
            break;
        j->escaped = true;
        i++;
    }
    return i;
}

/* What ends in the middle of something may go on in the next string, but not for ever. */
static uint64_t settled(struct below *b, uint64_t end)
{
    static const uint8_t gap[] = "\n\n";
    uint64_t upto = below_settled(b, end);
    if (end - upto <= APART_MAX)
        return upto;
    below_feed(b, gap, 2, end, false);
    return below_settled(b, end);
}

/* Octets outside that say nothing. */
static size_t passed_over(struct join *j, const uint8_t *p, size_t n)
{
    if (j->mode == JOIN_FORM)
        return up_to(p, n, '=');
    if (j->mode != JOIN_MARKUP || j->comment || j->line < 4)
        return 0;
    return up_to(p, n, '>');
}

uint64_t join_feed(struct join *j, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    for (size_t i = 0; i < n && !(j->env->found && j->env->stop);) {
        if (!j->in_string)
            i += passed_over(j, p + i, n - i);
        if (i == n)
            break;
        if (j->in_string) {
            size_t k = string_length(j, p + i, n - i);
            inside(j, at + i, p + i, k);
            i += k;
            if (i < n) {
                end_string(j);
                j->line = j->seen = 0;
                i++;
            }
        } else {
            i += outside(j, at + i, p + i, n - i);
        }
    }
    flush(j, VALUES);
    flush(j, KEYS);
    for (unsigned k = 0; k < 2 && fin; k++)
        below_feed(&j->below[k], NULL, 0, at + n, true);
    uint64_t values = settled(&j->below[VALUES], at + n), keys = settled(&j->below[KEYS], at + n);
    /* The end of a long string has not been handed down yet. What of it may be a secret's beginning is held
     * by who looks at the text as it is. */
    return MIN(values, keys);
}

enum join_mode join_judge(struct join_judge *g, const uint8_t *p, size_t n, size_t *used)
{
    for (size_t i = 0; i < n && !g->done; i++) {
        uint8_t c = p[i];
        *used = i;
        g->done = true;
        if (g->n == 0 &&
            (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0xef || c == 0xbb || c == 0xbf))
            g->done = false;
        else if (g->n == 0 && (c == '{' || c == '['))
            return JOIN_JSON;
        else if (g->n == 0 && c == '<')
            return JOIN_MARKUP;
        else if (g->dash && c == '-')
            return JOIN_MULTIPART;
        else if (g->n && c == '=')
            return JOIN_FORM;
        else if (g->n++ < KEY_MAX && (is_word(c) || (c && strchr(".%+[]~*", c))))
            g->done = false;
        g->dash = g->n == 1 && c == '-';
    }
    return JOIN_NONE;
}
