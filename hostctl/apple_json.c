#include "hostctl/apple_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"

/* -- the service -- */

enum apple_service apple_service_of(const json_t *status)
{
    static const char *const words[] = {[APPLE_RUNNING] = "running",
        [APPLE_NOT_RUNNING] = "not running",
        [APPLE_UNREGISTERED] = "unregistered"};
    const char *text = json_string_value(json_object_get(status, "status"));
    for (size_t i = 0; text && i < ARRAY_LEN(words); i++)
        if (strcmp(text, words[i]) == 0)
            return (enum apple_service)i;
    return APPLE_UNCLEAR;
}

/* Digits only: strtoul() takes signs and blanks as well. */
static const char *number(const char *p, unsigned *out)
{
    const char *start = p;
    for (*out = 0; *p >= '0' && *p <= '9' && p - start < 6; p++)
        *out = *out * 10 + (unsigned)(*p - '0');
    return p == start ? NULL : p;
}

bool apple_version_of(const json_t *list, struct apple_version *out)
{
    size_t i;
    const json_t *entry;
    *out = (struct apple_version){0};
    json_array_foreach(list, i, entry)
    {
        const char *app = json_string_value(json_object_get(entry, "appName"));
        const char *p = json_string_value(json_object_get(entry, "version"));
        if (!app || !p || strcmp(app, "container") != 0)
            continue;
        p = number(p, &out->major);
        if (p && *p == '.')
            p = number(p + 1, &out->minor);
        if (p && *p == '.')
            p = number(p + 1, &out->patch);
        return p != NULL; /* "1.3.0-rc1" and "1.3" are versions too */
    }
    return false;
}

bool apple_since(struct apple_version v, unsigned a, unsigned b, unsigned c)
{
    if (v.major != a)
        return v.major > a;
    return v.minor != b ? v.minor > b : v.patch >= c;
}

/* -- containers, networks, images -- */

struct cli_state apple_state(json_t *container)
{
    const char *state = json_string_value(cli_member(container, "status.state"));
    return (struct cli_state){.running = state && strcmp(state, "running") == 0};
}

/* "192.168.128.2/24" or without a prefix, in canonical form. */
static void canonical(const char *text, char out[static ADDR_STRLEN])
{
    char plain[ADDR_STRLEN];
    struct addr a;
    if (!text || strcspn(text, "/") >= sizeof plain)
        return;
    (void)snprintf(plain, sizeof plain, "%.*s", (int)strcspn(text, "/"), text);
    if (addr_parse(plain, &a))
        (void)addr_format(&a, out);
}

struct cli_place apple_place(json_t *container, const char *network)
{
    struct cli_place p = {.address = "", .gateway = ""};
    size_t i;
    json_t *entry;
    json_array_foreach(cli_member(container, "status.networks"), i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "network"));
        if (!name || strcmp(name, network) != 0)
            continue;
        canonical(json_string_value(json_object_get(entry, "ipv4Address")), p.address);
        canonical(json_string_value(json_object_get(entry, "ipv4Gateway")), p.gateway);
        break;
    }
    return p;
}

const char *apple_label(json_t *object, const char *key)
{
    return json_string_value(json_object_get(cli_member(object, "configuration.labels"), key));
}

const char *apple_image_user(json_t *image)
{
    json_t *first = json_array_get(json_object_get(image, "variants"), 0);
    return json_string_value(cli_member(first, "config.config.User"));
}

static bool is_among(const char *digest, const char *ids)
{
    if (digest && strncmp(digest, "sha256:", 7) == 0)
        digest += 7;
    return digest && strlen(digest) == 64 && strstr(ids, digest);
}

bool apple_image_is(json_t *image, const char *ids)
{
    size_t i;
    json_t *variant;
    json_array_foreach(json_object_get(image, "variants"), i, variant)
    {
        if (!ids || is_among(json_string_value(json_object_get(variant, "digest")), ids))
            return true;
    }
    return false;
}

const char *apple_subnet(json_t *network)
{
    return json_string_value(cli_member(network, "status.ipv4Subnet"));
}

const char *apple_subnet6(json_t *network)
{
    return json_string_value(cli_member(network, "status.ipv6Subnet"));
}

const char *apple_gateway(json_t *network)
{
    return json_string_value(cli_member(network, "status.ipv4Gateway"));
}

char *apple_names(const json_t *list)
{
    size_t i, len = 1;
    const json_t *entry;
    json_array_foreach(list, i, entry)
    {
        len += json_string_length(json_object_get(entry, "id")) + 1;
    }
    char *out = malloc(len), *p = out;
    if (!out)
        return NULL;
    *p = 0;
    json_array_foreach(list, i, entry)
    {
        const char *id = json_string_value(json_object_get(entry, "id"));
        if (id && !strchr(id, '\n'))
            p += snprintf(p, len - (size_t)(p - out), "%s\n", id);
    }
    return out;
}

/* -- what goes wrong -- */

#define EX_USAGE 64

enum apple_trouble apple_trouble_of(const char *text, int status)
{
    /* The first that is found counts: an outer message often holds an inner one. */
    static const struct {
        const char *words;
        enum apple_trouble trouble;
    } table[] = {
        {"XPC timeout for request", APPLE_TIMEOUT},
        {"XPC connection error", APPLE_NO_SERVICE},
        {"is running and can not be deleted", APPLE_RUNNING_STILL},
        {"with referring containers", APPLE_RUNNING_STILL},
        {"already exist", APPLE_EXISTS},
        {"overlaps an existing network", APPLE_OVERLAP},
        {"not found", APPLE_NOT_FOUND},
        {"failed to delete one or more networks", APPLE_NOT_FOUND},
    };
    for (size_t i = 0; text && i < ARRAY_LEN(table); i++)
        if (strstr(text, table[i].words))
            return table[i].trouble;
    return status == EX_USAGE ? APPLE_USAGE : APPLE_OTHER;
}

const char *apple_advice(enum apple_trouble t)
{
    switch (t) {
    case APPLE_NO_SERVICE: return "start its service: container system start";
    case APPLE_TIMEOUT:
        return "its service is too busy to answer; try again, or: container system stop; container system "
               "start";
    case APPLE_EXISTS:
        return "something of that name is there already; egressctl gc removes what a crash left, else choose "
               "another --name";
    case APPLE_OVERLAP:
        return "two networks would have the same addresses; remove one that is not used: container network "
               "list, container network delete NAME";
    case APPLE_RUNNING_STILL: return "something still uses it; container list --all shows what";
    case APPLE_USAGE:
        return "it does not know an option; egressctl speaks to versions 1.0.0 to 1.2.2 (container system "
               "version)";
    default: return NULL;
    }
}
