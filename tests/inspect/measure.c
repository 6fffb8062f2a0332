/* How many orders to a model are found, and how many look-alikes are taken for one: a line of the corpus is a
 * body. The held-out lines were written before the rules were tried on them, and no rule is made for one of
 * them. usage: measure ORDERS LOOK_ALIKES [HELD_OUT_ORDERS HELD_OUT_LOOK_ALIKES]... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/inspect/inspect.h"

static struct inspector *inspector;

static const char *type_of(const char *line)
{
    if (line[0] == '{')
        return "application/json";
    return line[0] == '<' && line[1] != '|' ? "text/html" : "text/plain";
}

/* A body of several lines is written with \n between them, which JSON reads by itself. */
static size_t break_lines(char *line)
{
    char *to = line;
    for (const char *from = line; *from && *from != '\n'; ++from) {
        bool is_break = from[0] == '\\' && from[1] == 'n' && line[0] != '{';
        from += is_break;
        *to++ = is_break ? '\n' : *from;
    }
    return (size_t)(to - line);
}

static bool is_found(const char *line, size_t n)
{
    struct inspect_config c = {
        .detectors = DETECT_INJECTION, .direction = INSPECT_INBOUND, .content_type = type_of(line)};
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
    char line[2000], text[sizeof line];
    unsigned found = 0;
    FILE *f = fopen(path, "r");
    if (!f)
        exit(1);
    for (*lines = 0; fgets(line, sizeof line, f); ++*lines) {
        memcpy(text, line, sizeof line);
        bool yes = is_found(text, break_lines(text));
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
    unsigned n, m, found, wrong;
    bool bad = false;
    if (argc < 3 || argc % 2 == 0)
        return 2;
    inspector = inspector_new(policy_load("version: 1\n", 11, &perr), NULL, err, sizeof err);
    if (!inspector || inspector_thread_init(inspector) != 0)
        return 1;
    for (int i = 3; i < argc; i += 2) {
        found = count(argv[i], true, &n), wrong = count(argv[i + 1], false, &m);
        printf("held out, as first met: recall %u of %u (%u%%), false positives %u of %u (%.1f%%)\n", found,
            n, 100 * found / n, wrong, m, 100.0 * wrong / m);
        bad |= 100 * found < 40 * n || 100 * wrong > 8 * m;
    }
    found = count(argv[1], true, &n);
    wrong = count(argv[2], false, &m);
    printf("recall %u of %u (%u%%), false positives %u of %u (%.1f%%)\n", found, n, 100 * found / n, wrong, m,
        100.0 * wrong / m);
    return bad || 100 * found < 85 * n || 100 * wrong > 8 * m;
}
