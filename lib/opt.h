/** \file
 * Long options by table: "--name value" or "--name=value", exact names only (no abbreviations, which would
 * change their meaning as options are added). "--help" (and -h) and "--version" belong to every table.
 */
#ifndef EGRESS_LIB_OPT_H
#define EGRESS_LIB_OPT_H

#include <stddef.h>
#include <stdio.h>

/** Values one repeated option may have. */
#define OPT_LIST_MAX 32

struct opt_list {
    const char *items[OPT_LIST_MAX];
    size_t n;
};

enum opt_kind {
    OPT_FLAG, /* bool: set to true */
    OPT_STRING, /* const char *: points into argv; may be given once, not empty */
    OPT_LIST, /* struct opt_list: may be repeated */
    OPT_UINT, /* unsigned: decimal, lo to hi, may be given once */
};

/** A table of these ends with a zeroed entry. `out` holds the default beforehand. */
struct opt {
    const char *name; /* without the dashes */
    char letter; /* the same as "-x"; 0 = none */
    enum opt_kind kind;
    void *out;
    const char *arg; /* what help calls the value: "FILE"; NULL for a flag */
    const char *help; /* one line; NULL hides it from help */
    unsigned lo, hi; /* OPT_UINT */
};

/** What is not an option. Both point into argv, which is reordered. */
struct opt_args {
    char **pos; /* words before "--" */
    size_t n_pos;
    char **rest; /* what follows "--", NULL-terminated like argv; empty without one */
    size_t n_rest;
};

/** The first word that is no option ends the options, as if "--" stood before it: for "run CMD ARG...". */
#define OPT_STOP_AT_WORD 0x1u

enum opt_result { OPT_OK, OPT_BAD, OPT_HELP, OPT_VERSION };

/** Reads argv[1..argc-1] (argv[argc] is NULL). On OPT_BAD `err` says what is wrong and what to do. */
enum opt_result opt_parse(const struct opt *table, int argc, char **argv, unsigned flags,
    struct opt_args *args, char *err, size_t errlen);

/** `usage` (whole lines), then one line an option. */
void opt_help(FILE *f, const char *usage, const struct opt *table);

#endif
