/** \file
 * Dropping privilege for good: uid, groups, every capability set, no_new_privs, not dumpable, no core file,
 * dies with the monitor, a seccomp filter. Each step is read back; a failure ends the process.
 */
#ifndef EGRESS_APPLIANCE_SANDBOX_H
#define EGRESS_APPLIANCE_SANDBOX_H

/* Sanitizers open files, look at their own maps, start a symbolizer and reserve memory by the terabyte. Their
 * builds get a filter (so that Seccomp is 2 and its code runs) that refuses just what the tests look for, and
 * no limit of memory. */
#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_RELAXED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define SANDBOX_RELAXED 1
#endif
#endif
#ifndef SANDBOX_RELAXED
#define SANDBOX_RELAXED 0
#endif

enum sandbox_role { SANDBOX_SIGNER, SANDBOX_RESOLVER, SANDBOX_ENGINE, SANDBOX_MONITOR };

/** Called in the child right after fork, while it may still open files: parent-death signal, title ("engine
 * 0"), prefix of its messages, signals to their defaults but for those that a terminal or `kill -TERM -PGID`
 * sends to all: the monitor decides who ends when. The monitor calls it for itself too, before it opens
 * anything. */
void sandbox_begin(enum sandbox_role role, unsigned index);
/** No way back after this. The filter kills on what only an exploit needs, allows what libuv, OpenSSL and
 * c-ares use, and answers EPERM to all else: a library that tries to open a configuration file goes on
 * without it. The monitor keeps the capabilities named in sandbox.c and a filter that its children's come on
 * top of. */
void sandbox_enter(enum sandbox_role role);

/** The monitor's other capabilities, in effect between the two: to fork and end children, and for files that
 * are not root's. Before sandbox_enter() both do nothing. SANDBOX_RAISED does it for a scope. */
int sandbox_raise(void);
void sandbox_lower(const int *raised);
#define SANDBOX_RAISED __attribute__((cleanup(sandbox_lower), unused)) int sandbox_raised = sandbox_raise()

/** The seccomp filter alone; ends the process where it cannot be loaded. */
void sandbox_filter(enum sandbox_role role);

/** Remembers where argv is, so that sandbox_begin() can set a title there. Replaces every argv[i] by a copy,
 * which lives as long as the process. */
void sandbox_title_init(int argc, char **argv);
/** "egressd: TEXT" is what ps and /proc/PID/cmdline show from now on. */
void sandbox_title(const char *text);

#endif
