/* An inspector with a policy and secrets of its own, and octets driven through it in every split. */
#ifndef TESTS_INSPECT_WORLD_H
#define TESTS_INSPECT_WORLD_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "appliance/inspect/inspect.h"
#include "lib/base.h"

#define SECRET "Kq7-zR2v/W9+pL4xT6_m"
#define SECRET_SPACED "correct horse <battery> \"staple\" & 100%"
#define OUT (DETECT_TOKEN_PATTERNS | DETECT_KNOWN_SECRETS)

static struct policy *policy;
static struct secrets *secrets;
static struct inspector *inspector;

static void inspect_world(void)
{
    static const char text[] =
        "DEPLOY_KEY=" SECRET "\nSPACED=" SECRET_SPACED "\nPAIR=alice:Wonder-land-77\nSHORT=abc\n"
        "HEX=5f3a9c0d7be14286aa10cc5520f7e931\n";
    static const char yaml[] = "version: 1\n";
    char path[] = "/tmp/test_inspect_XXXXXX", err[300];
    struct policy_error perr;
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(fd);
    secrets = secrets_load(path, err, sizeof err);
    unlink(path);
    cr_assert(secrets, "%s", err);
    policy = policy_load(yaml, sizeof yaml - 1, &perr);
    cr_assert(policy, "%s", perr.text);
    inspector = inspector_new(policy, secrets, err, sizeof err);
    cr_assert(inspector, "%s", err);
    cr_assert_eq(inspector_thread_init(inspector), 0);
}

static void inspect_world_end(void)
{
    inspector_free(inspector);
    policy_free(policy);
    secrets_free(secrets);
}

/* What came of a body. */
struct outcome {
    bool found;
    int status;
    char detector[80];
    size_t n; /* octets that went on */
    uint8_t *out;
};

/* `step`: octets a call; 0: all at once. The caller frees out. */
static struct outcome drive(struct inspect *s, const void *in, size_t n, size_t step)
{
    struct outcome o = {.out = malloc(n + 1)};
    const uint8_t *p = in;
    if (!step)
        step = n ? n : 1;
    for (size_t at = 0; at < n || at == 0; at += step) {
        struct inspect_out out;
        size_t k = MIN(step, n - at);
        o.status = inspect_feed(s, p + at, k, at + k == n, &out);
        for (unsigned i = 0; i < out.n_spans; i++) {
            cr_assert_leq(o.n + out.span[i].n, n, "no more comes out than went in");
            memcpy(o.out + o.n, out.span[i].p, out.span[i].n);
            o.n += out.span[i].n;
        }
        if (out.found) {
            o.found = true;
            (void)snprintf(o.detector, sizeof o.detector, "%s", out.finding.detector);
        }
        if (out.found || o.status)
            break;
    }
    return o;
}

__attribute__((unused)) static struct outcome outbound(
    const void *in, size_t n, size_t step, const char *type, const char *coding)
{
    struct inspect_config c = {
        .detectors = OUT, .direction = INSPECT_OUTBOUND, .content_type = type, .content_encoding = coding};
    struct inspect *s = inspect_open(inspector, &c);
    cr_assert(s);
    struct outcome o = drive(s, in, n, step);
    inspect_close(s);
    return o;
}

__attribute__((unused)) static bool text_found(const char *where, const char *text)
{
    struct finding f;
    return inspect_text(inspector, OUT, INSPECT_OUTBOUND, where, text, strlen(text), &f);
}

#endif
