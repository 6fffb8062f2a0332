/* What programs keep secrets in: environments, keys in JSON, their own files with logins. */
#include <string.h>

#include "appliance/inspect/inspect_internal.h"

/* ---- NAME=value, by a name that is all capitals ---- */

#define NAME_MAX 40u /* of which so many octets may stand before the word that says what it is */
#define NAME_REST 16u /* and so many behind it */
#define VALUE_MIN 16u
#define VALUE_MAX 128u
#define VALUE_HELD 4u /* octets of a value: what comes before says nothing */

static bool is_number(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_octet(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || is_number(c) || c == '_' || c == '-';
}

/* What everybody may know, and what is about a secret but none. */
static bool names_no_secret(const uint8_t *name, size_t n)
{
    static const char *const words[] = {"PUBLIC", "PUBLISH", "ANON", "CSRF", "XSRF", "SHA", "HASH", "DIGEST",
        "CHECKSUM", "NAME", "_ID", "URL", "URI", "PATH", "FILE", "TYPE", "ARN", "VERSION"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (memmem(name, n, words[i], strlen(words[i])))
            return true;
    return false;
}

/* Where the value begins behind `at`, past '=', ':' or ',' and quotes; 0: none is assigned. */
static size_t value_begins(const struct candidate *c, size_t at)
{
    bool assigned = false;
    for (size_t end = at + 12; at < c->n && at < end && strchr("\"' \t\\=:>?,", c->p[at]) && c->p[at]; at++)
        assigned |= c->p[at] == '=' || c->p[at] == ':' || c->p[at] == ',';
    return assigned ? at : 0;
}

/* Drawn by lot more plainly than looks_random() asks for: names of functions and of headers look so too. */
static bool is_drawn(const uint8_t *p, size_t n)
{
    size_t digits = 0, changes = 0;
    n = MIN(n, (size_t)RANDOM_LOOK);
    for (size_t i = 0; i < n; i++) {
        digits += is_number(p[i]);
        changes +=
            i && (is_number(p[i]) != is_number(p[i - 1]) || in_class("A", p[i]) != in_class("A", p[i - 1]));
    }
    return digits >= 2 && 6 * changes >= n && looks_random(p, n);
}

/* WLX_CLIENT_CREDENTIALS_INFO_V2_0 is assigned in code. */
static bool is_constant(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!in_class("A9_", p[i]))
            return false;
    return memchr(p, '_', n) != NULL;
}

/* STRIPE_API_KEY=..., "DB_PASSWORD": "...", export TOKEN='...', define('SECRET_KEY', '...'): the format may
 * be any. */
enum scan_verdict verify_environment(const struct candidate *c, const struct pattern *t)
{
    size_t before = 0, at = strlen(t->anchor), rest = 0, n = 0;
    while (before < c->before && before < NAME_MAX && is_name_octet(c->p[-1 - (ptrdiff_t)before]))
        before++;
    while (at + rest < c->n && rest <= NAME_REST && is_name_octet(c->p[at + rest]))
        rest++;
    if (rest > NAME_REST || (before < c->before && in_class("a", c->p[-1 - (ptrdiff_t)before])) ||
        names_no_secret(c->p - before, before + at + rest))
        return SCAN_NO;
    at += rest;
    size_t value = value_begins(c, at);
    if (!value)
        return at + 12 > c->n && !c->fin ? SCAN_MORE : SCAN_NO;
    while (value + n < c->n && n < VALUE_MAX && in_class("Aa9_./+=~-", c->p[value + n]))
        n++;
    if (value + n == c->n && !c->fin && n < VALUE_MAX)
        return SCAN_MORE;
    if (value + n < c->n && strchr("([{$%*", c->p[value + n]) && c->p[value + n])
        return SCAN_NO;
    bool drawn = n >= VALUE_MIN && is_drawn(c->p + value, n) && !is_constant(c->p + value, n);
    return drawn ? SCAN_MATCH : SCAN_NO;
}

/* ---- private keys in JSON (RFC 7518 6.2.2, 6.3.2) ---- */

#define JWK_KEY_MIN 42u
#define JWK_NEAR 160u

static bool names_key(const uint8_t *p, size_t n)
{
    static const char *const members[] = {"\"kty\"", "\"crv\"", "\"x\"", "\"y\"", "\"AQAB\""};
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (memmem(p, n, members[i], strlen(members[i])))
            return true;
    return false;
}

/* "d": "..." beside what a key says of itself. */
enum scan_verdict verify_jwk(const struct candidate *c, const struct pattern *t)
{
    size_t at = strlen(t->anchor), n = 0, before = MIN(c->before, (size_t)CONTEXT_MAX);
    while (at < c->n && at < 12 && strchr(": \t\n\"", c->p[at]) && c->p[at])
        at++;
    while (at + n < c->n && n < VALUE_MAX && in_class("Aa9_-", c->p[at + n]))
        n++;
    if (at + n == c->n && !c->fin && n < VALUE_MAX)
        return SCAN_MORE;
    if (n < JWK_KEY_MIN || !looks_random(c->p + at, n))
        return SCAN_NO;
    size_t after = MIN(c->n - at, n + JWK_NEAR);
    if (names_key(c->p - before, before) || names_key(c->p + at, after))
        return SCAN_MATCH;
    return after < n + JWK_NEAR && !c->fin ? SCAN_MORE : SCAN_NO;
}

/* ---- logins in base64 (RFC 7617 2), as a header or a registry's configuration has them ---- */

#define LOGIN_RUN_MAX 128u
#define LOGIN_RUN_MIN 12u
#define PASSWORD_MIN 6u

/* What the run says, while it is printable; its length. */
static size_t read_login(const uint8_t *p, size_t n, uint8_t out[static LOGIN_RUN_MAX])
{
    size_t len = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        unsigned a = (unsigned)b64_value(p[i]), b = (unsigned)b64_value(p[i + 1]),
                 shift = 2 * (unsigned)(i % 4) + 2;
        if (i % 4 == 3)
            continue;
        out[len] = (uint8_t)((a << shift | b >> (6 - shift % 8)) & 0xffu);
        if (out[len] <= 0x20 || out[len] >= 0x7f)
            return 0;
        len++;
    }
    return len;
}

/* "user:password" */
static bool says_login(const uint8_t *p, size_t n)
{
    uint8_t out[LOGIN_RUN_MAX] = {0};
    size_t len = read_login(p, n, out);
    const uint8_t *colon = memchr(out, ':', len);
    if (!colon || colon == out)
        return false;
    size_t user = (size_t)(colon - out), password = len - user - 1;
    bool same = user == password && memcmp(out, colon + 1, user) == 0;
    return password >= PASSWORD_MIN && !same && !is_default_password(colon + 1, password);
}

static size_t login_begins(const struct candidate *c, const struct pattern *t)
{
    size_t at = strlen(t->anchor), end = at + 8;
    while (at < c->n && at < end && strchr("\"' \t\\=:", c->p[at]) && c->p[at])
        at++;
    return at;
}

/* "auth": "...", _auth=..., Basic ... */
enum scan_verdict verify_basic(const struct candidate *c, const struct pattern *t)
{
    size_t at = login_begins(c, t), n = 0;
    while (at + n < c->n && n < LOGIN_RUN_MAX && b64_value(c->p[at + n]) >= 0)
        n++;
    if (at + n == c->n && !c->fin && n < LOGIN_RUN_MAX)
        return SCAN_MORE;
    return n >= LOGIN_RUN_MIN && n < LOGIN_RUN_MAX && says_login(c->p + at, n) ? SCAN_MATCH : SCAN_NO;
}

/* ---- PostgreSQL's password file: host:port:database:user:password ---- */

#define PGPASS_MAX 200u

enum scan_verdict verify_pgpass(const struct candidate *c, const struct pattern *t)
{
    size_t at = strlen(t->anchor), colons = 0, password = 0;
    for (; at < c->n && at < PGPASS_MAX && c->p[at] > 0x20 && !strchr("\"'/@", c->p[at]); at++)
        if (c->p[at] == ':' && ++colons == 2)
            password = at + 1;
    if (at == c->n && !c->fin && at < PGPASS_MAX)
        return SCAN_MORE;
    bool ends = at == c->n || c->p[at] == '\n' || c->p[at] == '\r';
    return ends && colons == 2 && at - password >= PASSWORD_MIN &&
                   !is_default_password(c->p + password, at - password)
               ? SCAN_MATCH
               : SCAN_NO;
}

/* ---- what is not held ---- */

static bool environment_says_nothing(const struct candidate *c, size_t at)
{
    while (at < c->n && is_name_octet(c->p[at]))
        at++;
    size_t value = value_begins(c, at);
    return !value || c->n - value < VALUE_HELD;
}

/* A user's name is no secret; nor are words, which the mark of a login stands before as well. */
static bool login_says_nothing(const struct candidate *c, size_t at)
{
    uint8_t out[LOGIN_RUN_MAX] = {0};
    size_t len = read_login(c->p + at, MIN(c->n - at, (size_t)LOGIN_RUN_MAX), out);
    return !memchr(out, ':', len);
}

bool stored_says_nothing(const struct candidate *c, const struct pattern *t)
{
    size_t at = strlen(t->anchor);
    if (t->verify == verify_environment)
        return environment_says_nothing(c, at);
    if (t->verify == verify_basic)
        return login_says_nothing(c, login_begins(c, t));
    if (t->verify == verify_jwk)
        return c->n < at + 3 + VALUE_HELD;
    if (t->verify == verify_pgpass) {
        const uint8_t *user = memchr(c->p + at, ':', c->n - at);
        return !user || !memchr(user + 1, ':', c->n - (size_t)(user + 1 - c->p));
    }
    return false;
}
