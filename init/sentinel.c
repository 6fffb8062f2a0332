#include "init/sentinel.h"

#include <string.h>

enum { HEADER = 12, QUESTION_TAIL = 4, TYPE_A = 1, CLASS_IN = 1, FLAG_QR = 0x80, RCODE_MASK = 0x0f };

static const char labels[] = "\x08sentinel\x07"
                             "egressd\x08internal"; /* the root label is the terminating NUL */
_Static_assert(
    HEADER + sizeof labels + QUESTION_TAIL == SENTINEL_QUERY_LEN, "the query is header and question");

void sentinel_query(uint16_t id, uint8_t out[static SENTINEL_QUERY_LEN])
{
    static const uint8_t counts[] = {0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0}; /* RD; one question */
    static const uint8_t tail[QUESTION_TAIL] = {0, TYPE_A, 0, CLASS_IN};
    out[0] = (uint8_t)(id >> 8);
    out[1] = (uint8_t)id;
    memcpy(out + 2, counts, sizeof counts);
    memcpy(out + HEADER, labels, sizeof labels);
    memcpy(out + HEADER + sizeof labels, tail, sizeof tail);
}

/* The first octet after a name, or 0 where the message ends before. */
static size_t skip_name(const uint8_t *msg, size_t len, size_t at)
{
    while (at < len && msg[at] != 0) {
        if (msg[at] >= 0xc0) /* a pointer ends it (RFC 1035 4.1.4) */
            return at + 2 <= len ? at + 2 : 0;
        if (msg[at] >= 0x40)
            return 0;
        at += 1u + msg[at];
    }
    return at < len ? at + 1 : 0;
}

static unsigned word(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

enum sentinel_answer sentinel_judge(const uint8_t *msg, size_t len, uint16_t id, uint32_t address)
{
    if (len < HEADER || word(msg) != id || (msg[2] & FLAG_QR) == 0)
        return SENTINEL_NONE;
    if ((msg[3] & RCODE_MASK) != 0 || word(msg + 4) != 1)
        return SENTINEL_STRANGER;
    size_t at = skip_name(msg, len, HEADER);
    if (at == 0 || len - at < QUESTION_TAIL)
        return SENTINEL_STRANGER;
    at += QUESTION_TAIL;
    for (unsigned n = word(msg + 6); n > 0; n--) {
        at = skip_name(msg, len, at);
        if (at == 0 || len - at < 10) /* type, class, TTL, length */
            break;
        unsigned type = word(msg + at), class = word(msg + at + 2), data_len = word(msg + at + 8);
        at += 10;
        if (len - at < data_len)
            break;
        if (type == TYPE_A && class == CLASS_IN && data_len == 4 && memcmp(msg + at, &address, 4) == 0)
            return SENTINEL_SIDECAR;
        at += data_len;
    }
    return SENTINEL_STRANGER;
}
