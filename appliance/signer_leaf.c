/* A leaf differs from the next in five places: serial, validity, key, key identifier and name. Writing its
 * DER (X.690) by hand around these takes about a microsecond; the rest of the time is the signature's. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "appliance/signer.h"
#include "lib/base.h"

#define HOUR (60L * 60)
#define LEAF_BEFORE HOUR
#define LEAF_LIFE (90L * 24 * HOUR) /* clients refuse more than 398 days */
#define KEY_ID_LEN 20
#define SERIAL_RANDOM 16
#define SIGNATURE_MAX 72 /* DER of two 256-bit integers */
#define POINT_LEN 65

/** SubjectPublicKeyInfo of an uncompressed P-256 point (RFC 5480 2), up to the point. */
static const uint8_t spki_head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
    0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
#define SPKI_LEN (sizeof spki_head + POINT_LEN)
static_assert(SPKI_LEN <= IPC_SPKI_MAX, "a message holds a key");

/** ecdsa-with-SHA256 (RFC 5758 3.2): no parameters. */
static const uint8_t algorithm[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
/** [0] INTEGER 2: version 3. */
static const uint8_t version[] = {0xa0, 0x03, 0x02, 0x01, 0x02};
/** keyUsage critical digitalSignature; basicConstraints critical, not a CA; extKeyUsage serverAuth. */
static const uint8_t usages[] = {0x30, 0x0e, 0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04, 0x03,
    0x02, 0x07, 0x80, 0x30, 0x0c, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x02, 0x30, 0x00,
    0x30, 0x13, 0x06, 0x03, 0x55, 0x1d, 0x25, 0x04, 0x0c, 0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05,
    0x05, 0x07, 0x03, 0x01};
/** subjectKeyIdentifier and authorityKeyIdentifier, up to the 20 octets. */
static const uint8_t ski_head[] = {0x30, 0x1d, 0x06, 0x03, 0x55, 0x1d, 0x0e, 0x04, 0x16, 0x04, 0x14};
static const uint8_t aki_head[] = {
    0x30, 0x1f, 0x06, 0x03, 0x55, 0x1d, 0x23, 0x04, 0x18, 0x30, 0x16, 0x80, 0x14};
/** subjectAltName: OID and critical, as an empty subject asks for (RFC 5280 4.2.1.6). */
static const uint8_t san_head[] = {0x06, 0x03, 0x55, 0x1d, 0x11, 0x01, 0x01, 0xff};

enum {
    TAG_INTEGER = 0x02,
    TAG_BITS = 0x03,
    TAG_OCTETS = 0x04,
    TAG_UTC = 0x17,
    TAG_TIME = 0x18,
    TAG_SEQUENCE = 0x30,
    TAG_EXTENSIONS = 0xa3,
    TAG_DNS = 0x82,
    TAG_ADDRESS = 0x87
};

struct minter {
    const struct ca *ca;
    uint8_t *issuer; /* DER of the CA's subject */
    size_t issuer_len;
    uint8_t key_id[KEY_ID_LEN]; /* of the CA */
    time_t not_before, not_after; /* of the CA */
    EVP_MD *sha256;
    EVP_MD_CTX *md;
    EVP_PKEY_CTX *sign;
};

/* ---- DER, written from the end to the beginning: a length is known when its contents are ---- */

struct der {
    uint8_t *buf;
    size_t at; /* first octet that is written */
    bool full;
};

static void put(struct der *d, const void *octets, size_t n)
{
    if (d->full || n > d->at) {
        d->full = true;
        return;
    }
    d->at -= n;
    memcpy(d->buf + d->at, octets, n);
}

static void put_octet(struct der *d, unsigned octet)
{
    uint8_t o = (uint8_t)octet;
    put(d, &o, 1);
}

/** Tag and length for what lies between here and `end`. */
static void put_head(struct der *d, unsigned tag, size_t end)
{
    size_t n = end - d->at;
    put_octet(d, (unsigned)(n & 0xff));
    if (n > 0xff)
        put_octet(d, (unsigned)(n >> 8));
    if (n > 0x7f)
        put_octet(d, n > 0xff ? 0x82 : 0x81);
    put_octet(d, tag);
}

static void put_value(struct der *d, unsigned tag, const void *octets, size_t n)
{
    size_t end = d->at;
    put(d, octets, n);
    put_head(d, tag, end);
}

/** UTCTime until 2049, then GeneralizedTime (RFC 5280 4.1.2.5). */
static void put_time(struct der *d, time_t t)
{
    struct tm tm;
    char text[24];
    bool utc = gmtime_r(&t, &tm) && tm.tm_year < 150;
    size_t n = strftime(text, sizeof text, utc ? "%y%m%d%H%M%SZ" : "%Y%m%d%H%M%SZ", &tm);
    put_value(d, utc ? TAG_UTC : TAG_TIME, text, n);
}

/* ---- the certificate ---- */

struct subject {
    char name[HOSTNAME_MAX + 1]; /* "" where it is an address */
    struct addr ip;
    const uint8_t *spki;
    uint8_t key_id[KEY_ID_LEN];
};

static void put_san(struct der *d, const struct subject *s)
{
    size_t end = d->at, v4 = addr_is_v4(&s->ip) ? 12 : 0;
    if (s->name[0])
        put_value(d, TAG_DNS, s->name, strlen(s->name));
    else
        put_value(d, TAG_ADDRESS, s->ip.b + v4, sizeof s->ip.b - v4);
    put_head(d, TAG_SEQUENCE, end);
    put_head(d, TAG_OCTETS, end);
    put(d, san_head, sizeof san_head);
    put_head(d, TAG_SEQUENCE, end);
}

static void put_extensions(struct der *d, const struct minter *m, const struct subject *s)
{
    size_t end = d->at;
    put_san(d, s);
    put(d, usages, sizeof usages);
    put(d, s->key_id, KEY_ID_LEN);
    put(d, ski_head, sizeof ski_head);
    put(d, m->key_id, KEY_ID_LEN);
    put(d, aki_head, sizeof aki_head);
    put_head(d, TAG_SEQUENCE, end);
    put_head(d, TAG_EXTENSIONS, end);
}

static void put_tbs(
    struct der *d, const struct minter *m, const struct subject *s, const uint8_t *serial, time_t now)
{
    size_t end = d->at;
    put_extensions(d, m, s);
    put(d, s->spki, SPKI_LEN);
    put_head(d, TAG_SEQUENCE, d->at); /* no subject: the name is in the extension only */
    size_t validity = d->at;
    put_time(d, MIN(now + LEAF_LIFE, m->not_after));
    put_time(d, MAX(now - LEAF_BEFORE, m->not_before));
    put_head(d, TAG_SEQUENCE, validity);
    put(d, m->issuer, m->issuer_len);
    put(d, algorithm, sizeof algorithm);
    put_value(d, TAG_INTEGER, serial, 1 + SERIAL_RANDOM);
    put(d, version, sizeof version);
    put_head(d, TAG_SEQUENCE, end);
}

/** Asks the same question as the engine did, so that a taken-over engine gets no other name signed. */
static bool is_host(const char *host, struct subject *s)
{
    char text[ADDR_STRLEN];
    if (addr_parse(host, &s->ip))
        return strcmp(addr_format(&s->ip, text), host) == 0;
    return host_canon(host, strlen(host), s->name, NULL) == HOST_NAME && strcmp(s->name, host) == 0;
}

static bool digest(
    const struct minter *m, const uint8_t *data, size_t len, uint8_t out[static EVP_MAX_MD_SIZE])
{
    return EVP_DigestInit_ex2(m->md, m->sha256, NULL) == 1 && EVP_DigestUpdate(m->md, data, len) == 1 &&
           EVP_DigestFinal_ex(m->md, out, NULL) == 1;
}

size_t minter_leaf(struct minter *m, const char *host, const uint8_t *spki, size_t spki_len, time_t now,
    uint8_t out[static IPC_LEAF_MAX])
{
    uint8_t serial[1 + SERIAL_RANDOM], hash[EVP_MAX_MD_SIZE], signature[SIGNATURE_MAX + 8];
    uint8_t tbs[IPC_LEAF_MAX];
    struct subject s = {.spki = spki};
    size_t signature_len = sizeof signature;
    if (now < m->not_before || now >= m->not_after || !is_host(host, &s))
        return 0;
    if (spki_len != SPKI_LEN || memcmp(spki, spki_head, sizeof spki_head) != 0 ||
        spki[sizeof spki_head] != 0x04)
        return 0;
    /* RFC 7093 2, method 1: the left 160 bits of SHA-256 over the point. */
    if (RAND_bytes(serial + 1, SERIAL_RANDOM) != 1 || !digest(m, spki + sizeof spki_head, POINT_LEN, hash))
        return 0;
    serial[0] = 1; /* positive and shortest whatever follows: all 128 bits are random */
    memcpy(s.key_id, hash, KEY_ID_LEN);

    struct der d = {.buf = tbs, .at = sizeof tbs};
    put_tbs(&d, m, &s, serial, now);
    if (d.full || !digest(m, tbs + d.at, sizeof tbs - d.at, hash) ||
        EVP_PKEY_sign(m->sign, signature, &signature_len, hash, 32) != 1)
        return 0;

    struct der c = {.buf = out, .at = IPC_LEAF_MAX};
    put(&c, signature, signature_len);
    put_octet(&c, 0); /* unused bits */
    put_head(&c, TAG_BITS, IPC_LEAF_MAX);
    put(&c, algorithm, sizeof algorithm);
    put(&c, tbs + d.at, sizeof tbs - d.at);
    put_head(&c, TAG_SEQUENCE, IPC_LEAF_MAX);
    if (c.full)
        return 0;
    memmove(out, out + c.at, IPC_LEAF_MAX - c.at);
    return IPC_LEAF_MAX - c.at;
}

static bool to_time(const ASN1_TIME *t, time_t *out)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return false;
    *out = timegm(&tm);
    return true;
}

struct minter *minter_new(const struct ca *ca)
{
    struct minter *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->ca = ca;
    const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(ca->cert);
    int n = i2d_X509_NAME(X509_get_subject_name(ca->cert), &m->issuer);
    m->issuer_len = (size_t)MAX(n, 0);
    m->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    m->md = EVP_MD_CTX_new();
    m->sign = EVP_PKEY_CTX_new(ca->key, NULL);
    if (n <= 0 || !id || ASN1_STRING_length(id) != KEY_ID_LEN || !m->sha256 || !m->md || !m->sign ||
        EVP_PKEY_sign_init(m->sign) != 1 || EVP_PKEY_CTX_set_signature_md(m->sign, EVP_sha256()) != 1 ||
        !to_time(X509_get0_notBefore(ca->cert), &m->not_before) ||
        !to_time(X509_get0_notAfter(ca->cert), &m->not_after)) {
        minter_free(m);
        return NULL;
    }
    memcpy(m->key_id, ASN1_STRING_get0_data(id), KEY_ID_LEN);
    return m;
}

void minter_free(struct minter *m)
{
    if (!m)
        return;
    OPENSSL_free(m->issuer);
    EVP_MD_free(m->sha256);
    EVP_MD_CTX_free(m->md);
    EVP_PKEY_CTX_free(m->sign);
    free(m);
}
