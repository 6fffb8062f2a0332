/** \file
 * podman or docker by its command line: how it is called on this host, and what it says in JSON. Portable.
 */
#ifndef EGRESS_HOSTCTL_CONTAINER_CLI_H
#define EGRESS_HOSTCTL_CONTAINER_CLI_H

#include <stdbool.h>
#include <jansson.h>

#include "hostctl/words.h"

#define CLI_LABEL_SANDBOX "dev.egressd.sandbox"
#define CLI_LABEL_ROLE "dev.egressd.role"

struct cli {
    const char *program; /* "podman" or "docker" */
    bool podman;
};

/** By a backend's name, which is the program's. */
struct cli cli_of(const char *backend);
/** Is there such a program in PATH? Does not say so. */
bool cli_present(const char *program);

/** Where our own mounts would not do (see the source), a descriptor of the mount namespace to run it in, else
 * -1. */
int cli_mounts(const struct cli *c);
/** The beginning of each command line, up to and without the subcommand. */
void cli_begin(const struct cli *c, struct words *w);

/** Runs it, frees the words. Its stdout is thrown away, its stderr too if `quiet`. Exit status as
 * spawn_wait() gives it. */
int cli_run(struct words *w, bool quiet);
/** The same with its stdout, to be freed; NULL where it failed. stderr is thrown away. */
char *cli_output(struct words *w);

/** `inspect` of one container, image or network ("container", ...): the object, or NULL where there is none.
 * Caller gives the reference back. */
json_t *cli_inspect(const struct cli *c, const char *kind, const char *name);
/** An object's member by a path "NetworkSettings.Networks"; NULL where a step is missing. Borrowed. */
json_t *cli_member(json_t *object, const char *path);

/** Removes one container, whatever it does, quietly. It is gone from its networks then. */
void cli_remove(const struct cli *c, const char *container);
/** Removes all containers, then all networks, whose name begins with egressd-NAME- and whose label says NAME.
 * 0 or -EBUSY (said) where one is left. */
int cli_remove_all(const struct cli *c, const char *sandbox);

#endif
