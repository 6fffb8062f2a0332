/* Compressed streams. What they say is not settled before it has been said: octets that went in and have not
 * come out yet wait. */
#include <string.h>

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include "appliance/inspect/layer.h"

#define OUT_MAX KIB(8)
#define IN_STEP 1024u /* of the packed octets, how finely "settled" is told */
#define ZSTD_WINDOW_LOG_MAX 23 /* 8 MiB, which RFC 8878 3.1.1.1.2 recommends to support */
/* Out for each octet in, past the first MiB. deflate cannot do more than 1032. */
#define RATIO_FREE MIB(1)
#define RATIO_MAX 1100u
/* Pictures of nearly nothing and tables of zeros: octets in a row that are the same. */
#define BLANK 256u
#define BLANKS_SAID 3u /* blocks; more say no more */
#define BLANK_WORK 2u /* one that is passed over costs half of the work: it has been unpacked */

/* Members whose beginnings are remembered: more than two pieces hold of any worth packing. */
#define MEMBERS_MAX 256u

struct unpack {
    struct scan_env *env;
    enum coding coding;
    bool declared, over, raw_deflate, ended;
    uint8_t header[30]; /* of a ZIP entry */
    size_t n_header, skip; /* skip: of its name, octets to come */
    bool between; /* a member has ended; what follows says whether that was all */
    uint8_t first; /* octet that went in */
    uint8_t last; /* octet of the last block that came out */
    uint64_t in, out; /* octets so far */
    uint64_t said; /* offset above, up to where what went in has come out */
    uint64_t settled;
    uint64_t members[MEMBERS_MAX]; /* where the latest began, after the first */
    unsigned n_members;
    unsigned blanks; /* blocks of one octet that came last */
    struct below below;
    z_stream z;
    BrotliDecoderState *br;
    ZSTD_DStream *zstd;
};

static bool start(struct unpack *u)
{
    switch (u->coding) {
    case CODING_GZIP: return inflateInit2(&u->z, 16 + MAX_WBITS) == Z_OK;
    case CODING_ZIP: return inflateInit2(&u->z, -MAX_WBITS) == Z_OK;
    case CODING_DEFLATE: return inflateInit2(&u->z, u->raw_deflate ? -MAX_WBITS : MAX_WBITS) == Z_OK;
    case CODING_BR: return (u->br = BrotliDecoderCreateInstance(NULL, NULL, NULL)) != NULL;
    case CODING_ZSTD:
        u->zstd = ZSTD_createDStream();
        return u->zstd &&
               !ZSTD_isError(ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX));
    }
    return false;
}

static void stop(struct unpack *u)
{
    if (u->coding != CODING_BR && u->coding != CODING_ZSTD)
        (void)inflateEnd(&u->z);
    BrotliDecoderDestroyInstance(u->br);
    u->br = NULL;
    ZSTD_freeDStream(u->zstd);
    u->zstd = NULL;
}

struct unpack *unpack_new(struct scan_env *env, unsigned depth, enum coding c, bool declared, unsigned kind)
{
    struct unpack *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->env = env;
    u->coding = c;
    u->declared = declared;
    if (!below_open(&u->below, env, depth, kind) || !start(u)) {
        unpack_free(u);
        return NULL;
    }
    return u;
}

void unpack_free(struct unpack *u)
{
    if (!u)
        return;
    stop(u);
    below_close(&u->below);
    free(u);
}

bool unpack_over(const struct unpack *u)
{
    return u->over;
}

uint64_t unpack_settled(const struct unpack *u)
{
    return u->over ? UINT64_MAX : u->settled;
}

struct layer *unpack_below(struct unpack *u)
{
    return u->below.l;
}

/* One call of a decoder. */
struct step {
    const uint8_t *in;
    size_t n_in;
    uint8_t *out;
    size_t n_out; /* room; then: octets that came out */
    bool end, bad;
};

static void step_zlib(struct unpack *u, struct step *s)
{
    u->z.next_in = (uint8_t *)(uintptr_t)s->in;
    u->z.avail_in = (uInt)s->n_in;
    u->z.next_out = s->out;
    u->z.avail_out = (uInt)s->n_out;
    int r = inflate(&u->z, Z_NO_FLUSH);
    s->in = u->z.next_in;
    s->n_in = u->z.avail_in;
    s->n_out -= u->z.avail_out;
    s->end = r == Z_STREAM_END;
    s->bad = r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR;
}

/* On an error these decoders keep what the same call has undone before it; a reader who goes slowly has it.
 * What is not declared is taken whether it ends well or not, so it goes in octet by octet. */
static size_t at_once(const struct unpack *u, size_t n)
{
    return u->declared ? n : MIN(n, (size_t)1);
}

static void step_brotli(struct unpack *u, struct step *s)
{
    size_t room = s->n_out, n = at_once(u, s->n_in), rest = s->n_in - n;
    uint8_t *out = s->out;
    BrotliDecoderResult r = BrotliDecoderDecompressStream(u->br, &n, &s->in, &room, &out, NULL);
    s->n_in = rest + n;
    s->n_out -= room;
    s->end = r == BROTLI_DECODER_RESULT_SUCCESS;
    s->bad = r == BROTLI_DECODER_RESULT_ERROR;
}

static void step_zstd(struct unpack *u, struct step *s)
{
    ZSTD_inBuffer in = {s->in, at_once(u, s->n_in), 0};
    ZSTD_outBuffer out = {s->out, s->n_out, 0};
    size_t r = ZSTD_decompressStream(u->zstd, &out, &in);
    s->in += in.pos;
    s->n_in -= in.pos;
    s->n_out = out.pos;
    s->bad = ZSTD_isError(r);
    s->end = r == 0;
}

/* "deflate" is zlib's format (RFC 9110 8.4.1.2), but some send it bare. */
static bool try_bare(struct unpack *u)
{
    uint8_t out[1];
    struct step s = {.in = &u->first, .n_in = u->in == 1, .out = out, .n_out = sizeof out};
    if (u->coding != CODING_DEFLATE || !u->declared || u->raw_deflate || u->in > 1 || u->out != 0)
        return false;
    stop(u);
    u->raw_deflate = true;
    if (!start(u))
        return false;
    if (s.n_in) /* it says nothing yet: the shortest block is longer */
        step_zlib(u, &s);
    return !s.bad;
}

/* It cannot be undone. Declared as such: then nobody knows what the receiver makes of it. */
static void give_up(struct unpack *u)
{
    u->over = true;
    u->env->too_much |= u->declared;
}

/* Another member (RFC 1952 2.2) or frame (RFC 8878 3) may follow, now or with the next octets. */
static bool next_member(struct unpack *u, const struct step *s, uint64_t at)
{
    bool more = u->coding == CODING_ZSTD;
    if (u->coding == CODING_GZIP && s->in[0] == 0x1f)
        more = inflateReset(&u->z) == Z_OK;
    u->between = false;
    if (more)
        u->members[u->n_members++ % MEMBERS_MAX] = at;
    return more;
}

bool unpack_has_member(const struct unpack *u, uint64_t at)
{
    for (unsigned i = 0; i < MIN(u->n_members, MEMBERS_MAX); i++)
        if (u->members[i] == at)
            return true;
    return false;
}

/* Is the block one octet, and that of the blocks before it? */
static bool is_blank(struct unpack *u, const uint8_t *p)
{
    bool blank = memcmp(p, p + 1, BLANK - 1) == 0;
    u->blanks = !blank ? 0 : u->blanks && p[0] == u->last ? u->blanks + 1 : 1;
    u->last = p[0];
    return u->blanks > BLANKS_SAID;
}

/* Offsets of what follows octets that are passed over are told too low. */
static void say(struct unpack *u, const uint8_t *p, size_t n, uint64_t above)
{
    size_t from = 0, i = 0;
    u->out += n;
    for (; i + BLANK <= n; i += BLANK) {
        if (!is_blank(u, p + i))
            continue;
        if (i > from)
            below_feed(&u->below, p + from, i - from, above, false);
        from = i;
        if (u->below.l && layer_takes_blanks(u->below.l)) {
            from += BLANK;
            u->env->work += BLANK / BLANK_WORK;
        }
    }
    if (i < n && (p[i] != u->last || memcmp(p + i, p + i + 1, n - i - 1) != 0))
        u->blanks = 0;
    if (n > from)
        below_feed(&u->below, p + from, n - from, above, false);
    if (u->out > RATIO_FREE + RATIO_MAX * (u->in + IN_STEP))
        u->env->too_much = true;
}

/* Returns the octets used of n. */
static size_t unpack_some(struct unpack *u, uint64_t at, const uint8_t *p, size_t n)
{
    uint8_t out[OUT_MAX];
    struct step s = {.in = p, .n_in = n};
    do {
        if (u->between && s.n_in == 0)
            break;
        if (u->between && !next_member(u, &s, at + (n - s.n_in))) {
            u->ended = true;
            break;
        }
        s.out = out;
        s.n_out = sizeof out;
        if (u->coding == CODING_BR)
            step_brotli(u, &s);
        else if (u->coding == CODING_ZSTD)
            step_zstd(u, &s);
        else
            step_zlib(u, &s);
        if (s.bad && try_bare(u)) {
            s = (struct step){.in = p, .n_in = n, .n_out = sizeof out};
            continue;
        }
        if (s.n_out) {
            say(u, out, s.n_out, u->said);
            u->said = at + (n - s.n_in);
        }
        if (s.bad) {
            give_up(u);
            break;
        }
        if (s.end) {
            u->between = true;
            u->said = at + (n - s.n_in);
        }
    } while ((s.n_in || s.n_out == sizeof out) && !u->env->too_much && !(u->env->found && u->env->stop));
    return n - s.n_in;
}

/* A ZIP entry's head (APPNOTE 4.3.7): what is stored is looked at as it is; deflated follows; encrypted, or
 * packed in another way, nobody can look into. */
static void judge_entry(struct unpack *u, uint64_t at)
{
    const uint8_t *h = u->header;
    unsigned flags = h[6] | (unsigned)h[7] << 8, method = h[8] | (unsigned)h[9] << 8;
    unsigned name = h[26] | (unsigned)h[27] << 8, extra = h[28] | (unsigned)h[29] << 8;
    bool known = method == 0 || (method >= 8 && method <= 20) || (method >= 93 && method <= 99);
    if (h[4] > 63 || h[5] > 20 || !known || !name || name > 4096)
        u->ended = true; /* it is none */
    else if (flags & 1 || (method != 0 && method != 8 && method != 93))
        scan_tell(u->env, "token_patterns:unreadable_archive", at);
    u->ended |= method != 8 || u->env->found;
    u->skip = name + extra;
}

/* Returns the octets of the head that are among these. */
static size_t entry_head(struct unpack *u, uint64_t at, const uint8_t *p, size_t n)
{
    size_t k = MIN(sizeof u->header - u->n_header, n), skipped = 0;
    if (k) {
        memcpy(u->header + u->n_header, p, k);
        u->n_header += k;
        if (u->n_header == sizeof u->header)
            judge_entry(u, at);
    }
    if (u->n_header == sizeof u->header) {
        skipped = MIN(u->skip, n - k);
        u->skip -= skipped;
        u->said = at + k + skipped; /* a head says nothing */
    }
    return k + skipped;
}

/* A stream's first block, tried (RFC 1951): of what is none, nearly all breaks off at once. */
static bool is_deflated(const uint8_t *p, size_t n)
{
    uint8_t out[512];
    z_stream z = {
        .next_in = (uint8_t *)(uintptr_t)p, .avail_in = (uInt)n, .next_out = out, .avail_out = sizeof out};
    if (inflateInit(&z) != Z_OK)
        return true;
    int r = inflate(&z, Z_NO_FLUSH);
    (void)inflateEnd(&z);
    return r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR;
}

size_t unpack_find_zlib(const uint8_t *p, size_t n, size_t from)
{
    for (size_t i = from; i + ZLIB_SEEN <= n; i++) {
        const uint8_t *at = memchr(p + i, 0x78, n - ZLIB_SEEN + 1 - i);
        unsigned high = 0;
        if (!at)
            break;
        i = (size_t)(at - p);
        if (at[1] != 0x01 && at[1] != 0x5e && at[1] != 0x9c && at[1] != 0xda)
            continue;
        for (unsigned k = 2; k < ZLIB_SEEN; k++) /* text has none of these */
            high |= at[k] >= 0x80 || at[k] < 0x09;
        if (high && is_deflated(at, MIN(n - i, (size_t)256)))
            return i;
    }
    return n;
}

static void finish(struct unpack *u, uint64_t above)
{
    if (u->over)
        return;
    u->over = true;
    below_feed(&u->below, NULL, 0, above, true);
}

uint64_t unpack_feed(struct unpack *u, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    if (u->in == 0 && u->out == 0 && !u->said)
        u->said = at;
    if (u->in == 0 && n)
        u->first = p[0];
    size_t head = u->coding == CODING_ZIP && !u->over && !u->ended ? entry_head(u, at, p, n) : 0;
    u->in += head;
    for (size_t i = head; i < n && !u->over && !u->ended && !u->env->too_much;) {
        size_t k = MIN(n - i, (size_t)IN_STEP), used = unpack_some(u, at + i, p + i, k);
        u->in += used;
        i += u->ended ? used : k;
        if (u->ended && i < n && u->declared)
            give_up(u); /* something after its end: another reader may read on */
    }
    if (u->ended || fin)
        finish(u, at + n);
    bool maybe = !u->declared && u->in < 2; /* its first octet is many a text's */
    u->settled = u->over || maybe ? at + n : MIN(u->said, below_settled(&u->below, u->said));
    return u->settled;
}
