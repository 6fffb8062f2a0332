/* Trust stores and PEM come from the image. What was appended to once can be appended to again, and only
 * grows. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "init/keystore.h"
#include "init/pem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct blob in = blob_concat(data, size, NULL, 0), der = {(uint8_t[]){1, 2, 3}, 3}, out, twice;
    if (keystore_append(&in, &der, "alias", 1, &out)) {
        if (out.len <= in.len || !keystore_append(&out, &der, "alias", 1, &twice))
            abort();
        free(twice.data);
        free(out.data);
    }
    if (strlen((const char *)in.data) == in.len) {
        struct blob store = keystore_from_pem((const char *)in.data, 1);
        if (!keystore_append(&store, &der, "alias", 1, &out))
            abort();
        free(out.data);
        free(store.data);
        struct blob certificates = pem_certificates((const char *)in.data);
        struct blob again = pem_certificates((const char *)certificates.data);
        if (again.len != certificates.len || memcmp(again.data, certificates.data, again.len) != 0)
            abort();
        free(again.data);
        free(certificates.data);
    }
    free(in.data);
    return 0;
}
