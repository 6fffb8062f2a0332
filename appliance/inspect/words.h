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
#define W_RULED 0xffffffffull /* those above: what the rules of phrases.c ask for */
#define W_SAYS (1ull << 32) /* a saying ends with it */
#define W_ALERT (1ull << 33) /* of no word: what says little is listened to, too */
#define W_ANCHORS (~0ull << 34)
#define W_ANCHOR(n) (1ull << (34 + (n) % 30)) /* a saying has it, and so it may end soon */

/** Signs of a word, as bits: what it may be needed for, and shifted by SIGN_NEEDS, one of what must have been
 * said lately for anything to end with it. Coarser than kinds, and so many that a block's words can be judged
 * together: most end nothing. */
#define SIGN_OVERRIDE 0x1u
#define SIGN_NOW 0x2u
#define SIGN_NOT 0x4u
#define SIGN_SEND 0x8u
#define SIGN_ORDERS 0x10u
#define SIGN_SYSTEM 0x20u
#define SIGN_SHOW 0x100u
#define SIGN_ANCHOR 0x40u /* W_ANCHORS */
#define SIGN_ALWAYS 0x80u /* of no word */
#define SIGN_SAYING(n) (0x200u << (n) % 7) /* one word of a saying that is tried always */
#define SIGN_ANCHORED(n) (0x10000u << (n) % 16) /* or where W_ANCHORS were said */
#define SIGN_ALL_ANCHORED 0xffff0000u
#define SIGN_NEEDS 32u

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
    uint64_t kind;
    uint64_t needs; /* a rule ends with it only if one of these kinds was said lately */
    uint64_t signs;
};
#define WORDS_MAX 1200u
#define WORD_HASH_BITS 13u
extern struct word word_table[WORDS_MAX]; /* 0: any other word */
extern uint16_t word_next[WORDS_MAX]; /* with the same hash; 0: none */
extern uint16_t word_index[1u << WORD_HASH_BITS];
extern uint64_t word_signs[WORDS_MAX]; /* of all words that have the hash of one */
/** Its place in the table; it is added if it was unknown. Before there are threads. */
unsigned word_add(const char *text, size_t n);

static inline unsigned word_hash(uint64_t text, uint64_t more)
{
    return (unsigned)((text * 0x9e3779b97f4a7c15ull + more * 0xc2b2ae3d27d4eb4full) >> (64 - WORD_HASH_BITS));
}

/** Of a word of any length by its first sixteen letters: those that are known are shorter. Returns its place
 * in the table. Nearly without a branch: which word comes next nobody can predict. */
__attribute__((always_inline)) static inline unsigned word_find(
    uint64_t text, uint64_t more, uint64_t *kind, uint64_t *needs)
{
    unsigned id = word_index[word_hash(text, more)];
    const struct word *w = &word_table[id];
    uint64_t same = (w->text == text) & (w->more == more);
    /* one test, of a product: whether a word is known nobody can predict, but few of them share a hash */
    while (__builtin_expect((word_next[id] & (same - 1)) != 0, 0)) {
        w = &word_table[id = word_next[id]];
        same = (w->text == text) & (w->more == more);
    }
    *kind = w->kind & (0 - same);
    *needs = w->needs & (0 - same);
    return id & (unsigned)(0 - same);
}

#endif
