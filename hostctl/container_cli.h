/** \file
 * A container runtime by its command line: how it is called on this host, and what it says in JSON. Portable.
 *
 * podman, docker and Apple's `container` differ in how they are asked and how they answer, not in what a
 * sandbox is made of: a dialect is the difference.
 */
#ifndef EGRESS_HOSTCTL_CONTAINER_CLI_H
#define EGRESS_HOSTCTL_CONTAINER_CLI_H

#include <stdbool.h>
#include <sys/types.h>
#include <jansson.h>

#include "lib/addr.h"
#include "hostctl/words.h"

#define CLI_LABEL_SANDBOX "dev.egressd.sandbox"
#define CLI_LABEL_ROLE "dev.egressd.role"

struct dialect;
struct sandbox;

struct cli {
    const struct dialect *d;
    const char *program; /* "podman", "docker" or "container" */
    bool podman;
};

enum cli_kind { CLI_CONTAINER, CLI_NETWORK, CLI_IMAGE };

/** Of a container's JSON. */
struct cli_state {
    bool running;
    pid_t pid; /* its first process; 0 where the host cannot see it */
};
struct cli_place {
    char address[ADDR_STRLEN]; /* "": none, as of all that do not run */
    char gateway[ADDR_STRLEN]; /* the host's on that network; "": not known */
};

struct dialect {
    const char *backend, *program;
    const char *load; /* the command line that a user would load an image with */
    const char *shim, *agent_ca; /* where they are in the agent's container */
    /** Does it work, and is it new enough? 0 or -errno after a message. */
    int (*check)(const struct cli *c);
    /** Runs it and frees the words, as cli_run() and cli_output() say. */
    int (*run)(const struct cli *c, struct words *w, bool quiet);
    char *(*output)(const struct cli *c, struct words *w);
    json_t *(*inspect)(const struct cli *c, enum cli_kind kind, const char *name);
    struct cli_state (*state)(json_t *container);
    struct cli_place (*place)(json_t *container, const char *network);
    const char *(*label)(json_t *object, const char *key);
    const char *(*image_user)(json_t *image);
    /** Is it the image of the archive with these ids? NULL: any. */
    bool (*image_is)(json_t *image, const char *ids);
    /** Names, one a line, to be freed; NULL after a failure. */
    char *(*list)(const struct cli *c, enum cli_kind kind);
    void (*load_argv)(const struct cli *c, const char *archive, struct words *w);
    void (*pull_argv)(const struct cli *c, const char *image, struct words *w);
    void (*remove_argv)(const struct cli *c, enum cli_kind kind, const char *name, struct words *w);
    void (*network_argv)(const struct cli *c, const char *sandbox, bool internal, struct words *w);
    void (*sidecar_argv)(const struct sandbox *sb, const char *dir, struct words *w);
    void (*agent_argv)(const struct sandbox *sb, const char *dir, struct words *w);
    /** Of what its program said as it failed: will it do next time? NULL: no. */
    bool (*is_transient)(const char *text);
    /** Where a container is not made and started by one command. NULL: it is. */
    int (*make_sidecar)(const struct sandbox *sb, const char *dir);
    /** What else the agent's container needs as files. NULL: nothing. */
    int (*write_guest)(const struct sandbox *sb, const char *dir);
};
extern const struct dialect dialect_podman, dialect_docker, dialect_apple;

/** By a backend's name. */
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
int cli_run(const struct cli *c, struct words *w, bool quiet);
/** The same with its stdout, to be freed; NULL where it failed. stderr is thrown away. */
char *cli_output(const struct cli *c, struct words *w);

/** `inspect` of one: the object, or NULL where there is none. Caller gives the reference back. */
json_t *cli_inspect(const struct cli *c, enum cli_kind kind, const char *name);
/** An object's member by a path "NetworkSettings.Networks"; NULL where a step is missing. Borrowed. */
json_t *cli_member(json_t *object, const char *path);

/** Does its name begin with egressd-NAME-, and its label say NAME? */
bool cli_is_ours(const struct cli *c, enum cli_kind kind, const char *name, const char *sandbox);
/** Removes one container, whatever it does, quietly. It is gone from its networks then. */
void cli_remove(const struct cli *c, const char *container);
/** Removes all containers, then all networks, whose name begins with egressd-NAME- and whose label says NAME.
 * 0 or -EBUSY (said) where one is left. */
int cli_remove_all(const struct cli *c, const char *sandbox);

#endif
