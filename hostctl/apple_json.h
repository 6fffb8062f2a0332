/** \file
 * What Apple's `container` 1.0.0 to 1.2.2 says, as values. Pure: JSON and text in, values out.
 */
#ifndef EGRESS_HOSTCTL_APPLE_JSON_H
#define EGRESS_HOSTCTL_APPLE_JSON_H

#include "hostctl/container_cli.h"

/** The oldest version whose networks are as this program needs them: before it, two networks in one container
 * fail. */
#define APPLE_OLDEST "1.0.0"

/** `system status --format json`. */
enum apple_service { APPLE_RUNNING, APPLE_NOT_RUNNING, APPLE_UNREGISTERED, APPLE_UNCLEAR };
enum apple_service apple_service_of(const json_t *status);

/** `system version --format json`: the command line's own entry. */
struct apple_version {
    unsigned major, minor, patch;
};
bool apple_version_of(const json_t *list, struct apple_version *out);
/** At least a.b.c? */
bool apple_since(struct apple_version v, unsigned a, unsigned b, unsigned c);

/** One object of `inspect`; zeros for NULL and for what is not as expected. */
struct cli_state apple_state(json_t *container);
/** By the network's name, never by position: a list is empty unless the container runs. */
struct cli_place apple_place(json_t *container, const char *network);
const char *apple_label(json_t *object, const char *key);
const char *apple_image_user(json_t *image);
bool apple_image_is(json_t *image, const char *ids);
/** "192.168.128.0/24" and the host's address there; NULL where they are not said. */
const char *apple_subnet(json_t *network);
const char *apple_gateway(json_t *network);
/** Both families' prefixes are named where the host has them. */
const char *apple_subnet6(json_t *network);
/** The names in `list --format json` of containers or networks, one a line; NULL: no memory. Caller frees. */
char *apple_names(const json_t *list);

/** What a failed command said on stderr. */
enum apple_trouble {
    APPLE_OTHER,
    APPLE_NO_SERVICE, /* "XPC connection error" */
    APPLE_TIMEOUT, /* "XPC timeout for request": asked again, it answers */
    APPLE_NOT_FOUND,
    APPLE_EXISTS,
    APPLE_RUNNING_STILL, /* "is running and can not be deleted", "with referring containers" */
    APPLE_OVERLAP, /* two networks' subnets */
    APPLE_USAGE, /* an option that this version does not have */
};
enum apple_trouble apple_trouble_of(const char *text, int status);
/** What to do about it; NULL: its own words must do. */
const char *apple_advice(enum apple_trouble t);

#endif
