#include "appliance/http/h1_scan.h"

#include <string.h>

#include "lib/fields.h"

/* An empty line or two before a request are old clients' habit; a flood of them is not. */
#define SKIPPED_MAX 4

/* What may stand in a value or a reason phrase: HTAB, SP, VCHAR, obs-text. */
static bool is_text(uint8_t c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool is_version(const uint8_t *p, size_t n)
{
    return n == 8 && memcmp(p, "HTTP/1.", 7) == 0 && (p[7] == '0' || p[7] == '1');
}

/* method SP request-target SP HTTP-version (RFC 9112 3) */
static bool request_line(const uint8_t *p, size_t n)
{
    const uint8_t *sp = memchr(p, ' ', n);
    if (!sp || !http_is_token((const char *)p, (size_t)(sp - p)))
        return false;
    const uint8_t *target = sp + 1, *end = p + n;
    const uint8_t *sp2 = memchr(target, ' ', (size_t)(end - target));
    if (!sp2 || sp2 == target)
        return false;
    for (const uint8_t *q = target; q < sp2; q++)
        if (*q <= 0x20 || *q == 0x7f)
            return false;
    return is_version(sp2 + 1, (size_t)(end - sp2 - 1));
}

/* HTTP-version SP status-code [SP reason-phrase] (RFC 9112 4; the second SP is often forgotten) */
static bool status_line(const uint8_t *p, size_t n)
{
    if (n < 12 || !is_version(p, 8) || p[8] != ' ' || (n > 12 && p[12] != ' '))
        return false;
    if (p[9] < '1' || p[9] > '9' || p[10] < '0' || p[10] > '9' || p[11] < '0' || p[11] > '9')
        return false;
    for (size_t i = 12; i < n; i++)
        if (!is_text(p[i]))
            return false;
    return true;
}

static bool field_line(const uint8_t *p, size_t n)
{
    const uint8_t *colon = memchr(p, ':', n);
    if (!colon || !http_is_token((const char *)p, (size_t)(colon - p)))
        return false;
    for (const uint8_t *q = colon + 1; q < p + n; q++)
        if (!is_text(*q))
            return false;
    return true;
}

/* A whole line without its CRLF. */
static enum h1_scan_result line_check(struct h1_scan *s, const uint8_t *p, size_t n)
{
    if (!s->started) {
        if (n == 0 && s->kind == H1_REQUEST && s->skipped < SKIPPED_MAX) {
            s->skipped += 2;
            return H1_MORE;
        }
        s->started = 1;
        return (s->kind == H1_REQUEST ? request_line(p, n) : status_line(p, n)) ? H1_MORE : H1_BAD;
    }
    if (n == 0)
        return H1_DONE;
    if (!field_line(p, n))
        return H1_BAD;
    return ++s->fields > H1_FIELDS_MAX ? H1_LIMIT : H1_MORE;
}

/* Control octets betray garbage before its line is whole; a CR may still become CRLF. */
static bool part_ok(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_text(p[i]) && !(p[i] == '\r' && i + 1 == n))
            return false;
    return true;
}

enum h1_scan_result h1_scan(struct h1_scan *s, const uint8_t *p, size_t n, size_t *end)
{
    size_t max = s->kind == H1_TRAILERS ? H1_TRAILERS_MAX : H1_HEAD_MAX;
    if (s->kind == H1_TRAILERS)
        s->started = 1;
    for (;;) {
        size_t from = s->line + s->checked;
        const uint8_t *nl = from < n ? memchr(p + from, '\n', n - from) : NULL;
        if (!nl)
            break;
        size_t len = (size_t)(nl - p) - s->line;
        if (len == 0 || nl[-1] != '\r')
            return H1_BAD;
        if (s->line + len >= max)
            return H1_LIMIT;
        enum h1_scan_result r = line_check(s, p + s->line, len - 1);
        s->line += (uint32_t)len + 1;
        s->checked = 0;
        if (r == H1_DONE)
            *end = s->line;
        if (r != H1_MORE)
            return r;
    }
    if (n >= max)
        return H1_LIMIT;
    size_t part = n - s->line;
    if (part > s->checked) {
        /* one octet back: a CR that was last before is now followed by something other than LF */
        size_t back = s->checked ? 1 : 0;
        if (!part_ok(p + s->line + s->checked - back, part - s->checked + back))
            return H1_BAD;
        s->checked = (uint32_t)part;
    }
    return H1_MORE;
}
