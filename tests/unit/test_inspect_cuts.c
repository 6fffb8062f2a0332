/* What is found does not depend on how a body is cut: in two pieces at every place, and in pieces of every
 * length, a finding stays one and what passes goes on passing. */
#include "tests/unit/inspect_world.h"

#include <stdarg.h>

TestSuite(inspect_cuts, .init = inspect_world, .fini = inspect_world_end, .timeout = 120);

#define TEXT_MAX 12000

struct text {
    char p[TEXT_MAX];
    size_t n;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    t->n += (size_t)vsnprintf(t->p + t->n, sizeof t->p - t->n, format, ap);
    va_end(ap);
    cr_assert_lt(t->n, sizeof t->p);
}

static void add_base64(struct text *t, const char *in)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (; in[0] && in[1] && in[2]; in += 3) {
        unsigned v = (unsigned)in[0] << 16 | (unsigned)in[1] << 8 | (unsigned)in[2];
        add(t, "%c%c%c%c", digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63], digits[v & 63]);
    }
}

/* At `cut`, and then every `step` octets. */
static bool found_cut(const struct text *t, size_t cut, size_t step)
{
    struct inspect_config c = {.detectors = OUT};
    struct inspect *s = inspect_open(inspector, &c);
    struct inspect_out out = {0};
    int r = 0;
    cr_assert(s);
    for (size_t at = 0, k = MIN(cut, t->n); at < t->n && !r && !out.found; at += k, k = MIN(step, t->n - at))
        r = inspect_feed(s, (const uint8_t *)t->p + at, k, at + k == t->n, &out);
    inspect_close(s);
    cr_expect_eq(r, 0);
    return out.found;
}

static void expect(const struct text *t, bool found, const char *what)
{
    cr_expect_eq(found_cut(t, t->n, t->n), found, "%s, whole", what);
    for (size_t cut = 1; cut < t->n; cut++)
        if (found_cut(t, cut, t->n) != found) {
            cr_expect(false, "%s, cut at %zu of %zu: %sfound", what, cut, t->n, found ? "not " : "");
            break;
        }
    for (size_t step = 1; step < 100; step++)
        cr_expect_eq(found_cut(t, step, step), found, "%s, in steps of %zu", what, step);
}

static void expect_text(const char *text, bool found)
{
    struct text t = {.n = 0};
    add(&t, "{\"a\": \"%s\"}\n", text);
    expect(&t, found, text);
}

Test(inspect_cuts, formats_that_look_back_or_far_ahead)
{
    expect_text("q3xWb7LkT0vNz5RsJ2mHc8YdP4fGa9EuQ6iKo1tB7rDzAZDOe5Xs", true); /* 40 octets before its mark */
    expect_text("9f3b1c7d2e8a4f6059b7c1d3e5f70a2b-us12", true);
    expect_text("aWJ8Q~t5kXvB2mNp7RzLc4YdHs9GfTe1QwUo3JiK", true);
    expect_text("123456789:AAHx7kQ2vZr9TnWb4LsYp6McJd8Gf3Ru1Eo", true);
    expect_text("aws_secret_key_of_that_account_of_mine_: "
                "\\\"Zk3/q9TxVb7LmR2wYp+5NcJd8GfHs4Uo1EiKaQt6",
        true);
    for (int gap = 25; gap < 35; gap++) { /* up to as far apart as a name and its value may be */
        struct text t = {.n = 0};
        add(&t, "aws_secret%*s=Zk3/q9TxVb7LmR2wYp+5NcJd8GfHs4Uo1EiKaQt6\n", gap, "");
        bool found = found_cut(&t, t.n, t.n);
        cr_expect(found || gap > 29, "%d", gap);
        expect(&t, found, "a name and its value");
    }
}

/* A run of base64 in escaped lines of `width`. */
static void escaped_lines(struct text *t, size_t width, const char *line_end)
{
    struct text plain = {.n = 0};
    add_base64(&plain, "# what the machine is to deploy with, and where\n"
                       "key = AKIAZ7Q2M5XWNB4KTR3E # until the next quarter, then a new one\n");
    add(t, "{\"content\": \"");
    for (size_t i = 0; i < plain.n; i += width)
        add(t, "%.*s%s", (int)MIN(width, plain.n - i), plain.p + i, line_end);
    add(t, "\"}");
}

Test(inspect_cuts, base64_in_escaped_lines)
{
    static const char *const ends[] = {"\\n", "\\r\\n", "\\u000a", "&#10;", "%0D%0A"};
    for (size_t k = 0; k < ARRAY_LEN(ends); k++)
        for (size_t width = 19; width < 90; width += 17) {
            struct text t = {.n = 0};
            escaped_lines(&t, width, ends[k]);
            expect(&t, true, t.p);
        }
}

/* An escape that matters, far behind the beginning of a secret or of a run of base64. */
Test(inspect_cuts, far_before_an_escape)
{
    struct text t = {.n = 0};
    add(&t, "{\"a\": \"no\\\"thing\\\", \\n ");
    add_base64(&t, "aws key: AKI");
    for (unsigned i = 0; i < 40; i++)
        add_base64(&t, "nothing to be found in here, ");
    add(&t, "\\/");
    add_base64(&t, "aws key: AKIAZ7Q2M5XWNB4KTR3E it is...");
    add(&t, "\"}");
    expect(&t, true, "a run of base64");
}

Test(inspect_cuts, escapes_within_escapes)
{
    expect_text("Kq7 - zR2v / W9 + pL4x\\\\u0054 6_m", true);
    expect_text("Kq7%20zR2v%20W9%255Cu00%37%30L4xT6m", true);
    expect_text("nothing %25; Kq7-zR%2532v/W9 - + - pL4xT6_m", true);
}

/* A gap parts when it is GAP_MAX octets: an escape that is not whole yet is none of it. */
Test(inspect_cuts, gaps_that_end_in_an_escape)
{
    for (int gap = 240; gap < 262; gap++) {
        struct text t = {.n = 0};
        add(&t, "Kq7-zR2v%*s\\u0057" /* W */ "9+pL4xT6_m", gap, "");
        expect(&t, found_cut(&t, t.n, t.n), "a gap and an escape");
    }
}

Test(inspect_cuts, ends_in_an_escape)
{
    for (int n = 500; n < 530; n++) {
        struct text t = {.n = 0};
        add(&t, "\\u0041%*sAKIAZ7Q2M5XWNB4KTR\\u00%s", n, "", "33E");
        t.n--; /* its last octet is the escape's */
        t.p[t.n - 1] = '3';
        add(&t, "\\u0045");
        expect(&t, true, "an escape at the end");
    }
}

/* A long run that begins as hex goes on as something else, and on as hex. */
Test(inspect_cuts, hex_that_is_interrupted)
{
    static const char token[] = " AKIAZ7Q2M5XWNB4KTR3E and more ";
    struct text t = {.n = 0};
    for (unsigned i = 0; i < 2100; i++)
        add(&t, "%02x", 0x20 + i % 64);
    add(&t, "zz");
    for (unsigned k = 0; k < sizeof token - 1; k++)
        add(&t, "%02x", token[k]);
    cr_expect(found_cut(&t, t.n, t.n));
    for (size_t step = 4000; step < t.n; step++)
        cr_expect(found_cut(&t, step, t.n), "cut at %zu", step);
}

/* Line breaks within base64, as they are. */
Test(inspect_cuts, lines_of_base64)
{
    static const char *const breaks[] = {"\n", "\r\n", "\r", "\r\r\n"};
    for (size_t k = 0; k < ARRAY_LEN(breaks); k++)
        for (size_t width = 3; width < 80; width += 19) {
            struct text lines = {.n = 0}, t = {.n = 0};
            add_base64(&lines, "key = AKIAZ7Q2M5XWNB4KTR3E # for now");
            for (size_t i = 0; i < lines.n; i += width)
                add(&t, "%.*s%s", (int)MIN(width, lines.n - i), lines.p + i, breaks[k]);
            expect(&t, true, t.p);
        }
}

/* Where the text around an escape begins with another one, which has been looked at. */
Test(inspect_cuts, escapes_some_way_apart)
{
    for (unsigned gap = 500; gap < 530; gap++) {
        struct text t = {.n = 0};
        add(&t, " %%41%*s%%42 ", (int)gap, "");
        struct outcome o = outbound(t.p, t.n, 0, NULL, NULL);
        cr_expect(!o.found && !o.status && o.n == t.n, "gap %u: %s", gap, o.detector);
        free(o.out);
    }
}

#define FILLER " which is some text that goes on for as long as it takes to be looked at again, and some more"

Test(inspect_cuts, formats_without_a_beginning)
{
    static const char words[] = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    struct text t = {.n = 0};
    expect_text("paid with 4539-5787-6362-1486" FILLER, true);
    expect_text("a number, x4539-5787-6362-1486" FILLER, false); /* glued to a word on either side */
    expect_text("a number, 4539-5787-6362-1486x" FILLER, false);
    expect_text("MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs" FILLER, true);
    expect_text("MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWsZnCjm1XVW7vRze4b" FILLER, false);
    add(&t, "il%s" FILLER, words); /* the last of its words alone is in no phrase */
    expect(&t, false, t.p);
    t.n = 0;
    add(&t, "it is:\\n%s" FILLER, words);
    expect(&t, true, t.p);
}

Test(inspect_cuts, nothing_to_find)
{
    expect_text(
        "a \\\"quoted\\\" line\\n and &amp; more &#x41; of %41 it\\\\n, 100 % of 3.5\\u20ac &c.", false);
    expect_text("VGhlIHF1aWNrIGJyb3duIGZveCBq\\ndW1wcyBvdmVyIHRoZSBsYXp5\\nIGRvZwo=", false);
}
