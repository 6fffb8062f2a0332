/** \file
 * One text and the texts inside it. Private to inspection.
 */
#ifndef EGRESS_APPLIANCE_INSPECT_LAYER_H
#define EGRESS_APPLIANCE_INSPECT_LAYER_H

#include "appliance/inspect/inspect_internal.h"

struct layer;

/** What is looked for inside a layer. */
#define LAYER_PLAIN 0u /* nothing: the matcher alone */
#define LAYER_ESCAPES 0x1u /* percent, backslash, entities */
#define LAYER_RUNS 0x2u /* base64 and hex */
#define LAYER_COMPRESSED 0x4u /* gzip, zlib, zstd by how they begin */
#define LAYER_JOINED 0x8u /* strings of JSON, fields of forms, and other parts, put together */
#define LAYER_WRAPPER 0x10u /* no matcher: the octets themselves say nothing */
#define LAYER_PHRASES 0x20u /* orders to a model */
#define LAYER_HTML 0x40u /* the same, where tags are no words */
#define LAYER_SQUEEZED 0x80u /* known secrets with anything between their characters */
#define LAYER_UNESCAPED 0x100u /* it has been squeezed, but for escapes within escapes */
#define LAYER_LOOSE 0x200u /* what has no beginning of its own */
#define LAYER_TEXT \
    (LAYER_ESCAPES | LAYER_RUNS | LAYER_COMPRESSED | LAYER_JOINED | LAYER_SQUEEZED | LAYER_LOOSE)

/** NULL: no memory. Past the inspector's depth a layer is plain. */
struct layer *layer_new(struct scan_env *env, unsigned depth, unsigned kind);
/** The layer of a body with that content-encoding ("gzip, br"; may be NULL); `kind` is of what it says
 * unpacked. NULL: no memory. `strict`: a coding that we do not know, or that cannot be undone, sets
 * env->too_much. */
struct layer *layer_new_body(struct scan_env *env, bool strict, unsigned kind, const char *content_encoding);
bool layer_is_packed(const struct layer *l);
/** Is something under way at its end, settled or not? */
bool layer_is_busy(const struct layer *l);
/** Would the same octet a few hundred times more mean nothing to it, not even to what is packed inside? */
bool layer_takes_blanks(const struct layer *l);
/** At most PIECE_MAX octets. Returns the offset in this layer's text up to which all is settled, in it and
 * below. */
uint64_t layer_feed(struct layer *l, const uint8_t *p, size_t n, bool fin);
void layer_free(struct layer *l);

/* ---- below a layer ---- */

/** A layer below and where its octets come from: octets from `below` on come from octets from `above` on. */
#define MARKS_MAX 24u
struct below {
    struct layer *l;
    uint64_t end, settled; /* in its own text */
    struct {
        uint64_t below, above;
    } mark[MARKS_MAX];
    unsigned n_marks;
};
/** False: no memory, and env->too_much. */
bool below_open(struct below *b, struct scan_env *env, unsigned depth, unsigned kind);
/** Octets for the layer below that come from the octets above from `above` on. */
void below_feed(struct below *b, const uint8_t *p, size_t n, uint64_t above, bool fin);
/** Up to where is all settled above, if everything before `above` has been handed down? */
uint64_t below_settled(const struct below *b, uint64_t above);
void below_close(struct below *b);
/** A text that has not ended: does its end hold anything back? Findings are not told: it is looked at again.
 */
bool below_waits(const struct scan_env *env, unsigned depth, unsigned kind, const uint8_t *p, size_t n);

/* ---- transforms. Each is fed the layer's octets at offset `at` and returns up to where they are settled.
 * ---- */

struct runs;
struct runs *runs_new(struct scan_env *env, unsigned depth);
uint64_t runs_feed(struct runs *r, uint64_t at, const uint8_t *p, size_t n, bool fin);
/** Does the text end in a run? */
bool runs_busy(const struct runs *r);
void runs_free(struct runs *r);

struct squeeze;
struct squeeze *squeeze_new(struct scan_env *env);
uint64_t squeeze_feed(struct squeeze *s, uint64_t at, const uint8_t *p, size_t n, bool fin);
/** Is something under way at its end? */
bool squeeze_busy(const struct squeeze *s);
void squeeze_free(struct squeeze *s);

struct loose;
struct loose *loose_new(struct scan_env *env);
uint64_t loose_feed(struct loose *l, uint64_t at, const uint8_t *p, size_t n, bool fin);
void loose_free(struct loose *l);

/** The text before `at`: all of it, or UNESCAPE_BEFORE octets at least. */
#define UNESCAPE_BEFORE (KIB(4) + 64)
struct held_text {
    const uint8_t *p;
    size_t n;
};
struct unescape;
/** A text in which there was no escape before `at` that matters, nor half of one at its end. */
struct unescape *unescape_new(struct scan_env *env, unsigned depth, uint64_t at);
/** Is there an escape in it that could be part of something looked for, or half of one at its end? */
bool unescape_wants(
    struct scan_env *env, uint64_t at, const struct held_text *before, const uint8_t *p, size_t n, bool fin);
/** Has there been one that could be? The first one's offset. */
bool unescape_seen(const struct unescape *u, uint64_t *first);
/** Does it follow a text at the moment? */
bool unescape_busy(const struct unescape *u);
bool unescape_is_active(const struct unescape *u);
uint64_t unescape_feed(
    struct unescape *u, uint64_t at, const struct held_text *before, const uint8_t *p, size_t n, bool fin);
void unescape_free(struct unescape *u);

enum coding { CODING_GZIP, CODING_DEFLATE, CODING_BR, CODING_ZSTD, CODING_ZIP };
struct unpack;
/** Where a zlib stream may begin in p[0..n), from `from` on, that goes on for ZLIB_SEEN octets at least; n:
 * nowhere. */
#define ZLIB_SEEN 16u
size_t unpack_find_zlib(const uint8_t *p, size_t n, size_t from);
/** `declared`: what cannot be unpacked cannot be followed; else it is none after all. */
struct unpack *unpack_new(struct scan_env *env, unsigned depth, enum coding c, bool declared, unsigned kind);
uint64_t unpack_feed(struct unpack *u, uint64_t at, const uint8_t *p, size_t n, bool fin);
/** What the last unpack_feed() returned. */
uint64_t unpack_settled(const struct unpack *u);
struct layer *unpack_below(struct unpack *u);
/** Does it read a member that begins at that offset above, behind another one? */
bool unpack_has_member(const struct unpack *u, uint64_t at);
/** It has ended or was none. */
bool unpack_over(const struct unpack *u);
void unpack_free(struct unpack *u);

struct injection;
/** `html`: tags are no words of the text. */
struct injection *injection_new(struct scan_env *env, bool html);
uint64_t injection_feed(struct injection *j, uint64_t at, const uint8_t *p, size_t n, bool fin);
void injection_free(struct injection *j);

/** Text that is made of parts. */
enum join_mode { JOIN_NONE, JOIN_JSON, JOIN_FORM, JOIN_MULTIPART, JOIN_MARKUP };
/** By how it begins, whatever its content type says. */
struct join_judge {
    uint16_t n;
    bool dash, done;
};
/** Octets of the text's beginning; `*used`: those before the one that told. */
enum join_mode join_judge(struct join_judge *g, const uint8_t *p, size_t n, size_t *used);
struct join;
struct join *join_new(struct scan_env *env, unsigned depth, enum join_mode mode);
uint64_t join_feed(struct join *j, uint64_t at, const uint8_t *p, size_t n, bool fin);
void join_free(struct join *j);

#endif
