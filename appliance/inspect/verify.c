/* What must follow a beginning, for formats that are one run of characters. */
#include <string.h>
#include <zlib.h>

#include "appliance/inspect/inspect_internal.h"

/* The run of the pattern's class after its anchor: its length, and whether it goes on past what there is. */
static size_t run_length(const struct candidate *c, const struct pattern *t, bool *open)
{
    size_t at = strlen(t->anchor), n = 0;
    uint32_t class = class_of(t->chars);
    while (n <= t->max && at + n < c->n && octet_class[c->p[at + n]] & class)
        n++;
    if (c->folded)
        return n;
    *open = at + n == c->n && !c->fin && n <= t->max;
    return n;
}

#define BASE64_BEFORE 32u
#define BY_CHANCE_MAX 6u /* octets of a beginning that megabytes of base64 hold by chance */

/* In the midst of base64, as far as what comes before tells: no words, no name, no number. Line breaks are of
 * no account. */
bool within_base64(const struct candidate *c, const struct pattern *t)
{
    size_t n = 0, upper = 0, lower = 0, digits = 0, changes = 0, breaks = 0;
    unsigned last = 0;
    if (c->folded || strlen(t->anchor) > BY_CHANCE_MAX)
        return false;
    for (size_t k = 0; n < BASE64_BEFORE && k < c->before && breaks <= 2; k++) {
        uint8_t o = c->p[-1 - (ptrdiff_t)k];
        if (o == '\n' || o == '\r') {
            breaks++;
            continue;
        }
        if (b64_value(o) < 0)
            return false;
        unsigned kind = o <= '9' ? 1 : o <= 'Z' ? 2 : 3; /* the marks go with one or the other */
        digits += kind == 1;
        upper += kind == 2;
        lower += kind == 3;
        changes += n && kind != last;
        last = kind;
        n++;
    }
    return n == BASE64_BEFORE && upper >= 4 && lower >= 4 && digits && changes >= 10;
}

/* Two hex digits or four before p[0]: the character they say, unless it is a letter of a word. */
static bool is_code(const uint8_t *p, size_t width)
{
    unsigned v = 0;
    for (size_t k = width; k > 0; k--) {
        int d = hex_value(p[-(ptrdiff_t)k]);
        if (d < 0)
            return false;
        v = v << 4 | (unsigned)d;
    }
    return v >= 0x80 || !is_word((uint8_t)v);
}

/* "\n", "%0A", "\x0a", "\u000a" */
static bool follows_escape(const uint8_t *p, size_t before)
{
    if (before >= 2 && p[-2] == '\\' && strchr("nrtbfv", p[-1]))
        return true;
    if (before >= 3 && p[-3] == '%' && is_code(p, 2))
        return true;
    if (before >= 4 && p[-4] == '\\' && p[-3] == 'x' && is_code(p, 2))
        return true;
    return before >= 6 && p[-6] == '\\' && p[-5] == 'u' && is_code(p, 4);
}

bool follows_word(const uint8_t *p, size_t before)
{
    return before && is_word(p[-1]) && !follows_escape(p, before);
}

static bool left_ok(const struct candidate *c, const struct pattern *t)
{
    return !(t->flags & PATTERN_LEFT) || !follows_word(c->p, c->before);
}

/* SCAN_MATCH: length and surroundings fit; what is in it is for the caller to judge. */
static enum scan_verdict verify_shape(const struct candidate *c, const struct pattern *t, size_t *n)
{
    bool open = false;
    if (!left_ok(c, t))
        return SCAN_NO;
    *n = run_length(c, t, &open);
    if (*n > t->max) {
        *n = t->max;
        return t->flags & PATTERN_EXACT ? SCAN_NO : SCAN_MATCH;
    }
    if (open)
        return SCAN_MORE;
    return *n >= t->min ? SCAN_MATCH : SCAN_NO;
}

enum scan_verdict verify_run(const struct candidate *c, const struct pattern *t)
{
    size_t n = 0;
    struct pattern shape = *t;
    if (t->flags & PATTERN_RANDOM && !(t->flags & PATTERN_EXACT)) /* more of it would not change the answer */
        shape.max = MIN(t->max, MAX(t->min, RANDOM_LOOK));
    enum scan_verdict v = within_base64(c, t) ? SCAN_NO : verify_shape(c, &shape, &n);
    if (v != SCAN_MATCH || !(t->flags & PATTERN_RANDOM))
        return v;
    return looks_random(c->p + strlen(t->anchor), n) ? SCAN_MATCH : SCAN_NO;
}

/* GitHub and npm: the last six characters are the CRC-32 of those before, in base 62, digits first ("Behind
 * GitHub's new authentication token formats", 2021). */
static bool crc62_ok(const uint8_t *p, size_t n)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint32_t crc = (uint32_t)crc32(0, p, (uInt)(n - 6));
    for (size_t i = 0; i < 6; i++, crc /= 62)
        if (p[n - 1 - i] != (uint8_t)digits[crc % 62])
            return false;
    return true;
}

/* An exact length and a checksum need no boundary: a token glued to text is a token. */
enum scan_verdict verify_github(const struct candidate *c, const struct pattern *t)
{
    size_t at = strlen(t->anchor), n = 0;
    while (n < t->max && at + n < c->n && in_class(t->chars, c->p[at + n])) {
        n++;
        if ((n == t->min || n == t->max) && (c->folded || crc62_ok(c->p + at, n)))
            return SCAN_MATCH;
    }
    return at + n == c->n && !c->fin && n < t->max ? SCAN_MORE : SCAN_NO;
}

/* Base32 of an account and a nonce; the one of the documentation ends in EXAMPLE. */
enum scan_verdict verify_aws_id(const struct candidate *c, const struct pattern *t)
{
    size_t n = 0;
    enum scan_verdict v = verify_shape(c, t, &n);
    if (v != SCAN_MATCH)
        return v;
    return looks_placeholder(c->p, strlen(t->anchor) + n) ? SCAN_NO : SCAN_MATCH;
}

/* SendGrid: 22 characters, a dot, 43. Azure's signature: 43 base64 characters and '=', maybe escaped. */
enum scan_verdict verify_parts(const struct candidate *c, const struct pattern *t)
{
    size_t n = 0, at = strlen(t->anchor);
    enum scan_verdict v = verify_shape(c, t, &n);
    if (v != SCAN_MATCH)
        return v;
    const uint8_t *p = c->p + at;
    if (t->anchor[0] == 'S')
        return p[22] == '.' && !memchr(p, '.', 22) && !memchr(p + 23, '.', 43) && looks_random(p, n)
                   ? SCAN_MATCH
                   : SCAN_NO;
    bool padded = (at + n < c->n && p[n] == '=') || (n >= 46 && memcmp(p + n - 3, "%3D", 3) == 0) ||
                  (n >= 46 && memcmp(p + n - 3, "%3d", 3) == 0);
    return padded && looks_random(p, n) ? SCAN_MATCH : SCAN_NO;
}
