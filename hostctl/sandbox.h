/** \file
 * One sandbox as egressctl sees it: what was asked for, and what that means on this host. Portable.
 *
 * Functions here return 0, or -errno after having said on stderr what is wrong and what to do.
 */
#ifndef EGRESS_HOSTCTL_SANDBOX_H
#define EGRESS_HOSTCTL_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/opt.h"
#include "lib/policy.h"

/** egressctl's own failures; CMD's status is passed on as it is. */
#define EXIT_EGRESSCTL 125

/** "egressd-NAME-sidecar" must fit Apple's 63 octets and stay one DNS label. */
#define SANDBOX_NAME_MAX 40

/** Where state directories are unless --state-dir says otherwise: one a sandbox, kept after its end for its
 * log. On macOS, where sandboxes belong to a user, ~/.egressd for who is not root; the environment's
 * EGRESSD_STATE_DIR for all. */
#define STATE_ROOT "/var/lib/egressd"
const char *state_root(void);

/** What the files of a sidecar are called below its private directory, on every backend. */
#define SIDECAR_DIR "/run/egressd"
#define SIDECAR_POLICY "policy.yaml"
#define SIDECAR_SECRETS "secrets"
#define SIDECAR_CA "ca/ca.crt"
#define SIDECAR_STATUS_NAME "status" /* the socket that it answers at */
/* The DNS servers of the host, where nobody named others. */
#define SIDECAR_RESOLV "resolv.conf"
/* What it says to people, in the state directory. */
#define SIDECAR_LOG "egressd.log"

/** `egressctl run` as typed. */
struct run_options {
    const char *backend, *policy, *name, *image, *user, *state_dir;
    struct opt_list dns_upstream, upstream_ca;
    unsigned engines; /* 0: egressd decides */
    bool proxy_env; /* CMD is told of a proxy */
    bool audit_only; /* the sidecar logs what it would refuse */
    bool keep, dry_run, verbose;
    char **cmd; /* NULL-terminated */
};

/** Octets with their length; wiped by blob_wipe(). */
struct blob {
    char *p;
    size_t n;
};
void blob_wipe(struct blob *b);
/** Whole file, at most `max` octets; NUL-terminated beyond `n`. 0 or -errno, silent. */
int blob_read(const char *path, size_t max, struct blob *out);
int blob_read_fd(int fd, size_t max, struct blob *out);

struct record;
struct backend;

struct sandbox {
    const struct run_options *opt;
    const struct backend *backend;
    void *impl; /* the backend's own */
    struct record *rec;
    char name[SANDBOX_NAME_MAX + 1];
    char *state_dir; /* absolute */
    int state_fd; /* the folder itself, whatever becomes of its name; -1: not made yet */
    char *cwd; /* NULL: no longer there */
    struct blob policy_text, secrets;
    struct policy *policy;
    uid_t uid;
    gid_t gid;
    char *home; /* NULL: the sandbox gets one of its own */
    char *user_name; /* NULL: the uid has no entry in passwd */
    char **env; /* of CMD */
    struct opt_list resolvers; /* --dns-upstream for egressd; none: the policy names them */
    char *resolver_text; /* what `resolvers` points into, NULL where it is argv */
    char *upstream_ca[OPT_LIST_MAX]; /* absolute */
};

/** Letters, digits, '-' and '_', beginning with a letter or digit. */
bool sandbox_name_ok(const char *name);
/** A fresh name: two short words of consonants and vowels, easy to read out. */
void sandbox_name_make(char out[static SANDBOX_NAME_MAX + 1]);

/** Everything that can be known before anything is made: names, paths, user, policy, secrets, environment,
 * resolvers. Secrets are gone from this process's own environment afterwards. */
int sandbox_prepare(struct sandbox *sb, const struct run_options *opt);
void sandbox_free(struct sandbox *sb);

/** The explicit proxy's port: the policy's, or the usual one. */
#define PROXY_PORT 3128
unsigned sandbox_proxy_port(const struct sandbox *sb);
/** The i-th variable ("NAME=value") that tells of it; false: there are no more. `gateway` is the sidecar's
 * address. */
#define PROXY_LINE 128
bool sandbox_proxy_line(const struct sandbox *sb, const char *gateway, size_t i, char out[static PROXY_LINE]);
/** Adds the proxy variables to CMD's environment. 0 or -ENOMEM. */
int sandbox_proxy_env(struct sandbox *sb, const char *gateway);

/** Path of a sibling program: beside our own executable, then PREFIX's libexec, then PATH. Caller frees;
 * NULL: none. */
char *program_look(const char *name);
/** The same, with a message where there is none. */
char *program_find(const char *name);

#endif
