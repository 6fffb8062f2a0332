#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "init/keystore.h"
#include "init/pem.h"
#include "init/sha1.h"

static void digest(const char *text, unsigned times, char out[static 41])
{
    static const char hex[] = "0123456789abcdef";
    struct sha1 s;
    uint8_t d[SHA1_LEN];
    sha1_init(&s);
    while (times-- > 0)
        sha1_add(&s, text, strlen(text));
    sha1_end(&s, d);
    for (unsigned i = 0; i < SHA1_LEN; i++) {
        out[2 * i] = hex[d[i] >> 4];
        out[2 * i + 1] = hex[d[i] & 15];
    }
    out[40] = '\0';
}

Test(sha1, vectors_of_fips_180)
{
    char d[41];
    digest("abc", 1, d);
    cr_assert_str_eq(d, "a9993e364706816aba3e25717850c26c9cd0d89d");
    digest("", 1, d);
    cr_assert_str_eq(d, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, d);
    cr_assert_str_eq(d, "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    digest("aaaaaaaaaa", 100000, d);
    cr_assert_str_eq(d, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

Test(pem, finds_each_and_skips_the_damaged)
{
    const char *text =
        "junk\n-----BEGIN CERTIFICATE-----\nAQID\r\nBA==\n-----END CERTIFICATE-----\n"
        "-----BEGIN CERTIFICATE-----\nA!\n-----END CERTIFICATE-----\n"
        "-----BEGIN CERTIFICATE-----\n/+8=\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAQ";
    struct blob der;
    cr_assert(pem_next_certificate(&text, &der));
    cr_assert(der.len == 4 && memcmp(der.data, "\1\2\3\4", 4) == 0);
    free(der.data);
    cr_assert(pem_next_certificate(&text, &der));
    cr_assert(der.len == 2 && memcmp(der.data, "\xff\xef", 2) == 0);
    free(der.data);
    cr_assert_not(pem_next_certificate(&text, &der));
}

Test(pem, keeps_certificates_alone)
{
#define ONE "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----"
    struct blob b =
        pem_certificates("root:$6$secret\n" ONE ONE "\nkey\n-----BEGIN CERTIFICATE-----\n" ONE "\nend\n");
    cr_expect_str_eq((const char *)b.data, ONE "\n" ONE "\n");
    cr_expect_eq(b.len, strlen((const char *)b.data));
    free(b.data);
    b = pem_certificates("");
    cr_expect(b.len == 0 && b.data != NULL && b.data[0] == 0);
    free(b.data);
}

Test(keystore, jks_grows_by_one_and_is_sealed_again)
{
    static const char pem[] = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";
    struct blob store = keystore_from_pem(pem, 0), der = {(uint8_t *)"\4\5", 2}, more, again;
    cr_assert_eq(memcmp(store.data, "\xfe\xed\xfe\xed\0\0\0\2\0\0\0\1", 12), 0);
    cr_assert(keystore_append(&store, &der, "ours", 1, &more));
    cr_assert_eq(more.data[11], 2);
    cr_assert(keystore_append(&more, &der, "ours", 1, &again)); /* so its digest is right */
    more.data[20] ^= 1;
    struct blob none = {0};
    cr_assert_not(keystore_append(&more, &der, "ours", 1, &none));
    free(store.data);
    free(more.data);
    free(again.data);
}

/* PFX { 3, data { SEQUENCE { data { SafeContents } } } } with one empty bag. */
static const uint8_t pfx[] = {0x30, 0x30, 2, 1, 3, 0x30, 0x2b, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7,
    1, 0xa0, 0x1e, 4, 0x1c, 0x30, 0x1a, 0x30, 0x18, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1, 0xa0,
    0x0b, 4, 9, 0x30, 7, 0x30, 5, 6, 3, 1, 2, 3};

Test(keystore, pkcs12_keeps_what_was_there)
{
    uint8_t copy[sizeof pfx];
    memcpy(copy, pfx, sizeof pfx);
    struct blob store = {copy, sizeof copy}, der = {calloc(1, 300), 300}, out, twice;
    cr_assert(keystore_append(&store, &der, "ours", 1, &out));
    cr_assert_not_null(memmem(out.data, out.len, "\x30\5\6\3\1\2\3", 7));
    cr_assert(keystore_append(&out, &der, "ours", 1, &twice)); /* so every length is right */
    free(out.data);
    free(twice.data);
    for (size_t n = 0; n < sizeof copy; n++) { /* cut or with something behind it: not for us */
        struct blob cut = {copy, n};
        cr_expect_not(keystore_append(&cut, &der, "ours", 1, &out), "%zu", n);
    }
    copy[4] = 2;
    cr_assert_not(keystore_append(&store, &der, "ours", 1, &out));
    free(der.data);
}
