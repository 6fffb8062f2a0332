/* A text with nothing left of it but letters and digits, in small letters: so a known secret is found
 * whatever is put between its characters (spaces, line breaks, quotes, NULs, zero-width characters, brackets,
 * commas, escapes of any of these), and in whatever case. Its forms are looked for as they look then
 * (forms_squeezed.c). */
#include <string.h>

#include "appliance/inspect/layer.h"
#include "appliance/inspect/squeezed.h"

struct squeeze {
    struct scan_env *env;
    struct scan scan;
    uint64_t end; /* of the squeezed text */
    uint64_t held; /* offset above of the first octet that waits */
    bool waits;
    struct squeezed text;
};

struct squeeze *squeeze_new(struct scan_env *env)
{
    struct squeeze *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->env = env;
    s->text.way = squeezed_ways() - 1;
    s->scan.lits = &env->i->squeezed;
    return s;
}

void squeeze_free(struct squeeze *s)
{
    if (!s)
        return;
    scan_free(&s->scan);
    free(s);
}

static bool has_escapes(const uint8_t *p, size_t n)
{
    return memchr(p, '\\', n) || memchr(p, '%', n) || memchr(p, '&', n);
}

uint64_t squeeze_feed(struct squeeze *s, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    size_t carried = s->text.n_carry, len = squeezed_feed(&s->text, at, p, n, fin, s->env->i->squeeze_room);
    s->end += len;
    uint64_t settled = scan_feed(&s->scan, s->env, s->env->i->squeeze_room, len, fin),
             waiting = s->end - settled;
    if (!waiting) {
        s->waits = false;
        return at + n;
    }
    if (waiting <= len && !carried && !has_escapes(p, n)) /* what waits has no gap in it */
        s->held = at + squeezed_back(p, n, waiting);
    else if (!s->waits || waiting <= len)
        s->held = at - MIN(at, (uint64_t)carried);
    s->waits = true;
    return s->held;
}

bool squeeze_busy(const struct squeeze *s)
{
    return scan_waits(&s->scan);
}
