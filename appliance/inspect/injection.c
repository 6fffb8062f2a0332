/* Text that comes back, read for orders to a model: octets to characters to words to phrases. Nothing is held
 * back but a word at the end that would complete a phrase. */
#include <string.h>

#include "appliance/inspect/block.h"
#include "appliance/inspect/ideographs.h"
#include "appliance/inspect/layer.h"
#include "appliance/inspect/normal.h"
#include "appliance/inspect/phrases.h"
#include "appliance/inspect/skip.h"
#include "appliance/inspect/words.h"

#define REFERENCE_MAX 9u /* "&#x1f600;" and "\u0041", without their first octet */
#define MARKUP_MAX 24u
#define UNSEEN_MAX 12u /* of a flag there are seven */
#define TAG_MAX KIB(4) /* what is not closed by then is no tag */

struct reader {
    struct phrases phrases;
    char word[WORD_MAX + 2];
    size_t n; /* letters of the word, also past WORD_MAX */
};

struct injection {
    struct scan_env *env;
    bool html;
    struct utf8 utf8;
    enum { NARROW, LITTLE, BIG } width; /* UTF-16, and UTF-32, which is that with NULs between */
    uint8_t first, half; /* octet of the text; of a pair */
    uint32_t high; /* surrogate */
    struct reader text, attribute; /* of an attribute's value: a tag does not end the sentence around it */
    char reference[REFERENCE_MAX + 1];
    uint8_t n_reference;
    char reference_kind; /* '&', '\\'; 0: none */
    bool foreign, ascii; /* the character before: a letter of no word of English; ASCII */
    uint8_t unseen; /* characters in a row that nobody sees but a model, up to UNSEEN_MAX */
    struct ideographs ideographs;
    char last, quote; /* the character before; of an attribute's value */
    size_t tag; /* octets of the tag so far; 0: none */
    char markup[MARKUP_MAX]; /* characters but spaces from '<', '[' or '#' on, in lower case */
    uint8_t n_markup; /* 0: there is none */
    int rule; /* that fitted; -1 */
    uint64_t word_at; /* offset of the word's first octet */
};

struct injection *injection_new(struct scan_env *env, bool html)
{
    struct injection *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->env = env;
    j->html = html;
    j->rule = -1;
    return j;
}

void injection_free(struct injection *j)
{
    free(j);
}

/* ---- words ---- */

/* The word that is under way, as far as rules know words. */
static int say(const struct reader *r, struct phrases *p)
{
    uint64_t more = r->n > 8 ? word_pack(r->word + 8, r->n - 8) : 0;
    return phrases_word(p, word_pack(r->word, r->n), more);
}

static void end_word(struct injection *j, struct reader *r)
{
    if (r->n && j->rule < 0)
        j->rule = say(r, &r->phrases);
    r->n = 0;
}

static void letter(struct reader *r, char c)
{
    if (r->n < WORD_MAX)
        r->word[r->n] = c;
    r->n++;
}

/* Role marks of chat templates; one that names the system's part says more. Comments are not seen. */
static const struct {
    char text[MARKUP_MAX + 1];
    unsigned weight;
    int rule;
} marks[] = {
    {"<|im_start|>system", 2, PHRASE_MARKUP},
    {"<|system|>", 2, PHRASE_MARKUP},
    {"[inst]", 2, PHRASE_MARKUP},
    {"<<sys>>", 2, PHRASE_MARKUP},
    {"<|start_header_id|>system", 2, PHRASE_MARKUP},
    {"###system:", 2, PHRASE_MARKUP},
    {"[system]", 1, PHRASE_MARKUP},
    {"<system>", 1, PHRASE_MARKUP},
    {"</system>", 1, PHRASE_MARKUP},
    {"<invokename=", 2, PHRASE_MARKUP},
    {"<function_calls>", 2, PHRASE_MARKUP},
    {"<tool_call>", 2, PHRASE_MARKUP},
    {"</tool_result>", 2, PHRASE_MARKUP},
    {"<|endoftext|>", 1, PHRASE_MARKUP},
    {"[systemmessage]", 2, PHRASE_MARKUP},
    {"<|start_header_id|>user", 2, PHRASE_MARKUP},
    {"<start_of_turn>user", 2, PHRASE_MARKUP},
    {"<start_of_turn>model", 2, PHRASE_MARKUP},
    {"<|eot_id|>", 1, PHRASE_MARKUP},
    {"<|im_end|>", 1, PHRASE_MARKUP},
    {"<|user|>", 1, PHRASE_MARKUP},
    {"###instruction:", 1, PHRASE_MARKUP},
    {"###instructions:", 1, PHRASE_MARKUP},
    {"###newinstruction", 2, PHRASE_MARKUP},
    {"<important>", 1, PHRASE_MARKUP},
    {"<information>", 1, PHRASE_MARKUP},
    {"<!--", 1, PHRASE_HIDDEN},
};

static bool begins_mark(const char *p, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (marks[i].text[n - 1] == p[n - 1] && memcmp(marks[i].text, p, n) == 0)
            return true;
    return false;
}

static void mark(struct injection *j, struct reader *r, char c)
{
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '*')
        return;
    j->markup[j->n_markup++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    bool may_end = c == '>' || c == ']' || strchr("mMrRlLnN:=-", c);
    for (size_t i = 0; may_end && i < ARRAY_LEN(marks); i++) {
        if (strlen(marks[i].text) == j->n_markup && memcmp(j->markup, marks[i].text, j->n_markup) == 0 &&
            j->rule < 0) {
            end_word(j, r);
            if (j->rule < 0)
                j->rule = phrases_markup(&r->phrases, marks[i].rule, marks[i].weight);
        }
    }
    if (!begins_mark(j->markup, j->n_markup))
        j->n_markup = 0;
}

/* ---- tags ---- */

/* A style that hides what comes: the text behind the tag counts as hidden. */
static void hide(struct injection *j)
{
    if (!j->attribute.phrases.seen[PHRASE_HIDDEN])
        return;
    j->attribute.phrases.seen[PHRASE_HIDDEN] = 0;
    if (j->rule < 0)
        j->rule = phrases_markup(&j->text.phrases, PHRASE_HIDDEN, 1);
}

static bool in_tag(struct injection *j, uint32_t c)
{
    if (j->tag == 0) {
        bool begins = j->last == '<' && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/');
        if (begins)
            j->tag = 1;
        return begins;
    }
    if (++j->tag > TAG_MAX || (c == '>' && !j->quote)) {
        j->tag = 0;
        end_word(j, &j->attribute);
        hide(j);
        j->quote = 0;
    } else if (!j->quote && (c == '"' || c == '\'')) {
        j->quote = (char)c;
    } else if (j->quote && c == (uint8_t)j->quote) {
        end_word(j, &j->attribute);
        j->quote = 0;
    }
    return true;
}

/* Tag characters are drawn in no text but flags, and of variation selectors there is one at a time. */
static void look_unseen(struct injection *j, struct reader *r, uint32_t c)
{
    if (c < 0xe0000 || c > 0xe0fff) {
        j->unseen = 0;
        return;
    }
    if (j->unseen < UNSEEN_MAX && ++j->unseen == UNSEEN_MAX && j->rule < 0)
        j->rule = phrases_markup(&r->phrases, PHRASE_HIDDEN, PHRASE_LIMIT);
}

static void character(struct injection *j, uint32_t c)
{
    bool tag = j->html && in_tag(j, c);
    struct reader *r = tag ? &j->attribute : &j->text;
    char n = normal_char(c);
    if (c == '[' || (c == '<' && j->last != '<') || (c == '#' && j->last != '#') || j->n_markup == MARKUP_MAX)
        j->n_markup = 0;
    if (j->n_markup || c == '<' || c == '[' || c == '#')
        mark(j, r, (char)(c < 0x80 ? c : '?'));
    j->last = c < 0x80 ? (char)c : 0;
    if (tag && !j->quote)
        return;
    look_unseen(j, r, c);
    if ((c >= 0x80 || j->ideographs.n) && ideographs_next(&j->ideographs, c) && j->rule < 0) {
        end_word(j, r);
        if (j->rule < 0)
            j->rule = phrases_markup(&r->phrases, PHRASE_OVERRIDE, PHRASE_LIMIT);
    }
    bool foreign = c >= 0x80 && normal_is_foreign(c);
    if (n == ' ' || (r->n && (foreign ? j->ascii : j->foreign && c < 0x80)))
        end_word(j, r);
    if (n && n != ' ')
        letter(r, n);
    if (n) {
        j->foreign = foreign;
        j->ascii = c < 0x80;
    }
}

/* ---- references ---- */

static uint32_t number(const char *s, unsigned base)
{
    uint32_t v = 0;
    for (; *s; s++) {
        int d = hex_value((uint8_t)*s);
        if (d < 0 || (unsigned)d >= base)
            break;
        v = v * base + (unsigned)d;
    }
    return v;
}

static void end_reference(struct injection *j)
{
    char *s = j->reference;
    char kind = j->reference_kind;
    s[j->n_reference] = '\0';
    j->reference_kind = 0;
    if (kind == '&' && s[0] == '#')
        character(j, s[1] == 'x' || s[1] == 'X' ? number(s + 2, 16) : number(s + 1, 10));
    else if (kind == '&' && (strcmp(s, "shy") == 0 || strcmp(s, "zwnj") == 0 || strcmp(s, "zwj") == 0))
        return;
    else if (kind == '&')
        character(j, strcmp(s, "lt") == 0 ? '<' : strcmp(s, "gt") == 0 ? '>' : ' ');
    else
        character(j, number(s + 1, 16));
}

/* It was none: its characters count for themselves. */
static void give_up(struct injection *j)
{
    char text[REFERENCE_MAX + 1];
    size_t n = j->n_reference;
    memcpy(text, j->reference, n);
    j->reference_kind = 0;
    character(j, ' ');
    for (size_t i = 0; i < n; i++)
        character(j, (uint8_t)text[i]);
}

static bool goes_on(const struct injection *j, uint32_t c)
{
    unsigned n = j->n_reference;
    if (c >= 0x80 || n >= REFERENCE_MAX)
        return false;
    if (j->reference_kind == '\\')
        return n == 0 ? c == 'u' : n < 5 && hex_value((uint8_t)c) >= 0;
    return (c == '#' && n == 0) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static void take(struct injection *j, uint32_t c)
{
    if (j->reference_kind) {
        if (goes_on(j, c)) {
            j->reference[j->n_reference++] = (char)c;
            if (j->reference_kind == '\\' && j->n_reference == 5)
                end_reference(j);
            return;
        }
        bool whole = j->reference_kind == '&' && c == ';' && j->n_reference;
        bool letter_escape =
            j->reference_kind == '\\' && j->n_reference == 0 && c < 0x80 && strchr("nrtbf", (int)c);
        if (whole) {
            end_reference(j);
            return;
        }
        give_up(j);
        if (letter_escape && c)
            return;
    }
    if (c == '&' || c == '\\') {
        j->reference_kind = (char)c;
        j->n_reference = 0;
        return;
    }
    character(j, c);
}

/* ---- octets ---- */

/* Would the word that is under way complete a phrase, if it ended here? */
static bool about_to_fit(const struct injection *j)
{
    const struct reader *r = j->tag ? &j->attribute : &j->text;
    struct phrases copy;
    if (!r->n)
        return false;
    copy = r->phrases;
    return say(r, &copy) >= 0;
}

/* True: and that is the end. */
static bool tell(struct injection *j)
{
    uint64_t bit = 1ull << (unsigned)j->rule;
    if (j->env->stop || !(j->env->seen & bit)) {
        j->env->found = true;
        j->env->detector = phrase_name(j->rule);
        j->env->offset = j->word_at;
        j->env->seen |= bit;
    }
    memset(&j->text, 0, sizeof j->text);
    memset(&j->attribute, 0, sizeof j->attribute);
    j->rule = -1;
    return j->env->stop;
}

/* What an octet is where nothing is under way but a word: a letter; ' ', which ends one; 0: look closer; 1:
 * so in a tag. */
#define LETTERS \
    'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', \
        'v', 'w', 'x', 'y', 'z'
#define ENDS4 ' ', ' ', ' ', ' '
static const char plain_class[256] = {ENDS4, ENDS4, ENDS4, ENDS4, ENDS4, ENDS4, ENDS4, ENDS4, /* 0x20 */ ' ',
    ' ', 1, 0, ' ', ' ', 0, 0, ENDS4, ENDS4, '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ' ', ' ', 0,
    ' ', 1, ' ', /* 0x40 */ ' ', LETTERS, 0, 0, ' ', ' ', ' ', /* 0x60 */ ' ', LETTERS, ENDS4, ' '};

/* May the octets that come be taken by themselves? */
static bool is_plain(const struct injection *j)
{
    return j->width == NARROW && !j->utf8.left && !j->reference_kind && !j->n_markup &&
           !(j->html && j->last == '<');
}

/* The letters of a word that is at hand as a whole, and 16 octets from where it begins. */
__attribute__((always_inline)) static inline void letters_at(
    const uint8_t *p, size_t n, uint64_t text[static 2])
{
    static const uint8_t kept[32] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const uint64_t lower = 0x2020202020202020; /* as digits are already */
    const uint8_t *mask = kept + 16 - MIN(n, 16);
    uint64_t keep[2];
    memcpy(text, p, sizeof keep);
    memcpy(keep, mask, sizeof keep);
    text[0] = (text[0] | lower) & keep[0];
    text[1] = (text[1] | lower) & keep[1];
}

static int say_at(struct reader *r, const uint8_t *p, size_t n)
{
    uint64_t text[2];
    letters_at(p, n, text);
    return phrases_word(&r->phrases, text[0], text[1]);
}

/* Takes the first word off the letters of a block. Returns where it begins; `*to`: where it ends. */
__attribute__((always_inline)) static inline unsigned next_word(uint64_t *letters, unsigned *to)
{
    unsigned from = (unsigned)__builtin_ctzll(*letters);
    uint64_t rest = *letters + (1ull << from); /* the word's end is where the sum carries to */
    *to = (unsigned)__builtin_ctzll(rest & ~*letters);
    *letters &= rest;
    return from;
}

/* Says the words of a block at once, if they say nothing: most do not. `last`, `n_last`: a word behind them,
 * or none. */
static bool pass_words(struct reader *r, const uint8_t *p, uint64_t letters, size_t last, size_t n_last)
{
    struct phrases *q = &r->phrases;
    uint64_t n = q->n, text[2];
    uint64_t signs = 0;
    while (letters) {
        unsigned to, from = next_word(&letters, &to);
        letters_at(p + from, to - from, text);
        signs |= phrases_hear(q, n++, text[0], text[1]);
    }
    if (n_last) {
        letters_at(p + last, n_last, text);
        signs |= phrases_hear(q, n++, text[0], text[1]);
    }
    if (phrases_matter(q, signs))
        return false;
    phrases_say(q, n, signs);
    return true;
}

/* May a mark or a tag begin with these two? */
static bool opens_nothing(const uint8_t *p)
{
    uint8_t c = p[1] | 0x20;
    if (!plain_class[p[1]] || p[1] == ' ' || p[1] == '\n' || p[1] == '\r' || p[1] == '\t' || p[1] == '*')
        return false;
    return p[0] == '#' || (p[0] == '[' && c != 'i' && c != 's') ||
           (p[0] == '<' && p[1] != '|' && p[1] != '/' && c != 's' && c != 'i' && c != 'f' && c != 't' &&
               c != '!');
}

/* "\n" and the like: blank. */
static bool is_blank_escape(uint8_t c)
{
    return c == 'n' || c == 'r' || c == 't' || c == 'b' || c == 'f';
}

/* Takes away stops that after all end a word and no more. */
static void settle_stops(struct block *b, const uint8_t *p, bool html)
{
    while (b->stops) {
        unsigned k = (unsigned)__builtin_ctzll(b->stops);
        const uint8_t *q = p + k;
        if (*q == '\\') {
            bool blank = is_blank_escape(q[1]);
            if (blank ? k + 1 == BLOCK : q[1] != '"' && q[1] != '/')
                return;
            b->letters &= ~((uint64_t)blank << (k + blank));
        } else if ((*q != '[' && *q != '#' && (*q != '<' || html)) || !opens_nothing(q)) {
            return;
        }
        b->stops &= b->stops - 1;
    }
}

/* Where a word ends that goes on behind a block; 0: look closer. */
static size_t end_behind(const struct injection *j, const uint8_t *p, size_t n)
{
    size_t more = 0, k = 16;
    for (; k == 16 && n - more >= 16; more += k)
        k = skip_word(p + more);
    char c = k < 16 ? plain_class[p[more]] : 0;
    return c == ' ' || (c == 1 && !j->tag) ? BLOCK + more : 0;
}

/* Of the words of a block those that end in it or soon, when none is under way. Returns the octets used;
 * `*stop`: the first of the block that need a closer look. 16 octets behind the block can be read: n >= BLOCK
 * + 16. */
static size_t plain_block(
    struct injection *j, struct reader *r, uint64_t at, const uint8_t *p, size_t n, size_t *stop)
{
    struct block b = block_look(p, j->tag);
    if (b.stops && !j->tag)
        settle_stops(&b, p, j->html);
    size_t end = b.stops ? (size_t)__builtin_ctzll(b.stops) : BLOCK, behind = 0;
    uint64_t before = end < BLOCK ? (1ull << end) - 1 : ~0ull, letters = b.letters & before;
    *stop = end;
    if (letters >> (BLOCK - 1) || (end < BLOCK && b.joins >> end & 1)) { /* the last word may go on */
        uint64_t others = ~letters & before;
        behind = end == BLOCK ? end_behind(j, p + BLOCK, n - BLOCK) : 0;
        end = others ? BLOCK - (size_t)__builtin_clzll(others) : 0;
        letters &= end < BLOCK ? (1ull << end) - 1 : ~0ull;
    }
    if (pass_words(r, p, letters, end, behind ? behind - end : 0)) {
        j->word_at = behind ? at + end : j->word_at;
        return behind ? behind : end;
    }
    while (letters) {
        unsigned to, from = next_word(&letters, &to);
        j->rule = say_at(r, p + from, to - from);
        if (j->rule >= 0) {
            j->word_at = at + from;
            return to;
        }
    }
    if (!behind)
        return end;
    j->rule = say_at(r, p + end, behind - end);
    j->word_at = at + end;
    return behind;
}

/* "&nbsp;", not a letter and nothing that is not seen. Returns its length; 0: look closer. */
static size_t named_space(const uint8_t *p, size_t n)
{
    size_t e = 1;
    if (n < 2 + REFERENCE_MAX || plain_class[p[1]] < 'a' || strchr("slgz", plain_class[p[1]]))
        return 0;
    while (e <= REFERENCE_MAX && plain_class[p[e]] > ' ')
        e++;
    return p[e] == ';' ? e + 1 : 0;
}

/* What needs a closer look in text, but a short one. Returns the octets used. */
static size_t plain_special(struct injection *j, struct reader *r, const uint8_t *p, size_t n)
{
    size_t used = 1;
    if (p[0] == '\'') {
        j->last = '\'';
        return 1;
    }
    if (n < 3)
        return 0;
    if (p[0] == '\\') {
        bool blank = is_blank_escape(p[1]);
        if (!blank && p[1] != '"' && p[1] != '/')
            return 0;
        used += blank;
    } else if (p[0] == '&') {
        used = named_space(p, n);
    } else if (p[0] == '<' && j->html) {
        bool name = plain_class[p[1]] >= 'a' && opens_nothing(p);
        bool close = p[1] == '/' && plain_class[p[2]] >= 'a' && (p[2] | 0x20) != 's' && (p[2] | 0x20) != 't';
        used = name ? 2 : close ? 3 : 0;
        j->tag = used ? used - 1 : 0;
    } else {
        used = (p[0] == '#' || p[0] == '[' || p[0] == '<') && opens_nothing(p);
    }
    if (!used)
        return 0;
    end_word(j, r);
    j->last = p[0] == '\\' || p[0] == '&' ? ' ' : (char)p[used - 1];
    return used;
}

/* A quote or '>' in a tag, but a '>' that ends it. */
static void quote_in_tag(struct injection *j, char c)
{
    if (c == '"' || c == '>' || c == j->quote)
        end_word(j, &j->attribute);
    if (c == j->quote)
        j->quote = 0;
    else if (!j->quote)
        j->quote = c;
}

/* What most text is made of, without a closer look. Returns the octets used; with a rule that fitted, they
 * reach to the end of the word at least. */
static size_t plain_text(struct injection *j, uint64_t at, const uint8_t *p, size_t n)
{
    struct reader *r = j->tag ? &j->attribute : &j->text;
    size_t i = 0, no_block = 0;
    while (i < n && j->rule < 0) {
        char c = plain_class[p[i]];
        if (c == 0 || (c == 1 && j->tag))
            break;
        if (r->n == 0 && i >= no_block && n - i >= BLOCK + 16) {
            size_t stop, k = plain_block(j, r, at + i, p + i, n - i, &stop);
            no_block = stop < BLOCK || k == 0 ? i + stop + 1 : 0;
            i += k;
            continue;
        }
        if (c > ' ') {
            if (r->n == 0 && j->text.n == 0)
                j->word_at = at + i;
            letter(r, c);
        } else if (r->n) {
            end_word(j, r);
        }
        i++;
    }
    if (i) {
        j->last = (char)p[i - 1];
        j->foreign = false;
        j->ascii = true;
    }
    return i;
}

/* The same in a tag. */
static size_t plain_tag(struct injection *j, uint64_t at, const uint8_t *p, size_t n)
{
    size_t i = 0;
    n = MIN(n, j->tag < TAG_MAX ? TAG_MAX - j->tag : 0);
    while (i < n && j->rule < 0) {
        char c = (char)p[i];
        if (c == '>' && !j->quote) {
            end_word(j, &j->attribute);
            hide(j);
            j->tag = 0;
            j->last = c;
            return i + 1;
        }
        if (c == '"' || c == '\'' || c == '>') {
            quote_in_tag(j, c);
            i++;
        } else if (!plain_class[p[i]]) {
            break;
        } else if (j->quote) {
            i += plain_text(j, at + i, p + i, n - i);
        } else {
            while (i < n && plain_class[p[i]] > 1)
                i++;
        }
    }
    if (i)
        j->last = (char)p[i - 1];
    j->tag += i;
    return i;
}

static size_t plain(struct injection *j, uint64_t at, const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (i < n && j->rule < 0) {
        if (j->tag) {
            i += plain_tag(j, at + i, p + i, n - i);
            if (j->tag)
                break;
            continue;
        }
        i += plain_text(j, at + i, p + i, n - i);
        size_t k = i < n && j->rule < 0 ? plain_special(j, &j->text, p + i, n - i) : 0;
        if (!k)
            break;
        i += k;
    }
    return i;
}

/* Of two octets to a character; the first two of a text say whether it is so: a byte order mark, or a NUL
 * beside a character of ASCII. */
static void judge_width(struct injection *j, uint8_t o)
{
    uint8_t f = j->first;
    if ((f == 0xff && o == 0xfe) || (f && f < 0x80 && o == 0))
        j->width = LITTLE;
    else if ((f == 0xfe && o == 0xff) || (f == 0 && o < 0x80))
        j->width = BIG;
}

static void wide(struct injection *j, uint64_t at, uint8_t o)
{
    if (at % 2 == 0) {
        j->half = o;
        return;
    }
    uint32_t c = j->width == LITTLE ? j->half | (uint32_t)o << 8 : (uint32_t)j->half << 8 | o;
    if (c >= 0xd800 && c < 0xdc00) {
        j->high = c;
        return;
    }
    if (j->high && c >= 0xdc00 && c < 0xe000)
        c = 0x10000 + ((j->high & 0x3ff) << 10 | (c & 0x3ff));
    j->high = 0;
    if (c)
        take(j, c);
}

/* One octet, when nothing quicker will do. */
static void octet(struct injection *j, uint64_t at, uint8_t o)
{
    uint32_t c;
    if (at == 0)
        j->first = j->half = o;
    else if (at == 1)
        judge_width(j, o);
    if (at > 1 && j->width != NARROW)
        wide(j, at, o);
    else if (at == 1 && j->width == BIG && o)
        take(j, o);
    else if ((at != 1 || j->width == NARROW) && utf8_next(&j->utf8, o, &c))
        take(j, c);
}

uint64_t injection_feed(struct injection *j, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    for (size_t i = 0; i < n;) {
        size_t k = is_plain(j) && at + i > 1 ? plain(j, at + i, p + i, n - i) : 0;
        i += k;
        if (j->rule < 0 && i < n) {
            if (j->text.n + j->attribute.n == 0)
                j->word_at = at + i;
            octet(j, at + i, p[i]);
            i++;
        }
        if (j->rule >= 0 && tell(j))
            return j->word_at;
    }
    if (fin) {
        end_word(j, &j->text);
        end_word(j, &j->attribute);
        if (j->rule >= 0 && tell(j))
            return j->word_at;
    }
    return fin || !n || !about_to_fit(j) ? at + n : MIN(j->word_at, at + n - 1);
}
