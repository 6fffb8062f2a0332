/* policy, reload, ca, pf. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hostctl/commands.h"
#include "hostctl/hostenv.h"
#include "lib/base.h"
#include "lib/log.h"

#define EXIT_BAD_POLICY 2
#define POLICY_MAX MIB(16)
#define RELOAD_S 15

static const char *scheme_text(const struct route *r)
{
    switch (r->auth.scheme) {
    case AUTH_NONE: return "";
    case AUTH_BEARER: return ", Bearer ";
    case AUTH_TOKEN: return ", token ";
    case AUTH_BASIC: return ", Basic ";
    case AUTH_HEADER: return ", header with ";
    }
    return "";
}

static void summarise(const struct policy *p)
{
    static const char *const protocols[] = {[ROUTE_HTTP] = "http", [ROUTE_TCP] = "tcp", [ROUTE_UDP] = "udp"};
    for (size_t i = 0; i < p->n_routes; i++) {
        const struct route *r = &p->routes[i];
        printf("  %-32s %s%s, ports", r->host, protocols[r->protocol],
            r->tls == ROUTE_TLS_SPLICE ? " sealed" : "");
        for (size_t k = 0; k < r->n_ports; k++)
            if (r->ports[k].lo == r->ports[k].hi)
                printf(" %u", r->ports[k].lo);
            else
                printf(" %u-%u", r->ports[k].lo, r->ports[k].hi);
        if (r->n_matches)
            printf(", %zu match%s", r->n_matches, r->n_matches == 1 ? "" : "es");
        printf("%s%s%s%s%s\n", scheme_text(r),
            r->auth.scheme == AUTH_NONE || !r->auth.token_ref ? "" : r->auth.token_ref,
            r->git_fetch ? ", git fetch" : "", r->git_push ? ", git push" : "",
            r->allow_private ? ", private addresses" : "");
    }
}

/* Reads and compiles; says FILE:LINE:COL where it is bad. */
static struct policy *load(const char *file, struct blob *text)
{
    struct policy_error err = {0};
    int e = blob_read(file, POLICY_MAX, text);
    if (e) {
        log_warn("cannot read the policy %s: %s", file, strerror(-e));
        return NULL;
    }
    struct policy *p = policy_load(text->p, text->n, &err);
    if (!p)
        (void)fprintf(stderr, "%s:%u:%u: %s\n", file, err.line, err.col, err.text);
    return p;
}

int cmd_policy(int argc, char **argv)
{
    const struct opt table[] = {{0}};
    struct opt_args args;
    int status = 0;
    if (!command_options(table,
            "usage: egressctl policy check FILE\n\nExit status: 0, or 2 and FILE:LINE:COL where the file is "
            "wrong.\n\n",
            argc, argv, 0, &args, &status))
        return status;
    if (args.n_pos != 2 || strcmp(args.pos[0], "check") != 0) {
        log_warn("policy: egressctl policy check FILE");
        return EXIT_EGRESSCTL;
    }
    struct blob text = {0};
    struct policy *p = load(args.pos[1], &text);
    blob_wipe(&text);
    if (!p)
        return EXIT_BAD_POLICY;
    printf("%s: good; %zu route%s\n", args.pos[1], p->n_routes, p->n_routes == 1 ? "" : "s");
    summarise(p);
    policy_free(p);
    return 0;
}

/* -- reload
 * ----------------------------------------------------------------------------------------------------------
 */

static json_t *read_status(const struct record *r)
{
    char path[4200];
    const char *dir = record_str(r, "state_dir");
    (void)snprintf(path, sizeof path, "%s/status.json", dir ? dir : "");
    return json_load_file(path, 0, NULL);
}

static json_int_t field(const json_t *status, const char *name)
{
    return json_integer_value(json_object_get(status, name));
}

/* The sidecar answers with a new generation, or with an error. */
static int await_reload(const struct record *r, const json_t *before)
{
    for (int i = 0; i < RELOAD_S * 100; i++) {
        json_t *now = read_status(r);
        const json_t *error = json_object_get(now, "reload_error");
        const char *why = json_string_value(error);
        bool newer = now && field(now, "generation") != field(before, "generation");
        bool failed = now && why && *why && !json_equal(error, json_object_get(before, "reload_error"));
        if (failed)
            log_warn("the sidecar refuses it and goes on under the old policy: %s", why);
        json_decref(now);
        if (newer || failed)
            return newer ? 0 : -EINVAL;
        const struct timespec pause = {.tv_nsec = 10000000};
        (void)nanosleep(&pause, NULL);
    }
    log_warn("the sidecar did not answer within %d seconds; the old policy holds until it does", RELOAD_S);
    return -ETIMEDOUT;
}

/* Known secrets that our environment does not have keep their values. */
static int new_secrets(const struct backend *b, struct record *r, const struct policy *p, struct blob *out)
{
    struct secret_names names;
    struct blob old = {0};
    int err = secret_names_of(p, &names);
    if (!err)
        err = b->get_file(r, SIDECAR_SECRETS, &old);
    if (!err)
        err = hostenv_take(&names, &old, out);
    blob_wipe(&old);
    return err;
}

static int reload(struct record *r, const char *file)
{
    struct blob text = {0}, secrets = {0}, old_text = {0}, old_secrets = {0};
    const struct backend *b = backend_of(r);
    struct policy *p = b ? load(file, &text) : NULL;
    int err = p ? new_secrets(b, r, p, &secrets) : -EINVAL;
    json_t *before = read_status(r);
    if (!err && ((err = b->get_file(r, SIDECAR_POLICY, &old_text)) ||
                    (err = b->get_file(r, SIDECAR_SECRETS, &old_secrets)) ||
                    (err = b->put_file(r, SIDECAR_SECRETS, &secrets)) ||
                    (err = b->put_file(r, SIDECAR_POLICY, &text)) || (err = b->reload(r))))
        log_warn("cannot reach the sidecar of %s: %s", r->name, strerror(-err));
    else if (!err && (err = await_reload(r, before)) == -EINVAL) {
        /* A later SIGHUP must not find what was refused. */
        (void)b->put_file(r, SIDECAR_SECRETS, &old_secrets);
        (void)b->put_file(r, SIDECAR_POLICY, &old_text);
    }
    json_decref(before);
    blob_wipe(&text);
    blob_wipe(&secrets);
    blob_wipe(&old_text);
    blob_wipe(&old_secrets);
    int status = err == 0 ? 0 : p ? EXIT_EGRESSCTL : EXIT_BAD_POLICY;
    policy_free(p);
    return status;
}

int cmd_reload(int argc, char **argv)
{
    const char *file = NULL;
    const struct opt table[] = {{"policy", 0, OPT_STRING, &file, "FILE", "the new policy", 0, 0}, {0}};
    struct opt_args args;
    struct record r;
    int status = 0;
    if (!command_options(table,
            "usage: egressctl reload NAME --policy FILE\n\nWaits until the sidecar judges by the new policy, "
            "or says why not. "
            "Secrets are taken from the\nenvironment again; those that are not there keep their values.\n\n",
            argc, argv, 0, &args, &status))
        return status;
    if (args.n_pos != 1 || !file) {
        log_warn("reload: egressctl reload NAME --policy FILE");
        return EXIT_EGRESSCTL;
    }
    if (sandbox_find(args.pos[0], &r))
        return EXIT_EGRESSCTL;
    status = reload(&r, file);
    record_close(&r);
    return status;
}

/* -- ca, pf
 * ----------------------------------------------------------------------------------------------------------
 */

int cmd_ca(int argc, char **argv)
{
    const struct opt table[] = {{0}};
    struct opt_args args;
    struct record r;
    struct blob pem = {0};
    int status = 0;
    if (!command_options(table,
            "usage: egressctl ca [NAME]\n\nPrints the CA certificate (PEM) of a running sandbox.\n\n", argc,
            argv, 0, &args, &status))
        return status;
    if (args.n_pos > 1 || sandbox_find(args.n_pos ? args.pos[0] : NULL, &r))
        return EXIT_EGRESSCTL;
    const struct backend *b = backend_of(&r);
    int err = b ? b->get_file(&r, SIDECAR_CA, &pem) : -EINVAL;
    if (err)
        log_warn("cannot read the CA certificate of %s: %s", r.name, strerror(-err));
    else if (fwrite(pem.p, 1, pem.n, stdout) != pem.n)
        err = -EIO;
    blob_wipe(&pem);
    record_close(&r);
    return err ? EXIT_EGRESSCTL : 0;
}

int cmd_pf(int argc, char **argv)
{
    const struct opt table[] = {{0}};
    struct opt_args args;
    int status = 0;
    if (!command_options(table,
            "usage: egressctl pf NAME\n\nPrints a pf anchor for a sandbox of the apple backend.\n\n", argc,
            argv, 0, &args, &status))
        return status;
    log_warn("pf is the packet filter of macOS: it is only of use for sandboxes of the apple backend");
    return EXIT_EGRESSCTL;
}
