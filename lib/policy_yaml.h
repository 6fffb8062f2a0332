/** \file
 * A YAML text as a small tree that remembers where each thing stood. Private to the policy loader.
 *
 * Only what a policy needs: one document of mappings, sequences and scalars in UTF-8. Aliases, anchors and
 * tags are refused, as is any depth or size that no policy has, so that loading is linear in the text.
 */
#ifndef EGRESS_LIB_POLICY_YAML_H
#define EGRESS_LIB_POLICY_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/policy.h"

#define YAML_SIZE_MAX ((size_t)16 * 1024 * 1024)
#define YAML_NODES_MAX 2000000
#define YAML_DEPTH_MAX 16
#define YAML_KEYS_MAX 64 /* of one mapping; the largest that a policy knows has about a dozen */

enum ynode_kind { YNODE_SCALAR, YNODE_SEQ, YNODE_MAP };

struct ynode {
    enum ynode_kind kind;
    uint32_t line, col; /* from 1 */
    bool plain; /* a scalar without quotes: YAML may take it for a number, a boolean or null */
    const char *text; /* scalar: NUL-terminated, holds no NUL */
    size_t len;
    const struct ynode *key; /* in a mapping: the scalar that names this value */
    struct ynode *first, *next; /* children in order */
    size_t n; /* children */
};

/** The document's root, owned by `arena`; NULL and `*err`. */
const struct ynode *yaml_tree(const char *text, size_t len, struct arena *arena, struct policy_error *err);

/** What YAML takes a scalar for, in words for messages: "a string", "a number", "a boolean", "null"; "a
 * list", "a mapping" for the others. */
const char *ynode_type(const struct ynode *n);
bool ynode_is_string(const struct ynode *n);

#endif
