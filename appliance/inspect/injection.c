/* Text that comes back, read for orders to a model: octets to characters to words to phrases. Nothing is held
 * back but a word at the end that would complete a phrase. */
#include <string.h>

#include "appliance/inspect/layer.h"
#include "appliance/inspect/normal.h"
#include "appliance/inspect/phrases.h"
#include "appliance/inspect/skip.h"
#include "appliance/inspect/words.h"

#define REFERENCE_MAX 9u /* "&#x1f600;" and "\u0041", without their first octet */
#define MARKUP_MAX 24u
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
    struct reader text, attribute; /* of an attribute's value: a tag does not end the sentence around it */
    char reference[REFERENCE_MAX + 1];
    uint8_t n_reference;
    char reference_kind; /* '&', '\\'; 0: none */
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

static void end_word(struct injection *j, struct reader *r)
{
    if (r->n && j->rule < 0)
        j->rule = phrases_word(&r->phrases, r->word, r->n);
    r->n = 0;
}

static void letter(struct reader *r, char c)
{
    if (r->n < WORD_MAX)
        r->word[r->n] = c;
    r->n++;
}

/* Role marks of chat templates; one that names the system's part says more. */
static const struct {
    char text[MARKUP_MAX + 1];
    unsigned weight;
} marks[] = {
    {"<|im_start|>system", 2},
    {"<|system|>", 2},
    {"[inst]", 2},
    {"<<sys>>", 2},
    {"<|start_header_id|>system", 2},
    {"###system:", 2},
    {"[system]", 1},
    {"<system>", 1},
    {"</system>", 1},
    {"<invokename=", 2},
    {"<function_calls>", 2},
    {"<tool_call>", 2},
    {"</tool_result>", 2},
    {"<|endoftext|>", 1},
    {"[systemmessage]", 2},
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
    bool may_end = c == '>' || c == ']' || c == 'm' || c == 'M' || c == ':' || c == '=';
    for (size_t i = 0; may_end && i < ARRAY_LEN(marks); i++) {
        if (strlen(marks[i].text) == j->n_markup && memcmp(j->markup, marks[i].text, j->n_markup) == 0 &&
            j->rule < 0) {
            end_word(j, r);
            if (j->rule < 0)
                j->rule = phrases_markup(&r->phrases, marks[i].weight);
        }
    }
    if (!begins_mark(j->markup, j->n_markup))
        j->n_markup = 0;
}

/* ---- tags ---- */

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
        j->quote = 0;
    } else if (!j->quote && (c == '"' || c == '\'')) {
        j->quote = (char)c;
    } else if (j->quote && c == (uint8_t)j->quote) {
        end_word(j, &j->attribute);
        j->quote = 0;
    }
    return true;
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
    if (n == ' ')
        end_word(j, r);
    else if (n)
        letter(r, n);
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
    if (!r->n || !word_kind(r->word, r->n))
        return false;
    copy = r->phrases;
    return phrases_word(&copy, r->word, r->n) >= 0;
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
    return !j->utf8.left && !j->reference_kind && !j->n_markup && !(j->html && j->last == '<');
}

/* A word that is at hand as a whole, and what ends it. Returns its length; 0: it is not at hand. */
static size_t plain_word(struct injection *j, struct reader *r, const uint8_t *p, size_t n)
{
    uint64_t text[WORD_MAX / 8];
    if (n <= WORD_MAX)
        return 0;
    size_t e = skip_word(p);
    while (e < n && plain_class[p[e]] > ' ')
        e++;
    if (e == n || plain_class[p[e]] != ' ')
        return 0;
    memcpy(text, p, sizeof text);
    for (size_t i = 0; i < ARRAY_LEN(text); i++)
        text[i] |= 0x2020202020202020; /* lower case, as digits are already */
    j->rule = phrases_word(&r->phrases, (const char *)text, e);
    return e;
}

/* What most text is made of, without a closer look. Returns the octets used; with a rule that fitted, the
 * last of them ended the word. */
static size_t plain(struct injection *j, uint64_t at, const uint8_t *p, size_t n)
{
    struct reader *r = j->tag ? &j->attribute : &j->text;
    bool ignored = j->tag && !j->quote;
    size_t i = 0;
    if (j->tag)
        n = MIN(n, j->tag < TAG_MAX ? TAG_MAX - j->tag : 0);
    while (i < n) {
        char c = plain_class[p[i]];
        if (c == 0 || (c == 1 && j->tag))
            break;
        i++;
        if (ignored)
            continue;
        if (c > ' ') {
            if (r->n == 0 && j->text.n == 0)
                j->word_at = at + i - 1;
            size_t e = r->n ? 0 : plain_word(j, r, p + i - 1, n - i + 1);
            if (!e)
                letter(r, c);
            i += e;
            if (j->rule >= 0)
                break;
        } else if (r->n) {
            end_word(j, r);
            if (j->rule >= 0)
                break;
        }
    }
    if (i)
        j->last = (char)p[i - 1];
    if (j->tag)
        j->tag += i;
    return i;
}

uint64_t injection_feed(struct injection *j, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    for (size_t i = 0; i < n;) {
        uint32_t c;
        size_t k = is_plain(j) ? plain(j, at + i, p + i, n - i) : 0;
        i += k;
        if (k == 0 && j->text.n + j->attribute.n == 0)
            j->word_at = at + i;
        if (k == 0 && utf8_next(&j->utf8, p[i++], &c))
            take(j, c);
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
