#include <stdlib.h>
#include <string.h>

#include "appliance/flow/clienthello.h"
#include "lib/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/** What is found in the whole is not found otherwise in a part: a prefix is MORE, and asks for octets that do
 * come. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct client_hello h, part;
    size_t need, part_need;
    enum hello_result r = client_hello_parse(data, len, &h, &need);
    if (strlen(h.sni) > HOSTNAME_MAX || (r == HELLO_MORE && (need <= len || need > CLIENT_HELLO_MAX)))
        abort();
    if (r != HELLO_OK)
        return 0;
    if ((h.sni_kind == SNI_NAME || h.sni_kind == SNI_ADDRESS) != (h.sni[0] != '\0') || need > len)
        abort();
    for (size_t cut = 0; cut < need; cut += need / 8 + 1) {
        if (client_hello_parse(data, cut, &part, &part_need) != HELLO_MORE || part_need > need)
            abort();
    }
    if (client_hello_parse(data, need, &part, &part_need) != HELLO_OK || memcmp(&h, &part, sizeof h) != 0)
        abort();
    return 0;
}
