#include "lib/lfs.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 64

struct reader {
    const char *p, *end;
    bool bad;
};

static void skip_space(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

static char peek(struct reader *r)
{
    skip_space(r);
    return r->p < r->end ? *r->p : '\0';
}

static bool take(struct reader *r, char c)
{
    if (peek(r) != c)
        return false;
    r->p++;
    return true;
}

/* What is between the quotes, as it stands. */
static const char *string(struct reader *r, size_t *len, bool *escaped)
{
    *len = 0;
    *escaped = false;
    if (!take(r, '"')) {
        r->bad = true;
        return r->p;
    }
    const char *s = r->p;
    for (; r->p < r->end && *r->p != '"'; r->p++) {
        if ((unsigned char)*r->p < 0x20)
            break;
        if (*r->p == '\\') {
            *escaped = true;
            if (++r->p == r->end)
                break;
        }
    }
    if (r->p == r->end || *r->p != '"') {
        r->bad = true;
        return s;
    }
    *len = (size_t)(r->p++ - s);
    return s;
}

static void value(struct reader *r, unsigned depth);

static void members(struct reader *r, unsigned depth, char close)
{
    r->p++;
    if (take(r, close))
        return;
    do {
        size_t len;
        bool escaped;
        if (close == '}') {
            (void)string(r, &len, &escaped);
            r->bad |= !take(r, ':');
        }
        value(r, depth + 1);
    } while (!r->bad && take(r, ','));
    r->bad |= !take(r, close);
}

static void value(struct reader *r, unsigned depth)
{
    size_t len;
    bool escaped;
    char c = peek(r);
    if (r->bad || depth > DEPTH_MAX) {
        r->bad = true;
    } else if (c == '"') {
        (void)string(r, &len, &escaped);
    } else if (c == '{' || c == '[') {
        members(r, depth, c == '{' ? '}' : ']');
    } else {
        const char *s = r->p;
        while (r->p < r->end && strchr("+-.0123456789Eaeflnrstu", *r->p) && *r->p)
            r->p++;
        r->bad |= r->p == s;
    }
}

static enum lfs_operation wanted(struct reader *r)
{
    size_t len;
    bool escaped;
    if (peek(r) != '"') {
        value(r, 1);
        return LFS_UNCLEAR;
    }
    const char *s = string(r, &len, &escaped);
    if (!escaped && len == 8 && memcmp(s, "download", 8) == 0)
        return LFS_DOWNLOAD;
    return !escaped && len == 6 && memcmp(s, "upload", 6) == 0 ? LFS_UPLOAD : LFS_UNCLEAR;
}

enum lfs_operation lfs_operation(const char *p, size_t n)
{
    struct reader r = {.p = p, .end = p + n};
    enum lfs_operation op = LFS_UNCLEAR;
    unsigned found = 0;
    if (!take(&r, '{') || peek(&r) == '}')
        return LFS_UNCLEAR;
    do {
        size_t len;
        bool escaped;
        const char *key = string(&r, &len, &escaped);
        r.bad |= escaped || !take(&r, ':');
        if (r.bad)
            return LFS_UNCLEAR;
        if (len == 9 && strncasecmp(key, "operation", 9) == 0) {
            op = wanted(&r);
            found++;
        } else {
            value(&r, 1);
        }
    } while (!r.bad && take(&r, ','));
    bool whole = take(&r, '}') && (skip_space(&r), r.p == r.end);
    return !r.bad && whole && found == 1 ? op : LFS_UNCLEAR;
}
