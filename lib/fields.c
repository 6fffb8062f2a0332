#include "lib/fields.h"

#include <strings.h>

#include "lib/base.h"

static const bool tchar[256] = {['0' ... '9'] = true,
    ['a' ... 'z'] = true,
    ['A' ... 'Z'] = true,
    ['!'] = true,
    ['#' ... '\''] = true,
    ['*'] = true,
    ['+'] = true,
    ['-'] = true,
    ['.'] = true,
    ['^' ... '`'] = true,
    ['|'] = true,
    ['~'] = true};

bool http_is_tchar(uint8_t c)
{
    return tchar[c];
}

bool http_is_token(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!tchar[(uint8_t)s[i]])
            return false;
    return n > 0;
}

bool http_is_method(const char *s)
{
    size_t n = strlen(s);
    if (n > HTTP_METHOD_MAX || !http_is_token(s, n))
        return false;
    for (size_t i = 0; i < n; i++)
        if (s[i] >= 'a' && s[i] <= 'z')
            return false;
    return true;
}

bool http_echoes(const char *method)
{
    return strcasecmp(method, "TRACE") == 0 || strcasecmp(method, "TRACK") == 0;
}

static char lower_of(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool http_ieq(const char *a, size_t n, const char *lower)
{
    for (size_t i = 0; i < n; i++)
        if (lower[i] == '\0' || lower_of(a[i]) != lower[i])
            return false;
    return lower[n] == '\0';
}

void field_lower(struct field *f)
{
    char *p = (char *)(uintptr_t)f->name;
    for (uint32_t i = 0; i < f->name_len; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] | 0x20);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

void field_trim(struct field *f)
{
    while (f->value_len && is_blank(f->value[0])) {
        f->value++;
        f->value_len--;
    }
    while (f->value_len && is_blank(f->value[f->value_len - 1]))
        f->value_len--;
}

int64_t http_length(const char *v, size_t n)
{
    enum { DIGITS_MAX = 18 };
    int64_t x = 0;
    if (n == 0 || n > DIGITS_MAX)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (v[i] < '0' || v[i] > '9')
            return -1;
        x = x * 10 + (v[i] - '0');
    }
    return x;
}

bool http_list_next(const char *v, size_t n, size_t *at, const char **item, size_t *len)
{
    while (*at < n) {
        size_t from = *at, to = from;
        while (to < n && v[to] != ',')
            to++;
        *at = to + 1;
        while (from < to && is_blank(v[from]))
            from++;
        while (to > from && is_blank(v[to - 1]))
            to--;
        if (to > from) {
            *item = v + from;
            *len = to - from;
            return true;
        }
    }
    return false;
}

bool http_trailer_forbidden(const char *name, size_t n)
{
    static const char *const names[] = {"age", "alt-svc", "authorization", "cache-control", "connection",
        "content-encoding", "content-length", "content-range", "content-type", "cookie", "date", "expect",
        "expires", "host", "if-match", "if-modified-since", "if-none-match", "if-range",
        "if-unmodified-since", "keep-alive", "location", "max-forwards", "pragma", "proxy-authenticate",
        "proxy-authorization", "proxy-connection", "range", "retry-after", "set-cookie", "te", "trailer",
        "transfer-encoding", "upgrade", "vary", "www-authenticate", "x-egress-verdict"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (http_ieq(name, n, names[i]))
            return true;
    return false;
}

const struct field *http_field(const struct field *f, size_t n, const char *lower)
{
    size_t len = strlen(lower);
    for (size_t i = 0; i < n; i++)
        if (field_is(&f[i], lower, len))
            return &f[i];
    return NULL;
}
