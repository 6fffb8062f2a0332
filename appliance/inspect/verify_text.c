/* What must follow a beginning, for formats that have an inside: JWT, PEM, URLs, assignments. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "appliance/inspect/inspect_internal.h"

#define JWT_HEAD_MAX 512u
#define JWT_PART_MAX 2048u /* of what follows; longer ones are no less a token */
#define JWT_SIGNATURE_MIN 16u
#define PEM_LINE_MAX 64u
#define PEM_BODY_MAX 512u /* from the first line to the base64 text, "Proc-Type:" and the like between */
#define PEM_KEY_MIN 24u
#define URL_AUTHORITY_MAX 256u
#define ASSIGN_MAX 40u /* between a name and its value */

/* ---- JWT (RFC 7515 7.1) ---- */

static size_t base64url_run(const uint8_t *p, size_t n, size_t max)
{
    size_t k = 0;
    while (k < n && k < max && in_class("Aa9_-", p[k]))
        k++;
    return k;
}

/* Does the head say "alg"? It is JSON, so its quotes are there in some alignment of base64. */
static bool head_has_alg(const uint8_t *p, size_t n)
{
    uint8_t out[JWT_HEAD_MAX];
    size_t len = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        int a = b64_value(p[i]), b = b64_value(p[i + 1]);
        if (i % 4 == 3)
            continue;
        unsigned shift = 2 * (unsigned)(i % 4) + 2;
        out[len++] = (uint8_t)(((unsigned)a << shift | (unsigned)b >> (6 - shift % 8)) & 0xffu);
    }
    return memmem(out, len, "\"alg\"", 5) != NULL || memmem(out, len, "\"enc\"", 5) != NULL;
}

enum scan_verdict verify_jwt(const struct candidate *c, const struct pattern *t)
{
    (void)t;
    if (follows_word(c->p, c->before))
        return SCAN_NO;
    size_t head = base64url_run(c->p, c->n, JWT_HEAD_MAX);
    if (head == JWT_HEAD_MAX)
        return SCAN_NO;
    if (head == c->n)
        return c->fin ? SCAN_NO : SCAN_MORE;
    if (c->p[head] != '.' || head < 16 || !head_has_alg(c->p, head))
        return SCAN_NO;
    size_t at = head + 1, body = base64url_run(c->p + at, c->n - at, JWT_PART_MAX);
    if (body == JWT_PART_MAX)
        return SCAN_MATCH;
    if (at + body == c->n)
        return c->fin ? SCAN_NO : SCAN_MORE;
    if (c->p[at + body] != '.')
        return SCAN_NO;
    at += body + 1;
    size_t sig = base64url_run(c->p + at, c->n - at, JWT_SIGNATURE_MIN);
    if (sig == JWT_SIGNATURE_MIN)
        return body >= 4 || body == 0 ? SCAN_MATCH : SCAN_NO;
    return at + sig == c->n && !c->fin ? SCAN_MORE : SCAN_NO;
}

/* ---- private keys (RFC 7468, RFC 1421, PuTTY) ---- */

/* From `at` on: white space, or what stands for it in a string. */
static size_t skip_space(const struct candidate *c, size_t at)
{
    while (at < c->n) {
        if (isspace(c->p[at]) || c->p[at] == '"' || c->p[at] == '+' || c->p[at] == ',' || c->p[at] == '\'')
            at++;
        else if (c->p[at] == '\\' && at + 1 < c->n && strchr("nrt\n", c->p[at + 1]))
            at += 2;
        else
            break;
    }
    return at;
}

/* Lines of "Name: value", then base64 that is no words. */
static enum scan_verdict verify_key_text(const struct candidate *c, size_t at)
{
    while (at < PEM_BODY_MAX) {
        at = skip_space(c, at);
        size_t n = 0;
        while (at + n < c->n && n < PEM_KEY_MIN && in_class("Aa9+/", c->p[at + n]))
            n++;
        if (n == PEM_KEY_MIN)
            return looks_placeholder(c->p + at, n) ? SCAN_NO : SCAN_MATCH;
        if (at + n >= c->n)
            return c->fin ? SCAN_NO : SCAN_MORE;
        const uint8_t *colon = memchr(c->p + at, ':', MIN(c->n - at, (size_t)24));
        const uint8_t *end = memchr(c->p + at, '\n', MIN(c->n - at, (size_t)PEM_BODY_MAX));
        if (!colon || (!end && c->n - at >= PEM_BODY_MAX))
            return !colon && c->n - at < 24 && !c->fin ? SCAN_MORE : SCAN_NO;
        if (!end)
            return c->fin ? SCAN_NO : SCAN_MORE;
        at = (size_t)(end - c->p) + 1;
    }
    return SCAN_NO;
}

enum scan_verdict verify_pem(const struct candidate *c, const struct pattern *t)
{
    size_t at = strlen(t->anchor);
    if (t->anchor[0] == 'P')
        return verify_key_text(c, at);
    size_t n = 0;
    while (at + n < c->n && n < PEM_LINE_MAX && in_class("A9 ", c->p[at + n]))
        n++;
    if (at + n == c->n)
        return c->fin ? SCAN_NO : SCAN_MORE;
    if (!memmem(c->p + at, n, "PRIVATE KEY", 11))
        return SCAN_NO;
    at += n;
    size_t dashes = 0;
    size_t want = t->anchor[4] == ' ' ? 4 : 5; /* RFC 4716 has four, and a space */
    while (at + dashes < c->n && dashes < want && c->p[at + dashes] == '-')
        dashes++;
    if (at + dashes == c->n && !c->fin)
        return SCAN_MORE;
    return dashes == want ? verify_key_text(c, at + want) : SCAN_NO;
}

/* ---- URLs with a password (RFC 3986 3.2.1) ---- */

bool is_default_password(const uint8_t *p, size_t n)
{
    static const char *const known[] = {"password", "pass", "passwd", "secret", "postgres", "root", "admin",
        "changeme", "user", "username", "test", "guest", "x-oauth-basic", "pwd", "mysecretpassword", "token",
        "x-access-token", "anonymous", "pserver:anoncvs"};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (n == strlen(known[i]) && strncasecmp((const char *)p, known[i], n) == 0)
            return true;
    return n < 4 || strchr("$<{[(%*", p[0]) != NULL || looks_placeholder(p, n);
}

enum scan_verdict verify_url(const struct candidate *c, const struct pattern *t)
{
    size_t at = strlen(t->anchor);
    if (c->before && !in_class("Aa9", c->p[-1])) /* what a scheme ends in */
        return SCAN_NO;
    const uint8_t *p = c->p + at, *colon = NULL;
    for (size_t n = 0; n < URL_AUTHORITY_MAX; n++) {
        if (at + n == c->n)
            return c->fin ? SCAN_NO : SCAN_MORE;
        if (p[n] == ':' && !colon)
            colon = p + n;
        if (p[n] == '@' && colon) {
            size_t user = (size_t)(colon - p), len = (size_t)(p + n - colon) - 1;
            bool same = user == len && memcmp(p, colon + 1, len) == 0;
            return same || is_default_password(colon + 1, len) ? SCAN_NO : SCAN_MATCH;
        }
        if (strchr("/?#\"'<>\\ `[]{}|^", p[n]) || p[n] < 0x21)
            return SCAN_NO;
    }
    return SCAN_NO;
}

/* ---- NAME = value ---- */

enum scan_verdict verify_assigned(const struct candidate *c, const struct pattern *t)
{
    size_t at = strlen(t->anchor), end = at + ASSIGN_MAX, n = 0;
    bool assigned = false;
    while (at < c->n && at < end &&
           (is_word(c->p[at]) ? !assigned : strchr("\"'`:= \t>,\\", c->p[at]) != NULL)) {
        assigned |=
            c->p[at] == '=' || c->p[at] == ':' || c->p[at] == '"' || c->p[at] == ',' || c->p[at] == ' ';
        at++;
    }
    while (n <= t->max && at + n < c->n && in_class(t->chars, c->p[at + n]))
        n++;
    if (at + n == c->n && !c->fin && n <= t->max)
        return SCAN_MORE;
    return assigned && n >= t->min && n <= t->max && looks_random(c->p + at, n) ? SCAN_MATCH : SCAN_NO;
}

/* ---- others ---- */

/* "123456789:AA...": the digits before are the bot's public number. */
enum scan_verdict verify_telegram(const struct candidate *c, const struct pattern *t)
{
    size_t digits = 0;
    while (digits < c->before && digits < 12 && c->p[-1 - (ptrdiff_t)digits] >= '0' &&
           c->p[-1 - (ptrdiff_t)digits] <= '9')
        digits++;
    if (digits < 8 || digits > 10)
        return SCAN_NO;
    return verify_run(c, t);
}

/* sk-..., sk-proj-..., sk-ant-api03-..., sk-or-v1-...: words first, then what was drawn by lot. */
enum scan_verdict verify_openai(const struct candidate *c, const struct pattern *t)
{
    if (follows_word(c->p, c->before) || within_base64(c, t))
        return SCAN_NO;
    size_t at = strlen(t->anchor), n = 0, words = 0;
    while (at + n < c->n && n < t->max && in_class(t->chars, c->p[at + n])) {
        if (c->p[at + n] == '-' && n < 16)
            words = n + 1;
        n++;
    }
    if (at + n == c->n && !c->fin && n < t->max)
        return SCAN_MORE;
    return n - words >= t->min && looks_random(c->p + at + words, n - words) ? SCAN_MATCH : SCAN_NO;
}
