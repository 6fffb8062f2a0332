/* egressctl: makes sandboxes whose only way out is a sidecar that judges what leaves. See egressctl(1). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/commands.h"
#include "lib/base.h"
#include "lib/log.h"

#ifndef EGRESS_VERSION
#define EGRESS_VERSION "unknown"
#endif

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"run", cmd_run, "start a sidecar and an agent, and wait for the agent"},
    {"ps", cmd_ps, "list sandboxes and how they are"},
    {"stop", cmd_stop, "end a sandbox"},
    {"gc", cmd_gc, "remove what crashed sandboxes left"},
    {"exec", cmd_exec, "run one more command in a sandbox"},
    {"audit", cmd_audit, "show, follow or verify the audit log"},
    {"doctor", cmd_doctor, "say what this host has and lacks"},
    {"policy", cmd_policy, "check, test, compare and learn policies"},
    {"reload", cmd_reload, "give a sandbox another policy and fresh secrets"},
    {"ca", cmd_ca, "print a sandbox's CA certificate"},
    {"pf", cmd_pf, "print the optional pf anchor (macOS)"},
};

static int usage(FILE *f, int status)
{
    (void)fputs("usage: egressctl COMMAND [OPTION...] [ARG...]\n\n", f);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        (void)fprintf(f, "  %-8s %s\n", commands[i].name, commands[i].help);
    (void)fputs("\negressctl COMMAND --help says more. See also egressctl(1).\n", f);
    return status;
}

/* What is relative would be somewhere else for the next command, and for the agent it would not be hidden. */
static bool folders_ok(void)
{
    static const char *const names[] = {"EGRESSD_RUNTIME_DIR", "EGRESSD_STATE_DIR"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *v = getenv(names[i]);
        if (v && *v && *v != '/') {
            log_warn("%s=%s: not an absolute path; write it with a / at its beginning", names[i], v);
            return false;
        }
    }
    return true;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr, EXIT_EGRESSCTL);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout, 0);
    if (strcmp(argv[1], "--version") == 0)
        return puts("egressctl " EGRESS_VERSION) < 0 ? EXIT_EGRESSCTL : 0;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    log_warn("there is no command %s", argv[1]);
    return usage(stderr, EXIT_EGRESSCTL);
}

int main(int argc, char **argv)
{
    log_init("egressctl");
    if (!folders_ok())
        return EXIT_EGRESSCTL;
    return output_end(dispatch(argc, argv), EXIT_EGRESSCTL);
}
