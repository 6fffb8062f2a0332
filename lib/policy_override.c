#include "lib/policy_override.h"

#include <string.h>

#include "lib/base.h"
#include "lib/framing.h"
#include "lib/hex.h"

#define NAME_MAX_LEN 32u /* the longest name here, and room for longer ones that are none */

static bool is_listed(const char *const *methods, size_t n, const char *s, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(methods[i]) == len && memcmp(methods[i], s, len) == 0)
            return true;
    return false;
}

/* A parameter's name as a server has it: decoded, here in lower case. 0: too long to be one of ours. */
static size_t decode_name(const char *s, size_t n, char out[static NAME_MAX_LEN])
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (len == NAME_MAX_LEN)
            return 0;
        int hi = s[i] == '%' && i + 2 < n ? hex_value(s[i + 1]) : -1, lo = hi >= 0 ? hex_value(s[i + 2]) : -1;
        char c = (char)(lo >= 0 ? hi << 4 | lo : s[i]);
        i += lo >= 0 ? 2 : 0;
        out[len++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    return len;
}

static bool is_method_param(const char *s, size_t n)
{
    static const char *const names[] = {
        "_method", "_httpmethod", "x-http-method-override", "x-http-method", "x-method-override"};
    char name[NAME_MAX_LEN];
    size_t len = decode_name(s, n, name);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return true;
    return false;
}

static bool query_allowed(const struct request *req, const char *const *methods, size_t n)
{
    const char *q = req->query;
    for (size_t at = 0, len = q ? req->query_len : 0; at < len;) {
        size_t end = at;
        while (end < len && q[end] != '&' && q[end] != ';')
            end++;
        const char *eq = memchr(q + at, '=', end - at);
        if (eq && is_method_param(q + at, (size_t)(eq - q) - at) &&
            !is_listed(methods, n, eq + 1, (size_t)(q + end - eq) - 1))
            return false;
        at = end + 1;
    }
    return true;
}

static bool names_method(const struct field *f)
{
    return field_reads_as(f, "x-http-method-override") || field_reads_as(f, "x-http-method") ||
           field_reads_as(f, "x-method-override");
}

static bool names_path(const struct field *f)
{
    return field_reads_as(f, "x-original-url") || field_reads_as(f, "x-rewrite-url") ||
           field_reads_as(f, "x-override-url") || field_reads_as(f, "x-original-uri");
}

bool override_allowed(const struct request *req, const char *const *methods, size_t n)
{
    for (size_t i = 0; i < req->n_fields; i++) {
        const struct field *f = &req->fields[i];
        if (names_method(f) && !is_listed(methods, n, f->value, f->value_len))
            return false;
    }
    return query_allowed(req, methods, n);
}

bool override_path(const struct request *req)
{
    for (size_t i = 0; i < req->n_fields; i++)
        if (names_path(&req->fields[i]))
            return true;
    return false;
}

bool override_trailer(const struct route *route, const struct field *f)
{
    if (names_method(f) || names_path(f) || field_reads_as(f, "destination") || framing_is_hidden(f, 1))
        return true;
    for (size_t i = 0; i < route->n_matches; i++)
        for (size_t k = 0; k < route->matches[i].n_headers; k++)
            if (field_reads_as(f, route->matches[i].headers[k].name))
                return true;
    return false;
}

const char *override_destination(const struct request *req, size_t *at, size_t *len)
{
    for (; *at < req->n_fields; ++*at) {
        const struct field *f = &req->fields[*at];
        if (!field_reads_as(f, "destination"))
            continue;
        const char *s = f->value, *end = s + f->value_len, *authority = memmem(s, f->value_len, "://", 3);
        if (authority && !memchr(s, '/', (size_t)(authority - s)))
            for (s = authority + 3; s < end && !strchr("/?#", *s);)
                s++;
        bool bare = s != f->value && (s == end || *s != '/');
        *len = bare ? 1 : (size_t)(end - s);
        ++*at;
        if (bare)
            return "/";
        if (*len && *s == '/')
            return s;
    }
    return NULL;
}
