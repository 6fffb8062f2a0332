/** \file
 * Dropping privilege for good: uid, groups, every capability set, no_new_privs, not dumpable, no core file, dies with
 * the monitor, a seccomp filter. Each step is read back; a failure ends the process.
 */
#ifndef EGRESS_APPLIANCE_SANDBOX_H
#define EGRESS_APPLIANCE_SANDBOX_H

enum sandbox_role { SANDBOX_SIGNER, SANDBOX_RESOLVER, SANDBOX_ENGINE, SANDBOX_MONITOR };

/** Called in the child right after fork, while it may still open files: parent-death signal, title ("engine 0"). */
void sandbox_begin(enum sandbox_role role, unsigned index);
/** No way back after this. The filter kills on what only an exploit needs and allows what libuv, OpenSSL, c-ares use. */
void sandbox_enter(enum sandbox_role role);

#endif
