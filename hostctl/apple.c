/* How Apple's container is asked: once more where its service was too slow, and with advice where it fails.
 */
#include "hostctl/apple.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/log.h"

#define OUTPUT_MAX MIB(4)
#define ERROR_MAX KIB(8)
/* Its own limit for an answer is one second, and a service that starts a virtual machine may take longer. */
#define TRIES 6
#define PAUSE_MS 250

struct answer {
    int status;
    enum apple_trouble trouble;
    bool again; /* it had been asked before, without an answer */
    char error[ERROR_MAX];
};

static void pause_ms(long ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

static void ask_once(struct spawn s, struct answer *a)
{
    FILE *err = tmpfile();
    s.quiet = !err;
    if (err)
        s.err_fd = fileno(err);
    a->status = spawn_wait(&s);
    size_t n = 0;
    if (err) {
        rewind(err);
        n = fread(a->error, 1, sizeof a->error - 1, err);
        (void)fclose(err);
    }
    a->error[n] = 0;
    a->trouble = a->status ? apple_trouble_of(a->error, a->status) : APPLE_OTHER;
}

static bool has_word(const struct words *w, const char *word)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->v[i], word) == 0)
            return true;
    return false;
}

/* What timed out may have been done all the same, and what is gone needs no deleting. */
static bool is_done(const struct words *w, const struct answer *a)
{
    return (a->again && a->trouble == APPLE_EXISTS && has_word(w, "create")) ||
           (a->trouble == APPLE_NOT_FOUND && has_word(w, "delete"));
}

/* `s` says where its stdout goes. */
static void ask(const struct words *w, struct spawn s, struct answer *a)
{
    s.argv = (const char *const *)w->v;
    *a = (struct answer){.status = -ENOMEM};
    for (int i = 1; !w->failed && i <= TRIES; i++) {
        ask_once(s, a);
        if (a->status == 0 || (a->trouble != APPLE_TIMEOUT && a->trouble != APPLE_RUNNING_STILL))
            break;
        a->again |= a->trouble == APPLE_TIMEOUT;
        if (i < TRIES)
            pause_ms((long)PAUSE_MS * i);
    }
}

static void complain(const struct answer *a)
{
    const char *advice = apple_advice(a->trouble);
    (void)fputs(a->error, stderr);
    if (advice)
        log_warn("container: %s", advice);
}

int apple_run(const struct cli *c, struct words *w, bool quiet)
{
    char none[1];
    struct answer a;
    (void)c;
    ask(w, (struct spawn){.out = none, .outlen = sizeof none}, &a);
    if (a.status && is_done(w, &a))
        a.status = 0;
    if (a.status && !quiet)
        complain(&a);
    words_free(w);
    return a.status;
}

char *apple_output(const struct cli *c, struct words *w)
{
    cleanup_free char *out = malloc(OUTPUT_MAX);
    struct answer a = {.status = -ENOMEM};
    (void)c;
    if (out)
        ask(w, (struct spawn){.out = out, .outlen = OUTPUT_MAX}, &a);
    words_free(w);
    return a.status == 0 ? steal_ptr(&out) : NULL;
}

json_t *apple_ask(const struct cli *c, const char *const *words, int *status)
{
    cleanup_free char *out = malloc(OUTPUT_MAX);
    struct answer a = {.status = -ENOMEM};
    struct words w = {0};
    words_add(&w, c->program);
    words_add_list(&w, words);
    if (out) {
        out[0] = 0;
        ask(&w, (struct spawn){.out = out, .outlen = OUTPUT_MAX}, &a);
    }
    words_free(&w);
    if (status)
        *status = a.status;
    return out ? json_loads(out, 0, NULL) : NULL;
}
#define ask_json(c, status, ...) \
    apple_ask((c), (const char *const[]){__VA_ARGS__, "--format", "json", NULL}, (status))

/* -- before anything is made -- */

struct apple_version apple_version(const struct cli *c)
{
    static struct apple_version v;
    static bool asked;
    if (!asked) {
        json_t *list = ask_json(c, NULL, "system", "version");
        (void)apple_version_of(list, &v);
        json_decref(list);
        asked = true;
    }
    return v;
}

static int check_service(const struct cli *c)
{
    int status = 0;
    json_t *j = ask_json(c, &status, "system", "status");
    enum apple_service s = apple_service_of(j);
    json_decref(j);
    if (s == APPLE_RUNNING && status == 0)
        return 0;
    log_warn("Apple's container is installed, but its service is %s; start it: container system start",
        s == APPLE_UNREGISTERED ? "not registered" : "not running");
    if (geteuid() == 0)
        log_warn("its service belongs to a user: run egressctl as the one who started it, without sudo");
    return -ENOTCONN;
}

int apple_check(const struct cli *c)
{
    if (!cli_present(c->program)) {
        log_warn("there is no %s in PATH; install Apple's container " APPLE_OLDEST
                 " or later from its signed package (macOS 26), then: container system start",
            c->program);
        return -ENOENT;
    }
    struct apple_version v = apple_version(c);
    if (!apple_since(v, 0, 0, 1)) {
        log_warn("%s does not say its version; is it Apple's? Try: container system version", c->program);
        return -EPROTO;
    }
    if (!apple_since(v, 1, 0, 0)) {
        log_warn("Apple's container %u.%u.%u is too old, as two networks in one container fail "
                 "before " APPLE_OLDEST
                 "; install a later one, then: container system stop, container system start",
            v.major, v.minor, v.patch);
        return -EPROTONOSUPPORT;
    }
    if (apple_since(v, 1, 2, 3))
        log_info(
            "Apple's container %u.%u.%u is newer than 1.2.2, the last one that this program was written for",
            v.major, v.minor, v.patch);
    return check_service(c);
}

/* -- what there is -- */

json_t *apple_inspect(const struct cli *c, enum cli_kind kind, const char *name)
{
    struct words w = {0};
    words_add(&w, c->program);
    if (kind != CLI_CONTAINER)
        words_add(&w, kind == CLI_NETWORK ? "network" : "image");
    words_add_all(&w, "inspect", name);
    cleanup_free char *text = apple_output(c, &w);
    json_t *list = text ? json_loads(text, 0, NULL) : NULL;
    json_t *first = json_incref(json_array_get(list, 0));
    json_decref(list);
    return first;
}

char *apple_list(const struct cli *c, enum cli_kind kind)
{
    int status = 0;
    json_t *list = kind == CLI_CONTAINER ? ask_json(c, &status, "list", "--all")
                                         : ask_json(c, &status, "network", "list");
    char *names = status == 0 && json_is_array(list) ? apple_names(list) : NULL;
    json_decref(list);
    return names;
}

static bool is_transient(const char *text)
{
    return apple_trouble_of(text, 1) == APPLE_TIMEOUT;
}

const struct dialect dialect_apple = {
    .backend = "apple",
    .program = "container",
    .load = "container image load -i",
    .shim = APPLE_GUEST_MOUNT "/egress-init",
    .agent_ca = APPLE_GUEST_MOUNT "/ca.crt",
    .check = apple_check,
    .run = apple_run,
    .output = apple_output,
    .inspect = apple_inspect,
    .state = apple_state,
    .place = apple_place,
    .label = apple_label,
    .image_user = apple_image_user,
    .image_is = apple_image_is,
    .list = apple_list,
    .is_transient = is_transient,
    .load_argv = apple_load_argv,
    .pull_argv = apple_pull_argv,
    .remove_argv = apple_remove_argv,
    .network_argv = apple_network_argv,
    .sidecar_argv = apple_sidecar_argv,
    .agent_argv = apple_agent_argv,
    .write_guest = apple_write_guest,
};
