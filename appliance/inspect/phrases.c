#include "appliance/inspect/phrases.h"

#include <stdbool.h>
#include <string.h>

#include "appliance/inspect/sayings.h"
#include "lib/base.h"

/* As word_pack(), of a word that is known here: it is folded to a number. */
static inline uint64_t pack(const char *s, size_t n)
{
    char text[8] = {0};
    memcpy(text, s, MIN(n, sizeof text));
    return word_pack(text, sizeof text);
}
#define IS(p, k, word) (text_at((p), (k)) == pack(word, sizeof(word) - 1))

unsigned phrases_id(struct phrases *p, unsigned k)
{
    size_t at = (p->n - 1 - k) % PHRASE_RING;
    uint64_t kind, needs;
    if (p->id[at] == PHRASE_UNKNOWN)
        p->id[at] = (uint16_t)word_find(p->word[at].text, p->word[at].more, &kind, &needs);
    return p->id[at];
}

/* The k-th word back; 0 is the latest. */
static uint64_t kind_at(struct phrases *p, unsigned k)
{
    return k < p->n && k < PHRASE_WORDS ? word_table[phrases_id(p, k)].kind & W_RULED : 0;
}

static uint64_t text_at(struct phrases *p, unsigned k)
{
    return k < p->n && k < PHRASE_WORDS ? p->word[(p->n - 1 - k) % PHRASE_RING].text : 0;
}

/* Is the verb told of somebody ("attackers ask models to ignore ..."), not said to the reader ("you must
 * ignore")? */
bool phrase_is_told(struct phrases *p, unsigned verb)
{
    if (!(kind_at(p, verb + 1) & W_DESCRIBES))
        return false;
    for (unsigned k = verb + 2; k < verb + 5; k++)
        if (kind_at(p, k) & (W_YOU | W_NEED))
            return false;
    return true;
}

/* "do not", "don't", "never", "without" right before word k, but not "does not". */
bool phrase_is_forbidden(struct phrases *p, unsigned k)
{
    for (unsigned i = k + 1; i <= k + 2; i++) {
        if (!(kind_at(p, i) & W_NOT))
            continue;
        if (!IS(p, i, "not"))
            return true;
        return IS(p, i + 1, "do") || kind_at(p, i + 1) & W_NEED;
    }
    return false;
}

static unsigned rule_override(struct phrases *p)
{
    uint64_t last = kind_at(p, 0), seen = 0;
    if (!(last & (W_ORDERS | W_RULES)))
        return 0;
    for (unsigned k = 1; k < 9; k++) {
        uint64_t kind = kind_at(p, k);
        bool unfollow =
            (IS(p, k, "follow") || IS(p, k, "obey") || IS(p, k, "adhere") || IS(p, k, "comply")) &&
            phrase_is_forbidden(p, k);
        if ((kind & W_OVERRIDE) || unfollow) {
            bool whose = seen & W_BEFORE || (!(kind & W_TECHNICAL) && seen & W_SYSTEM);
            bool fits = whose || (last & W_ORDERS && seen & W_ALL && !(kind & W_TECHNICAL));
            return fits && !phrase_is_told(p, k) ? 3 : 0;
        }
        if (!(kind & (W_FILLER | W_BEFORE | W_ALL | W_SYSTEM | W_ORDERS | W_RULES)))
            return 0;
        seen |= kind;
    }
    return 0;
}

static unsigned rule_forget(struct phrases *p)
{
    bool before = kind_at(p, 0) & W_BEFORE || IS(p, 0, "told") || IS(p, 0, "know") || IS(p, 0, "said");
    if (!before || kind_at(p, 0) & W_YOU)
        return 0;
    if (IS(p, 0, "above") && kind_at(p, 1) & (W_ORDERS | W_RULES) && kind_at(p, 2) & W_FILLER &&
        kind_at(p, 3) & W_OVERRIDE)
        return phrase_is_told(p, 3) ? 0 : 3;
    for (unsigned k = 1; k < 8; k++) {
        uint64_t kind = kind_at(p, k);
        bool thing = IS(p, k - 1, "everything") || IS(p, k - 1, "anything") || IS(p, k - 1, "what") ||
                     IS(p, k - 1, "whatever") || IS(p, k - 1, "all");
        if (kind & W_OVERRIDE)
            return thing && (kind & W_FORGET || IS(p, 0, "above")) && !phrase_is_told(p, k) ? 3 : 0;
        if (!(kind & (W_FILLER | W_WHOLE | W_BEFORE)))
            return 0;
    }
    return 0;
}

/* "you are now" ending at word k */
static bool you_are_now(struct phrases *p, unsigned k)
{
    return IS(p, k, "now") && ((IS(p, k + 1, "are") && IS(p, k + 2, "you")) || IS(p, k + 1, "youre"));
}

static unsigned rule_persona(struct phrases *p)
{
    uint64_t last = kind_at(p, 0);
    bool mode = IS(p, 0, "mode") && kind_at(p, 1) & (W_SYSTEM | W_FREE);
    if (last & W_SYSTEM && (you_are_now(p, 1) || you_are_now(p, 2)))
        return 2;
    if (!(last & (W_FREE | W_MACHINE)) && !mode)
        return 0;
    for (unsigned k = 1; k < 7; k++) {
        bool pretend = IS(p, k, "pretend") || (IS(p, k, "as") && IS(p, k + 1, "act"));
        if (you_are_now(p, k))
            return last & W_FREE || mode || k <= 4 ? 3 : 0;
        if (pretend && (last & W_FREE || mode))
            return phrase_is_told(p, k) ? 0 : 3;
    }
    return 0;
}

static unsigned rule_conceal(struct phrases *p)
{
    bool let = IS(p, 0, "know");
    if (!(kind_at(p, 0) & W_USER) && !let)
        return 0;
    for (unsigned k = 1; k < 8; k++) {
        uint64_t kind = kind_at(p, k);
        if (let && (IS(p, k, "let") || IS(p, k, "letting")))
            return phrase_is_forbidden(p, k) ? 3 : 0;
        if (!let && kind & (W_TELL | W_HINT) && phrase_is_forbidden(p, k))
            return kind & W_TELL ? 3 : 2;
        if (kind & W_PLACE && !(kind & W_FILLER))
            return 0;
    }
    return 0;
}

/* A verb, all of something, what it is, and where to, not far from each other. */
static unsigned rule_exfiltrate(struct phrases *p)
{
    unsigned what = 1;
    bool whole = false;
    if (!(kind_at(p, 0) & W_PLACE))
        return 0;
    while (what < 9 && !(kind_at(p, what) & (W_PRIVATE | W_TOKEN)))
        what++;
    if (what == 9)
        return 0;
    for (unsigned k = what + 1; k < what + 8; k++) {
        uint64_t kind = kind_at(p, k);
        if (kind & W_SEND && !phrase_is_told(p, k) && !phrase_is_forbidden(p, k))
            return whole ? 3 : kind_at(p, what) & W_PRIVATE ? 2 : 1;
        whole |= (kind & W_WHOLE) != 0;
    }
    return 0;
}

static unsigned rule_reveal(struct phrases *p)
{
    uint64_t seen = 0;
    if (!(kind_at(p, 0) & (W_ORDERS | W_PROMPT)))
        return 0;
    for (unsigned k = 1; k < 8; k++) {
        uint64_t kind = kind_at(p, k);
        if (kind & W_SHOW) {
            if (phrase_is_told(p, k) || phrase_is_forbidden(p, k) || !(seen & W_YOU))
                return 0;
            return seen & W_SYSTEM || IS(p, 1, "initial") || IS(p, 1, "original") ? 3 : 1;
        }
        if (!(kind & (W_FILLER | W_BEFORE | W_ALL | W_SYSTEM | W_WHOLE)))
            return 0;
        seen |= kind;
    }
    return 0;
}

/* "your new task is" */
static unsigned rule_task(struct phrases *p)
{
    return kind_at(p, 1) & (W_TASK | W_ORDERS) && kind_at(p, 2) & W_NEW && kind_at(p, 3) & W_YOU ? 3 : 0;
}

static unsigned rule_new_prompt(struct phrases *p)
{
    return kind_at(p, 1) & W_SYSTEM && kind_at(p, 2) & W_NEW ? 2 : 0;
}

static unsigned rule_address(struct phrases *p)
{
    if (!(kind_at(p, 0) & W_MACHINE))
        return 0;
    for (unsigned k = 1; k < 6; k++) {
        if (IS(p, k, "you") && IS(p, k - 1, "are") && IS(p, k + 1, "if"))
            return 2;
        if ((IS(p, k, "to") || IS(p, k, "for")) && (IS(p, k + 1, "attention") || IS(p, k + 1, "note") ||
                                                       IS(p, k + 1, "message") || IS(p, k + 1, "notice")))
            return 2;
        if (!(kind_at(p, k) & (W_FILLER | W_MACHINE)) && !IS(p, k, "are") && !IS(p, k, "large") &&
            !IS(p, k, "any"))
            return 0;
    }
    return 0;
}

static unsigned rule_authority(struct phrases *p)
{
    if (IS(p, 0, "override") && kind_at(p, 1) & W_SYSTEM)
        return 1;
    if (kind_at(p, 0) & W_YOU && IS(p, 1, "on") && IS(p, 2, "now") && IS(p, 3, "from"))
        return 2;
    return IS(p, 0, "prompt") && kind_at(p, 1) & W_SYSTEM && (IS(p, 2, "begin") || IS(p, 2, "end")) ? 2 : 0;
}

static unsigned rule_order(struct phrases *p)
{
    return kind_at(p, 0) & W_DO && !phrase_is_told(p, 0) ? 1 : 0;
}

/* In order. `ends`: what the last word must be one of, `needs`: what one of the words before it, up to
 * PHRASE_FAR back, or itself, must be, or the rule does not fit. */
#define ANY W_RULED
static const struct {
    unsigned (*fits)(struct phrases *);
    uint64_t ends, needs;
    int rule;
} rules[] = {
    {rule_override, W_ORDERS | W_RULES, W_OVERRIDE | W_NAMED, PHRASE_OVERRIDE},
    {rule_forget, W_BEFORE | W_LAST, W_OVERRIDE, PHRASE_FORGET},
    {rule_persona, W_SYSTEM | W_FREE | W_MACHINE | W_LAST, W_NOW | W_NAMED, PHRASE_PERSONA},
    {rule_conceal, W_USER | W_LAST, W_NOT, PHRASE_CONCEAL},
    {rule_exfiltrate, W_PLACE, W_SEND, PHRASE_EXFILTRATE},
    {rule_reveal, W_ORDERS | W_PROMPT, W_SHOW, PHRASE_REVEAL},
    {rule_task, W_IS, W_TASK | W_ORDERS, PHRASE_TASK},
    {rule_new_prompt, W_ORDERS | W_PROMPT, W_NEW, PHRASE_TASK},
    {rule_address, W_MACHINE, ANY, PHRASE_ADDRESS},
    {rule_authority, W_YOU, W_NOW, PHRASE_AUTHORITY},
    {rule_authority, W_LAST, W_SYSTEM, PHRASE_AUTHORITY},
    {rule_order, W_DO, ANY, PHRASE_ORDER},
};

const char *phrase_name(int rule)
{
    static const char *const names[PHRASE_RULES] = {
        [PHRASE_OVERRIDE] = "naive_injection_detection:override",
        [PHRASE_FORGET] = "naive_injection_detection:forget",
        [PHRASE_PERSONA] = "naive_injection_detection:persona",
        [PHRASE_CONCEAL] = "naive_injection_detection:conceal",
        [PHRASE_EXFILTRATE] = "naive_injection_detection:exfiltrate",
        [PHRASE_REVEAL] = "naive_injection_detection:reveal",
        [PHRASE_TASK] = "naive_injection_detection:task",
        [PHRASE_ADDRESS] = "naive_injection_detection:address",
        [PHRASE_AUTHORITY] = "naive_injection_detection:authority",
        [PHRASE_MARKUP] = "naive_injection_detection:markup",
        [PHRASE_ORDER] = "naive_injection_detection:order",
        [PHRASE_VERBATIM] = "naive_injection_detection:verbatim",
        [PHRASE_OUTPUT] = "naive_injection_detection:output",
        [PHRASE_MEMORY] = "naive_injection_detection:memory",
        [PHRASE_URGENCY] = "naive_injection_detection:urgency",
        [PHRASE_USER] = "naive_injection_detection:user",
        [PHRASE_BOUNDARY] = "naive_injection_detection:boundary",
        [PHRASE_HIDDEN] = "naive_injection_detection:hidden",
    };
    return rule >= 0 && rule < PHRASE_RULES ? names[rule] : "naive_injection_detection";
}

/* The sum of what fitted lately. What could be said of anything makes no finding by its number. */
static int judge(struct phrases *p, int last)
{
    unsigned sum = 0, most = 0;
    for (int r = 0; r < PHRASE_RULES; r++)
        if (p->seen[r] && p->n - p->seen[r] < PHRASE_SPAN) {
            sum += p->weight[r];
            most = MAX(most, p->weight[r]);
        }
    return sum >= PHRASE_LIMIT && most >= PHRASE_ALERT ? last : -1;
}

static void note(struct phrases *p, int rule, unsigned weight, uint64_t at)
{
    bool fresh = p->seen[rule] && p->n - p->seen[rule] < PHRASE_SPAN;
    p->weight[rule] = (uint8_t)(fresh ? MAX(weight, p->weight[rule]) : weight);
    p->seen[rule] = MAX(at, p->seen[rule]);
}

/* From here on, and in what is still known, sayings count that say little by themselves. */
static void listen(struct phrases *p)
{
    bool is_new = p->n > p->alert;
    p->alert = p->n + PHRASE_SPAN;
    for (unsigned k = is_new ? (unsigned)MIN(p->n, (uint64_t)PHRASE_SPAN) : 0; k-- > 0;)
        for (struct said s = {.back = k, .kinds = W_ALERT, .signs = UINT32_MAX}; saying_next(p, &s);)
            note(p, s.rule, s.weight, p->n - k);
}

static int add(struct phrases *p, int rule, unsigned weight)
{
    note(p, rule, weight, p->n);
    if (weight >= PHRASE_ALERT)
        listen(p);
    return judge(p, rule);
}

uint64_t phrases_needs(uint64_t kind)
{
    uint64_t needs = 0;
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        needs |= kind & rules[i].ends ? rules[i].needs : 0;
    return needs;
}

/* `needs`: what of the word's needs there was. */
static int judge_word(struct phrases *p, uint64_t kind, uint64_t needs)
{
    for (struct said s = {.kinds = needs, .signs = p->lately | p->before | SIGN_ALWAYS};
         needs & ~W_RULED && saying_next(p, &s);) {
        int found = add(p, s.rule, s.weight);
        if (found >= 0)
            return found;
    }
    for (size_t i = 0; needs & W_RULED && i < ARRAY_LEN(rules); i++) {
        unsigned weight = kind & rules[i].ends ? rules[i].fits(p) : 0;
        int found = weight ? add(p, rules[i].rule, weight) : -1;
        if (found >= 0)
            return found;
    }
    return -1;
}

static bool is_anchored(struct phrases *p)
{
    for (unsigned k = 0; k < PHRASE_NEAR && k < p->n; k++)
        if (word_table[phrases_id(p, k)].kind & W_ANCHORS)
            return true;
    return false;
}

int phrases_judge(struct phrases *p, uint64_t signs)
{
    const struct word *w = &word_table[phrases_id(p, 0)];
    uint64_t heeded = W_SAYS | (p->n <= p->alert ? W_ALERT : 0);
    if (w->needs & W_ANCHORS && p->n <= p->near && is_anchored(p))
        heeded |= W_ANCHORS;
    if (signs >> SIGN_NEEDS & (p->lately | p->before | SIGN_ALWAYS))
        heeded |= W_RULED;
    return w->needs & heeded ? judge_word(p, w->kind, w->needs & heeded) : -1;
}

int phrases_markup(struct phrases *p, int rule, unsigned weight)
{
    (void)phrases_word(p, 0, 0);
    return add(p, rule, weight);
}
