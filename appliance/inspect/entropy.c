/* Small questions about octets: classes, and whether they look drawn by lot. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "appliance/inspect/inspect_internal.h"

static bool is_upper(uint8_t c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(uint8_t c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

bool is_word(uint8_t c)
{
    return is_upper(c) || is_lower(c) || is_digit(c) || c == '_' || c == '-';
}

/* A class is written as its members: 'A' all capitals, 'a' all small letters, '9' digits, 'f' small hex, 'F'
 * large hex, '2' the digits of base32; the rest as it stands, of the marks here. */
static const char marks[] = "_-./+=%$~@";
#define CAPITAL 0x1u
#define SMALL 0x2u
#define DIGIT 0x4u
#define SMALL_HEX 0x8u /* but the digits */
#define LARGE_HEX 0x10u
#define DIGIT32 0x20u
#define MARK0 0x40u
#define SPACE 0x10000u
#define TIMES5(x) x, x, x, x, x
const uint32_t octet_class[256] = {
    [' '] = SPACE,
    ['_'] = MARK0,
    ['-'] = MARK0 << 1,
    ['.'] = MARK0 << 2,
    ['/'] = MARK0 << 3,
    ['+'] = MARK0 << 4,
    ['='] = MARK0 << 5,
    ['%'] = MARK0 << 6,
    ['$'] = MARK0 << 7,
    ['~'] = MARK0 << 8,
    ['@'] = MARK0 << 9,
    ['0'] = DIGIT,
    DIGIT,
    TIMES5(DIGIT | DIGIT32),
    DIGIT | DIGIT32,
    DIGIT,
    DIGIT,
    ['A'] = CAPITAL | LARGE_HEX,
    TIMES5(CAPITAL | LARGE_HEX),
    TIMES5(CAPITAL),
    TIMES5(CAPITAL),
    TIMES5(CAPITAL),
    TIMES5(CAPITAL),
    ['a'] = SMALL | SMALL_HEX,
    TIMES5(SMALL | SMALL_HEX),
    TIMES5(SMALL),
    TIMES5(SMALL),
    TIMES5(SMALL),
    TIMES5(SMALL),
};

uint32_t class_of(const char *chars)
{
    uint32_t class = 0;
    for (; *chars; chars++) {
        const char *mark = strchr(marks, *chars);
        switch (*chars) {
        case 'A': class |= CAPITAL; break;
        case 'a': class |= SMALL; break;
        case '9': class |= DIGIT; break;
        case 'f': class |= DIGIT | SMALL_HEX; break;
        case 'F': class |= DIGIT | LARGE_HEX; break;
        case '2': class |= DIGIT32; break;
        case ' ': class |= SPACE; break;
        default: class |= mark ? MARK0 << (mark - marks) : 0; break;
        }
    }
    return class;
}

bool in_class(const char *chars, uint8_t c)
{
    return octet_class[c] & class_of(chars);
}

int b64_value(uint8_t c)
{
    if (is_upper(c))
        return c - 'A';
    if (is_lower(c))
        return c - 'a' + 26;
    if (is_digit(c))
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Bits an octet, of the distribution of octets in the text itself. */
static double entropy(const uint8_t *p, size_t n)
{
    unsigned count[256] = {0};
    double h = 0;
    for (size_t i = 0; i < n; i++)
        count[p[i]]++;
    for (unsigned i = 0; i < 256; i++)
        if (count[i])
            h -= (double)count[i] / (double)n * log2((double)count[i] / (double)n);
    return h;
}

static bool holds(const uint8_t *p, size_t n, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= n; i++)
        if (strncasecmp((const char *)p + i, word, len) == 0)
            return true;
    return false;
}

bool looks_placeholder(const uint8_t *p, size_t n)
{
    static const char *const words[] = {"example", "placeholder", "xxxxx", "your_", "your-", "redacted",
        "changeme", "dummy", "not-a-real", "not_a_real", "notreal", "insert", "00000000", "12345678",
        "abcdefgh", "....", "*****"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (holds(p, n, words[i]))
            return true;
    return false;
}

/* Neighbours in the text that are of different kinds: rare within words, common in what was drawn by lot. */
static size_t changes(const uint8_t *p, size_t n)
{
    size_t k = 0;
    for (size_t i = 1; i < n; i++)
        k += is_upper(p[i]) != is_upper(p[i - 1]) || is_digit(p[i]) != is_digit(p[i - 1]);
    return k;
}

bool looks_random(const uint8_t *p, size_t n)
{
    size_t upper = 0, lower = 0, digit = 0;
    if (n < 16)
        return false;
    n = MIN(n, (size_t)RANDOM_LOOK);
    for (size_t i = 0; i < n; i++) {
        uint32_t class = octet_class[p[i]];
        upper += class & CAPITAL;
        lower += (class & SMALL) != 0;
        digit += (class & DIGIT) != 0;
    }
    bool mixed = (digit >= 2 && upper + lower >= 2) || (upper >= 3 && lower >= 3);
    return mixed && changes(p, n) >= n / 8 && entropy(p, n) >= (n >= 24 ? 3.0 : 2.8) &&
           !looks_placeholder(p, n);
}

/* Names that machines make (hashes of up to 40 digits, UUIDs) are common below wildcards; what carries data
 * has more letters of more kinds in more length. */
bool looks_like_data_label(const char *label, size_t n)
{
    const uint8_t *p = (const uint8_t *)label;
    size_t digit = 0, hex = 0, vowels = 0, dash = 0;
    if (n < 32)
        return false;
    for (size_t i = 0; i < n; i++) {
        digit += is_digit(p[i]);
        hex += hex_value(p[i]) >= 0;
        dash += p[i] == '-';
        vowels += strchr("aeiou", label[i]) != NULL;
    }
    if (hex == n)
        return n > 40;
    return dash <= 1 && digit >= 3 && vowels * 4 < n && changes(p, n) >= n / 6 && entropy(p, n) >= 3.6;
}
