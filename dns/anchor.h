/** \file
 * Trust anchors of DNSSEC: digests of the root's key-signing keys.
 */
#ifndef EGRESS_DNS_ANCHOR_H
#define EGRESS_DNS_ANCHOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_MAX 48 /* SHA-384 */
#define ANCHORS_MAX 16

/** A DS record's data (RFC 4034 5.1). */
struct ds {
    uint16_t tag;
    uint8_t algorithm, digest_type, digest_len;
    uint8_t digest[DIGEST_MAX];
};

struct anchors {
    size_t n;
    struct ds ds[ANCHORS_MAX];
};

/** Those of the public root: KSK-2017 and KSK-2024 (data.iana.org/root-anchors). */
extern const struct anchors anchors_public;

/** One line of a zone file, "." [TTL] [IN] DS TAG ALGORITHM TYPE DIGEST. Returns 1 for an anchor, 0 for an
 * empty line or comment, -EINVAL for all else. Pure. */
int anchor_parse(const char *line, struct ds *out);

/** Before the sandbox. 0, or a negative errno; `*line` is where, 0 for the file itself. */
int anchors_load(const char *path, struct anchors *out, unsigned *line);

#endif
