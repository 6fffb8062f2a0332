#include "init/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <linux/capability.h>
#include <linux/securebits.h>

#include "init/filter.h"
#include "init/route.h"
#include "init/say.h"
#include "init/base.h"

/* Root is nobody special, ids change no capabilities, and none of it can be undone. */
static const unsigned long SECURE_BITS = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                         SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                         SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

/* The kernel knows where its list of capabilities ends. */
static bool capability_exists(unsigned long cap)
{
    return prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0;
}

static void drop_bounding_set(void)
{
    for (unsigned long cap = 0; capability_exists(cap); cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            fatal_error(errno, "cannot drop capability %u (is CAP_SETPCAP there?)", (unsigned)cap);
}

static void drop_ids(const struct settings *s)
{
    /* A user namespace may forbid setgroups(2); then there must be no groups to begin with. */
    if (setgroups(0, NULL) < 0 && getgroups(0, NULL) != 0)
        fatal_error(errno, "cannot clear the supplementary groups (is CAP_SETGID there?)");
    if (setresgid(s->gid, s->gid, s->gid) < 0)
        fatal_error(errno, "cannot become group %u (is CAP_SETGID there?)", s->gid);
    if (setresuid(s->uid, s->uid, s->uid) < 0)
        fatal_error(errno, "cannot become user %u (is CAP_SETUID there?)", s->uid);
}

static void drop_capabilities(void)
{
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capset, &h, none) < 0)
        fatal_error(errno, "cannot clear the capability sets");
}

static void close_descriptors(void)
{
    /* An inherited descriptor may be a way out (a socket of the host's, a directory outside the root). */
    if (syscall(SYS_close_range, 3u, ~0u, 0u) == 0)
        return;
    long max = sysconf(_SC_OPEN_MAX);
    for (int fd = 3; fd < (max > 0 && max < 1 << 20 ? (int)max : 1 << 20); fd++)
        (void)close(fd);
}

/* Where cores go to a program, the kernel runs it as root on the host, for the host's names: it is told of no
 * crash in here. A limit of one octet means just that (core(5)). */
static void keep_cores(void)
{
    const struct rlimit one = {1, 1};
    char first = 0;
    cleanup_fd int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, &first, 1) == 1 && first == '|' && setrlimit(RLIMIT_CORE, &one) < 0)
        fatal_error(errno, "cannot keep cores from the host");
}

void privilege_drop(const struct settings *s)
{
    keep_cores();
    close_descriptors();
    drop_bounding_set();
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        fatal_error(errno, "cannot clear the ambient capabilities");
    if (prctl(PR_SET_SECUREBITS, SECURE_BITS, 0, 0, 0) < 0)
        fatal_error(errno, "cannot lock the secure bits (is CAP_SETPCAP there?)");
    drop_ids(s);
    drop_capabilities();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fatal_error(errno, "cannot set no_new_privs");
    filter_install();
}

static void prove_capabilities(void)
{
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &h, d) < 0)
        fatal_error(errno, "cannot read the capability sets");
    for (unsigned i = 0; i < ARRAY_LEN(d); i++)
        if ((d[i].effective | d[i].permitted | d[i].inheritable) != 0)
            fatal("capabilities are left after all were dropped");
    int in_set;
    for (unsigned long cap = 0; (in_set = prctl(PR_CAPBSET_READ, cap, 0, 0, 0)) >= 0; cap++)
        if (in_set > 0 || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) > 0)
            fatal("capability %u is still in the bounding or ambient set", (unsigned)cap);
}

static void prove_ids(const struct settings *s)
{
    uid_t r, e, v;
    gid_t gr, ge, gv;
    if (getresuid(&r, &e, &v) < 0 || r != s->uid || e != s->uid || v != s->uid)
        fatal("the user id is not %u", s->uid);
    if (getresgid(&gr, &ge, &gv) < 0 || gr != s->gid || ge != s->gid || gv != s->gid)
        fatal("the group id is not %u", s->gid);
    if (getgroups(0, NULL) != 0)
        fatal("supplementary groups are left");
    if (s->uid != 0 && setuid(0) == 0)
        fatal("could become root again");
}

/* User 0 owns /proc/sys even without a capability, and kernel.core_pattern runs programs on the host. */
static void prove_no_host_files(void)
{
    static const char *const files[] = {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
        "/sys/kernel/uevent_helper", "/proc/sysrq-trigger"};
    for (unsigned i = 0; i < ARRAY_LEN(files); i++) {
        cleanup_fd int fd = open(files[i], O_WRONLY | O_CLOEXEC);
        if (fd >= 0)
            fatal("%s can be written by the agent; choose another --user or mount it read-only", files[i]);
    }
}

void privilege_prove(const struct settings *s)
{
    prove_capabilities();
    prove_ids(s);
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        fatal("no_new_privs is not set");
    if (prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != (int)SECURE_BITS)
        fatal("the secure bits are not locked");
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2 /* SECCOMP_MODE_FILTER */)
        fatal("the system call filter is not in place");
    prove_no_host_files();
    int error = route_try_replace();
    if (error == 0)
        fatal("the default route could be replaced after all privileges were dropped");
    if (error != -EPERM)
        fatal_error(error, "cannot tell whether the default route is safe");
}
