/* policy, reload, ca, pf. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hostctl/apple.h"
#include "hostctl/commands.h"
#include "hostctl/hostenv.h"
#include "hostctl/status.h"
#include "hostctl/words.h"
#include "lib/base.h"
#include "lib/log.h"
#include "lib/policy_text.h"

#define EXIT_BAD_POLICY 2
#define EXIT_DIFFERENT 1
#define POLICY_MAX MIB(16)
#define BODY_MAX MIB(64)
#define RELOAD_S 15

/* Reads and compiles; says FILE:LINE:COL where it is bad. `text` may be NULL. */
static struct policy *load(const char *file, struct blob *text)
{
    struct policy_error err = {0};
    struct blob own = {0};
    int e = blob_read(file, POLICY_MAX, text ? text : &own);
    if (e) {
        log_warn("cannot read the policy %s: %s", file, strerror(-e));
        return NULL;
    }
    struct policy *p = text ? policy_load(text->p, text->n, &err) : policy_load(own.p, own.n, &err);
    blob_wipe(&own);
    if (!p)
        (void)fprintf(stderr, "%s:%u:%u: %s\n", file, err.line, err.col, err.text);
    return p;
}

static int check(const struct opt_args *a)
{
    struct policy *p = load(a->pos[1], NULL);
    if (!p)
        return EXIT_BAD_POLICY;
    policy_summary(stdout, p);
    policy_free(p);
    return 0;
}

/* egressd has the inspection, too; returns where there is none. */
static void test_by_egressd(const char *policy, const struct policy_query *q, const char *body_file)
{
    cleanup_free char *program = program_look("egressd");
    struct words w = {0};
    if (!program)
        return;
    words_add_all(&w, program, "test");
    words_add_all(&w, "--policy", policy);
    words_add_all(&w, "--url", q->url);
    if (q->method)
        words_add_all(&w, "--method", q->method);
    for (size_t i = 0; i < q->n_headers; i++)
        words_add_all(&w, "--header", q->headers[i]);
    if (body_file)
        words_add_all(&w, "--body", body_file);
    char **argv = words_take(&w);
    if (argv && fflush(stdout) == 0)
        (void)execv(program, argv);
    words_free_list(argv);
}

static int test(const struct opt_args *a, struct policy_query *q, const char *body_file)
{
    struct blob body = {0};
    if (!q->url) {
        log_warn(
            "policy test: which request? --url URL [--method M] [--header 'NAME: VALUE']... [--body FILE]");
        return EXIT_EGRESSCTL;
    }
    test_by_egressd(a->pos[1], q, body_file);
    int e = body_file ? blob_read(body_file, BODY_MAX, &body) : 0;
    if (e) {
        log_warn("cannot read the body %s: %s", body_file, strerror(-e));
        return EXIT_EGRESSCTL;
    }
    q->body = body.p;
    q->body_len = body.n;
    struct policy *p = load(a->pos[1], NULL);
    int status = EXIT_BAD_POLICY;
    if (p)
        status = policy_explain(stdout, p, q) == REASON_NONE ? 0 : EXIT_DIFFERENT;
    policy_free(p);
    blob_wipe(&body);
    return status;
}

static int diff(const struct opt_args *a)
{
    struct policy *old = load(a->pos[1], NULL), *new = old ? load(a->pos[2], NULL) : NULL;
    int status = new ? (policy_diff(stdout, old, new) ? EXIT_DIFFERENT : 0) : EXIT_BAD_POLICY;
    policy_free(old);
    policy_free(new);
    return status;
}

static const char policy_usage[] =
    "usage: egressctl policy check FILE\n"
    "       egressctl policy test FILE --url URL [--method METHOD] [--header 'NAME: VALUE']...\n"
    "                             [--body FILE]\n"
    "       egressctl policy diff FILE FILE\n"
    "       egressctl policy learn [NAME] [--state-dir DIR] [--siblings N]\n"
    "\n"
    "check: what the policy allows. Status 0, or 2 and FILE:LINE:COL where it is wrong.\n"
    "test:  what would become of a request, and why. Status 0: allowed, 1: refused, 2: bad policy.\n"
    "diff:  what the second changes in the first. Status 0: nothing, 1: something.\n"
    "learn: the least that allows what a sandbox's log has (see run --audit-only), for you to edit.\n"
    "\n";

int cmd_policy(int argc, char **argv)
{
    struct policy_query q = {0};
    const char *body = NULL, *state_dir = NULL;
    unsigned siblings = 0;
    struct opt_list headers = {0};
    const struct opt table[] = {
        {"url", 0, OPT_STRING, &q.url, "URL", "test: of the request", 0, 0},
        {"method", 0, OPT_STRING, &q.method, "METHOD", "test: of the request; default GET", 0, 0},
        {"header", 0, OPT_LIST, &headers, "NAME: VALUE", "test: a header field; may be repeated", 0, 0},
        {"body", 0, OPT_STRING, &body, "FILE", "test: the request's body", 0, 0},
        {"state-dir", 0, OPT_STRING, &state_dir, "DIR", "learn: the log in this directory", 0, 0},
        {"siblings", 0, OPT_UINT, &siblings, "N", "learn: names in one place of a path that make it data (8)",
            2, 10000},
        {0},
    };
    struct opt_args args;
    int status = 0;
    if (!command_options(table, policy_usage, argc, argv, 0, &args, &status))
        return status;
    q.headers = headers.items;
    q.n_headers = headers.n;
    if (args.n_pos == 2 && strcmp(args.pos[0], "check") == 0)
        return check(&args);
    if (args.n_pos == 2 && strcmp(args.pos[0], "test") == 0)
        return test(&args, &q, body);
    if (args.n_pos == 3 && strcmp(args.pos[0], "diff") == 0)
        return diff(&args);
    if (args.n_pos >= 1 && args.n_pos <= 2 && strcmp(args.pos[0], "learn") == 0)
        return policy_learn(args.n_pos == 2 ? args.pos[1] : NULL, state_dir, siblings);
    log_warn("policy: egressctl policy check FILE, test FILE --url URL, diff FILE FILE, or learn [NAME]");
    return EXIT_EGRESSCTL;
}

/* -- reload -- */

static json_int_t field(const json_t *status, const char *name)
{
    return json_integer_value(json_object_get(status, name));
}

/* The sidecar answers with a new generation, or with an error. */
static int await_reload(const struct backend *b, struct record *r, const json_t *before)
{
    for (int i = 0; i < RELOAD_S * 100; i++) {
        json_t *now = status_of_sandbox(b, r);
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
    if (!err && (err = b->get_file(r, SIDECAR_SECRETS, &old)))
        log_warn("cannot reach the sidecar of %s: %s", r->name, strerror(-err));
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
    json_t *before = status_of_sandbox(b, r);
    if (!err && ((err = b->get_file(r, SIDECAR_POLICY, &old_text)) ||
                    (err = b->get_file(r, SIDECAR_SECRETS, &old_secrets)) ||
                    (err = b->put_file(r, SIDECAR_SECRETS, &secrets)) ||
                    (err = b->put_file(r, SIDECAR_POLICY, &text)) || (err = b->reload(r))))
        log_warn("cannot reach the sidecar of %s: %s", r->name, strerror(-err));
    else if (!err && (err = await_reload(b, r, before)) == -EINVAL) {
        /* A later SIGHUP must not find what was refused. */
        (void)b->put_file(r, SIDECAR_SECRETS, &old_secrets);
        (void)b->put_file(r, SIDECAR_POLICY, &old_text);
    } else if (!err) {
        err = sandbox_prove(r);
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
            "or says why not, and "
            "tries the network again. "
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

/* -- ca, pf -- */

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
    if (!command_words(&args, 1, "ca") || sandbox_find(args.n_pos ? args.pos[0] : NULL, &r))
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
    struct record r;
    int status = 0;
    if (!command_options(table,
            "usage: egressctl pf NAME\n\nPrints a pf anchor for a running sandbox of the apple backend. It "
            "is "
            "optional: a second wall on the host.\n\n",
            argc, argv, 0, &args, &status))
        return status;
    if (!command_words(&args, 1, "pf") || sandbox_find(args.n_pos ? args.pos[0] : NULL, &r))
        return EXIT_EGRESSCTL;
    const char *backend = record_str(&r, "backend");
    status = EXIT_EGRESSCTL;
    if (!backend || strcmp(backend, "apple") != 0)
        log_warn("pf is the packet filter of macOS: it is only of use for sandboxes of the apple backend");
    else if (apple_print_pf(&r) == 0)
        status = 0;
    record_close(&r);
    return status;
}
