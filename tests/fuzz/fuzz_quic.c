#include <stdlib.h>
#include <string.h>

#include "appliance/quic.h"
#include "tests/unit/quic_seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void add(struct quic_hello *h, const uint8_t *datagram, size_t len)
{
    char host[HOSTNAME_MAX + 1], again[HOSTNAME_MAX + 1];
    memset(host, 'x', sizeof host);
    if (quic_hello_add(h, datagram, len, host) == QUIC_NAME &&
        (host_canon(host, strlen(host), again, NULL) != HOST_NAME || strcmp(host, again) != 0))
        abort();
}

/** The octets as a datagram; and, since no mutation gets past the encryption, as the frames inside of two. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint8_t dcid[] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t packet[1500];
    struct quic_hello h;
    quic_hello_init(&h);
    (void)quic_is_initial(data, len);
    add(&h, data, len);
    if (len > 2600)
        return 0;
    for (size_t half = 0; half < 2; half++) {
        const uint8_t *from = data + half * (len / 2);
        const size_t n = half ? len - len / 2 : len / 2;
        add(&h, packet,
            seal_initial(len & 1 ? QUIC_V1 : QUIC_V2, dcid, sizeof dcid, (uint32_t)half, from, n, packet));
    }
    return 0;
}
