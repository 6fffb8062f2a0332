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

/** Of a word, 8 octets can be read, however short it is. */
uint32_t word_kind(const char *word, size_t n);

/** Its first eight letters. */
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

#endif
