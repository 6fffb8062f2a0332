/* Sayings, and how they are matched: backwards from their last word. The table is below. */
#include "appliance/inspect/sayings.h"

#include <stdlib.h>
#include <string.h>

#include "appliance/inspect/phrases.h"
#include "appliance/inspect/sayings_table.h"
#include "lib/base.h"

#define STEPS_MAX 10u
#define SETS_MAX 700u
#define ENDS_MAX 2500u
#define MUCH 8u /* how much commoner the commonest words are */
#define FILLERS_MAX 2u /* "the", "of", "your" between two words of a saying */

struct step {
    uint16_t set;
    uint8_t gap; /* so many other words may come before it */
    bool optional;
};

static struct row {
    struct step step[STEPS_MAX];
    unsigned n;
    bool verb; /* it begins with an order: not one that is told of somebody, or forbidden */
} rows[SAYINGS_MAX];

static uint8_t sets[SETS_MAX][(WORDS_MAX + 7) / 8]; /* bits of words */
static struct {
    uint64_t needs;
    uint32_t sign; /* of what must have been said lately, too */
    uint16_t row;
    uint16_t next;
} ends[ENDS_MAX]; /* from 1 */
static uint16_t first_end[WORDS_MAX];
static bool common_word[WORDS_MAX]; /* no saying is looked for because of it */
static unsigned n_sets, n_ends, n_always, n_anchored;

/* ---- matching ---- */

static bool is_one(struct phrases *p, unsigned k, unsigned set)
{
    if (k >= p->n || k >= PHRASE_WORDS)
        return false;
    uint32_t id = phrases_id(p, k);
    return sets[set][id / 8] >> id % 8 & 1;
}

static bool is_filler(struct phrases *p, unsigned k)
{
    return k < p->n && k < PHRASE_WORDS && word_table[phrases_id(p, k)].kind & W_FILLER;
}

/* The steps before step i, whose word is the k-th back. Each choice is the nearest one: sayings are short,
 * and none needs a second try. */
static bool fits(struct phrases *p, const struct row *r, unsigned i, unsigned k)
{
    while (i > 0 && i < STEPS_MAX) {
        unsigned gap = r->step[i].gap, fillers = 0, back = i;
        for (unsigned at = k + 1; back == i; at++) {
            for (unsigned j = i; j-- > 0;) {
                if (is_one(p, at, r->step[j].set)) {
                    back = j;
                    k = at;
                    break;
                }
                if (!r->step[j].optional)
                    break;
            }
            if (back != i)
                break;
            bool all_optional = true;
            for (unsigned j = 0; j < i; j++)
                all_optional &= r->step[j].optional;
            if (all_optional)
                return true;
            if (is_filler(p, at) && fillers < FILLERS_MAX)
                fillers++;
            else if (gap)
                gap--;
            else
                return false;
        }
        i = back;
    }
    return !r->verb || (!phrase_is_told(p, k) && !phrase_is_forbidden(p, k));
}

bool saying_next(struct phrases *p, struct said *s)
{
    uint32_t at = s->begun ? s->next : first_end[phrases_id(p, s->back)];
    s->begun = true;
    for (; at; at = ends[at].next) {
        const struct row *r = &rows[ends[at].row];
        if (!(ends[at].needs & s->kinds) || !(ends[at].sign & s->signs) || !fits(p, r, r->n - 1, s->back))
            continue;
        s->rule = sayings[ends[at].row].rule;
        s->weight = sayings[ends[at].row].weight;
        s->next = ends[at].next;
        return true;
    }
    return false;
}

/* ---- the table's language ---- */

static void too_small(bool is)
{
    if (is) /* a mistake in the table, seen at each start */
        abort();
}

static bool is_in(const char *list, const char *word, size_t n)
{
    for (const char *at = list; *at; at += strcspn(at, " ") + 1)
        if (strcspn(at, " ") == n && memcmp(at, word, n) == 0)
            return true;
    return false;
}

/* "a|b|@name": words and sets of words. Returns how common they are. */
static unsigned add_words(unsigned set, const char *text, size_t n)
{
    unsigned common = 0;
    for (size_t at = 0; at < n;) {
        size_t len = 0, i = 0;
        while (at + len < n && text[at + len] != '|')
            len++;
        if (text[at] == '@') {
            while (strlen(saying_sets[i].name) != len - 1 ||
                   memcmp(saying_sets[i].name, text + at + 1, len - 1) != 0)
                too_small(++i == SAYING_SETS);
            common += add_words(set, saying_sets[i].words, strlen(saying_sets[i].words));
        } else {
            unsigned id = word_add(text + at, len);
            too_small(id == 0);
            sets[set][id / 8] |= (uint8_t)(1u << id % 8);
            unsigned much =
                is_in(saying_common, text + at, len) + MUCH * is_in(saying_everywhere, text + at, len);
            common_word[id] = much != 0;
            common += much;
        }
        at += len + 1;
    }
    return common;
}

static bool holds(unsigned set, unsigned word)
{
    return sets[set][word / 8] >> word % 8 & 1;
}

/* Of the steps that a saying cannot do without, but the last, the rarest that is in reach of signs; r->n:
 * there is none. */
static unsigned rarest_before(const struct row *r, const unsigned *common)
{
    unsigned found = r->n, your = word_add("your", 4), least = 0;
    for (unsigned i = r->n - 1, far = 0; i-- > 0;) {
        far += 1 + FILLERS_MAX + r->step[i + 1].gap;
        unsigned much = common[i] + (holds(r->step[i].set, your) ? MUCH : 0); /* "your" is in many sayings */
        if (far <= PHRASE_FAR && !r->step[i].optional && (found == r->n || much < least)) {
            found = i;
            least = much;
        }
    }
    return found;
}

/* Each word of the last step ends the saying. It is tried where the rarest of its other words was said
 * lately, or always, if the last one is rarer; one that says little, only beside something that says more. */
static void finish(unsigned row, const unsigned *common)
{
    const struct row *r = &rows[row];
    unsigned sign_step;
    uint32_t sign;
    unsigned rarest = r->n - 1;
    for (unsigned i = 0; i < r->n; i++)
        if (!r->step[i].optional && common[i] < common[rarest])
            rarest = i;
    bool little = sayings[row].weight < PHRASE_ALERT && sayings[row].rule != PHRASE_HIDDEN;
    uint64_t anchor = little ? W_ALERT : rarest == r->n - 1 ? W_SAYS : W_ANCHOR(row);
    sign = little ? 0 : rarest == r->n - 1 ? SIGN_SAYING(n_always++) : SIGN_ANCHORED(n_anchored++);
    sign_step = rarest_before(r, common);
    for (unsigned id = 1; id < WORDS_MAX; id++) {
        if (sign_step < r->n && holds(r->step[sign_step].set, id))
            word_table[id].signs |= sign;
        if (anchor == W_ANCHOR(row) && !common_word[id] && holds(r->step[rarest].set, id))
            word_table[id].kind |= anchor;
        if (!holds(r->step[r->n - 1].set, id))
            continue;
        too_small(++n_ends == ENDS_MAX);
        ends[n_ends].needs = anchor == W_SAYS && common_word[id] ? W_ALERT : anchor;
        ends[n_ends].sign = sign_step < r->n && !little ? sign : SIGN_ALWAYS;
        ends[n_ends].row = (uint16_t)row;
        ends[n_ends].next = first_end[id];
        first_end[id] = (uint16_t)n_ends;
        word_table[id].kind |= W_SAYS;
        word_table[id].needs |= ends[n_ends].needs;
        if (ends[n_ends].needs != W_ALERT)
            word_table[id].signs |= (uint64_t)ends[n_ends].sign << SIGN_NEEDS;
    }
}

static void compile(unsigned row)
{
    struct row *r = &rows[row];
    unsigned common[STEPS_MAX] = {0};
    uint8_t gap = 0;
    for (const char *at = sayings[row].text; *at;) {
        size_t n = strcspn(at, " "), all = n + (at[n] == ' ');
        if (at[0] == '_') {
            gap = (uint8_t)(at[1] - '0');
            at += all;
            continue;
        }
        if (at[0] == '!') {
            r->verb = true;
            at++, n--, all--;
        }
        too_small(r->n == STEPS_MAX || n_sets == SETS_MAX);
        struct step *s = &r->step[r->n];
        s->optional = n && at[n - 1] == '?';
        s->gap = gap;
        s->set = (uint16_t)n_sets++;
        common[r->n++] = add_words(s->set, at, n - s->optional);
        gap = 0;
        at += all;
    }
    finish(row, common);
}

void sayings_compile(void)
{
    static_assert(SAYINGS <= SAYINGS_MAX, "room for all");
    for (unsigned i = 0; i < SAYINGS; i++)
        compile(i);
}
