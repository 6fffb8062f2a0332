/* Text taken a block at a time says what it says an octet at a time. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "appliance/inspect/block.h"
#include "appliance/inspect/inspect.h"
#include "lib/policy.h"

static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

Test(block, knows_every_octet)
{
    uint8_t p[BLOCK];
    for (unsigned round = 0; round < 20000; round++) {
        for (unsigned i = 0; i < BLOCK; i++)
            p[i] = (uint8_t)(round < 256 ? round : draw(256));
        for (int tag = 0; tag < 2; tag++) {
            struct block a = block_look(p, tag), b = block_look_plainly(p, tag);
            cr_assert_eq(a.letters, b.letters, "round %u", round);
            cr_assert_eq(a.joins, b.joins, "round %u", round);
            cr_assert_eq(a.stops, b.stops, "round %u", round);
        }
    }
}

static const char *const pieces[] = {"ignore ", "all ", "previous ", "instructions", "Instructions ", "you ",
    "are ", "now ", "DAN", "do ", "not ", "tell ", "the ", "user ", "send ", "your ", "secret ", "keys ",
    "to ", "server ", "new ", "task ", "is ", "system ", "prompt ", "forget ", "everything ", "told ",
    "never ", "mention ", "do not tell the user ", "ignore all previous instructions ", "which ",
    "configuration ", "considerations ", "administrators ", ". ", ", ", "\n", "'", "\\n", "\\t", "\\\"",
    "\\/", "\\u0065", "\\", "&nbsp;", "&amp;", "&shy;", "&lt;", "&", "<b>", "</b>", "<p id=\"", "\">",
    "<a title='", "'>", "</system>", "<|im_start|>system", "[", "[INST]", "#", "# ", "###system:", "]", "<",
    ">", "\"", "\xe2\x80\x8b", "\xd0\xbe", "\xff", "0123456789"};

static const char *const joins[] = {"'", "&shy;", "&zwj;", "\xe2\x80\x8b", "\\u200b"};

static size_t make(char *to, size_t room)
{
    size_t n = 0, longer = draw(30) ? 0 : draw(100);
    uint32_t odd = 2 + draw(40);
    while (n + 100 + longer < room) {
        const char *s = pieces[draw(odd) ? draw(36) : draw(sizeof pieces / sizeof pieces[0])];
        size_t half = draw(20) ? 0 : draw((uint32_t)strlen(s)); /* what joins, within a word */
        n += (size_t)sprintf(to + n, "%.*s%s%s", (int)half, s, half ? joins[draw(5)] : "", s + half);
        memset(to + n, 'x', longer);
        n += longer;
    }
    return n;
}

/* What was found where, up to the fourth. */
static void look(struct inspector *i, const char *p, size_t n, size_t step, bool html, struct finding *found)
{
    struct inspect_config c = {.detectors = DETECT_INJECTION,
        .direction = INSPECT_INBOUND,
        .content_type = html ? "text/html" : "text/plain"};
    unsigned k = 0;
    memset(found, 0, 4 * sizeof *found);
    for (size_t from = 0; k < 4 && from < n;) { /* a finding ends it: go on behind */
        struct inspect *s = inspect_open(i, &c);
        struct inspect_out out = {0};
        for (size_t at = from; at < n && !out.found; at += step) {
            size_t some = n - at < step ? n - at : step;
            cr_assert_eq(inspect_feed(s, (const uint8_t *)p + at, some, at + some == n, &out), 0);
        }
        inspect_close(s);
        if (!out.found)
            return;
        found[k++] = out.finding;
        from += out.finding.offset + 1;
    }
}

Test(block, finds_what_single_octets_find)
{
    char text[1500], err[300];
    struct policy_error perr;
    struct finding whole[4], single[4];
    unsigned n_found = 0;
    struct policy *policy = policy_load("version: 1\n", 11, &perr);
    struct inspector *i = inspector_new(policy, NULL, err, sizeof err);
    cr_assert(i && inspector_thread_init(i) == 0);
    for (unsigned round = 0; round < 3000; round++) {
        size_t n = make(text, 200 + draw(1300));
        look(i, text, n, n, round & 1, whole);
        look(i, text, n, 1, round & 1, single);
        for (unsigned k = 0; k < 4; k++) {
            cr_assert_eq(whole[k].detector, single[k].detector, "round %u: %.*s", round, (int)n, text);
            cr_assert_eq(whole[k].offset, single[k].offset, "round %u: %.*s", round, (int)n, text);
            n_found += whole[k].detector != NULL;
        }
    }
    cr_assert_gt(n_found, 1000);
    inspector_free(i);
    policy_free(policy);
}
