/* What must follow a name: card numbers, passwords of connection strings; and what stands on both sides of a
 * mark. */
#include <string.h>
#include <strings.h>

#include "appliance/inspect/inspect_internal.h"

#define CARD_APART 40u /* octets between the name and the number */
#define LOGIN_MAX 256u
#define PASSWORD_MIN 6u

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* ---- payment cards ---- */

static bool luhn_ok(const uint8_t *digits, size_t n)
{
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned d = digits[n - 1 - i] - '0';
        sum += i % 2 == 0 ? d : d > 4 ? 2 * d - 9 : 2 * d;
    }
    return sum % 10 == 0;
}

static unsigned prefix(const uint8_t *digits, size_t n)
{
    unsigned v = 0;
    for (size_t i = 0; i < n; i++)
        v = 10 * v + digits[i] - '0';
    return v;
}

/* The lengths and first digits that are given out: Visa, Mastercard, American Express, Diners, Discover, JCB,
 * UnionPay, Maestro's 19 are left out. */
static bool issuer_ok(const uint8_t *d, size_t n)
{
    unsigned two = prefix(d, 2), three = prefix(d, 3), four = prefix(d, 4);
    if (n == 15)
        return two == 34 || two == 37;
    if (n == 14)
        return two == 36 || two == 38 || (three >= 300 && three <= 305);
    if (n != 16)
        return false;
    return d[0] == '4' || (two >= 51 && two <= 55) || (four >= 2221 && four <= 2720) || four == 6011 ||
           two == 65 || (three >= 644 && three <= 649) || (four >= 3528 && four <= 3589) || two == 62;
}

/* Made for tests, or by hand: few digits of the ten. The rest is what the processors' manuals name. */
static bool is_for_tests(const uint8_t *digits, size_t n)
{
    static const char *const known[] = {"4012888888881881", "378282246310005", "371449635398431",
        "378734493671000", "30569309025904", "38520000023237", "3530111333300000", "3566002020360505",
        "5200828282828210", "2223003122003222", "6011000990139424", "6011981111111113"};
    unsigned seen = 0;
    for (size_t i = 0; i < n; i++)
        seen |= 1u << (digits[i] - '0');
    if (__builtin_popcount(seen) <= 4)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strlen(known[i]) == n && memcmp(digits, known[i], n) == 0)
            return true;
    return false;
}

bool looks_like_card(const uint8_t *digits, size_t n)
{
    return n >= CARD_MIN && n <= CARD_MAX && issuer_ok(digits, n) && luhn_ok(digits, n) &&
           !is_for_tests(digits, n);
}

/* "card", and not far behind it a number; many other numbers pass Luhn's sum. */
enum scan_verdict verify_card(const struct candidate *c, const struct pattern *t)
{
    uint8_t digits[CARD_MAX + 1];
    size_t at = strlen(t->anchor), n = 0;
    while (at < c->n && at < CARD_APART && !is_digit(c->p[at]) && c->p[at] != '\n' && c->p[at] != '{')
        at++;
    for (; at < c->n && n < sizeof digits; at++) {
        if (is_digit(c->p[at]))
            digits[n++] = c->p[at];
        else if (n == 0 || (c->p[at] != ' ' && c->p[at] != '-') || (at + 1 < c->n && !is_digit(c->p[at + 1])))
            break;
    }
    if (at >= c->n && !c->fin && n < sizeof digits)
        return SCAN_MORE;
    if (at < c->n && is_word(c->p[at]))
        return SCAN_NO;
    return looks_like_card(digits, n) ? SCAN_MATCH : SCAN_NO;
}

/* ---- passwords of connection strings ---- */

static bool ends_password(uint8_t c)
{
    return c < 0x21 || strchr(";&\"'<>`,", c) != NULL;
}

/* "Server=...;Password=x;", "jdbc:...password=x", "host=h user=u password=x" (and no arguments of a call),
 * "machine h login u password x": from the name to the word, and the word's value. */
enum scan_verdict verify_login(const struct candidate *c, const struct pattern *t)
{
    size_t at = strlen(t->anchor), word = strlen(t->chars);
    for (;; at++) {
        if (at + word >= c->n)
            return c->fin || at > LOGIN_MAX ? SCAN_NO : SCAN_MORE;
        if (at > LOGIN_MAX || (c->p[at] < 0x20 && t->anchor[0] != 'm') || c->p[at] == '"' ||
            (t->anchor[0] == 'h' && strchr(",&()", c->p[at])))
            return SCAN_NO;
        if (strncasecmp((const char *)c->p + at, t->chars, word) == 0)
            break;
    }
    size_t n = 0;
    if (t->anchor[0] == 'm' && !memmem(c->p, at, " login ", 7))
        return SCAN_NO;
    at += word;
    while (at + n < c->n && n < LOGIN_MAX && !ends_password(c->p[at + n]))
        n++;
    if (at + n == c->n && !c->fin && n < LOGIN_MAX)
        return SCAN_MORE;
    return n >= PASSWORD_MIN && !is_default_password(c->p + at, n) ? SCAN_MATCH : SCAN_NO;
}

/* ---- a mark within ---- */

/* `min` octets of the class before the anchor and `max` behind it; with those it must look drawn by lot.
 * EXACT: and no more of a run of base64 or base32 after them. */
enum scan_verdict verify_both_sides(const struct candidate *c, const struct pattern *t)
{
    uint32_t class = class_of(t->chars);
    size_t at = strlen(t->anchor), before = 0, n = 0;
    while (before < c->before && before <= t->min && octet_class[c->p[-1 - (ptrdiff_t)before]] & class)
        before++;
    if (before < t->min)
        return SCAN_NO;
    while (at + n < c->n && n < t->max && octet_class[c->p[at + n]] & class)
        n++;
    bool exact = t->flags & PATTERN_EXACT;
    if (at + n == c->n && !c->fin && (n < t->max || exact))
        return SCAN_MORE;
    if (exact && at + n < c->n && in_class("Aa9+/=_-", c->p[at + n]))
        return SCAN_NO;
    return n == t->max && looks_random(c->p - t->min, t->min + at + t->max) ? SCAN_MATCH : SCAN_NO;
}

bool named_says_nothing(const struct candidate *c, const struct pattern *t)
{
    if (stored_says_nothing(c, t))
        return true;
    if (t->verify == verify_login) {
        size_t word = strlen(t->chars);
        for (size_t i = 0; i + word <= c->n && i <= LOGIN_MAX; i++)
            if (strncasecmp((const char *)c->p + i, t->chars, word) == 0)
                return false;
        return true;
    }
    for (size_t i = 0; t->verify == verify_card && i < c->n; i++)
        if (is_digit(c->p[i]))
            return false;
    return t->verify == verify_card;
}

#define ARCHIVE_HEAD 12u /* octets behind the mark: checksums, sizes and offsets */

/* Code that tells archives by their marks goes on as text. */
static bool goes_on_as_text(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((p[i] < 0x20 && p[i] != '\t' && p[i] != '\n' && p[i] != '\r') || p[i] >= 0x7f)
            return false;
    return true;
}

/* bzip2: "BZh", the block size, pi; xz: a NUL and two octets of flags; 7z and RAR: a version of 0 or 1. */
enum scan_verdict verify_archive(const struct candidate *c, const struct pattern *t)
{
    size_t at = strlen(t->anchor);
    bool xz = (uint8_t)t->anchor[0] == 0xfd, bzip2 = t->anchor[0] == '1';
    if (bzip2 && (c->before < 4 || memcmp(c->p - 4, "BZh", 3) != 0 || !is_digit(c->p[-1])))
        return SCAN_NO;
    if (c->n < at + ARCHIVE_HEAD)
        return c->fin ? SCAN_NO : SCAN_MORE;
    bool fits = xz ? c->p[at] == 0 && c->p[at + 1] == 0 && c->p[at + 2] <= 10 : bzip2 || c->p[at] <= 1;
    size_t marks = xz ? 3 : bzip2 ? 0 : 2; /* RAR: its version and a NUL */
    return fits && !goes_on_as_text(c->p + at + marks, ARCHIVE_HEAD - marks) ? SCAN_MATCH : SCAN_NO;
}
