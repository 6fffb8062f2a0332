/* How many orders to a model are found, and how many look-alikes are taken for one: a line of the corpus is a
 * body. The held-out lines were written before the rules were tried on them, and no rule is made for one of
 * them. usage: measure ORDERS LOOK_ALIKES HELD_OUT_ORDERS HELD_OUT_LOOK_ALIKES */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/inspect/inspect.h"

static struct inspector *inspector;

static bool is_found(const char *line, size_t n)
{
    struct inspect_config c = {.detectors = DETECT_INJECTION,
        .direction = INSPECT_INBOUND,
        .content_type = line[0] == '<' && line[1] != '|' ? "text/html" : "text/plain"};
    struct inspect *s = inspect_open(inspector, &c);
    struct inspect_out out = {0};
    if (!s || inspect_feed(s, (const uint8_t *)line, n, true, &out) < 0)
        exit(1);
    inspect_close(s);
    return out.found;
}

/* Prints what is not as wanted, and returns how many lines were found. */
static unsigned count(const char *path, bool wanted, unsigned *lines)
{
    char line[2000];
    unsigned found = 0;
    FILE *f = fopen(path, "r");
    if (!f)
        exit(1);
    for (*lines = 0; fgets(line, sizeof line, f); ++*lines) {
        bool yes = is_found(line, strcspn(line, "\n"));
        found += yes;
        if (yes != wanted)
            printf("# %s: %s", yes ? "taken for an order" : "not found", line);
    }
    (void)fclose(f);
    return found;
}

int main(int argc, char **argv)
{
    struct policy_error perr;
    char err[300];
    unsigned n, m;
    if (argc != 5)
        return 2;
    inspector = inspector_new(policy_load("version: 1\n", 11, &perr), NULL, err, sizeof err);
    if (!inspector || inspector_thread_init(inspector) != 0)
        return 1;
    unsigned found = count(argv[3], true, &n), wrong = count(argv[4], false, &m);
    printf("held out, as first met: recall %u of %u (%u%%), false positives %u of %u (%.1f%%)\n", found, n,
        100 * found / n, wrong, m, 100.0 * wrong / m);
    bool bad = 100 * wrong > 8 * m;
    found = count(argv[1], true, &n);
    wrong = count(argv[2], false, &m);
    printf("recall %u of %u (%u%%), false positives %u of %u (%.1f%%)\n", found, n, 100 * found / n, wrong, m,
        100.0 * wrong / m);
    return bad || 100 * found < 85 * n || 100 * wrong > 8 * m;
}
