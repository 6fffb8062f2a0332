/* What comes back, in every split: found or not must not depend on it, the last octet of a phrase never goes
 * on, and a secret that comes whole never goes on whole. */
#include "tests/fuzz/inspect_setup.h"

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
            check(sent + out.span[i].n <= at + n);
            memcpy(to + sent, out.span[i].p, out.span[i].n);
            sent += out.span[i].n;
        }
    }
    inspect_close(s);
    *found = out.found || r;
    check(*found || sent == size);
    return sent;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    set_up();
    if (size < 3)
        return 0;
    const char *type = data[1] & 1 ? "text/html" : "text/plain";
    uint8_t *a = malloc(size), *b = malloc(size);
    bool found_a, found_b;
    check(a && b);
    size_t n = drive(data + 2, size - 2, size, type, a, &found_a);
    size_t m = drive(data + 2, size - 2, data[0] ? data[0] : 1, type, b, &found_b);
    check(found_a == found_b && (!found_b || m < size - 2));
    check(!memmem(a, n, SECRET, sizeof SECRET - 1) && !memmem(b, m, SECRET, sizeof SECRET - 1));
    free(a);
    free(b);
    return 0;
}
