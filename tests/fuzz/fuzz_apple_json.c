/* What a container program says, as JSON of any shape and as text. */
#include <stdlib.h>
#include <string.h>

#include "hostctl/apple_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void look_at(json_t *o)
{
    struct apple_version v;
    (void)apple_service_of(o);
    (void)apple_version_of(o, &v);
    (void)apple_state(o);
    struct cli_place p = apple_place(o, "egressd-a1");
    struct addr a;
    if ((p.address[0] && !addr_parse(p.address, &a)) || (p.gateway[0] && !addr_parse(p.gateway, &a)))
        abort();
    (void)apple_label(o, CLI_LABEL_SANDBOX);
    (void)apple_image_user(o);
    (void)apple_image_is(o, "0123456789abcdef");
    (void)apple_subnet(o);
    (void)apple_subnet6(o);
    (void)apple_gateway(o);
    free(apple_names(o));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char text[512];
    size_t n = len < sizeof text - 1 ? len : sizeof text - 1;
    if (n)
        memcpy(text, data, n);
    text[n] = 0;
    (void)apple_advice(apple_trouble_of(text, (int)len));
    json_t *j = json_loadb((const char *)data, len, 0, NULL);
    look_at(j);
    look_at(json_array_get(j, 0));
    json_decref(j);
    return 0;
}
