/* The hold-back's property: for every way to cut a body, what goes on is a prefix of it, all of it where
 * nothing was found, and less than four of the secret's octets where it was. */
#include "tests/fuzz/inspect_setup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const codings[] = {NULL, "gzip", "deflate", "br", "zstd"};
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
            check(sent + out.span[i].n <= at + n && memcmp(out.span[i].p, p + sent, out.span[i].n) == 0);
            sent += out.span[i].n;
        }
    }
    check(r || out.found || sent == size);
    check(!secret || ((r || out.found) && sent < (size_t)(secret - p) + INSPECT_HOLD_MIN));
    inspect_close(s);
    return 0;
}
