/* What is made to tire us out: the processor's time for an octet of such a text, against that for one of
 * prose. */
#include <time.h>

#include "tests/unit/inspect_world.h"

TestSuite(inspect_slow, .init = inspect_world, .fini = inspect_world_end, .timeout = 120);

#define BODY KIB(64)
#define ROUNDS 3
#ifdef __SANITIZE_ADDRESS__ /* which slows our own loops down, but not the matcher that prose is left to */
#define RATIO_MAX 240.0
#else
#define RATIO_MAX 120.0
#endif

static double cpu(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Seconds for the body, at best: what else runs here can only add to it. One that is given up on has cost no
 * more. */
static double cost(const uint8_t *body)
{
    double best = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        double start = cpu();
        struct outcome o = outbound(body, BODY, KIB(16), "text/plain", NULL);
        double took = cpu() - start;
        best = took < best ? took : best;
        free(o.out);
    }
    return best;
}

static void repeat(uint8_t *body, const char *what, size_t n)
{
    for (size_t at = 0; at < BODY; at += n)
        memcpy(body + at, what, MIN(n, BODY - at));
}

/* base64 of base64 of... */
static void nest(uint8_t *body)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static uint8_t from[BODY];
    for (size_t i = 0; i < BODY; i++)
        from[i] = (uint8_t) "some words, and more of them. "[i % 30];
    for (int round = 0; round < 6; round++) {
        for (size_t i = 0, at = 0; at + 4 <= BODY; i += 3, at += 4) {
            uint32_t v = (uint32_t)from[i] << 16 | (uint32_t)from[i + 1] << 8 | from[i + 2];
            for (size_t k = 0; k < 4; k++)
                body[at + k] = (uint8_t)set[v >> (18 - 6 * k) & 63];
        }
        memcpy(from, body, BODY);
    }
}

Test(inspect_slow, no_text_takes_much_longer_than_prose)
{
#define SHAPE(text) \
    { \
#text, text, sizeof(text) - 1 \
    }
    static const struct {
        const char *name, *text;
        size_t n;
    } shapes[] = {SHAPE("&"), SHAPE("\\"), SHAPE("%"), SHAPE("="), SHAPE("<"), SHAPE("{\""), SHAPE("\""),
        SHAPE("xoxb-"), SHAPE("glpat-"), SHAPE("ghp_"), SHAPE("sk-"), SHAPE("eyJ"), SHAPE("AKIA"),
        SHAPE("Kq7-"), SHAPE("Kq7-zR2v/W9"), SHAPE("-----BEGIN "), SHAPE("://"), SHAPE("https://a:"),
        SHAPE("&amp;"), SHAPE("&#x26;#38;"), SHAPE("%2525"), SHAPE("\\\\u005c"), SHAPE("%5C%26"),
        SHAPE("\\x41%41&#65;"), SHAPE("a\\u0062%63"), SHAPE("0a"), SHAPE("4242 "), SHAPE("a b "),
        SHAPE("\x78\x9c\x01"), SHAPE("PK\3\4"), SHAPE("\x1f\x8b\x08"), SHAPE("x\0"), SHAPE("12,"),
        SHAPE("--\r\n--"), SHAPE("a=b&"), SHAPE("abandon "), SHAPE("visa "), SHAPE("a\0"),
        SHAPE("a\0b\0c\0d\0e\0f\0g\0h\0i\0j\0k\0l\0\1"), SHAPE("a\0\0\0\1")};
    static uint8_t body[BODY];
    repeat(body, "The server reads a file that the client has asked for, and answers. ", 68);
    double prose = cost(body);
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        repeat(body, shapes[i].text, shapes[i].n);
        double ratio = cost(body) / prose;
        cr_expect_leq(ratio, RATIO_MAX, "%s: %.1f times prose", shapes[i].name, ratio);
        if (getenv("VERBOSE"))
            (void)fprintf(stderr, "%-16s %.1f\n", shapes[i].name, ratio);
    }
    nest(body);
    cr_expect_leq(cost(body) / prose, RATIO_MAX, "nested base64: %.1f times prose", cost(body) / prose);
}
