/* The hold-back's property: for every way to cut a body, what goes on is a prefix of it, all of it where
 * nothing was found, and less than four of the secret's octets where it was. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const codings[] = {NULL, "gzip", "deflate", "br", "zstd"};
    if (!inspector)
        set_up();
    if (size < 3)
        return 0;
    size_t step = data[0] ? data[0] : 4096, sent = 0;
    const char *coding = codings[data[1] % 5];
    const uint8_t *p = data + 2, *secret;
    size -= 2;
    secret = memmem(p, size, SECRET, sizeof SECRET - 1);
    struct inspect_config c = {
        .detectors = DETECT_TOKEN_PATTERNS | DETECT_KNOWN_SECRETS, .content_encoding = coding};
    struct inspect *s = inspect_open(inspector, &c);
    struct inspect_out out = {0};
    int r = 0;
    for (size_t at = 0; at < size && !r && !out.found; at += step) {
        size_t n = size - at < step ? size - at : step;
        r = inspect_feed(s, p + at, n, at + n == size, &out);
        for (unsigned i = 0; i < out.n_spans; i++) {
            if (sent + out.span[i].n > at + n || memcmp(out.span[i].p, p + sent, out.span[i].n) != 0)
                abort();
            sent += out.span[i].n;
        }
    }
    if (!r && !out.found && sent != size)
        abort();
    if (secret && ((!r && !out.found) || sent >= (size_t)(secret - p) + INSPECT_HOLD_MIN))
        abort();
    inspect_close(s);
    return 0;
}
