#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "appliance/signer.h"
#include "lib/base.h"

#define DAY (24 * 60 * 60)

static char dir[64], ca_dir[80];
static struct ca ca;
static struct minter *minter;
static EVP_PKEY *key;
static uint8_t *spki;
static size_t spki_len;
static char err[400];

static void set_up(void)
{
    strcpy(dir, "/tmp/test_signer.XXXXXX");
    cr_assert(mkdtemp(dir));
    snprintf(ca_dir, sizeof ca_dir, "%s/ca", dir);
    cr_assert_eq(ca_open(ca_dir, &ca, err, sizeof err), 0, "%s", err);
    minter = minter_new(&ca);
    cr_assert(minter);
    key = EVP_EC_gen("P-256");
    spki_len = (size_t)i2d_PUBKEY(key, &spki);
}

static void tear_down(void)
{
    char cmd[100];
    minter_free(minter);
    ca_close(&ca);
    EVP_PKEY_free(key);
    OPENSSL_free(spki);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    cr_assert_eq(system(cmd), 0);
}

TestSuite(signer, .init = set_up, .fini = tear_down);

static X509 *mint_at(const char *host, time_t now)
{
    uint8_t der[IPC_LEAF_MAX];
    const uint8_t *p = der;
    size_t n = minter_leaf(minter, host, spki, spki_len, now, der);
    X509 *x = n ? d2i_X509(NULL, &p, (long)n) : NULL;
    cr_assert(n == 0 || (x && p == der + n), "%s: what was signed is not DER", host);
    return x;
}

static X509 *mint(const char *host)
{
    return mint_at(host, time(NULL));
}

/** A chain check as strict as OpenSSL does it, for a TLS server of this name. */
static int verify(X509 *leaf, const char *host, const char *ip)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE_add_cert(store, ca.cert);
    X509_STORE_CTX_init(ctx, store, leaf, NULL);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
    if (host)
        X509_VERIFY_PARAM_set1_host(param, host, 0);
    if (ip)
        X509_VERIFY_PARAM_set1_ip_asc(param, ip);
    int r = X509_verify_cert(ctx) == 1 ? 0 : X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return r;
}

Test(signer, the_ca_has_the_shape_clients_expect)
{
    struct stat st;
    char path[128];
    snprintf(path, sizeof path, "%s/ca.key", ca_dir);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    snprintf(path, sizeof path, "%s/ca.crt", ca_dir);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0644);
    cr_assert_eq(X509_get_version(ca.cert), X509_VERSION_3);
    cr_assert_eq(X509_get_pathlen(ca.cert), 0);
    cr_assert_eq(X509_get_key_usage(ca.cert), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    cr_assert_eq(X509_verify(ca.cert, ca.key), 1);
    for (int i = 0; i < X509_get_ext_count(ca.cert); i++) {
        X509_EXTENSION *e = X509_get_ext(ca.cert, i);
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(e));
        cr_assert_eq(X509_EXTENSION_get_critical(e), nid == NID_basic_constraints || nid == NID_key_usage);
    }
}

Test(signer, a_leaf_verifies_strictly_for_its_name_only)
{
    X509 *x = mint("a.example.org");
    cr_assert(x);
    int why = verify(x, "a.example.org", NULL);
    cr_assert_eq(why, X509_V_OK, "%s", X509_verify_cert_error_string(why));
    cr_assert_eq(verify(x, "b.example.org", NULL), X509_V_ERR_HOSTNAME_MISMATCH);
    cr_assert_eq(X509_NAME_entry_count(X509_get_subject_name(x)), 0);
    cr_assert_eq(X509_get_extended_key_usage(x), XKU_SSL_SERVER);
    cr_assert_eq(X509_get_key_usage(x), KU_DIGITAL_SIGNATURE);
    cr_assert_eq(X509_check_ca(x), 0);
    cr_assert_eq(X509_get_version(x), X509_VERSION_3);
    int critical = -1;
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, &critical, NULL);
    cr_assert_eq(sk_GENERAL_NAME_num(names), 1);
    cr_assert_eq(critical, 1);
    GENERAL_NAMES_free(names);
    EVP_PKEY *public = X509_get0_pubkey(x);
    cr_assert_eq(EVP_PKEY_eq(public, key), 1);
    X509_free(x);
}

Test(signer, addresses_are_addresses)
{
    X509 *x = mint("93.184.216.34");
    cr_assert(x);
    cr_assert_eq(verify(x, NULL, "93.184.216.34"), X509_V_OK);
    cr_assert_neq(verify(x, NULL, "93.184.216.35"), X509_V_OK);
    X509_free(x);
    x = mint("2001:db8::1");
    cr_assert(x);
    cr_assert_eq(verify(x, NULL, "2001:db8::1"), X509_V_OK);
    X509_free(x);
}

Test(signer, the_longest_name_fits)
{
    char name[HOSTNAME_MAX + 1];
    memset(name, 'a', sizeof name);
    for (size_t i = 63; i < HOSTNAME_MAX; i += 64)
        name[i] = '.';
    name[HOSTNAME_MAX] = '\0';
    X509 *x = mint(name);
    cr_assert(x);
    cr_assert_eq(verify(x, name, NULL), X509_V_OK);
    X509_free(x);
}

Test(signer, serials_are_random_and_of_128_bits)
{
    X509 *a = mint("a.example.org"), *b = mint("a.example.org");
    const ASN1_INTEGER *sa = X509_get0_serialNumber(a), *sb = X509_get0_serialNumber(b);
    cr_assert_neq(ASN1_INTEGER_cmp(sa, sb), 0);
    cr_assert_eq(ASN1_STRING_length(sa), 17);
    cr_assert_eq(sa->type, V_ASN1_INTEGER, "negative");
    X509_free(a);
    X509_free(b);
}

Test(signer, validity_lies_within_the_ca_s)
{
    time_t now = time(NULL), times[] = {now - DAY + 120, now, now + 3649L * DAY};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        int days, seconds;
        X509 *x = mint_at("a.example.org", times[i]);
        cr_assert(x, "%zu", i);
        cr_assert_geq(ASN1_TIME_compare(X509_get0_notBefore(x), X509_get0_notBefore(ca.cert)), 0);
        cr_assert_leq(ASN1_TIME_compare(X509_get0_notAfter(x), X509_get0_notAfter(ca.cert)), 0);
        cr_assert_leq(X509_cmp_time(X509_get0_notBefore(x), &times[i]), 0);
        cr_assert_geq(X509_cmp_time(X509_get0_notAfter(x), &times[i]), 0);
        ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(x), X509_get0_notAfter(x));
        cr_assert_lt(days, 397);
        X509_free(x);
    }
    cr_assert_null(mint_at("a.example.org", now - 2 * DAY));
    cr_assert_null(mint_at("a.example.org", now + 3651L * DAY));
}

Test(signer, dates_past_2049_change_their_form)
{
    X509 *far = X509_dup(ca.cert);
    X509_time_adj_ex(X509_getm_notAfter(far), 365 * 40, 0, NULL);
    struct ca other = {.key = ca.key, .cert = far};
    minter_free(minter);
    minter = minter_new(&other);
    X509 *x = mint_at("a.example.org", time(NULL) + 365L * 35 * DAY);
    cr_assert(x);
    cr_assert_eq(X509_get0_notAfter(x)->type, V_ASN1_GENERALIZEDTIME);
    cr_assert_eq(ASN1_TIME_check(X509_get0_notAfter(x)), 1);
    X509_free(x);
    minter_free(minter);
    minter = NULL;
    X509_free(far);
}

Test(signer, not_for_these_names)
{
    static const char *const bad[] = {"", "A.example.org", "a.example.org.", "*.example.org", "a..b",
        "a b.example.org", "-a.example.org", "a.example.org\n", "1.2.3", "0x7f.1", "01.2.3.4",
        "[2001:db8::1]", "2001:DB8::1", "\xc3\xa4.example.org"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        cr_assert_null(mint(bad[i]), "\"%s\" was signed", bad[i]);
}

Test(signer, not_for_other_keys)
{
    uint8_t out[IPC_LEAF_MAX], twisted[IPC_SPKI_MAX] = {0};
    time_t now = time(NULL);
    cr_assert_gt(minter_leaf(minter, "a.example.org", spki, spki_len, now, out), 0);
    for (size_t len = 0; len < spki_len; len++)
        cr_assert_eq(minter_leaf(minter, "a.example.org", spki, len, now, out), 0);
    memcpy(twisted, spki, spki_len);
    cr_assert_eq(minter_leaf(minter, "a.example.org", twisted, spki_len + 1, now, out), 0);
    for (size_t i = 0; i < 27; i++) {
        twisted[i] ^= 1;
        cr_assert_eq(minter_leaf(minter, "a.example.org", twisted, spki_len, now, out), 0, "octet %zu", i);
        twisted[i] ^= 1;
    }
    static const char *const curves[] = {"P-384", "secp256k1"};
    for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
        EVP_PKEY *k = EVP_EC_gen(curves[i]);
        uint8_t *der = NULL;
        int n = i2d_PUBKEY(k, &der);
        cr_assert_eq(minter_leaf(minter, "a.example.org", der, (size_t)n, now, out), 0, "%s", curves[i]);
        OPENSSL_free(der);
        EVP_PKEY_free(k);
    }
}

Test(signer, a_second_start_finds_the_same_ca)
{
    struct ca again;
    cr_assert_eq(ca_open(ca_dir, &again, err, sizeof err), 0, "%s", err);
    cr_assert_eq(X509_cmp(again.cert, ca.cert), 0);
    cr_assert_eq(EVP_PKEY_eq(again.key, ca.key), 1);
    ca_close(&again);
}

Test(signer, racing_starts_agree)
{
    char path[100], cmd[256];
    snprintf(path, sizeof path, "%s/race", dir);
    for (int i = 0; i < 8; i++) {
        if (fork() == 0) {
            struct ca c;
            char mine[128];
            int r = ca_open(path, &c, err, sizeof err);
            snprintf(mine, sizeof mine, "%s/race.%d", dir, i);
            FILE *f = r == 0 ? fopen(mine, "w") : NULL;
            _exit(f && PEM_write_X509(f, c.cert) && fclose(f) == 0 ? 0 : 1);
        }
    }
    for (int i = 0, status; i < 8; i++) {
        cr_assert_gt(wait(&status), 0);
        cr_assert_eq(status, 0);
    }
    snprintf(cmd, sizeof cmd,
        "cd %s && [ $(cat race.? race/ca.crt | grep -c BEGIN) = 9 ] && "
        "[ $(md5sum race.? race/ca.crt | cut -d' ' -f1 | sort -u | wc -l) = 1 ]",
        dir);
    cr_assert_eq(system(cmd), 0);
}

static void shell(const char *fmt)
{
    char cmd[300];
    snprintf(cmd, sizeof cmd, "cd %s && %s", ca_dir, fmt);
    cr_assert_eq(system(cmd), 0);
}

static int reopen(void)
{
    struct ca again;
    int r = ca_open(ca_dir, &again, err, sizeof err);
    if (r == 0)
        ca_close(&again);
    return r;
}

Test(signer, broken_files_are_said)
{
    shell("cp ca.key key && cp ca.crt crt && chmod 644 ca.key");
    cr_assert_eq(reopen(), -EPERM);
    shell("rm ca.key");
    cr_assert_lt(reopen(), 0, "a new key under an old certificate");
    cr_assert(strstr(err, "ca.key"), "%s", err);
    shell("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key 2>/dev/null && chmod "
          "600 ca.key");
    cr_assert_eq(reopen(), -EINVAL, "a key that is not the certificate's");
    shell("echo garbage >ca.key");
    cr_assert_eq(reopen(), -EINVAL);
    shell("openssl genpkey -algorithm RSA -out ca.key 2>/dev/null && chmod 600 ca.key");
    cr_assert_eq(reopen(), -EINVAL);
    shell("cp key ca.key && : >ca.crt");
    cr_assert_eq(reopen(), -EINVAL);
    shell("rm ca.crt"); /* as a power cut between the two files leaves it */
    cr_assert_eq(reopen(), 0, "%s", err);
}
