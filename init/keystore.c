#include "init/keystore.h"

#include <stdlib.h>
#include <string.h>

#include "init/base.h"
#include "init/pem.h"
#include "init/say.h"
#include "init/sha1.h"
#include "init/text.h"

/* JKS */

enum { JKS_HEAD = 12, JKS_VERSION = 2, JKS_TRUSTED = 2 };
static const uint32_t jks_magic = 0xfeedfeed;

static void put32(uint8_t *p, uint32_t n)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(n >> (24 - 8 * i));
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Every JDK, distribution and keytool use the same password for the store that all programs read. */
static void jks_digest(const uint8_t *data, size_t len, uint8_t out[static SHA1_LEN])
{
    static const char password[] = "\0c\0h\0a\0n\0g\0e\0i\0t", salt[] = "Mighty Aphrodite";
    struct sha1 s;
    sha1_init(&s);
    sha1_add(&s, password, sizeof password - 1);
    sha1_add(&s, salt, sizeof salt - 1);
    sha1_add(&s, data, len);
    sha1_end(&s, out);
}

/* Tag, alias, date, "X.509", certificate. */
static struct blob jks_entry(const struct blob *der, const char *alias, uint64_t millis)
{
    size_t alias_len = MIN(strlen(alias), KEYSTORE_ALIAS_MAX);
    uint8_t head[4 + 2 + KEYSTORE_ALIAS_MAX + 8 + 7 + 4];
    size_t n = 0;
    put32(head, JKS_TRUSTED);
    n += 4;
    head[n++] = 0;
    head[n++] = (uint8_t)alias_len;
    memcpy(head + n, alias, alias_len);
    n += alias_len;
    put32(head + n, (uint32_t)(millis >> 32));
    put32(head + n + 4, (uint32_t)millis);
    n += 8;
    memcpy(head + n, "\0\5X.509", 7);
    n += 7;
    put32(head + n, (uint32_t)der->len);
    n += 4;
    return blob_concat(head, n, der->data, der->len);
}

/* head (a store without its digest), tail, and the digest over both, with the number of entries set. One
 * allocation: touching memory for the first time is what takes the time here. */
static struct blob jks_sealed(const uint8_t *head, size_t head_len, const struct blob *tail, uint32_t count)
{
    struct blob b = {.len = head_len + tail->len + SHA1_LEN};
    b.data = malloc(b.len);
    if (b.data == NULL)
        fatal("out of memory");
    memcpy(b.data, head, head_len);
    if (tail->len > 0)
        memcpy(b.data + head_len, tail->data, tail->len);
    put32(b.data + 8, count);
    jks_digest(b.data, b.len - SHA1_LEN, b.data + b.len - SHA1_LEN);
    return b;
}

static bool jks_append(const struct blob *store, const struct blob *entry, struct blob *out)
{
    uint8_t digest[SHA1_LEN];
    if (store->len < JKS_HEAD + SHA1_LEN || get32(store->data + 4) != JKS_VERSION)
        return false;
    size_t len = store->len - SHA1_LEN;
    jks_digest(store->data, len, digest);
    if (memcmp(digest, store->data + len, SHA1_LEN) != 0)
        return false;
    *out = jks_sealed(store->data, len, entry, get32(store->data + 8) + 1);
    return true;
}

struct blob keystore_from_pem(const char *pem, uint64_t millis)
{
    uint8_t head[JKS_HEAD];
    uint32_t count = 0;
    put32(head, jks_magic);
    put32(head + 4, JKS_VERSION);
    put32(head + 8, 0);
    struct blob body = {0}, der;
    while (pem_next_certificate(&pem, &der)) {
        TEXT(alias, KEYSTORE_ALIAS_MAX + 1);
        text_fmt(&alias, "root-%u", count++);
        struct blob entry = jks_entry(&der, alias.data, millis);
        struct blob longer = blob_concat(body.data, body.len, entry.data, entry.len);
        free(body.data);
        free(entry.data);
        free(der.data);
        body = longer;
    }
    struct blob store = jks_sealed(head, sizeof head, &body, count);
    free(body.data);
    return store;
}

/* PKCS #12 */

enum { DER_SEQUENCE = 0x30, DER_SET = 0x31, DER_OCTETS = 0x04, DER_CONTEXT_0 = 0xa0, P12_DEPTH = 8 };

/* A value inside its parent: where its tag is, and where its contents begin and end. */
struct der {
    size_t at, from, to;
};

/* The element at `at`, which has to have `tag` and end at or before `limit`. */
static bool der_open(const struct blob *b, size_t at, size_t limit, uint8_t tag, struct der *out)
{
    if (limit - at < 2 || b->data[at] != tag)
        return false;
    size_t len = b->data[at + 1], from = at + 2;
    if (len >= 0x80) {
        size_t n = len & 0x7f;
        if (n == 0 || n > 4 || limit - from < n)
            return false;
        for (len = 0; n > 0; n--)
            len = len << 8 | b->data[from++];
    }
    if (len > limit - from)
        return false;
    *out = (struct der){.at = at, .from = from, .to = from + len};
    return true;
}

/* Tag and length of an element. Returns how many octets of `out` they take. */
static size_t der_head(uint8_t tag, size_t len, uint8_t out[static 6])
{
    size_t n = 0;
    out[n++] = tag;
    if (len < 0x80) {
        out[n++] = (uint8_t)len;
        return n;
    }
    unsigned octets = len > 0xffffff ? 4 : len > 0xffff ? 3 : len > 0xff ? 2 : 1;
    out[n++] = (uint8_t)(0x80 | octets);
    for (unsigned i = octets; i > 0; i--)
        out[n++] = (uint8_t)(len >> (8 * (i - 1)));
    return n;
}

static struct blob der_wrap(uint8_t tag, struct blob inner)
{
    uint8_t head[6];
    struct blob b = blob_concat(head, der_head(tag, inner.len, head), inner.data, inner.len);
    free(inner.data);
    return b;
}

static struct blob joined(struct blob a, struct blob b)
{
    struct blob c = blob_concat(a.data, a.len, b.data, b.len);
    free(a.data);
    free(b.data);
    return c;
}

static struct blob literal(const char *octets, size_t len)
{
    return blob_concat(octets, len, NULL, 0);
}
#define LITERAL(s) literal(s, sizeof(s) - 1)

static const char oid_data[] = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";

/* certBag { x509Certificate } with a name, and Java's mark that it is trusted for everything. */
static struct blob p12_bag(const struct blob *der, const char *alias)
{
    char name[2 * KEYSTORE_ALIAS_MAX]; /* BMPString */
    size_t name_len = 0;
    for (; *alias != '\0' && name_len < sizeof name; alias++) {
        name[name_len++] = '\0';
        name[name_len++] = *alias;
    }
    struct blob cert = der_wrap(DER_OCTETS, blob_concat(der->data, der->len, NULL, 0));
    struct blob cert_bag = der_wrap(DER_SEQUENCE,
        joined(LITERAL("\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x09\x16\x01"), der_wrap(DER_CONTEXT_0, cert)));
    struct blob friendly =
        der_wrap(DER_SEQUENCE, joined(LITERAL("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x14"),
                                   der_wrap(DER_SET, der_wrap(0x1e, literal(name, name_len)))));
    struct blob trusted =
        der_wrap(DER_SEQUENCE, joined(LITERAL("\x06\x0c\x60\x86\x48\x01\x86\xf9\x66\xad\xca\x7b\x01\x01"),
                                   der_wrap(DER_SET, LITERAL("\x06\x04\x55\x1d\x25\x00"))));
    return der_wrap(DER_SEQUENCE,
        joined(LITERAL("\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x03"),
            joined(der_wrap(DER_CONTEXT_0, cert_bag), der_wrap(DER_SET, joined(friendly, trusted)))));
}

/* The elements from the PFX to its SafeContents, each the last of the one before, so that nothing (no MAC, no
 * second safe) follows what we append. */
static bool p12_open(const struct blob *b, struct der path[static P12_DEPTH + 1])
{
    static const uint8_t tags[] = {DER_SEQUENCE, DER_SEQUENCE, DER_CONTEXT_0, DER_OCTETS, DER_SEQUENCE,
        DER_SEQUENCE, DER_CONTEXT_0, DER_OCTETS, DER_SEQUENCE};
    size_t at = 0, limit = b->len;
    for (unsigned i = 0; i < ARRAY_LEN(tags); i++) {
        if (!der_open(b, at, limit, tags[i], &path[i]) || path[i].to != limit)
            return false;
        at = path[i].from;
        limit = path[i].to;
        if (i == 0) { /* version 3 */
            if (limit - at < 3 || memcmp(b->data + at, "\x02\x01\x03", 3) != 0)
                return false;
            at += 3;
        } else if (i == 1 || i == 5) { /* contents that are plain data */
            if (limit - at < sizeof oid_data - 1 || memcmp(b->data + at, oid_data, sizeof oid_data - 1) != 0)
                return false;
            at += sizeof oid_data - 1;
        }
    }
    return true;
}

static bool p12_append(const struct blob *store, const struct blob *der, const char *alias, struct blob *out)
{
    struct der path[P12_DEPTH + 1];
    if (!p12_open(store, path))
        return false;
    const struct der *safe = &path[P12_DEPTH];
    struct blob inner =
        joined(literal((const char *)store->data + safe->from, safe->to - safe->from), p12_bag(der, alias));
    for (unsigned i = P12_DEPTH + 1; i-- > 0;) {
        inner = der_wrap(store->data[path[i].at], inner);
        if (i > 0) /* what stands before it in its parent: a version, an identifier, or nothing */
            inner = joined(
                literal((const char *)store->data + path[i - 1].from, path[i].at - path[i - 1].from), inner);
    }
    *out = inner;
    return true;
}

bool keystore_append(
    const struct blob *store, const struct blob *der, const char *alias, uint64_t millis, struct blob *out)
{
    if (store->len < 4)
        return false;
    if (get32(store->data) != jks_magic)
        return p12_append(store, der, alias, out);
    struct blob entry = jks_entry(der, alias, millis);
    bool done = jks_append(store, &entry, out);
    free(entry.data);
    return done;
}
