/** \file
 * What orders to a model are made of, as a table of short sayings. Private to inspection. Pure.
 */
#ifndef EGRESS_APPLIANCE_INSPECT_SAYINGS_H
#define EGRESS_APPLIANCE_INSPECT_SAYINGS_H

#include <stdbool.h>
#include <stdint.h>

struct phrases;

/** A saying that ends with the word `back` words back, where one of `kinds` was said. Zeroed: begin. */
struct said {
    unsigned back;
    uint64_t kinds;
    uint32_t signs; /* and a word of one of these, before it */
    uint32_t next;
    bool begun;
    int rule;
    unsigned weight;
};
/** The next one; false: no more. */
bool saying_next(struct phrases *p, struct said *s);
/** After the words that are known; adds its own. Before there are threads. */
void sayings_compile(void);

/* phrases.c */
/** The k-th word back, 0 the latest, by its place in word_table. */
unsigned phrases_id(struct phrases *p, unsigned k);
/** Is the verb `verb` words back told of somebody ("attackers ask models to ignore ..."), not said to the
 * reader ("you must ignore")? */
bool phrase_is_told(struct phrases *p, unsigned verb);
/** "do not", "don't", "never", "without" right before the word k back, but not "does not". */
bool phrase_is_forbidden(struct phrases *p, unsigned k);

#endif
