/* An inspector that watches for one secret, made once. */
#ifndef TESTS_FUZZ_INSPECT_SETUP_H
#define TESTS_FUZZ_INSPECT_SETUP_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appliance/inspect/inspect.h"

#define SECRET "Kq7-zR2v/W9+pL4xT6_m"

static struct inspector *inspector;

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void set_up(void)
{
    char path[] = "/tmp/fuzz_inspect_XXXXXX", err[300];
    struct policy_error perr;
    if (inspector)
        return;
    int fd = mkstemp(path);
    check(fd >= 0 && write(fd, "KEY=" SECRET "\n", sizeof SECRET + 4) > 0 && close(fd) == 0);
    struct secrets *secrets = secrets_load(path, err, sizeof err);
    (void)unlink(path);
    struct policy *policy = policy_load("version: 1\n", 11, &perr);
    inspector = inspector_new(policy, secrets, err, sizeof err);
    check(inspector && inspector_thread_init(inspector) == 0);
    policy_free(policy);
    secrets_free(secrets);
}

#endif
