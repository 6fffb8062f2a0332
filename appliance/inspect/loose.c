/* What is told by its shape alone, for it has no beginning of its own: seed phrases, card numbers written in
 * groups, tokens of Discord's bots. Nearly all of a text is passed over by a look at every 16th octet or so.
 */
#include <string.h>

#include "appliance/inspect/layer.h"
#include "appliance/inspect/seed.h"
#include "appliance/inspect/skip.h"

#define TAIL_MAX 1024u /* looked at again: 24 words and what is between them */
#define TAIL_MIN 80u /* a Discord token, a card number */
#define BETWEEN_MAX 8u /* octets between two words, "\", \"" or "\n12. " */
#define HELD_WORDS 5u /* so many in a row are a phrase's beginning; fewer are in any text */
#define ASKED_MAX 400u /* nobody's text has so many of the words in a row, but to tire us out */
#define HELD_DIGITS 8u

struct loose {
    struct scan_env *env;
    uint8_t tail[TAIL_MAX];
    size_t n;
    unsigned asked; /* how often about the words in a row */
};

struct view {
    struct loose *l;
    const uint8_t *p;
    size_t n;
    bool first, fin; /* first: p[0] is the text's */
    size_t open; /* from here on it waits */
    size_t keep; /* and from here on it is looked at again */
    size_t match;
    const char *detector;
};

struct loose *loose_new(struct scan_env *env)
{
    struct loose *l = calloc(1, sizeof *l);
    if (l)
        l->env = env;
    return l;
}

void loose_free(struct loose *l)
{
    free(l);
}

static void tell(struct view *v, size_t at, const char *detector)
{
    if (at >= v->match)
        return;
    v->match = at;
    v->detector = detector;
}

/* With the octet before it. */
static void wait_for(struct view *v, size_t at)
{
    v->open = MIN(v->open, at);
    v->keep = MIN(v->keep, at - MIN(at, (size_t)1));
}

/* ---- seed phrases ---- */

static bool is_letter(uint8_t c)
{
    return (uint8_t)((c | 0x20) - 'a') < 26;
}

/* From i on, up to the next letter; an escaped line break has none. */
static size_t between(const uint8_t *p, size_t n, size_t i)
{
    while (i < n && !is_letter(p[i]))
        i += p[i] == '\\' && i + 1 < n && strchr("nrt", p[i + 1]) ? 2 : 1;
    return MIN(i, n);
}

/* What they are parted by, but for numbers and white space ("\n12. "). */
static uint8_t sign_of(const uint8_t *p, size_t n)
{
    unsigned h = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\\' && i + 1 < n)
            i++;
        else if (p[i] > ' ' && (p[i] < '0' || p[i] > '9'))
            h = 31 * h + p[i];
    }
    return (uint8_t)(h ^ h >> 8);
}

/* The length of the word that begins at p[at]; past SEED_WORD_MAX if it is longer. */
static size_t word_length(const uint8_t *p, size_t n, size_t at)
{
    size_t k = 0;
    while (at + k < n && k <= SEED_WORD_MAX && is_letter(p[at + k]))
        k++;
    return k;
}

static size_t not_within_word(const struct view *v, size_t i, size_t from)
{
    while (i > from && i < v->n && is_letter(v->p[i]) && is_letter(v->p[i - 1]))
        i++;
    return i;
}

static void seeds(struct view *v)
{
    uint16_t words[256];
    uint8_t apart[ARRAY_LEN(words)];
    size_t n = 0, begin = 0, i = 0;
    while (!v->first && i < v->n && is_letter(v->p[i])) /* the end of a word that has been seen */
        i++;
    while (i < v->n) {
        if (n == 0)
            i = not_within_word(v, i + seed_skip(v->p + i, v->n - i), i);
        size_t at = between(v->p, v->n, i), e = at;
        if (at - i > BETWEEN_MAX)
            n = 0;
        uint8_t sign = sign_of(v->p + i, MIN(at - i, (size_t)BETWEEN_MAX));
        if (at == v->n)
            break;
        e += word_length(v->p, v->n, at);
        if (e == v->n && !v->fin)
            break;
        int k = seed_word(v->p + at, e - at);
        i = e;
        while (i < v->n && is_letter(v->p[i]) && k < 0)
            i++;
        if (k < 0) {
            n = 0;
            continue;
        }
        if (n == ARRAY_LEN(words)) { /* nobody's phrase */
            n = SEED_MAX;
            memmove(words, words + ARRAY_LEN(words) - n, n * sizeof *words);
            memmove(apart, apart + ARRAY_LEN(apart) - n, n);
        }
        if (n == 0)
            begin = at;
        apart[n] = sign;
        words[n++] = (uint16_t)k;
        /* What ends in octets that came before has been asked about. */
        bool fresh = n >= 12 && e >= v->l->n && seeds_look_drawn(words + n - 12, apart + n - 12);
        v->l->asked = n < 12 ? 0 : v->l->asked + fresh;
        if (v->l->asked > ASKED_MAX) {
            v->l->env->too_much = true;
            return;
        }
        if (fresh && seed_phrase(words, n)) {
            tell(v, begin, "token_patterns:seed_phrase");
            return;
        }
    }
    if (n == 0)
        return;
    if (v->n - begin > TAIL_MAX)
        begin = v->n - TAIL_MAX;
    v->keep = MIN(v->keep, begin - MIN(begin, (size_t)2)); /* "\\n" before it */
    if (n >= HELD_WORDS && !v->fin)
        v->open = MIN(v->open, begin);
}

/* ---- card numbers ---- */

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Digits in groups with dashes between them (with spaces, any row of numbers may look so); `*digits`: how
 * many are in `out`. */
static size_t groups(const uint8_t *p, size_t n, uint8_t *out, size_t *digits, uint32_t *shape)
{
    size_t i = 0, group = 0;
    *digits = 0;
    *shape = 0;
    for (; i < n && *digits < CARD_MAX + 1; i++) {
        if (is_digit(p[i])) {
            out[(*digits)++] = p[i];
            group++;
        } else if (group == 4 && i + 1 < n && is_digit(p[i + 1]) && p[i] == '-') {
            *shape = *shape << 4 | 4;
            group = 0;
        } else if (group == 6 && *shape == 4 && p[i] == '-' && i + 1 < n && is_digit(p[i + 1])) {
            *shape = *shape << 4 | 6;
            group = 0;
        } else {
            break;
        }
    }
    *shape = *shape << 4 | (uint32_t)MIN(group, (size_t)15);
    return i;
}

static void card_at(struct view *v, size_t at)
{
    uint8_t digits[CARD_MAX + 1];
    size_t n, end = at;
    uint32_t shape;
    end += groups(v->p + at, v->n - at, digits, &n, &shape);
    bool open = end + 1 >= v->n && !v->fin;
    if (open && shape >> 4 && n >= HELD_DIGITS && (n < 16 || looks_like_card(digits, n)))
        wait_for(v, at);
    if (shape != 0x4444 && shape != 0x465 && shape != 0x464)
        return;
    if (open || (end < v->n && is_word(v->p[end])) || !looks_like_card(digits, n))
        return;
    tell(v, at, "token_patterns:card_number");
}

/* Digits and what is between groups of them. */
static const bool grouped[256] = {
    ['-'] = true, ['0'] = true, true, true, true, true, true, true, true, true, true};

static void cards(struct view *v)
{
    for (size_t q = 1; q + 1 < v->n; q += 15) { /* 17 octets are the shortest */
        q += skip_without_numbers(v->p + q, v->n - q); /* they begin and end with a digit */
        if (q + 1 >= v->n)
            break;
        while (q + 60 < v->n && !grouped[v->p[q]] && !grouped[v->p[q + 15]] && !grouped[v->p[q + 30]])
            q += 45;
        if (!grouped[v->p[q]] || !grouped[v->p[q - 1]] || !grouped[v->p[q + 1]] ||
            (!is_digit(v->p[q]) && !is_digit(v->p[q + 1])))
            continue;
        size_t b = q - 1, low = q > 24 ? q - 24 : 0;
        while (b > low && grouped[v->p[b - 1]])
            b--;
        for (; b <= q; b++)
            if (is_digit(v->p[b]) && (b == 0 ? v->first : !follows_word(v->p + b, b)))
                card_at(v, b);
    }
}

/* ---- Discord: base64url of the bot's number, a time, a signature ---- */

static bool says_number(const uint8_t *p, size_t n)
{
    unsigned acc = 0, bits = 0;
    for (size_t i = 0; i < n; i++) {
        acc = (acc << 6 | (unsigned)b64_value(p[i])) & 0xffff;
        bits += 6;
        if (bits >= 8 && !is_digit((uint8_t)(acc >> (bits -= 8))))
            return false;
    }
    return true;
}

static size_t url64_run(const uint8_t *p, size_t n)
{
    uint32_t class = class_of("Aa9_-");
    size_t k = 0;
    while (k < n && octet_class[p[k]] & class)
        k++;
    return k;
}

static void bots(struct view *v)
{
    const uint8_t *end = v->p + v->n, *dot = v->p;
    for (;;) {
        dot += skip_to_dots(dot, (size_t)(end - dot));
        if ((dot = memchr(dot, '.', (size_t)(end - dot))) == NULL)
            break;
        const uint8_t *p = dot++;
        size_t left = 0, have = (size_t)(end - dot);
        if (have > 6 ? dot[6] != '.' : have && dot[have - 1] == ' ') /* nearly always */
            continue;
        size_t time = url64_run(dot, MIN(have, (size_t)7));
        while (left < 29 && p - left > v->p && url64_run(p - left - 1, 1))
            left++;
        if (left < 23 || left > 28 || (p - left == v->p && !v->first) || !says_number(p - left, left))
            continue;
        size_t at = (size_t)(p - v->p) - left;
        size_t mac =
            time == 6 && have > 7 && dot[6] == '.' ? url64_run(dot + 7, MIN(have - 7, (size_t)40)) : 0;
        bool open = !v->fin && (time == have || (time == 6 && 7 + mac >= have && mac <= 38));
        if (open)
            wait_for(v, at);
        else if (mac >= 27 && mac <= 38 && looks_random(dot + 7, mac))
            tell(v, at, "token_patterns:discord_bot_token");
    }
}

/* ---- the text ---- */

uint64_t loose_feed(struct loose *l, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    struct scan_env *env = l->env;
    uint8_t *w = env->i->window;
    struct view v = {.l = l, .p = p, .n = n + l->n, .fin = fin};
    if (l->n) {
        memcpy(w, l->tail, l->n);
        if (n)
            memcpy(w + l->n, p, n);
        v.p = w;
    }
    if (v.n == 0)
        return at;
    v.open = v.match = v.n;
    v.keep = v.n > TAIL_MIN ? v.n - TAIL_MIN : 0;
    uint64_t base = at - l->n;
    v.first = base == 0;
    seeds(&v);
    cards(&v);
    bots(&v);
    if (v.match < v.n) {
        scan_tell(env, v.detector, base + v.match);
        if (env->stop)
            return base + MIN(v.match, v.open);
        v.open = v.keep = v.n;
    }
    l->n = fin ? 0 : MIN(v.n - v.keep, (size_t)TAIL_MAX);
    memmove(l->tail, v.p + v.n - l->n, l->n);
    return base + v.open;
}
