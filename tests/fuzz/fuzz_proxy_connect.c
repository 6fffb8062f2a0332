/* The CONNECT head of the explicit proxy: what it names is canonical, and naming that again says the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/flow/proxy_head.h"
#include "appliance/http/h1_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct h1_scan scan = {.kind = H1_REQUEST};
    struct proxy_head a = {0}, b = {0};
    char text[2 * HOSTNAME_MAX + 100];
    size_t stop = 0;
    if (size < 8 || memcmp(data, "CONNECT ", 8) != 0 || h1_scan(&scan, data, size, &stop) != H1_DONE)
        return 0;
    if (stop > size)
        abort();
    enum reason why = proxy_head_parse(data, stop, &a);
    if (why != REASON_NONE)
        return 0;
    if (!a.host[0] || !a.port || strlen(a.host) > HOSTNAME_MAX)
        abort();
    int n = snprintf(text, sizeof text, "CONNECT %s:%u HTTP/1.1\r\nHost: %s\r\n\r\n", a.host, a.port, a.host);
    if (proxy_head_parse((const uint8_t *)text, (size_t)n, &b) != REASON_NONE || a.port != b.port ||
        strcmp(a.host, b.host) != 0)
        abort();
    return 0;
}
