#include "appliance/flow/clienthello.h"

#include <string.h>

#include "lib/base.h"

#define RECORD_HEADER 5u
#define RECORD_HANDSHAKE 22
#define MESSAGE_HEADER 4u
#define MESSAGE_CLIENT_HELLO 1
#define PLAINTEXT_MAX 16384u /* RFC 8446 5.1 */
#define EXTENSIONS_MAX 64u /* browsers send under 20 */

enum extension {
    EXT_SERVER_NAME = 0,
    EXT_ALPN = 16,
    EXT_PRE_SHARED_KEY = 41,
    EXT_EARLY_DATA = 42,
    EXT_SUPPORTED_VERSIONS = 43,
    EXT_ECH_FIRST_DRAFT = 0xfe08, /* drafts 8 to 12 had a number each */
    EXT_ECH = 0xfe0d,
    EXT_ESNI = 0xffce,
};

/* A cursor with a sticky error: after one, everything reads as nothing, and `bad` is looked at once. */
struct cursor {
    const uint8_t *p;
    size_t n;
    bool bad;
};

static const uint8_t *take(struct cursor *c, size_t n)
{
    if (c->bad || n > c->n) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *p = c->p;
    c->p += n;
    c->n -= n;
    return p;
}

static unsigned u8(struct cursor *c)
{
    const uint8_t *p = take(c, 1);
    return p ? p[0] : 0;
}

static unsigned u16(struct cursor *c)
{
    const uint8_t *p = take(c, 2);
    return p ? (unsigned)p[0] << 8 | p[1] : 0;
}

/* A vector with a length of one or two octets, of `min` to `max` octets. */
static struct cursor vector(struct cursor *c, unsigned len_octets, size_t min, size_t max)
{
    size_t n = len_octets == 1 ? u8(c) : u16(c);
    if (n < min || n > max)
        c->bad = true;
    const uint8_t *p = take(c, n);
    return p ? (struct cursor){.p = p, .n = n} : (struct cursor){.bad = true};
}

/* RFC 6066 3: a list, of which only host names are defined, and one of each kind: so exactly one entry. */
static bool server_name(struct cursor ext, struct client_hello *out)
{
    struct cursor list = vector(&ext, 2, 1, UINT16_MAX);
    unsigned type = u8(&list);
    struct cursor name = vector(&list, 2, 1, UINT16_MAX);
    if (ext.n || ext.bad || list.n || list.bad || type != 0)
        return false;
    switch (host_canon((const char *)name.p, name.n, out->sni, NULL)) {
    case HOST_NAME: out->sni_kind = SNI_NAME; break;
    case HOST_IP: out->sni_kind = SNI_ADDRESS; break;
    case HOST_BAD:
        out->sni_kind = SNI_BAD;
        out->sni[0] = '\0';
        break;
    }
    return true;
}

static bool alpn(struct cursor ext, struct client_hello *out)
{
    struct cursor list = vector(&ext, 2, 2, UINT16_MAX);
    while (list.n && !list.bad) {
        struct cursor name = vector(&list, 1, 1, UINT8_MAX);
        if (name.bad)
            return false;
        out->alpn_h2 |= name.n == 2 && memcmp(name.p, "h2", 2) == 0;
        out->alpn_http11 |= name.n == 8 && memcmp(name.p, "http/1.1", 8) == 0;
    }
    out->alpn = true;
    return !ext.n && !ext.bad && !list.bad;
}

static bool supported_versions(struct cursor ext, struct client_hello *out)
{
    struct cursor list = vector(&ext, 1, 2, 254);
    out->tls12 = false;
    while (list.n && !list.bad) {
        unsigned v = u16(&list);
        out->tls13 |= v == 0x0304;
        out->tls12 |= v == 0x0303;
    }
    return !ext.n && !ext.bad && !list.bad;
}

/* The inner form belongs inside the encrypted one, never on the wire (RFC 9849 5). */
static bool encrypted_hello(struct cursor ext, struct client_hello *out)
{
    out->ech = true;
    return ext.n > 0 && u8(&ext) == 0;
}

static bool extension(unsigned type, struct cursor ext, bool last, struct client_hello *out)
{
    switch (type) {
    case EXT_SERVER_NAME: return server_name(ext, out);
    case EXT_ALPN: return alpn(ext, out);
    case EXT_SUPPORTED_VERSIONS: return supported_versions(ext, out);
    case EXT_PRE_SHARED_KEY: return last; /* RFC 8446 4.2.11 */
    case EXT_EARLY_DATA: out->early_data = true; return ext.n == 0;
    case EXT_ECH: return encrypted_hello(ext, out);
    case EXT_ESNI: out->ech = true; return true;
    default: out->ech |= type >= EXT_ECH_FIRST_DRAFT && type < EXT_ECH; return true;
    }
}

static bool extensions(struct cursor all, struct client_hello *out)
{
    unsigned seen[EXTENSIONS_MAX];
    size_t n = 0;
    while (all.n) {
        unsigned type = u16(&all);
        struct cursor ext = vector(&all, 2, 0, UINT16_MAX);
        if (all.bad || n == EXTENSIONS_MAX)
            return false;
        for (size_t i = 0; i < n; i++) {
            if (seen[i] == type)
                return false;
        }
        seen[n++] = type;
        if (!extension(type, ext, all.n == 0, out))
            return false;
    }
    return true;
}

/* The message without its header. */
static bool hello(struct cursor c, struct client_hello *out)
{
    unsigned version = u16(&c);
    (void)take(&c, 32); /* random */
    (void)vector(&c, 1, 0, 32); /* session id */
    struct cursor ciphers = vector(&c, 2, 2, UINT16_MAX - 1);
    struct cursor compression = vector(&c, 1, 1, UINT8_MAX);
    if (c.bad || version >> 8 != 3 || ciphers.n % 2 || !compression.n ||
        !memchr(compression.p, 0, compression.n))
        return false;
    out->tls12 = version >= 0x0303;
    if (c.n == 0)
        return true; /* before there were extensions */
    struct cursor all = vector(&c, 2, 0, UINT16_MAX);
    return !c.bad && c.n == 0 && extensions(all, out);
}

enum hello_result client_hello_message(const uint8_t *p, size_t n, struct client_hello *out, size_t *need)
{
    memset(out, 0, sizeof *out);
    *need = MESSAGE_HEADER;
    if (n >= 1 && p[0] != MESSAGE_CLIENT_HELLO)
        return HELLO_BAD;
    if (n < MESSAGE_HEADER)
        return HELLO_MORE;
    size_t len = (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    if (len > CLIENT_HELLO_MAX - MESSAGE_HEADER)
        return HELLO_BAD;
    *need = MESSAGE_HEADER + len;
    if (n < *need)
        return HELLO_MORE;
    /* More in the same flight is a second message, which nobody sends before the server has spoken. */
    if (n > *need || !hello((struct cursor){.p = p + MESSAGE_HEADER, .n = len}, out))
        return HELLO_BAD;
    return HELLO_OK;
}

/* The payload of the record at `p`, as far as it is there. */
static enum hello_result record(const uint8_t *p, size_t n, size_t *payload)
{
    static const uint8_t start[] = {RECORD_HANDSHAKE, 3};
    if (memcmp(p, start, MIN(n, sizeof start)) != 0 || (n > 2 && p[2] > 4))
        return HELLO_BAD;
    if (n < RECORD_HEADER)
        return HELLO_MORE;
    *payload = (size_t)p[3] << 8 | p[4];
    return *payload == 0 || *payload > PLAINTEXT_MAX ? HELLO_BAD : HELLO_OK;
}

/* Several records: their payloads are put together in a buffer of our own. */
static enum hello_result fragmented(const uint8_t *p, size_t n, struct client_hello *out, size_t *need)
{
    uint8_t message[CLIENT_HELLO_MAX];
    size_t len = 0, at = 0;
    for (;;) {
        size_t payload;
        enum hello_result r = record(p + at, n - at, &payload);
        *need = at + RECORD_HEADER;
        if (r != HELLO_OK)
            return r;
        size_t there = MIN(payload, n - at - RECORD_HEADER);
        memcpy(message + len, p + at + RECORD_HEADER, there); /* n is within CLIENT_HELLO_MAX */
        len += there;
        size_t whole;
        r = client_hello_message(message, len, out, &whole);
        if (r == HELLO_MORE && there == payload) {
            at += RECORD_HEADER + payload;
            *need = at + RECORD_HEADER + 1; /* at least */
            continue;
        }
        *need = at + RECORD_HEADER + payload;
        if (r == HELLO_OK && there < payload)
            return HELLO_BAD; /* the record goes on behind the message */
        return r;
    }
}

enum hello_result client_hello_parse(const uint8_t *p, size_t n, struct client_hello *out, size_t *need)
{
    bool full = n >= CLIENT_HELLO_MAX;
    memset(out, 0, sizeof *out);
    enum hello_result r = fragmented(p, MIN(n, (size_t)CLIENT_HELLO_MAX), out, need);
    if (r == HELLO_MORE && (full || *need > CLIENT_HELLO_MAX))
        return HELLO_BAD;
    return r;
}
