/** \file
 * The client's side of QUIC Initial protection, for tests: written apart from appliance/quic.c and checked
 * against the packets in the appendices of RFC 9001 and RFC 9369, so that a mistake made on both sides shows.
 */
#ifndef EGRESS_TESTS_QUIC_SEAL_H
#define EGRESS_TESTS_QUIC_SEAL_H

#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIC_V1 0x00000001u
#define QUIC_V2 0x6b3343cfu

static inline void seal_hkdf(int mode, const uint8_t *key, size_t key_len, const uint8_t *salt,
    size_t salt_len, const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    char digest[] = "SHA256";
    OSSL_PARAM p[6], *q = p;
    *q++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
    *q++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
    *q++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key, key_len);
    if (salt)
        *q++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt, salt_len);
    if (info)
        *q++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info, info_len);
    *q = OSSL_PARAM_construct_end();
    if (EVP_KDF_derive(ctx, out, out_len, p) != 1)
        abort();
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

static inline void seal_label(const uint8_t secret[32], const char *label, uint8_t *out, size_t len)
{
    uint8_t info[80];
    int n =
        snprintf((char *)info, sizeof info, "%c%c%ctls13 %s", 0, (int)len, (int)(6 + strlen(label)), label);
    info[n] = 0;
    seal_hkdf(EVP_KDF_HKDF_MODE_EXPAND_ONLY, secret, 32, NULL, 0, info, (size_t)n + 1, out, len);
}

/** Puts one Initial with the frames `plain` at `out` (room for it taken for granted). Returns its length. */
static inline size_t seal_initial(uint32_t version, const uint8_t *dcid, size_t dcid_len, uint32_t number,
    const uint8_t *plain, size_t len, uint8_t *out)
{
    static const uint8_t salt1[] = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6,
        0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
    static const uint8_t salt2[] = {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe,
        0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9};
    const int two = version == QUIC_V2;
    uint8_t initial[32], client[32], key[16], iv[12], hp[16], mask[16], sample[16];
    seal_hkdf(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, dcid, dcid_len, two ? salt2 : salt1, 20, NULL, 0, initial, 32);
    seal_label(initial, "client in", client, 32);
    seal_label(client, two ? "quicv2 key" : "quic key", key, 16);
    seal_label(client, two ? "quicv2 iv" : "quic iv", iv, 12);
    seal_label(client, two ? "quicv2 hp" : "quic hp", hp, 16);

    size_t n = 0;
    out[n++] = two ? 0xd3 : 0xc3; /* four octets of packet number */
    for (int s = 24; s >= 0; s -= 8)
        out[n++] = (uint8_t)(version >> s);
    out[n++] = (uint8_t)dcid_len;
    memcpy(out + n, dcid, dcid_len);
    n += dcid_len;
    out[n++] = 0; /* no source id */
    out[n++] = 0; /* no token */
    const size_t length = 4 + len + 16;
    out[n++] = (uint8_t)(0x40 | length >> 8);
    out[n++] = (uint8_t)length;
    const size_t pn = n;
    for (int s = 24; s >= 0; s -= 8)
        out[n++] = (uint8_t)(number >> s);
    for (int i = 0; i < 4; i++)
        iv[8 + i] ^= out[pn + (size_t)i];

    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int k = 0;
    EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, key, iv);
    EVP_EncryptUpdate(c, NULL, &k, out, (int)n);
    EVP_EncryptUpdate(c, out + n, &k, plain, (int)len);
    EVP_EncryptFinal_ex(c, out + n + len, &k);
    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, out + n + len);
    EVP_CIPHER_CTX_free(c);
    n += len + 16;

    memcpy(sample, out + pn + 4, 16);
    c = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), NULL, hp, NULL);
    EVP_EncryptUpdate(c, mask, &k, sample, 16);
    EVP_CIPHER_CTX_free(c);
    out[0] ^= mask[0] & 0x0f;
    for (size_t i = 0; i < 4; i++)
        out[pn + i] ^= mask[1 + i];
    return n;
}

/** A ClientHello with `filler` octets of another extension before the name, as post-quantum key shares are.
 * Length. */
static inline size_t seal_hello(const char *name, size_t filler, uint8_t *out)
{
    const size_t len = strlen(name);
    size_t n = 4;
    out[n++] = 3;
    out[n++] = 3;
    memset(out + n, 0x5a, 32);
    n += 32;
    static const uint8_t middle[] = {0, 0, 2, 0x13, 0x01, 1, 0};
    memcpy(out + n, middle, sizeof middle);
    n += sizeof middle;
    const size_t ext = n;
    n += 2;
    if (filler) {
        out[n++] = 0;
        out[n++] = 0x33;
        out[n++] = (uint8_t)(filler >> 8);
        out[n++] = (uint8_t)filler;
        memset(out + n, 0x77, filler);
        n += filler;
    }
    const uint8_t head[] = {0, 0, (uint8_t)((len + 5) >> 8), (uint8_t)(len + 5), (uint8_t)((len + 3) >> 8),
        (uint8_t)(len + 3), 0, (uint8_t)(len >> 8), (uint8_t)len};
    memcpy(out + n, head, sizeof head);
    n += sizeof head;
    memcpy(out + n, name, len);
    n += len;
    out[ext] = (uint8_t)((n - ext - 2) >> 8);
    out[ext + 1] = (uint8_t)(n - ext - 2);
    out[0] = 1;
    out[1] = 0;
    out[2] = (uint8_t)((n - 4) >> 8);
    out[3] = (uint8_t)(n - 4);
    return n;
}

/** A CRYPTO frame. Length. */
static inline size_t seal_crypto(size_t offset, const uint8_t *data, size_t len, uint8_t *out)
{
    const uint8_t head[] = {
        6, (uint8_t)(0x40 | offset >> 8), (uint8_t)offset, (uint8_t)(0x40 | len >> 8), (uint8_t)len};
    memcpy(out, head, sizeof head);
    memcpy(out + sizeof head, data, len);
    return sizeof head + len;
}

#endif
