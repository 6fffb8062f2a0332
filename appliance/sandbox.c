#include "appliance/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "appliance/memory.h"
#include "appliance/roles.h"
#include "lib/base.h"
#include "lib/log.h"

#define CAP_BIT(c) (1ull << (c))

/* What the monitor still does after its start:
 *   NET_ADMIN    verdicts, rules and routes at a reload
 *   NET_RAW      the same through iptables-legacy, where a kernel has no nf_tables
 *   SETUID, SETGID, SETPCAP   a restarted child drops its own uid, groups and bounding set
 *   KILL         ending children, which have other uids
 *   DAC_OVERRIDE re-reading the policy and rotating the log in folders that are not root's. SETUID could do
 * that anyway, so nothing is lost by it. */
#define MONITOR_CAPS \
    (CAP_BIT(CAP_NET_ADMIN) | CAP_BIT(CAP_NET_RAW) | CAP_BIT(CAP_SETUID) | CAP_BIT(CAP_SETGID) | \
        CAP_BIT(CAP_SETPCAP) | CAP_BIT(CAP_KILL) | CAP_BIT(CAP_DAC_OVERRIDE))

/* KILL always: the kernel asks for it when the monitor dies and its children are to die with it
 * (PR_SET_PDEATHSIG), one that hangs or is stopped, too. */
#define MONITOR_EFFECTIVE (CAP_BIT(CAP_NET_ADMIN) | CAP_BIT(CAP_KILL))

/* The monitor's alone, and only once it has dropped the rest: a child of its starts with what was raised
 * then. */
static bool may_raise, is_raised;

static const struct {
    const char *name;
    uid_t uid;
} roles[] = {
    [SANDBOX_SIGNER] = {"signer", UID_SIGNER},
    [SANDBOX_RESOLVER] = {"resolver", UID_RESOLVER},
    [SANDBOX_ENGINE] = {"engine", UID_ENGINE},
    [SANDBOX_MONITOR] = {"monitor", 0},
};

void sandbox_begin(enum sandbox_role role, unsigned index)
{
    static char name[32], prefix[48];
    if (role == SANDBOX_ENGINE)
        (void)snprintf(name, sizeof name, "engine %u", index);
    else
        (void)snprintf(name, sizeof name, "%s", roles[role].name);
    (void)snprintf(prefix, sizeof prefix, "egressd: %s", name);
    log_init(prefix);
    sandbox_title(name);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a log that may not grow is one that cannot be written */
    if (role == SANDBOX_MONITOR)
        return;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        die_errno("cannot ask to die with the monitor");
    (void)signal(SIGCHLD, SIG_DFL);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGQUIT, SIG_IGN);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/** The bounding set is given up first, while CAP_SETPCAP is there. What the kernel does not know is no
 * capability. */
static void limit_bounding_set(uint64_t keep)
{
    for (unsigned cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
        if (keep & CAP_BIT(cap))
            continue;
        if (prctl(PR_CAPBSET_READ, cap) == 1 && prctl(PR_CAPBSET_DROP, cap) < 0)
            die_errno("cannot drop capability %u from the bounding set", cap);
        if (prctl(PR_CAPBSET_READ, cap) != 0)
            die("capability %u is still in the bounding set", cap);
    }
}

static void set_capabilities(uint64_t keep, uint64_t effective)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2], now[2];
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        die_errno("cannot clear the ambient capabilities");
    if (syscall(SYS_capget, &head, now) < 0)
        die_errno("cannot read the capabilities");
    for (unsigned i = 0; i < 2; i++) { /* only what is there can be kept: a container may give less */
        uint32_t want = (uint32_t)(keep >> (32 * i)) & now[i].permitted;
        data[i] = (struct __user_cap_data_struct){
            .effective = want & (uint32_t)(effective >> (32 * i)), .permitted = want};
    }
    if (syscall(SYS_capset, &head, data) < 0)
        die_errno("cannot drop capabilities");
    if (syscall(SYS_capget, &head, now) < 0)
        die_errno("cannot read the capabilities");
    for (unsigned i = 0; i < 2; i++)
        if (((now[i].effective | now[i].permitted | now[i].inheritable) & ~(uint32_t)(keep >> (32 * i))) != 0)
            die("capabilities are still there after they were dropped");
}

static void set_identity(uid_t uid)
{
    uid_t r, e, s;
    gid_t gr, ge, gs;
    if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        die_errno("cannot become uid %u", uid);
    if (getresuid(&r, &e, &s) < 0 || getresgid(&gr, &ge, &gs) < 0 || getgroups(0, NULL) != 0)
        die_errno("cannot read the identity back");
    if (r != uid || e != uid || s != uid || gr != uid || ge != uid || gs != uid)
        die("still not uid %u", uid);
}

static void set_limit(int what, const char *name)
{
    struct rlimit zero = {0, 0}, now;
    if (setrlimit((__rlimit_resource_t)what, &zero) < 0 || getrlimit((__rlimit_resource_t)what, &now) < 0 ||
        now.rlim_max != 0)
        die_errno("cannot set the limit %s to 0", name);
}

/** What an agent makes an engine hold is bounded for each connection and stream, but it may open thousands.
 * When this much is in use, allocations fail, and with them the requests that want more: rather than the
 * host's memory. What the resolver holds is counted in octets, as the policy says. Sanitizers need more than
 * anybody has. */
static void limit_memory(void)
{
    const rlim_t most = MIB(1024), least = MIB(256);
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    struct rlimit r;
    if (SANDBOX_RELAXED || getrlimit(RLIMIT_DATA, &r) < 0 || pages <= 0 || size <= 0)
        return;
    rlim_t quarter = (rlim_t)pages * (rlim_t)size / 4;
    r.rlim_max = r.rlim_cur = MIN(r.rlim_cur, MIN(MAX(quarter, least), most));
    if (setrlimit(RLIMIT_DATA, &r) < 0)
        die_errno("cannot limit the memory");
}

/** Neither its memory nor its descriptors are for others to look at; nor a core file's. */
static void set_secrecy(void)
{
    set_limit(RLIMIT_CORE, "core");
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_GET_DUMPABLE) != 0)
        die_errno("cannot become undumpable");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        die_errno("cannot set no_new_privs");
}

static void set_effective(uint64_t effective)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &head, data) < 0)
        die_errno("cannot read the capabilities");
    for (unsigned i = 0; i < 2; i++)
        data[i].effective = data[i].permitted & (uint32_t)(effective >> (32 * i));
    if (syscall(SYS_capset, &head, data) < 0)
        die_errno("cannot change the capabilities in effect");
}

int sandbox_raise(void)
{
    if (!may_raise || is_raised)
        return 0; /* a scope within another: the outer one lowers */
    set_effective(MONITOR_CAPS);
    is_raised = true;
    return 1;
}

void sandbox_lower(const int *raised)
{
    if (!*raised)
        return;
    set_effective(MONITOR_EFFECTIVE);
    is_raised = false;
}

void sandbox_enter(enum sandbox_role role)
{
    if (role == SANDBOX_MONITOR) {
        limit_bounding_set(MONITOR_CAPS);
        set_capabilities(MONITOR_CAPS, MONITOR_EFFECTIVE);
        set_secrecy();
        sandbox_filter(role);
        may_raise = true;
        return;
    }
    limit_bounding_set(0);
    set_identity(roles[role].uid);
    set_capabilities(0, 0);
    set_limit(RLIMIT_NPROC, "nproc");
    if (role != SANDBOX_RESOLVER)
        limit_memory();
    set_secrecy();
    /* A change of identity clears it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        die_errno("cannot ask to die with the monitor");
    sandbox_filter(role);
    /* What starting took, the filter's making above all. */
    memory_trim();
    memory_forget_code();
}
