#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hostctl/commands.h"
#include "hostctl/proc.h"
#include "lib/base.h"

/* One line a finding: what, whether, and what to do. */
static bool line(bool good, const char *what, const char *hint)
{
    printf("%-5s %s%s%s\n", good ? "ok" : "LACKS", what, good ? "" : ": ", good ? "" : hint);
    return good;
}

static bool runs(const char *a, const char *b)
{
    const char *const argv[] = {a, b, NULL};
    char out[256];
    struct spawn s = {.argv = argv, .out = out, .outlen = sizeof out, .quiet = true};
    return spawn_wait(&s) == 0;
}

int cmd_doctor(int argc, char **argv)
{
    const struct opt table[] = {{0}};
    struct opt_args args;
    int status = 0;
    if (!command_options(table,
            "usage: egressctl doctor\n\nSays what this host has and lacks for sandboxes.\n\n", argc, argv, 0,
            &args, &status))
        return status;
    bool good = line(geteuid() == 0, "root", "the netns backend needs it: sudo egressctl ...");
    good &= line(runs("nft", "--version"), "nft", "apt-get install nftables");
    cleanup_free char *sidecar = program_find("egressd"), *shim = program_find("egress-init");
    good &= line(sidecar != NULL, "egressd", "install egressd beside egressctl");
    good &= line(shim != NULL, "egress-init", "install egress-init beside egressctl");
    (void)fflush(stdout);
    if (sidecar) {
        const char *const run[] = {sidecar, "doctor", NULL};
        struct spawn s = {.argv = run};
        good &= spawn_wait(&s) == 0;
    }
    return good ? 0 : 1;
}
