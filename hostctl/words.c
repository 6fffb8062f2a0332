#include "hostctl/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 8448 /* two paths and a bit */

void words_add(struct words *w, const char *s)
{
    char **v = w->failed ? NULL : realloc(w->v, (w->n + 2) * sizeof *v);
    char *copy = v ? strdup(s) : NULL;
    if (v)
        w->v = v;
    if (!copy) {
        w->failed = true;
        if (v)
            v[w->n] = NULL;
        return;
    }
    v[w->n++] = copy;
    v[w->n] = NULL;
}

void words_add_list(struct words *w, const char *const *list)
{
    for (; *list; list++)
        words_add(w, *list);
}

void words_opt(struct words *w, const char *name, const char *fmt, ...)
{
    char value[VALUE_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(value, sizeof value, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof value)
        w->failed = true;
    words_add(w, name);
    words_add(w, value);
}

void words_free_list(char **v)
{
    for (size_t i = 0; v && v[i]; i++)
        free(v[i]);
    free(v);
}

void words_free(struct words *w)
{
    words_free_list(w->v);
    *w = (struct words){0};
}

char **words_take(struct words *w)
{
    if (!w->failed)
        return w->v;
    words_free(w);
    return NULL;
}
