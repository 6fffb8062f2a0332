#include <stdlib.h>
#include <string.h>

#include "appliance/ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/** Whatever passes the check must be safe to use without another look. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ipc_msg m;
    if (ipc_check(data, len, &m) < 0)
        return 0;
    if (ipc_size(m.type) != len || memcmp(&m, data, len) != 0)
        abort();
    const char *host = m.type == IPC_LEAF_ASK  ? m.leaf_ask.host
                       : m.type == IPC_RESOLVE ? m.resolve.host
                                               : NULL;
    if (host && (strlen(host) == 0 || strlen(host) > HOSTNAME_MAX))
        abort();
    if (m.type == IPC_LEAF_ASK && (m.leaf_ask.spki_len == 0 || m.leaf_ask.spki_len > IPC_SPKI_MAX))
        abort();
    if (m.type == IPC_LEAF && m.leaf.len > IPC_LEAF_MAX)
        abort();
    if (m.type == IPC_RESOLVED && (m.resolved.n > IPC_ADDRS_MAX || strlen(m.resolved.dns_id) > 16))
        abort();
    return 0;
}
