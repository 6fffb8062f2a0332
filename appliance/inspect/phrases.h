/** \file
 * Rules about phrases that give orders to a model: words in, a score out. Private to inspection. Pure.
 *
 * Each rule that fits adds its weight once within the last PHRASE_SPAN words; PHRASE_LIMIT in sum is a
 * finding. A phrase that could be said of many things has a weight of 1 or 2 and needs another beside it.
 */
#ifndef EGRESS_APPLIANCE_INSPECT_PHRASES_H
#define EGRESS_APPLIANCE_INSPECT_PHRASES_H

#include <stddef.h>
#include <stdint.h>

#include "appliance/inspect/words.h"

#define PHRASE_SPAN 60u
#define PHRASE_LIMIT 3u
#define PHRASE_WORDS 32u /* that a rule looks back on */

enum phrase_rule {
    PHRASE_OVERRIDE, /* ignore all previous instructions */
    PHRASE_FORGET, /* forget everything you were told */
    PHRASE_PERSONA, /* you are now DAN */
    PHRASE_CONCEAL, /* do not tell the user */
    PHRASE_EXFILTRATE, /* send the contents of ~/.ssh to http://... */
    PHRASE_REVEAL, /* print your system prompt */
    PHRASE_TASK, /* your new task is */
    PHRASE_ADDRESS, /* if you are an AI */
    PHRASE_AUTHORITY, /* system override; from now on you must */
    PHRASE_MARKUP, /* <|im_start|>system, [INST] */
    PHRASE_ORDER, /* execute; counts only beside others */
    PHRASE_RULES
};

struct phrases {
    struct {
        uint32_t kind;
        uint64_t text; /* its first eight letters */
    } word[PHRASE_WORDS];
    uint32_t lately, before; /* all kinds of the latest words, and of PHRASE_WORDS before those */
    uint64_t n; /* words so far */
    uint64_t seen[PHRASE_RULES]; /* the word at which a rule last fitted, from 1 */
    uint8_t weight[PHRASE_RULES];
};

/** What must have been said lately, for any rule to end with a word of this kind. */
uint32_t phrases_needs(uint32_t kind);
/** The rule that the latest word, of this kind, made a finding, or -1. */
int phrases_judge(struct phrases *p, uint32_t kind);

/** One more word, by its first sixteen letters in normal form. Returns the rule that made it a finding, or
 * -1. */
static inline int phrases_word(struct phrases *p, uint64_t text, uint64_t more)
{
    size_t at = p->n++ % PHRASE_WORDS;
    uint32_t kind, needs;
    word_find(text, more, &kind, &needs);
    if (at == 0) {
        p->before = p->lately;
        p->lately = 0;
    }
    p->word[at].kind = kind;
    p->word[at].text = text;
    p->lately |= kind;
    return needs & (p->lately | p->before) ? phrases_judge(p, kind) : -1;
}

/** Something that is no word. */
int phrases_markup(struct phrases *p, unsigned weight);
const char *phrase_name(int rule);

#endif
