/** \file
 * What the files of inspection share. Nobody else includes this.
 *
 * literals.c   all that the matcher looks for: beginnings of token formats and known secrets in their forms
 * forms.c      what a secret looks like in base64, hex and base32
 * patterns.c   the token formats; verify*.c what follows a beginning, octet by octet
 * scan.c       one text, window by window: candidates, verdicts, and what has to wait
 * layer.c      one text and what is inside it: escapes, base64, hex, parts, compressed streams
 * inspect.c    the root of it all: octets in, octets that may go on out
 * normal.c, phrases.c, inbound.c   injected instructions
 *
 * Theory of operation. A *layer* is a text at some depth of encoding: the body itself, what its base64 says,
 * and so on. Each answers one question: up to which of my octets is everything settled? A layer's own matcher
 * keeps what is not settled (the beginning of a candidate, bounded by HOLD_MAX) and looks at it again
 * together with what comes next. A transform turns a layer's octets into those of a layer below and keeps
 * marks, so that "settled up to here" below can be said in the octets above. The root lets go of what all of
 * them have settled. Settled is what is no match's, as far as anything says: what merely may go on (a run of
 * base64, a JSON string, half an escape) is kept to be looked at again, but has been let go of.
 *
 * How a body is cut is the sender's choice. So where something begins and ends (an escape, a run, a text that
 * is followed, a gap) is decided by the octets and their offsets alone, never by where a piece ends; what is
 * looked back at is kept. tests/fuzz/inspect_layers.h holds each transform to it.
 */
#ifndef EGRESS_APPLIANCE_INSPECT_INSPECT_INTERNAL_H
#define EGRESS_APPLIANCE_INSPECT_INSPECT_INTERNAL_H

#include <hs/hs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/inspect/inspect.h"
#include "lib/base.h"
#include "lib/hex.h"

/** A text is looked at in pieces of this size: they stay in the processor's cache. */
#define PIECE_MAX KIB(16)
/** Of one text, what may wait for more: twice the longest secret, in hex. */
#define HOLD_MAX KIB(40)
/** The matcher gets this much of a literal; the rest is compared. */
#define ANCHOR_MAX 24u
/** Settled octets that are kept for a look to the left: 40, and an anchor that has come in part. */
#define CONTEXT_MAX (40u + ANCHOR_MAX)
/** Shorter secrets are found everywhere, so they are not watched. */
#define SECRET_MIN 8u
#define DEPTH_MAX 8u /* of the policy's inspect.max_depth */

/* ---- candidates ---- */

enum scan_verdict { SCAN_NO, SCAN_MATCH, SCAN_MORE };

/** The beginning of something, and what follows. */
struct candidate {
    const uint8_t *p;
    size_t n; /* octets from p on */
    size_t before; /* octets that can be read before p */
    bool fin; /* no more will come after these */
    bool folded; /* a host name: case and checksums are lost */
};

struct pattern;
/** Looks at `c`, which begins with t->anchor. MORE only where c->n is bounded by the function and !c->fin. */
typedef enum scan_verdict verify_fn(const struct candidate *c, const struct pattern *t);

/** One token format: `anchor`, then min..max octets of `class`, of which `check` holds. */
struct pattern {
    const char *name;
    const char *anchor;
    verify_fn *verify; /* NULL: the beginning of a compressed stream, whose coding is `min` */
    const char *chars; /* class, by the letters that class_of() knows */
    uint16_t min, max;
    unsigned flags;
};
#define PATTERN_LEFT 0x1u /* a letter, digit or one of "_-" before it makes it something else */
#define PATTERN_RANDOM 0x2u /* must look drawn by lot */
#define PATTERN_FOLD 0x4u /* the anchor in any case; written in lower case */
#define PATTERN_EXACT 0x8u /* longer than max is something else */

extern const struct pattern inspect_patterns[];
extern const size_t inspect_n_patterns;

/* verify.c */
verify_fn verify_run, verify_github, verify_aws_id, verify_parts;
/** Does a word end before p[0]? The letter that ends an escape ("\n", "%0A") is of none. */
bool follows_word(const uint8_t *p, size_t before);
/** Is it a short beginning that came by chance, in base64 of something else? */
bool within_base64(const struct candidate *c, const struct pattern *t);
/* verify_text.c */
verify_fn verify_jwt, verify_pem, verify_url, verify_assigned, verify_telegram, verify_openai;
/* verify_named.c */
verify_fn verify_card, verify_login, verify_both_sides, verify_archive;
/* verify_stored.c */
verify_fn verify_environment, verify_jwk, verify_basic, verify_pgpass;
bool stored_says_nothing(const struct candidate *c, const struct pattern *t);
/** What has come of it is no secret's part yet. */
bool named_says_nothing(const struct candidate *c, const struct pattern *t);
/** Digits of a payment card: an issuer's beginning, its length, Luhn's sum (ISO/IEC 7812-1), and none of the
 * numbers that are made for tests. */
#define CARD_MIN 14u
#define CARD_MAX 19u
bool looks_like_card(const uint8_t *digits, size_t n);
/** Of a password in a connection string: one that everybody writes there. */
bool is_default_password(const uint8_t *p, size_t n);

/* entropy.c */
bool in_class(const char *chars, uint8_t c);
/** The same for many octets: is octet_class[c] & class_of(chars)? */
extern const uint32_t octet_class[256];
uint32_t class_of(const char *chars);
/** Drawn by lot, as a key is: not words, not a placeholder, not a counting-up. Looks at so many octets. */
#define RANDOM_LOOK 128u
bool looks_random(const uint8_t *p, size_t n);
/** Says of itself that it is none: "example", "xxxx", "your-token". */
bool looks_placeholder(const uint8_t *p, size_t n);
bool is_word(uint8_t c); /* letter, digit, '_', '-' */
/** A label that carries data: long and without any of a name's regularity. */
bool looks_like_data_label(const char *label, size_t n);
int b64_value(uint8_t c); /* both alphabets; -1: none */

/* ---- literals ---- */

struct literal {
    const uint8_t *text;
    uint32_t len;
    const struct pattern *pattern; /* NULL: a form of a known secret, `text` is all of it */
    const char *detector; /* as in struct finding */
    bool fold;
};

#define LITERAL_PAIRS 128u

struct literals {
    struct literal *v;
    size_t n, room;
    uint32_t *sorted; /* indexes by their text */
    size_t longest; /* anchor */
    hs_database_t *db;
    uint32_t first[257]; /* where those that begin with an octet are in `sorted` */
    uint64_t pairs[LITERAL_PAIRS]; /* how they begin: bits of a hash of the first two octets */
    bool in_secrets[256]; /* the octet is in a secret */
    bool beyond_ascii; /* one that is not ASCII is */
    struct arena *arena;
};

/** False: no memory. */
bool literals_add(
    struct literals *l, const uint8_t *text, size_t len, const struct pattern *p, const char *detector);
/** Every form of a secret. `name` is the secret's. */
bool literals_add_secret(struct literals *l, const char *name, const char *value);
/** How honest servers write it in URLs, JSON and HTML, where that differs: for what comes back, in which
 * escapes are not undone. */
bool literals_add_escaped(struct literals *l, const char *name, const char *value);
/** What it looks like in a squeezed text (squeeze.c). */
bool literals_add_squeezed(struct literals *l, const char *detector, const char *value);
const char *literals_detector(struct arena *a, const char *family, const char *name);
bool literals_add_patterns(struct literals *l);
/** After the last one. 0, or -errno with a message. */
int literals_compile(struct literals *l, char *err, size_t errlen);
void literals_free(struct literals *l);
/** Where the longest end of the text begins, of at least `min` octets (2 or more), that is the beginning of a
 * literal in its own case, and not all of it; n: nowhere. */
size_t literals_partial(const struct literals *l, const uint8_t *p, size_t n, size_t min);

/* forms.c */
/** What `in`, standing anywhere in a longer base64 text, always looks like there. `shift` 0..2: octets of its
 * group that come before it. Returns the length; out has room for 4 * (n / 3 + 1). */
size_t form_base64(const uint8_t *in, size_t n, unsigned shift, bool url, uint8_t *out);
/** In a line of uuencode, which has spaces or backticks for zeros. */
size_t form_uuencode(const uint8_t *in, size_t n, unsigned shift, bool space, uint8_t *out);
/** Its whole groups of four in Ascii85, git's base85 (RFC 1924's digits), or Z85; `shift` 0..3; room for 5 *
 * (n / 4 + 1). */
#define FORM_BASE85S 3u
size_t form_base85(const uint8_t *in, size_t n, unsigned shift, unsigned which, uint8_t *out);
size_t form_hex(const uint8_t *in, size_t n, bool upper, uint8_t *out);
/** Escapes of what needs one; room for 6 * n. */
#define FORM_PERCENTS 8u
size_t form_percent(const uint8_t *in, size_t n, unsigned how, uint8_t *out);
/** As programs write it in JSON and HTML; `how` of FORM_WRITINGS. */
#define FORM_WRITINGS 15u
size_t form_written(const uint8_t *in, size_t n, unsigned how, uint8_t *out);
/** The same for base32, or base32hex (RFC 4648 7); `shift` 0..4; room for 8 * (n / 5 + 1). */
size_t form_base32(const uint8_t *in, size_t n, unsigned shift, bool hex, uint8_t *out);
/** The octets that a secret written in hex (dashes between) or base64 stands for; 0: it is neither, or short.
 * Room for n. */
size_t form_octets(const uint8_t *in, size_t n, uint8_t *out);

/* ---- the inspector ---- */

struct inspector {
    struct literals all, secrets; /* secrets: for what comes back */
    struct literals squeezed; /* secrets without what may stand between their characters */
    unsigned max_depth;
    hs_scratch_t *scratch;
    uint8_t *window; /* HOLD_MAX + CONTEXT_MAX + SQUEEZED_MAX */
    uint8_t *squeeze_room; /* SQUEEZED_MAX: one text at a time is squeezed */
    uint8_t *gather; /* GATHER_MAX, twice for each depth: parts on their way to the layer below */
    struct arena *arena;
};
#define GATHER_MAX KIB(8)

/** Of a piece, with what was carried and the gaps that are marked in it, and room to write 64 at a time. */
#define SQUEEZED_MAX (2 * PIECE_MAX)

/* ---- scan.c ---- */

/** Octets of known secrets that are to be overwritten, not found; offsets in the body as it came. */
#define SCAN_RANGES_MAX 64u
struct scan_range {
    uint64_t from, to;
};

/** What one stream, or one text, shares among its layers. */
struct scan_env {
    struct inspector *i;
    const struct literals *lits;
    unsigned detectors;
    bool stop; /* block: the first finding ends it */
    bool found;
    bool too_much; /* cannot be followed within the bounds */
    const char *detector; /* of the finding */
    uint64_t offset; /* of the finding, in the text that holds it */
    uint64_t seen; /* detectors reported already, as bits of a hash: one line each is enough */
    bool redact; /* of a body that is one layer: known secrets go into `range` */
    struct scan_range range[SCAN_RANGES_MAX];
    unsigned n_ranges;
    uint64_t work, input; /* octets looked at, octets that came */
};

#define SCAN_MAGIC_MAX 128u /* a piece; who has more of them hides something */

/** The matcher's side of a layer. Zeroed up to `magic`: new. */
struct scan {
    unsigned n_magic;
    const struct literals *lits; /* NULL: the environment's */
    uint8_t *buf; /* context and what is not settled */
    uint32_t n, room, ctx; /* ctx: of n, octets of context */
    uint64_t at; /* offset of the first octet that is not context: not settled, or watched */
    uint8_t small[CONTEXT_MAX + 8];
    struct scan_magic {
        uint64_t at;
        unsigned coding; /* enum coding */
    } magic[SCAN_MAGIC_MAX]; /* where compressed streams may begin, as the last call saw; the last of all */
};

/** Looks at what is held and `p` (at most SQUEEZED_MAX). Returns the offset up to which all is settled; with
 * env->found set, that is where the match begins. */
uint64_t scan_feed(struct scan *s, struct scan_env *env, const uint8_t *p, size_t n, bool fin);
/** A finding. */
void scan_tell(struct scan_env *env, const char *detector, uint64_t offset);
/** Is anything of it not settled? */
bool scan_waits(const struct scan *s);
void scan_free(struct scan *s);
/** Host names: case is lost, so every literal is compared without it. */
bool scan_host(struct scan_env *env, const char *host, size_t n);

#endif
