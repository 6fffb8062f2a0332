/* The texts of OpenSSL's errors come when one is wanted. (Criterion itself takes in those of libcrypto.) */
#include <criterion/criterion.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "appliance/tls_reason.h"

Test(tls_reason, comes_when_it_is_wanted)
{
    const unsigned long ssl = ERR_PACK(ERR_LIB_SSL, 0, SSL_R_CERTIFICATE_VERIFY_FAILED);
    const unsigned long x509 = ERR_PACK(ERR_LIB_X509, 0, X509_R_KEY_VALUES_MISMATCH);

    tls_reasons_later();
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    cr_assert_not_null(ctx);
    ERR_raise(ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED);
    cr_assert_eq(ERR_GET_REASON(ERR_get_error()), SSL_R_CERTIFICATE_VERIFY_FAILED);
    cr_assert_null(ERR_reason_error_string(ssl), "taken in for nothing");
    cr_assert_str_eq(tls_reason(ssl), "certificate verify failed");
    cr_assert_str_eq(tls_reason(x509), "key values mismatch");
    cr_assert_str_eq(tls_reason(ERR_PACK(ERR_LIB_SSL, 0, ERR_R_MALLOC_FAILURE)), "malloc failure");
    cr_assert_null(tls_reason(0));
    SSL_CTX_free(ctx);
}
