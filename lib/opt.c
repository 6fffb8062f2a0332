#include "lib/opt.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base.h"

#define HELP_COLUMN 28
#define TABLE_MAX 64 /* a bit each for "given already" */

struct parser {
    const struct opt *table;
    int argc, i; /* argv[i] is looked at */
    char **argv;
    uint64_t given;
    char *err;
    size_t errlen;
};

__attribute__((format(printf, 2, 3))) static enum opt_result bad(const struct parser *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(p->err, p->errlen, fmt, ap);
    va_end(ap);
    return OPT_BAD;
}

/** Damerau would be nicer; a transposition simply counts as two. Long names are not compared. */
static unsigned distance(const char *a, size_t alen, const char *b)
{
    enum { LONGEST = 32 };
    size_t blen = strlen(b);
    if (alen >= LONGEST || blen >= LONGEST)
        return LONGEST;
    unsigned row[LONGEST];
    for (size_t j = 0; j <= blen; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= alen; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= blen; j++) {
            unsigned up = row[j], change = diagonal + (a[i - 1] != b[j - 1]);
            row[j] = MIN(MIN(up, row[j - 1]) + 1, change);
            diagonal = up;
        }
    }
    return row[blen];
}

static enum opt_result unknown(const struct parser *p, const char *word, const char *name, size_t len)
{
    const struct opt *best = NULL;
    unsigned best_distance = 4;
    for (const struct opt *o = p->table; o->name; o++) {
        unsigned d = distance(name, len, o->name);
        if (o->help && d < best_distance) {
            best = o;
            best_distance = d;
        }
    }
    int shown = (int)(MIN(len, (size_t)64) + (size_t)(name - word)); /* not a value that follows '=' */
    if (best)
        return bad(p, "unknown option %.*s; did you mean --%s?", shown, word, best->name);
    return bad(p, "unknown option %.*s; --help lists them", shown, word);
}

static enum opt_result store_uint(const struct parser *p, const struct opt *o, const char *value)
{
    unsigned long n = 0;
    bool ok = *value != '\0' && strlen(value) <= 9;
    for (const char *c = value; ok && *c; c++) {
        ok = *c >= '0' && *c <= '9';
        n = n * 10 + (unsigned long)(*c - '0');
    }
    if (!ok || n < o->lo || n > o->hi)
        return bad(p, "--%s must be a number from %u to %u, not \"%.32s\"", o->name, o->lo, o->hi, value);
    *(unsigned *)o->out = (unsigned)n;
    return OPT_OK;
}

static enum opt_result store_list(const struct parser *p, const struct opt *o, const char *value)
{
    struct opt_list *l = o->out;
    if (l->n == OPT_LIST_MAX)
        return bad(p, "--%s may be given at most %d times", o->name, OPT_LIST_MAX);
    l->items[l->n++] = value;
    return OPT_OK;
}

/** `value` is what follows '=' or NULL; takes the next word where a value is needed. */
static enum opt_result apply(struct parser *p, const struct opt *o, const char *value)
{
    if (o->kind == OPT_FLAG) {
        if (value)
            return bad(p, "--%s takes no value", o->name);
        *(bool *)o->out = true;
        return OPT_OK;
    }
    uint64_t bit = 1ull << (o - p->table);
    if (o->kind != OPT_LIST && (p->given & bit))
        return bad(p, "--%s is given twice; give it once", o->name);
    p->given |= bit;
    if (!value) {
        if (p->i + 1 >= p->argc)
            return bad(p, "--%s needs a value: --%s %s", o->name, o->name, o->arg);
        value = p->argv[++p->i];
    }
    if (*value == '\0')
        return bad(p, "--%s must not be empty: --%s %s", o->name, o->name, o->arg);
    if (o->kind == OPT_UINT)
        return store_uint(p, o, value);
    if (o->kind == OPT_LIST)
        return store_list(p, o, value);
    *(const char **)o->out = value;
    return OPT_OK;
}

static enum opt_result option(struct parser *p, const char *word)
{
    bool is_long = word[1] == '-';
    const char *name = word + (is_long ? 2 : 1);
    size_t len = is_long ? strcspn(name, "=") : strlen(name);
    const char *value = name[len] == '=' ? name + len + 1 : NULL;
    if (!strcmp(word, "--help") || !strcmp(word, "-h"))
        return OPT_HELP;
    if (!strcmp(word, "--version"))
        return OPT_VERSION;
    for (const struct opt *o = p->table; o->name; o++) {
        assert(o - p->table < TABLE_MAX);
        bool hit = is_long ? strlen(o->name) == len && !memcmp(o->name, name, len)
                           : len == 1 && o->letter != '\0' && o->letter == *name;
        if (hit)
            return apply(p, o, value);
    }
    return unknown(p, word, name, len);
}

enum opt_result opt_parse(const struct opt *table, int argc, char **argv, unsigned flags,
    struct opt_args *args, char *err, size_t errlen)
{
    struct parser p = {.table = table, .argc = argc, .i = 1, .argv = argv, .err = err, .errlen = errlen};
    char **words = argv + MIN(argc, 1);
    if (errlen > 0)
        err[0] = '\0';
    *args = (struct opt_args){.pos = words, .rest = argv + argc};
    for (; p.i < argc; p.i++) {
        char *word = argv[p.i];
        if (!strcmp(word, "--")) {
            args->rest = argv + p.i + 1;
            break;
        }
        if (word[0] == '-' && word[1] != '\0') {
            enum opt_result r = option(&p, word);
            if (r != OPT_OK)
                return r;
        } else if (flags & OPT_STOP_AT_WORD) {
            args->rest = argv + p.i;
            break;
        } else {
            words[args->n_pos++] = word; /* never ahead of p.i */
        }
    }
    args->n_rest = (size_t)(argv + argc - args->rest);
    return OPT_OK;
}

static void help_line(FILE *f, const char *left, const char *text)
{
    if (strlen(left) < HELP_COLUMN)
        (void)fprintf(f, "  %-*s %s\n", HELP_COLUMN, left, text);
    else
        (void)fprintf(f, "  %s\n  %*s %s\n", left, HELP_COLUMN, "", text);
}

void opt_help(FILE *f, const char *usage, const struct opt *table)
{
    size_t len = strlen(usage);
    while (len > 0 && usage[len - 1] == '\n')
        len--;
    (void)fprintf(f, "%.*s\n\nOptions:\n", (int)len, usage);
    for (const struct opt *o = table; o->name; o++) {
        char left[96];
        const char letter[] = {'-', o->letter, ',', ' ', '\0'};
        if (!o->help)
            continue;
        (void)snprintf(left, sizeof left, "%s--%s%s%s%s", o->letter ? letter : "", o->name, o->arg ? " " : "",
            o->arg ? o->arg : "", o->kind == OPT_LIST ? "..." : "");
        help_line(f, left, o->help);
    }
    help_line(f, "-h, --help", "this text");
    help_line(f, "--version", "the version");
}
