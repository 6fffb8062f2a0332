/* What comes back, in every split: found or not must not depend on it, the last octet of a phrase never goes
 * on, and a secret that comes whole never goes on whole. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appliance/inspect/inspect.h"

#define SECRET "Kq7-zR2v/W9+pL4xT6_m"

static struct inspector *inspector;
static struct secrets *secrets; /* kept, so that nothing counts as leaked */
static struct policy *policy;

static void set_up(void)
{
    char path[] = "/tmp/fuzz_inspect_XXXXXX", err[300];
    struct policy_error perr;
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, "KEY=" SECRET "\n", sizeof SECRET + 4) < 0 || close(fd) < 0)
        abort();
    secrets = secrets_load(path, err, sizeof err);
    (void)unlink(path);
    policy = policy_load("version: 1\n", 11, &perr);
    inspector = inspector_new(policy, secrets, err, sizeof err);
    if (!inspector || inspector_thread_init(inspector) != 0)
        abort();
}

/* Octets that went on; `found`: it was cut. */
static size_t drive(const uint8_t *p, size_t size, size_t step, const char *type, uint8_t *to, bool *found)
{
    struct inspect_config c = {
        .detectors = DETECT_INJECTION, .direction = INSPECT_INBOUND, .redact = true, .content_type = type};
    struct inspect *s = inspect_open(inspector, &c);
    struct inspect_out out = {0};
    size_t sent = 0;
    int r = 0;
    for (size_t at = 0; at < size && !r && !out.found; at += step) {
        size_t n = size - at < step ? size - at : step;
        r = inspect_feed(s, p + at, n, at + n == size, &out);
        for (unsigned i = 0; i < out.n_spans; i++) {
            if (sent + out.span[i].n > at + n)
                abort();
            memcpy(to + sent, out.span[i].p, out.span[i].n);
            sent += out.span[i].n;
        }
    }
    inspect_close(s);
    *found = out.found || r;
    if (!*found && sent != size)
        abort();
    return sent;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!inspector)
        set_up();
    if (size < 3)
        return 0;
    const char *type = data[1] & 1 ? "text/html" : "text/plain";
    uint8_t *a = malloc(size), *b = malloc(size);
    bool found_a, found_b;
    if (!a || !b)
        abort();
    size_t n = drive(data + 2, size - 2, size, type, a, &found_a);
    size_t m = drive(data + 2, size - 2, data[0] ? data[0] : 1, type, b, &found_b);
    if (found_a != found_b || (found_b && m >= size - 2))
        abort();
    if (memmem(a, n, SECRET, sizeof SECRET - 1) || memmem(b, m, SECRET, sizeof SECRET - 1))
        abort();
    free(a);
    free(b);
    return 0;
}
