#include "appliance/http/h1_body.h"

#include <stdlib.h>
#include <string.h>

#include "lib/hex.h"

/* Extensions mean nothing to us nor to anyone seen; room for a signature, none for a second body. */
#define EXT_MAX 1024
/* 16 digits would overflow; 15 are more than any disk. */
#define SIZE_DIGITS_MAX 15

enum state { SIZE, PAD, EXT, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILERS, END };

void h1_body_init(struct h1_body *b, enum h1_body_kind kind, uint64_t length)
{
    *b = (struct h1_body){.kind = kind, .scan.kind = H1_TRAILERS};
    b->state = kind == H1_BODY_CHUNKED ? SIZE : kind == H1_BODY_NONE ? END : DATA;
    b->left = kind == H1_BODY_LENGTH ? length : kind == H1_BODY_UNTIL_CLOSE ? UINT64_MAX : 0;
    if (kind == H1_BODY_LENGTH && length == 0)
        b->state = END;
}

void h1_body_free(struct h1_body *b)
{
    free(b->trailers);
    b->trailers = NULL;
    b->trailers_len = 0;
}

/* One octet of the line that begins a chunk. */
static enum h1_body_result size_line(struct h1_body *b, uint8_t c)
{
    switch (b->state) {
    case SIZE:
        if (hex_value(c) >= 0) {
            b->left = b->left << 4 | (uint64_t)hex_value(c);
            return ++b->digits > SIZE_DIGITS_MAX ? H1_BODY_BAD : H1_BODY_MORE;
        }
        if (b->digits == 0)
            return H1_BODY_BAD;
        b->ext = 0;
        /* fallthrough */
    case PAD:
        b->state = c == '\r' ? SIZE_LF : c == ';' ? EXT : PAD;
        if (b->state == PAD && (!b->spaces_ok || (c != ' ' && c != '\t') || ++b->ext > EXT_MAX))
            return H1_BODY_BAD;
        return H1_BODY_MORE;
    case EXT:
        if (c == '\r')
            b->state = SIZE_LF;
        else if (c != '\t' && (c < 0x20 || c == 0x7f))
            return H1_BODY_BAD;
        return ++b->ext > EXT_MAX ? H1_BODY_LIMIT : H1_BODY_MORE;
    default: /* SIZE_LF */
        if (c != '\n')
            return H1_BODY_BAD;
        b->state = b->left ? DATA : TRAILERS;
        return H1_BODY_MORE;
    }
}

/* The section after the last chunk. Nearly always it is just an empty line. */
static enum h1_body_result trailers(struct h1_body *b, const uint8_t **p, const uint8_t *end)
{
    size_t n = (size_t)(end - *p);
    if (b->trailers_len == 0 && n >= 2 && memcmp(*p, "\r\n", 2) == 0) {
        *p += 2;
        b->state = END;
        return H1_BODY_DONE;
    }
    size_t room = H1_TRAILERS_MAX + 1 - b->trailers_len, take = n < room ? n : room, stop;
    uint8_t *grown = realloc(b->trailers, b->trailers_len + take);
    if (!grown)
        return H1_BODY_LIMIT;
    memcpy(grown + b->trailers_len, *p, take);
    b->trailers = grown;
    size_t before = b->trailers_len;
    b->trailers_len += take;
    switch (h1_scan(&b->scan, b->trailers, b->trailers_len, &stop)) {
    case H1_MORE: *p += take; return H1_BODY_MORE;
    case H1_DONE: break;
    case H1_LIMIT: return H1_BODY_LIMIT;
    default: return H1_BODY_BAD;
    }
    *p += stop - before;
    b->trailers_len = stop;
    b->state = END;
    if (stop == 2) /* the empty line came in two pieces */
        h1_body_free(b);
    return H1_BODY_DONE;
}

static enum h1_body_result content(
    struct h1_body *b, const uint8_t **p, const uint8_t *end, const uint8_t **data, size_t *len)
{
    size_t n = (size_t)(end - *p);
    *data = *p;
    *len = n < b->left ? n : (size_t)b->left;
    *p += *len;
    if (b->kind != H1_BODY_UNTIL_CLOSE)
        b->left -= *len;
    if (b->left == 0)
        b->state = b->kind == H1_BODY_CHUNKED ? DATA_CR : END;
    return H1_BODY_DATA;
}

enum h1_body_result h1_body_next(
    struct h1_body *b, const uint8_t **p, const uint8_t *end, const uint8_t **data, size_t *len)
{
    while (b->state != END && *p < end) {
        enum h1_body_result r = H1_BODY_MORE;
        switch (b->state) {
        case DATA: return content(b, p, end, data, len);
        case DATA_CR:
            if (*(*p)++ != '\r')
                return H1_BODY_BAD;
            b->state = DATA_LF;
            break;
        case DATA_LF:
            if (*(*p)++ != '\n')
                return H1_BODY_BAD;
            b->state = SIZE;
            b->digits = 0;
            break;
        case TRAILERS: r = trailers(b, p, end); break;
        default: r = size_line(b, *(*p)++); break;
        }
        if (r != H1_BODY_MORE)
            return r;
    }
    return b->state == END ? H1_BODY_DONE : H1_BODY_MORE;
}
