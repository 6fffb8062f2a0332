/** \file
 * The texts of OpenSSL's errors. It has 4,000 of them and takes them all in at the first error, or the first
 * SSL_CTX, of a program: a tenth of a MiB, written to by every process that was forked after that.
 */
#ifndef EGRESS_APPLIANCE_TLS_REASON_H
#define EGRESS_APPLIANCE_TLS_REASON_H

/** Before anything else of OpenSSL: texts are taken in when tls_reason() wants one, and only those of its
 * part.
 */
void tls_reasons_later(void);
/** What an error of ERR_get_error() is called; NULL: there is no text for it. */
const char *tls_reason(unsigned long code);

#endif
