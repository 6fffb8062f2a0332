/** \file
 * The subcommands. Each gets its own name as argv[0] and returns the exit status.
 */
#ifndef EGRESS_HOSTCTL_COMMANDS_H
#define EGRESS_HOSTCTL_COMMANDS_H

#include "hostctl/backend.h"
#include "hostctl/record.h"
#include "lib/opt.h"

int cmd_run(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_gc(int argc, char **argv);
int cmd_exec(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_ca(int argc, char **argv);
int cmd_pf(int argc, char **argv);

/** Reads options; prints help, version or what is wrong. True: go on; else `*status` is the exit status. */
bool command_options(const struct opt *table, const char *usage, int argc, char **argv, unsigned flags,
    struct opt_args *args, int *status);

/** No more than `most` words after the command's name? Else says so. */
bool command_words(const struct opt_args *args, size_t most, const char *command);
/** One of two words. Else says so. */
bool command_format(const char *value, const char *other, const char *command, bool *is_json);

/** Where the audit log is: `state_dir` where that is given, else of the sandbox `*name`, also after its end,
 * else of the last one. `*name` becomes that of a living one, or NULL. 0, or -errno after a message. */
#define AUDIT_PATH_LEN 4200
int audit_locate(const char **name, const char *state_dir, char dir[static AUDIT_PATH_LEN]);

/** `policy learn`; 0 for `siblings` is the default. Returns the exit status. */
int policy_learn(const char *name, const char *state_dir, unsigned siblings);

/** The living sandbox called `name`, or the only one where it is NULL. 0, or -errno after a message. */
int sandbox_find(const char *name, struct record *out);

/** Its rules may not be there yet, and nothing runs in it. */
bool sandbox_is_starting(const struct record *r);

/** Tries the network of a running sandbox. Whatever is open ends the sandbox: 0, or -EPERM after messages. */
int sandbox_prove(struct record *r);

/** Buries the dead ones. Call with the registry lock held. How many, or -errno of the last failure. */
int sandbox_gc(bool say);

#endif
