/* The answer to the shim's question, read as root. */
#include <stddef.h>
#include <stdint.h>

#include "init/sentinel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint16_t id = 0;
    if (size >= 2)
        id = (uint16_t)(data[0] << 8 | data[1]);
    (void)sentinel_judge(data, size, id, 0x0100000a);
    return 0;
}
