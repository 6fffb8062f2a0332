/** \file
 * A command line that grows. Running out of memory is looked at once, at the end. Portable.
 */
#ifndef EGRESS_HOSTCTL_WORDS_H
#define EGRESS_HOSTCTL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct words {
    char **v; /* NULL-terminated; NULL: empty */
    size_t n;
    bool failed; /* no memory, or a value that was too long */
};

void words_add(struct words *w, const char *s);
/** Each of the strings up to a NULL. */
void words_add_list(struct words *w, const char *const *list);
#define words_add_all(w, ...) words_add_list(w, (const char *const[]){__VA_ARGS__, NULL})
/** Two words: `name` and what the format gives. */
void words_opt(struct words *w, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void words_free(struct words *w);
/** The list alone, for words_free_list(); NULL with everything freed where something failed. */
char **words_take(struct words *w);
void words_free_list(char **v);

#endif
