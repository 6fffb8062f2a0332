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
    uint64_t n; /* words so far */
    uint64_t seen[PHRASE_RULES]; /* the word at which a rule last fitted, from 1 */
    uint8_t weight[PHRASE_RULES];
};

/** One more word, in normal letters; 8 octets of it can be read. Returns the rule that made it a finding, or
 * -1. */
int phrases_word(struct phrases *p, const char *word, size_t n);
/** Something that is no word. */
int phrases_markup(struct phrases *p, unsigned weight);
const char *phrase_name(int rule);

#endif
