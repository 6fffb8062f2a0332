/** \file
 * What words mean to the phrase rules. Private to inspection. Pure.
 */
#ifndef EGRESS_APPLIANCE_INSPECT_WORDS_H
#define EGRESS_APPLIANCE_INSPECT_WORDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WORD_MAX 24u /* longer ones mean nothing */

/** Kinds, as bits; a word may be of several. */
#define W_OVERRIDE 0x1u /* ignore, disregard */
#define W_BEFORE 0x2u /* previous, above, your: whose instructions */
#define W_ALL 0x4u
#define W_FILLER 0x8u /* may stand between the words of a phrase */
#define W_ORDERS 0x10u /* instructions, prompt */
#define W_RULES 0x20u /* rules, context: said of other things, too */
#define W_DESCRIBES 0x40u /* before a verb: it is told of somebody else */
#define W_YOU 0x80u
#define W_TELL 0x100u
#define W_HINT 0x200u /* notify, inform */
#define W_USER 0x400u
#define W_SEND 0x800u
#define W_PRIVATE 0x1000u /* ssh, environment, conversation */
#define W_TOKEN 0x2000u /* key, password: docs speak of them */
#define W_PLACE 0x4000u /* http, webhook, server */
#define W_SHOW 0x8000u /* reveal, print, repeat */
#define W_MACHINE 0x10000u /* ai, assistant, llm */
#define W_FREE 0x20000u /* unrestricted, jailbroken */
#define W_NOT 0x40000u
#define W_DO 0x80000u /* run, execute, delete */
#define W_NEW 0x100000u
#define W_TASK 0x200000u
#define W_SYSTEM 0x400000u
#define W_FORGET 0x800000u
#define W_WHOLE 0x1000000u /* contents, all, entire */
#define W_PROMPT 0x4000000u
#define W_TECHNICAL 0x8000000u /* said of settings, too */
#define W_NEED 0x2000000u /* need, must, want, have */

#define W_IS 0x20000000u
#define W_LAST 0x10000000u /* a rule may end with it */
#define W_NAMED 0x40000000u /* follow, pretend: no rule asks for the kind, some for the word */
#define W_NOW 0x80000000u

/** Its first eight letters; 8 octets can be read. */
static inline uint64_t word_pack(const char *word, size_t n)
{
    uint64_t v;
    memcpy(&v, word, sizeof v);
    if (n >= sizeof v)
        return v;
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v & ((1ull << 8 * n) - 1)
           : n                                       ? v >> (64 - 8 * n) << (64 - 8 * n)
                                                     : 0;
}

/** A word that means something; its letters twice eight. */
struct word {
    uint64_t text, more;
    uint32_t kind;
    uint32_t needs; /* a rule ends with it only if one of these kinds was said lately */
    uint32_t next; /* with the same hash; 0: none */
};
#define WORDS_MAX 400u
#define WORD_HASH_BITS 12u
extern struct word word_table[WORDS_MAX]; /* 0: any other word */
extern uint16_t word_index[1u << WORD_HASH_BITS];

static inline unsigned word_hash(uint64_t text, uint64_t more)
{
    return (unsigned)((text * 0x9e3779b97f4a7c15ull + more * 0xc2b2ae3d27d4eb4full) >> (64 - WORD_HASH_BITS));
}

/** Of a word of any length by its first sixteen letters: those that are known are shorter. Nearly without a
 * branch: which word comes next nobody can predict. */
static inline void word_find(uint64_t text, uint64_t more, uint32_t *kind, uint32_t *needs)
{
    const struct word *w = &word_table[word_index[word_hash(text, more)]];
    uint32_t same = (w->text == text) & (w->more == more);
    while (__builtin_expect((w->next != 0) & !same, 0)) {
        w = &word_table[w->next];
        same = (w->text == text) & (w->more == more);
    }
    *kind = w->kind & (0 - same);
    *needs = w->needs & (0 - same);
}

#endif
