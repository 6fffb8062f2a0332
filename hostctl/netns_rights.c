#include "hostctl/netns_rights.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/log.h"

/* The agent's, unless --user says otherwise, and those of egressd's processes (appliance/roles.h). */
#define UID_LOWEST 65520U
#define UID_HIGHEST 65523U

static bool capabilities_there(void)
{
    static const struct {
        unsigned number;
        const char *name;
    } needed[] = {{CAP_CHOWN, "CHOWN"}, {CAP_SETGID, "SETGID"}, {CAP_SETUID, "SETUID"},
        {CAP_SETPCAP, "SETPCAP"}, {CAP_NET_BIND_SERVICE, "NET_BIND_SERVICE"}, {CAP_NET_ADMIN, "NET_ADMIN"},
        {CAP_SYS_PTRACE, "SYS_PTRACE"}, {CAP_SYS_ADMIN, "SYS_ADMIN"}};
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = {0};
    char lacks[160] = "";
    size_t at = 0;
    if (syscall(SYS_capget, &h, have))
        return true; /* what is missing will say so itself */
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (!(have[0].effective >> needed[i].number & 1))
            at += (size_t)snprintf(lacks + at, sizeof lacks - at, " CAP_%s", needed[i].name);
    if (at)
        log_warn("the netns backend needs what root can do on its host; here it lacks%s", lacks);
    return at == 0;
}

static bool users_there(void)
{
    char line[64];
    bool found = false;
    FILE *f = fopen("/proc/self/uid_map", "re");
    if (!f)
        return true;
    while (!found && fgets(line, sizeof line, f)) {
        char *p = line;
        unsigned long from = strtoul(p, &p, 10);
        (void)strtoul(p, &p, 10);
        unsigned long n = strtoul(p, NULL, 10);
        found = from <= UID_LOWEST && UID_HIGHEST - from < n;
    }
    (void)fclose(f);
    if (!found)
        log_warn("the netns backend needs the users %u to %u, and this user namespace has them not; run "
                 "egressctl as the host's root",
            UID_LOWEST, UID_HIGHEST);
    return found;
}

int rights_check(void)
{
    return capabilities_there() && users_there() ? 0 : -EPERM;
}
