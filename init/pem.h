/** \file
 * PEM to DER (RFC 7468).
 */
#ifndef EGRESS_INIT_PEM_H
#define EGRESS_INIT_PEM_H

#include <stdbool.h>

#include "init/file.h"

/** The next certificate at or after `*text`, which moves behind it. False where there is none (any more);
 * what is malformed is passed over. out->data is malloc'd. */
bool pem_next_certificate(const char **text, struct blob *out);

/** The certificates of a text alone, as PEM without anything between them; malloc'd, empty without any. */
struct blob pem_certificates(const char *text);

#endif
