/* What is found does not depend on how a body is cut. */
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

/* 1: found; 0: not; -1: it could not be followed. */
static int drive(const uint8_t *p, size_t size, size_t step)
{
    struct inspect_config c = {.detectors = DETECT_TOKEN_PATTERNS | DETECT_KNOWN_SECRETS};
    struct inspect *s = inspect_open(inspector, &c);
    struct inspect_out out = {0};
    int r = 0;
    for (size_t at = 0; at < size && !r && !out.found; at += step) {
        size_t n = size - at < step ? size - at : step;
        r = inspect_feed(s, p + at, n, at + n == size, &out);
    }
    inspect_close(s);
    return out.found ? 1 : r < 0 ? -1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!inspector)
        set_up();
    if (size < 2)
        return 0;
    int whole = drive(data + 1, size - 1, size), cut = drive(data + 1, size - 1, data[0] ? data[0] : 1);
    if (whole >= 0 && cut >= 0 && whole != cut)
        abort();
    return 0;
}
