#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hostctl/commands.h"
#include "hostctl/hostenv.h"
#include "hostctl/proc.h"
#include "lib/base.h"
#include "lib/log.h"

/* The sandbox's secrets, so that none of them goes in by the caller's environment; then they are gone from
 * ours. */
static char **environment(struct record *r, const struct backend *b)
{
    char home[4200], user[300], logname[300];
    const char *dir = record_str(r, "home"), *name = record_str(r, "user_name");
    struct blob secrets = {0};
    if (b->get_file(r, SIDECAR_SECRETS, &secrets))
        return NULL;
    (void)snprintf(home, sizeof home, "HOME=%s", dir ? dir : "/run/agent/home");
    (void)snprintf(user, sizeof user, "USER=%s", name ? name : "agent");
    (void)snprintf(logname, sizeof logname, "LOGNAME=%s", name ? name : "agent");
    const char *const overrides[] = {home, user, logname, NULL};
    char **env = hostenv_for_agent(&secrets, overrides);
    blob_wipe(&secrets);
    return env;
}

int cmd_exec(int argc, char **argv)
{
    const struct opt table[] = {{0}};
    struct opt_args args;
    struct record r;
    int status = 0;
    if (!command_options(table,
            "usage: egressctl exec NAME -- CMD [ARG...]\n\nRuns one more command in a running sandbox, as "
            "its user.\n\n",
            argc, argv, 0, &args, &status))
        return status;
    if (args.n_pos != 1 || args.n_rest == 0) {
        log_warn("exec: egressctl exec NAME -- CMD [ARG...]");
        return EXIT_EGRESSCTL;
    }
    if (sandbox_find(args.pos[0], &r))
        return EXIT_EGRESSCTL;
    status = EXIT_EGRESSCTL;
    if (sandbox_is_starting(&r)) {
        /* Its rules and its probe may not be there yet: nothing runs in it before CMD may. */
        log_warn("exec: the sandbox %s is still starting; try again", r.name);
        record_close(&r);
        return status;
    }
    const struct backend *b = backend_of(&r);
    struct exec_request req = {
        .cmd = args.rest, .env = b ? environment(&r, b) : NULL, .cwd = getcwd(NULL, 0)};
    if (!req.env)
        log_warn(
            "cannot read what the sandbox %s keeps secret; is it still starting, and are you root?", r.name);
    else if (signals_init() == 0)
        status = b->exec(&r, &req);
    hostenv_free(req.env);
    free((void *)(uintptr_t)req.cwd);
    record_close(&r);
    return status;
}
