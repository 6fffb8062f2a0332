#include <stdlib.h>

#include "appliance/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/** The fields must lie inside of what was given, and a packet that is cut must not become a better one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct packet p, whole;
    packet_parse(data, len, len, &p);
    if (p.payload && (p.payload < data || p.payload + p.payload_len > data + len))
        abort();
    if (p.version && p.version != 4 && p.version != 6)
        abort();
    if (!p.version && !(p.odd & PACKET_BROKEN))
        abort();
    packet_parse(data, len, len + 1000, &whole);
    if (whole.payload && (whole.payload < data || whole.payload + whole.payload_len > data + len))
        abort();
    return 0;
}
