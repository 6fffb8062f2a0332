/** \file
 * What the files of the policy loader share: typed readers of YAML nodes, each with a message that says what
 * is allowed. Private to lib/policy_*.c.
 *
 * Errors stick: the first one is kept, with its place, and every reader does nothing sensible after it; the
 * loader looks once at the end. A mapping is read by a table of its keys.
 */
#ifndef EGRESS_LIB_POLICY_LOADER_H
#define EGRESS_LIB_POLICY_LOADER_H

#include "lib/arena.h"
#include "lib/policy.h"
#include "lib/policy_yaml.h"
#include "lib/regex.h"

struct load {
    struct policy *policy;
    struct arena *arena; /* the policy's: for what stays */
    struct regex_set *regexes;
    struct policy_error *err;
    bool failed;
};

struct key_spec;
/** Reads `n` into the member at `out`. */
typedef void load_fn(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out);

struct key_spec {
    const char *name;
    load_fn *fn;
    size_t offset; /* of the member in the structure being filled */
    uint64_t min, max; /* for numbers */
    const char *const *words; /* for load_word(): NULL-terminated, in the order of the enum */
};

/** The first error wins. `at` NULL: the whole file. */
void load_error(struct load *l, const struct ynode *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/** Zeroed memory of the policy's; NULL after an error, which it also reports. */
void *load_alloc(struct load *l, size_t n, size_t size);

/** Reads a mapping by its table. `what` names it in messages: "a route", "dns". False after an error. */
bool load_map(struct load *l, const struct ynode *n, const char *what, const struct key_spec *specs,
    size_t n_specs, void *base);
/** The value of a key, NULL if it is not there. */
const struct ynode *ynode_get(const struct ynode *map, const char *key);
/** A list that is not empty; `what` as "a list of methods". */
bool load_is_list(struct load *l, const struct ynode *n, const char *what);
/** A string that is not empty and holds no control characters. NULL after an error. */
const char *load_text(struct load *l, const struct ynode *n);

/* For tables; the member's type in brackets. */
load_fn load_string; /* const char * */
load_fn load_bool; /* bool */
load_fn load_u16; /* uint16_t */
load_fn load_u32; /* uint32_t */
load_fn load_ms; /* uint32_t: milliseconds, or a number with ms, s, m, h */
load_fn load_seconds; /* uint32_t: seconds, or a number with s, m, h, d */
load_fn load_size; /* uint64_t or size_t: octets, or a number with KiB, MiB, GiB */
load_fn load_word; /* unsigned or enum: index in spec->words */

/** "a, b or c" of a NULL-terminated list. Returns `out`. */
char *join_words(const char *const *list, char *out, size_t outlen);

/** A name or method as RFC 9110 5.6.2 has it. */
bool is_token(const char *s);
/** Reads a field name in any case into lower case; NULL after an error. */
const char *load_field_name(struct load *l, const struct ynode *n);

/** Canonical host of a policy file: IDN allowed, "*." kept. Sets `*wildcard`. NULL after an error. */
const char *load_host(struct load *l, const struct ynode *n, bool *wildcard);

/* Parts of the file. */
void load_routes(struct load *l, const struct ynode *n);
void load_matches(struct load *l, const struct ynode *n, struct route *r);
load_fn load_role, load_auth; /* struct route; struct auth */
/** Once both are read: a role knows its scheme, without one it has to be said. */
void load_check_auth(struct load *l, const struct ynode *n, struct route *r);
load_fn load_timeouts, load_limits, load_dns, load_audit, load_inspect,
    load_proxy; /* the policy's sections */
void load_defaults(struct policy *p);

/** The name tables and the compiled patterns. The index lives in the arena; index_free() before that goes. */
struct policy_index *index_new(struct arena *a);
struct regex_set *index_regexes(struct policy_index *x);
/** Enters every route; refuses a second one for a host. */
void index_build(struct load *l);
void index_free(struct policy_index *x);

#endif
