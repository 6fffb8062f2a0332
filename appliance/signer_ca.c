/* The CA's two files. A lock on the folder makes racing starts take turns: the second finds what the first
 * made. The key is written first; a certificate that is missing beside it (power cut between the two) is made
 * again for it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "appliance/signer.h"
#include "lib/base.h"

#define CERT_NAME "ca.crt"
#define KEY_NAME "ca.key"
#define FILE_MAX KIB(64) /* a PEM file of ours has below 1 KiB */
#define DAY (24L * 60 * 60)
#define CA_BEFORE DAY /* clocks of agent and sidecar need not agree to the second */
#define CA_DAYS 3650

struct dir {
    int fd;
    const char *path;
    char *err;
    size_t errlen;
};

static int fail(const struct dir *d, int err, const char *name, const char *what)
{
    (void)snprintf(d->err, d->errlen, "%s/%s: %s", d->path, name, what);
    return err;
}

/** The whole file as a BIO. -ENOENT where there is none. */
static int read_file(const struct dir *d, const char *name, mode_t forbidden, BIO **out)
{
    struct stat st;
    char buf[4096];
    cleanup_fd int fd = openat(d->fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return fail(d, -errno, name, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_MAX)
        return fail(d, -EINVAL, name, "not a PEM file");
    if (st.st_mode & forbidden)
        return fail(
            d, -EPERM, name, "others may read this key; chmod 600, or remove it and ca.crt for a new CA");
    BIO *bio = BIO_new(BIO_s_secmem());
    ssize_t n = 0;
    while (bio && (n = read(fd, buf, sizeof buf)) > 0)
        if (BIO_write(bio, buf, (int)n) != n)
            n = -1;
    OPENSSL_cleanse(buf, sizeof buf);
    if (!bio || n < 0) {
        BIO_free(bio);
        return fail(d, -EIO, name, "cannot be read");
    }
    *out = bio;
    return 0;
}

/** Whole or not at all: a temporary name, flushed to disk, then the real name. */
static int write_file(const struct dir *d, const char *name, mode_t mode, BIO *bio)
{
    char tmp[32];
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    (void)snprintf(tmp, sizeof tmp, ".%s.new", name);
    (void)unlinkat(d->fd, tmp, 0);
    cleanup_fd int fd = openat(d->fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0 || fchmod(fd, mode) < 0)
        return fail(d, -errno, name, strerror(errno));
    errno = EIO;
    if (write(fd, data, (size_t)len) != len || fsync(fd) < 0 || renameat(d->fd, tmp, d->fd, name) < 0) {
        int err = -errno;
        (void)unlinkat(d->fd, tmp, 0);
        return fail(d, err, name, strerror(-err));
    }
    return 0;
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = e && X509_add_ext(cert, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool name_it(X509 *cert)
{
    uint8_t id[4], serial[16];
    char cn[32];
    if (RAND_bytes(id, sizeof id) != 1 || RAND_bytes(serial, sizeof serial) != 1)
        return false;
    serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40); /* positive, and of one length */
    (void)snprintf(cn, sizeof cn, "egressd CA %02x%02x%02x%02x", id[0], id[1], id[2], id[3]);
    BIGNUM *bn = BN_bin2bn(serial, sizeof serial, NULL);
    X509_NAME *name = X509_get_subject_name(cert);
    bool ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) &&
              X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const uint8_t *)"egressd", -1, -1, 0) &&
              X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)cn, -1, -1, 0) &&
              X509_set_issuer_name(cert, name);
    BN_free(bn);
    return ok;
}

static X509 *make_cert(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    bool ok = cert && X509_set_version(cert, X509_VERSION_3) && name_it(cert) &&
              X509_gmtime_adj(X509_getm_notBefore(cert), -CA_BEFORE) &&
              X509_time_adj_ex(X509_getm_notAfter(cert), CA_DAYS, 0, NULL) && X509_set_pubkey(cert, key) &&
              add_extension(cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
              add_extension(cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
              add_extension(cert, NID_subject_key_identifier, "hash") &&
              /* Not needed in a root; strict verifiers like it all the same. */
              add_extension(cert, NID_authority_key_identifier, "keyid:always") &&
              X509_sign(cert, key, EVP_sha256()) > 0;
    if (ok)
        return cert;
    X509_free(cert);
    return NULL;
}

static int create_key(const struct dir *d, struct ca *ca)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    ca->key = EVP_EC_gen("P-256");
    int r = -ENOMEM;
    if (bio && ca->key && PEM_write_bio_PKCS8PrivateKey(bio, ca->key, NULL, NULL, 0, NULL, NULL) == 1)
        r = write_file(d, KEY_NAME, 0600, bio);
    else
        (void)fail(d, r, KEY_NAME, "cannot make a key");
    BIO_free(bio);
    return r;
}

static int create_cert(const struct dir *d, struct ca *ca)
{
    BIO *bio = BIO_new(BIO_s_mem());
    ca->cert = make_cert(ca->key);
    int r = -ENOMEM;
    if (bio && ca->cert && PEM_write_bio_X509(bio, ca->cert) == 1)
        r = write_file(d, CERT_NAME, 0644, bio);
    else
        (void)fail(d, r, CERT_NAME, "cannot make a certificate");
    BIO_free(bio);
    return r;
}

static int load_key(const struct dir *d, struct ca *ca)
{
    BIO *bio = NULL;
    int r = read_file(d, KEY_NAME, 077, &bio);
    if (r < 0)
        return r;
    ca->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, ""); /* asks nobody for a passphrase */
    BIO_free(bio);
    char group[32] = "";
    if (!ca->key || EVP_PKEY_get_group_name(ca->key, group, sizeof group, NULL) != 1 ||
        strcmp(group, "prime256v1") != 0)
        return fail(d, -EINVAL, KEY_NAME, "not an ECDSA P-256 key; remove it and ca.crt for a new CA");
    return 0;
}

static int load_cert(const struct dir *d, struct ca *ca)
{
    BIO *bio = NULL;
    int r = read_file(d, CERT_NAME, 0, &bio);
    if (r < 0)
        return r;
    ca->cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (!ca->cert)
        return fail(d, -EINVAL, CERT_NAME, "not a PEM certificate; remove it, and it is made again");
    if (X509_check_private_key(ca->cert, ca->key) != 1)
        return fail(d, -EINVAL, CERT_NAME, "does not belong to ca.key; remove it, and it is made again");
    if (X509_check_ca(ca->cert) != 1 || !X509_get0_subject_key_id(ca->cert))
        return fail(d, -EINVAL, CERT_NAME, "not a CA's certificate; remove it, and it is made again");
    if (X509_cmp_current_time(X509_get0_notAfter(ca->cert)) < 0)
        return fail(d, -EINVAL, CERT_NAME, "has expired; remove it and ca.key for a new CA");
    return 0;
}

static int load_or_create(const struct dir *d, struct ca *ca)
{
    struct stat st;
    bool have_cert = fstatat(d->fd, CERT_NAME, &st, 0) == 0;
    int r = load_key(d, ca);
    if (r == -ENOENT && have_cert)
        return fail(d, r, KEY_NAME, "missing beside ca.crt; put it back, or remove ca.crt for a new CA");
    if (r == -ENOENT)
        r = create_key(d, ca);
    if (r < 0)
        return r;
    return have_cert ? load_cert(d, ca) : create_cert(d, ca);
}

int ca_open(const char *dir, struct ca *out, char *err, size_t errlen)
{
    *out = (struct ca){0};
    if (mkdir(dir, 0755) < 0 && errno != EEXIST) {
        int r = -errno;
        (void)snprintf(err, errlen, "cannot make the folder %s: %s", dir, strerror(-r));
        return r;
    }
    cleanup_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct dir d = {.fd = fd, .path = dir, .err = err, .errlen = errlen};
    if (fd < 0 || flock(fd, LOCK_EX) < 0) {
        int r = -errno;
        (void)snprintf(err, errlen, "cannot open the folder %s: %s", dir, strerror(-r));
        return r;
    }
    int r = load_or_create(&d, out);
    if (r < 0)
        ca_close(out);
    return r;
}

void ca_close(struct ca *ca)
{
    EVP_PKEY_free(ca->key);
    X509_free(ca->cert);
    *ca = (struct ca){0};
}
