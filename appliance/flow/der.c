#include "appliance/flow/der.h"

#include <openssl/asn1.h>

bool der_enter(const uint8_t **p, const uint8_t *end, unsigned depth)
{
    for (; depth > 0; depth--) {
        long len;
        int tag, class;
        if (ASN1_get_object(p, &len, &tag, &class, end - *p) & 0x80)
            return false;
    }
    return true;
}

int der_skip(const uint8_t **p, const uint8_t *end)
{
    long len;
    int tag, class;
    if (ASN1_get_object(p, &len, &tag, &class, end - *p) & 0x80)
        return -1;
    *p += len;
    return class == V_ASN1_UNIVERSAL ? tag : 0;
}
