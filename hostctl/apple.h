/** \file
 * Apple's container, as a dialect of the container backends: what its parts share. Portable: nothing here
 * needs macOS but the program that is called.
 */
#ifndef EGRESS_HOSTCTL_APPLE_H
#define EGRESS_HOSTCTL_APPLE_H

#include "hostctl/apple_json.h"
#include "hostctl/container.h"

/* Folders only are shared with a guest: this one holds the shim and the CA, and nothing else. */
#define APPLE_GUEST "guest"
#define APPLE_GUEST_MOUNT "/opt/egress"

/** The installed version, asked once. All zero: not known. */
struct apple_version apple_version(const struct cli *c);
/** `container WORD...`: its stdout as JSON, whatever its status; NULL where there is none. `status` may be
 * NULL.
 */
json_t *apple_ask(const struct cli *c, const char *const *words, int *status);

int apple_check(const struct cli *c);
int apple_run(const struct cli *c, struct words *w, bool quiet);
char *apple_output(const struct cli *c, struct words *w);
json_t *apple_inspect(const struct cli *c, enum cli_kind kind, const char *name);
char *apple_list(const struct cli *c, enum cli_kind kind);

/* apple_argv.c */
void apple_load_argv(const struct cli *c, const char *archive, struct words *w);
void apple_pull_argv(const struct cli *c, const char *image, struct words *w);
void apple_remove_argv(const struct cli *c, enum cli_kind kind, const char *name, struct words *w);
void apple_network_argv(const struct cli *c, const char *sandbox, bool internal, struct words *w);
void apple_sidecar_argv(const struct sandbox *sb, const char *dir, struct words *w);
void apple_agent_argv(const struct sandbox *sb, const char *dir, struct words *w);
int apple_write_guest(const struct sandbox *sb, const char *dir);

/* apple_host.c */

/** The pf anchor of a running sandbox, to stdout. 0 or -errno after a message. */
int apple_print_pf(const struct record *r);
/** What of this kind of host's known leaks this one has, and what closes each; a line each on stdout. False:
 * one is not closed. */
bool apple_doctor(void);

#endif
