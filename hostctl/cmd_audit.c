#include "hostctl/commands.h"

#include "lib/log.h"

int cmd_audit(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    log_warn("audit: not there yet");
    return EXIT_EGRESSCTL;
}
