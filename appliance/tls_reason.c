/* The functions that take in the texts of one part are OpenSSL 3's last that can do so late. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "appliance/tls_reason.h"

#include <openssl/crypto.h>
#include <openssl/cryptoerr_legacy.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/sslerr_legacy.h>

void tls_reasons_later(void)
{
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS, NULL);
    (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_LOAD_SSL_STRINGS, NULL);
}

/* Each does nothing when its texts are there. */
static void load(int part)
{
    switch (part) {
    case ERR_LIB_SSL: (void)ERR_load_SSL_strings(); break;
    case ERR_LIB_X509: (void)ERR_load_X509_strings(); break;
    case ERR_LIB_X509V3: (void)ERR_load_X509V3_strings(); break;
    case ERR_LIB_ASN1: (void)ERR_load_ASN1_strings(); break;
    case ERR_LIB_PEM: (void)ERR_load_PEM_strings(); break;
    case ERR_LIB_EVP: (void)ERR_load_EVP_strings(); break;
    case ERR_LIB_EC: (void)ERR_load_EC_strings(); break;
    case ERR_LIB_RSA: (void)ERR_load_RSA_strings(); break;
    case ERR_LIB_BIO: (void)ERR_load_BIO_strings(); break;
    default: (void)ERR_load_ERR_strings(); break;
    }
}

const char *tls_reason(unsigned long code)
{
    const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;

    if (text != NULL || code == 0)
        return text;
    load(ERR_GET_LIB(code));
    return ERR_reason_error_string(code);
}
