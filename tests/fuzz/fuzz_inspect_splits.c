/* What is found does not depend on how a body is cut. */
#include "tests/fuzz/inspect_setup.h"

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
    set_up();
    if (size < 2)
        return 0;
    int whole = drive(data + 1, size - 1, size), cut = drive(data + 1, size - 1, data[0] ? data[0] : 1);
    check(whole < 0 || cut < 0 || whole == cut);
    return 0;
}
