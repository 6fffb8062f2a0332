#include "appliance/http/fields.h"

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

bool http_list_next(const char *v, size_t n, size_t *at, const char **item, size_t *len)
{
    while (*at < n) {
        size_t from = *at, to = from;
        while (to < n && v[to] != ',')
            to++;
        *at = to + 1;
        while (from < to && (v[from] == ' ' || v[from] == '\t'))
            from++;
        while (to > from && (v[to - 1] == ' ' || v[to - 1] == '\t'))
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
