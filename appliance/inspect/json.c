/* Strings of a JSON text (RFC 8259), put together: what is cut into several values, or keys, reads as one
 * again. A string is looked at by itself elsewhere; of a long one its two ends are enough here. */
#include <string.h>

#include "appliance/inspect/layer.h"
#include "appliance/inspect/skip.h"

#define EDGE 512u
#define APART_MAX KIB(16) /* strings further apart are not put together: nothing is held that long */
#define NESTING_MAX 64u /* deeper, a key may be taken for a value */

enum { VALUES, KEYS };

/* Octets on their way to a layer below, so that it does not get them by the string. */
struct gather {
    uint8_t out[2048];
    size_t n;
    uint64_t at; /* where out[0] comes from */
};

struct json {
    struct scan_env *env;
    struct gather gather[2];
    struct below below[2]; /* VALUES, KEYS */
    uint64_t objects; /* of the nesting: bit set: an object */
    unsigned depth;
    bool in_string, escaped, key_next;
    unsigned which; /* what the string is */
    uint64_t n; /* octets of the string so far */
    uint8_t tail[EDGE]; /* its last ones past EDGE, as a ring */
    uint64_t tail_at; /* where the ring's oldest octet comes from */
};

struct json *json_new(struct scan_env *env, unsigned depth)
{
    struct json *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->env = env;
    unsigned kind = LAYER_ESCAPES | LAYER_RUNS;
    if (!below_open(&j->below[VALUES], env, depth, kind) || !below_open(&j->below[KEYS], env, depth, kind)) {
        json_free(j);
        return NULL;
    }
    return j;
}

void json_free(struct json *j)
{
    if (!j)
        return;
    below_close(&j->below[VALUES]);
    below_close(&j->below[KEYS]);
    free(j);
}

static void flush(struct json *j, unsigned which)
{
    struct gather *g = &j->gather[which];
    if (g->n)
        below_feed(&j->below[which], g->out, g->n, g->at, false);
    g->n = 0;
}

static void put(struct json *j, uint64_t at, const uint8_t *p, size_t n)
{
    struct gather *g = &j->gather[j->which];
    if (g->n + n > sizeof g->out)
        flush(j, j->which);
    if (g->n == 0)
        g->at = at;
    memcpy(g->out + g->n, p, n); /* at most EDGE */
    g->n += n;
}

/* Octets of the string's inside. */
static void inside(struct json *j, uint64_t at, const uint8_t *p, size_t n)
{
    if (j->n < EDGE) {
        size_t k = MIN(n, (size_t)(EDGE - j->n));
        put(j, at, p, k);
        j->n += k;
        at += k;
        p += k;
        n -= k;
    }
    if (n > EDGE) {
        j->n += n - EDGE;
        at += n - EDGE;
        p += n - EDGE;
        n = EDGE;
    }
    for (size_t i = 0; i < n; i++)
        j->tail[j->n++ % EDGE] = p[i];
    if (j->n > EDGE)
        j->tail_at = at + n - MIN(j->n - EDGE, (uint64_t)EDGE);
}

static void end_string(struct json *j)
{
    if (j->n > EDGE) {
        size_t n = (size_t)MIN(j->n - EDGE, (uint64_t)EDGE), first = (size_t)(j->n - n) % EDGE;
        static const uint8_t gap[] = "\n\n";
        if (j->n > (uint64_t)2 * EDGE)
            put(j, j->tail_at, gap, 2);
        size_t k = MIN(n, EDGE - first);
        put(j, j->tail_at, j->tail + first, k);
        if (n > k)
            put(j, j->tail_at, j->tail, n - k);
    }
    j->in_string = false;
}

static void open_nest(struct json *j, bool object)
{
    j->depth++;
    if (j->depth < NESTING_MAX)
        j->objects = (j->objects & ~(1ull << j->depth)) | (uint64_t)object << j->depth;
    j->key_next = object;
}

static void outside(struct json *j, uint8_t c)
{
    switch (c) {
    case '"':
        j->in_string = true;
        j->escaped = false;
        j->n = 0;
        j->which = j->key_next ? KEYS : VALUES;
        break;
    case '{': open_nest(j, true); break;
    case '[': open_nest(j, false); break;
    case '}':
    case ']':
        j->depth -= j->depth > 0;
        j->key_next = false;
        break;
    case ':': j->key_next = false; break;
    case ',': j->key_next = j->depth < NESTING_MAX && (j->objects >> j->depth & 1); break;
    default: break;
    }
}

/* How much of it is inside the string; p[that] ends it. */
static size_t string_length(struct json *j, const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (i < n) {
        if (j->escaped) {
            j->escaped = false;
            i++;
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

uint64_t json_feed(struct json *j, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    for (size_t i = 0; i < n && !(j->env->found && j->env->stop); i++) {
        if (j->in_string) {
            size_t k = string_length(j, p + i, n - i);
            inside(j, at + i, p + i, k);
            i += k;
            if (i < n)
                end_string(j);
        } else {
            outside(j, p[i]);
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
