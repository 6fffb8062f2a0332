#include "appliance/quic.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "lib/base.h"

#define SECRET_LEN 32 /* SHA-256 */
#define KEY_LEN 16
#define IV_LEN 12
#define TAG_LEN 16
#define SAMPLE_LEN 16
#define CID_MAX 20 /* RFC 9000 17.2 */
#define PLAIN_MAX 2048 /* one datagram */
#define PACKETS_MAX 4 /* coalesced in one datagram; clients send one or two */

enum frame_type {
    FRAME_PADDING = 0x00,
    FRAME_PING = 0x01,
    FRAME_ACK = 0x02,
    FRAME_ACK_ECN = 0x03,
    FRAME_CRYPTO = 0x06,
};

/* What differs between the versions: RFC 9001 5.2, RFC 9369 3.2 and 3.3. */
struct version {
    uint32_t number;
    uint8_t initial_type; /* of the long header */
    uint8_t salt[20];
    const char *key, *iv, *hp; /* labels */
};

static const struct version versions[] = {
    {0x00000001, 0,
        {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
            0xbb, 0x7f, 0x0a},
        "quic key", "quic iv", "quic hp"},
    {0x6b3343cf, 1,
        {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9,
            0xbd, 0x2e, 0xd9},
        "quicv2 key", "quicv2 iv", "quicv2 hp"},
};

/* ---- a cursor: after reading past the end every read gives 0 and `bad` stays set ---- */

struct cursor {
    const uint8_t *p, *end;
    bool bad;
};

static const uint8_t *take(struct cursor *c, size_t n)
{
    if (c->bad || (size_t)(c->end - c->p) < n) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *at = c->p;
    c->p += n;
    return at;
}

static uint32_t take_be(struct cursor *c, size_t n)
{
    const uint8_t *p = take(c, n);
    uint32_t v = 0;
    for (size_t i = 0; p && i < n; i++)
        v = v << 8 | p[i];
    return v;
}

/* RFC 9000 16 */
static uint64_t take_varint(struct cursor *c)
{
    const uint8_t *p = take(c, 1);
    if (!p)
        return 0;
    uint64_t v = p[0] & 0x3f;
    const size_t more = ((size_t)1 << (p[0] >> 6)) - 1;
    p = take(c, more);
    for (size_t i = 0; p && i < more; i++)
        v = v << 8 | p[i];
    return p || !more ? v : 0;
}

/* ---- keys ---- */

static bool hmac(
    const uint8_t *key, size_t key_len, const uint8_t *data, size_t len, uint8_t out[static SECRET_LEN])
{
    unsigned n = 0;
    return HMAC(EVP_sha256(), key, (int)key_len, data, len, out, &n) != NULL && n == SECRET_LEN;
}

/* HKDF-Expand-Label (RFC 8446 7.1) with an empty context, for at most one hash's length. */
static bool expand_label(const uint8_t secret[static SECRET_LEN], const char *label, uint8_t *out, size_t len)
{
    uint8_t info[64], full[SECRET_LEN];
    const size_t n = strlen(label);
    size_t k = 0;
    info[k++] = 0;
    info[k++] = (uint8_t)len;
    info[k++] = (uint8_t)(6 + n);
    memcpy(info + k, "tls13 ", 6);
    k += 6;
    memcpy(info + k, label, n);
    k += n;
    info[k++] = 0; /* no context */
    info[k++] = 1; /* the first block of HKDF-Expand */
    if (len > sizeof full || !hmac(secret, SECRET_LEN, info, k, full))
        return false;
    memcpy(out, full, len);
    return true;
}

struct keys {
    uint8_t key[KEY_LEN], iv[IV_LEN], hp[KEY_LEN];
};

static bool derive_keys(const struct version *v, const uint8_t *dcid, size_t len, struct keys *k)
{
    uint8_t initial[SECRET_LEN], client[SECRET_LEN];
    return hmac(v->salt, sizeof v->salt, dcid, len, initial) &&
           expand_label(initial, "client in", client, sizeof client) &&
           expand_label(client, v->key, k->key, sizeof k->key) &&
           expand_label(client, v->iv, k->iv, sizeof k->iv) &&
           expand_label(client, v->hp, k->hp, sizeof k->hp);
}

static bool header_mask(
    const struct keys *k, const uint8_t sample[static SAMPLE_LEN], uint8_t out[static SAMPLE_LEN])
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    const bool ok = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_128_ecb(), NULL, k->hp, NULL) == 1 &&
                    EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
                    EVP_EncryptUpdate(ctx, out, &n, sample, SAMPLE_LEN) == 1 && n == SAMPLE_LEN;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

struct sealed {
    const uint8_t *header; /* unmasked */
    size_t header_len;
    const uint8_t *text; /* ciphertext and tag */
    size_t text_len;
};

static bool unseal(
    const struct keys *k, const uint8_t nonce[static IV_LEN], const struct sealed *s, uint8_t *plain)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const size_t n = s->text_len - TAG_LEN;
    uint8_t tag[TAG_LEN], last[KEY_LEN];
    memcpy(tag, s->text + n, TAG_LEN);
    int got = 0;
    const bool ok = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, k->key, nonce) == 1 &&
                    EVP_DecryptUpdate(ctx, NULL, &got, s->header, (int)s->header_len) == 1 &&
                    EVP_DecryptUpdate(ctx, plain, &got, s->text, (int)n) == 1 && got == (int)n &&
                    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) == 1 &&
                    EVP_DecryptFinal_ex(ctx, last, &got) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

/* ---- one packet ---- */

static const struct version *version_of(const uint8_t *p, size_t len)
{
    if (len < 7 || (p[0] & 0xc0) != 0xc0) /* long header, fixed bit */
        return NULL;
    const uint32_t number = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    for (size_t i = 0; i < ARRAY_LEN(versions); i++)
        if (versions[i].number == number)
            return &versions[i];
    return NULL;
}

static bool is_initial(const struct version *v, const uint8_t *p)
{
    return ((p[0] >> 4) & 3) == v->initial_type;
}

bool quic_is_initial(const uint8_t *datagram, size_t len)
{
    const struct version *v = version_of(datagram, len);
    return v && is_initial(v, datagram);
}

/* Decrypts the Initial at `p`, whose packet number is at `pn` and which ends at `end`. Length of `plain`, 0:
 * failed. */
static size_t open_initial(const struct keys *k, const uint8_t *p, const uint8_t *pn, const uint8_t *end,
    uint8_t plain[static PLAIN_MAX])
{
    uint8_t mask[SAMPLE_LEN], header[PLAIN_MAX], nonce[IV_LEN];
    const size_t pn_at = (size_t)(pn - p);
    if (end - pn < 4 + SAMPLE_LEN || pn_at + 4 > sizeof header || !header_mask(k, pn + 4, mask))
        return 0;
    memcpy(header, p, pn_at + 4);
    header[0] ^= mask[0] & 0x0f;
    const size_t pn_len = (header[0] & 3u) + 1;
    memcpy(nonce, k->iv, sizeof nonce);
    for (size_t i = 0; i < pn_len; i++) {
        header[pn_at + i] ^= mask[1 + i];
        nonce[IV_LEN - pn_len + i] ^= header[pn_at + i];
    }
    const struct sealed s = {header, pn_at + pn_len, pn + pn_len, (size_t)(end - pn) - pn_len};
    if (s.text_len <= TAG_LEN || s.text_len - TAG_LEN > PLAIN_MAX || !unseal(k, nonce, &s, plain))
        return 0;
    return s.text_len - TAG_LEN;
}

static void keep(struct quic_hello *h, uint64_t offset, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len && offset + i < QUIC_HELLO_MAX; i++) {
        const size_t at = (size_t)offset + i;
        h->data[at] = data[i];
        h->have[at / 8] |= (uint8_t)(1u << (at % 8));
    }
}

static void skip_ack(struct cursor *c, bool ecn)
{
    (void)take_varint(c); /* largest */
    (void)take_varint(c); /* delay */
    uint64_t ranges = take_varint(c);
    (void)take_varint(c); /* first range */
    while (!c->bad && ranges--) {
        (void)take_varint(c);
        (void)take_varint(c);
    }
    for (int i = 0; ecn && i < 3; i++)
        (void)take_varint(c);
}

/* RFC 9000 17.2.2 has the frames that an Initial may carry; anything else ends the reading. */
static void read_frames(struct quic_hello *h, const uint8_t *p, size_t len)
{
    struct cursor c = {p, p + len, false};
    while (!c.bad && c.p < c.end) {
        const uint64_t type = take_varint(&c);
        if (type == FRAME_CRYPTO) {
            const uint64_t offset = take_varint(&c), n = take_varint(&c);
            const uint8_t *data = n <= PLAIN_MAX ? take(&c, (size_t)n) : NULL;
            if (!data)
                return;
            keep(h, offset, data, (size_t)n);
        } else if (type == FRAME_ACK || type == FRAME_ACK_ECN) {
            skip_ack(&c, type == FRAME_ACK_ECN);
        } else if (type != FRAME_PADDING && type != FRAME_PING) {
            return;
        }
    }
}

/* ---- ClientHello (RFC 8446 4.1.2, RFC 6066 3) ---- */

static size_t contiguous(const struct quic_hello *h)
{
    size_t n = 0;
    while (n < QUIC_HELLO_MAX && (h->have[n / 8] >> (n % 8) & 1))
        n++;
    return n;
}

static enum quic_result server_name(struct cursor ext, char host[static HOSTNAME_MAX + 1])
{
    (void)take_be(&ext, 2); /* list; RFC 6066 has one name a type, and one type */
    const uint32_t type = take_be(&ext, 1), len = take_be(&ext, 2);
    const uint8_t *name = take(&ext, len);
    if (!name || type != 0 || ext.p != ext.end)
        return QUIC_NAMELESS;
    return host_canon((const char *)name, len, host, NULL) == HOST_NAME ? QUIC_NAME : QUIC_NAMELESS;
}

/* `bad` here means that the rest has not come yet. */
static enum quic_result find_name(const struct quic_hello *h, char host[static HOSTNAME_MAX + 1])
{
    struct cursor c = {h->data, h->data + contiguous(h), false};
    const uint32_t type = take_be(&c, 1);
    (void)take_be(&c, 3); /* length */
    (void)take(&c, 2 + 32); /* version, random */
    (void)take(&c, take_be(&c, 1)); /* session id */
    (void)take(&c, take_be(&c, 2)); /* cipher suites */
    (void)take(&c, take_be(&c, 1)); /* compression */
    const uint32_t extensions = take_be(&c, 2);
    if (c.bad)
        return QUIC_MORE;
    if (type != 1)
        return QUIC_NAMELESS;
    for (uint32_t used = 0; used < extensions;) {
        const uint32_t ext = take_be(&c, 2), len = take_be(&c, 2);
        const uint8_t *data = take(&c, len);
        if (c.bad)
            return c.end == h->data + QUIC_HELLO_MAX ? QUIC_NAMELESS : QUIC_MORE;
        if (ext == 0)
            return server_name((struct cursor){data, data + len, false}, host);
        used += 4 + len;
    }
    return QUIC_NAMELESS;
}

void quic_hello_init(struct quic_hello *h)
{
    memset(h->have, 0, sizeof h->have);
}

/* One packet of the datagram. False: the rest cannot be read either. */
static bool add_packet(struct quic_hello *h, struct cursor *c, bool *any)
{
    const uint8_t *p = c->p;
    const struct version *v = version_of(p, (size_t)(c->end - p));
    if (!v)
        return false;
    (void)take(c, 5);
    const uint32_t dcid_len = take_be(c, 1);
    const uint8_t *dcid = take(c, dcid_len);
    const uint32_t scid_len = take_be(c, 1);
    (void)take(c, scid_len);
    const bool initial = is_initial(v, p);
    if (initial)
        (void)take(c, (size_t)take_varint(c)); /* token */
    const uint64_t length = take_varint(c);
    const uint8_t *pn = c->p, *body = length <= PLAIN_MAX ? take(c, (size_t)length) : NULL;
    if (!body || !dcid || dcid_len > CID_MAX || scid_len > CID_MAX)
        return false;
    if (!initial)
        return true; /* 0-RTT, Handshake: same shape, other keys */
    struct keys k;
    uint8_t plain[PLAIN_MAX];
    const size_t n = derive_keys(v, dcid, dcid_len, &k) ? open_initial(&k, p, pn, pn + length, plain) : 0;
    if (n) {
        *any = true;
        read_frames(h, plain, n);
    }
    return true;
}

enum quic_result quic_hello_add(
    struct quic_hello *h, const uint8_t *datagram, size_t len, char host[static HOSTNAME_MAX + 1])
{
    struct cursor c = {datagram, datagram + len, false};
    bool any = false;
    for (int i = 0; i < PACKETS_MAX && c.p < c.end && !c.bad; i++)
        if (!add_packet(h, &c, &any))
            break;
    return any ? find_name(h, host) : QUIC_NO;
}
