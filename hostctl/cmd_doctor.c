#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hostctl/apple.h"
#include "hostctl/commands.h"
#include "hostctl/proc.h"
#include "lib/base.h"
#include "lib/log.h"

/* One line a finding: what, whether, and what to do. */
static bool line(bool good, const char *what, const char *hint)
{
    printf("%-5s %s%s%s\n", good ? "ok" : "LACKS", what, good ? "" : ": ", good ? "" : hint);
    return good;
}

#ifdef __linux__
static bool runs(const char *a, const char *b)
{
    const char *const argv[] = {a, b, NULL};
    char out[256];
    struct spawn s = {.argv = argv, .out = out, .outlen = sizeof out, .quiet = true};
    return spawn_wait(&s) == 0;
}
#endif

/* Of a running sandbox: its network, tried from inside. */
static int examine(const char *name)
{
    struct record r;
    if (sandbox_find(name, &r))
        return EXIT_EGRESSCTL;
    if (sandbox_is_starting(&r)) {
        log_warn("doctor: the sandbox %s is still starting; try again", r.name);
        record_close(&r);
        return EXIT_EGRESSCTL;
    }
    const struct backend *b = backend_of(&r);
    struct health h = {0};
    if (b)
        b->health(&r, &h);
    bool good = line(b && h.sidecar && h.ready, "sidecar", h.note[0] ? h.note : "it does not serve");
    (void)fflush(stdout);
    if (b && b->probe)
        good &= line(sandbox_prove(&r) == 0, "no way round the sidecar",
            "see above; egressctl audit shows what was tried");
    record_close(&r);
    return good ? 0 : 1;
}

#ifdef __linux__
/* What the backend netns needs. */
static bool netns_host(void)
{
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
    return good;
}

/* Not needed without --image. */
static void runtimes(void)
{
    static const char *const known[] = {"podman", "docker"};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        bool good = cli_present(known[i]) && runs(known[i], "version");
        if (good)
            printf("ok    %s, for --image\n", known[i]);
        else if (cli_present(known[i]))
            printf("-     %s, for --image, does not answer: try `%s version`\n", known[i], known[i]);
    }
}
#endif

int cmd_doctor(int argc, char **argv)
{
    const struct opt table[] = {{0}};
    struct opt_args args;
    int status = 0;
    if (!command_options(table,
            "usage: egressctl doctor [NAME]\n\nSays what this host has and lacks for sandboxes. With a name: "
            "whether that "
            "running sandbox is tight,\ntried from inside; if it is not, it is ended.\n\n",
            argc, argv, 0, &args, &status))
        return status;
    if (!command_words(&args, 1, "doctor"))
        return EXIT_EGRESSCTL;
    if (args.n_pos)
        return examine(args.pos[0]);
#ifdef __linux__
    bool good = netns_host();
    runtimes();
#else
    bool good = true;
#endif
    if (cli_present("container"))
        good &= apple_doctor();
#ifdef __APPLE__
    else
        good = line(false, "Apple's container", "install its signed package, then: container system start");
#endif
    return good ? 0 : 1;
}
