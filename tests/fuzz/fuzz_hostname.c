/* Host names and authorities: what is canonical is a fixed point, and a name never reads as an address. */
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/hostname.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void check(enum host_kind kind, const char *out)
{
    char again[HOSTNAME_MAX + 1];
    if (kind == HOST_BAD)
        return;
    size_t len = strlen(out);
    require(len > 0 && len <= HOSTNAME_MAX);
    require(host_canon(out, len, again, NULL) == kind && strcmp(again, out) == 0);
    struct addr a;
    require(addr_parse(out, &a) == (kind == HOST_IP));
    if (kind != HOST_NAME)
        return;
    require(out[len - 1] != '.' && strspn(out, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == len);
    (void)host_is_special(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char out[HOSTNAME_MAX + 1];
    struct addr ip;
    uint16_t port;
    check(host_canon((const char *)data, size, out, &ip), out);
    check(host_port_canon((const char *)data, size, out, &ip, &port), out);

    char text[128];
    struct endpoint ep;
    if (size < sizeof text) {
        memcpy(text, data, size);
        text[size] = '\0';
        if (endpoint_parse(text, 53, &ep))
            require(ep.port != 0 && !(addr_is_global(&ep.addr) && addr_is_never(&ep.addr)));
    }
    if (size >= sizeof ip.b) {
        memcpy(ip.b, data, sizeof ip.b);
        struct addr back;
        require(addr_parse(addr_format(&ip, text), &back) && addr_eq(&ip, &back));
    }
    return 0;
}
