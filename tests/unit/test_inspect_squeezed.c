/* A known secret with something between its characters, in another case, backwards, or cut into the parts of
 * a form, a multipart body or a marked-up text: found in every split, and no octet of it past the first few
 * goes on. */
#include "tests/unit/inspect_world.h"

TestSuite(inspect_squeezed, .init = inspect_world, .fini = inspect_world_end, .timeout = 60);

static const size_t steps[] = {0, 1, 2, 3, 5, 7, 15, 16, 17, 31, 64, 100};

static void expect_found(const void *in, size_t n, const char *what)
{
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct outcome o = outbound(in, n, steps[i], NULL, NULL);
        cr_expect(o.found, "%s, step %zu", what, steps[i]);
        cr_expect_lt(o.n, n, "%s, step %zu: all of it went on", what, steps[i]);
        free(o.out);
    }
}

static void expect_body(const char *text)
{
    expect_found(text, strlen(text), text);
}

static void expect_text(const char *text)
{
    char long_text[9000] = {0};
    expect_body(text);
    memset(long_text, '.', 6000); /* not at the beginning of a piece */
    (void)snprintf(long_text + 6000, sizeof long_text - 6000, "%.1400s and more", text);
    expect_found(long_text, strlen(long_text), text);
}

/* `between` after each character. */
static void expect_spelled(const char *secret, const char *between)
{
    char text[2000] = "";
    for (size_t i = 0, n = 0; secret[i]; i++)
        n += (size_t)sprintf(text + n, "%c%s", secret[i], between);
    expect_text(text);
}

Test(inspect_squeezed, with_something_between)
{
    static const char *const between[] = {" ", "-", "\n", ", ", "', '", "\"\n\"", "\u200b", "\u00ad", "|",
        " . ", "\\n", "\\\\n", "\\u200b", "%20", "%2520", "%0D%0A", "&nbsp;", "&#8203;", "&#x200b;", "+",
        "\" + \""};
    for (size_t i = 0; i < ARRAY_LEN(between); i++)
        expect_spelled(SECRET, between[i]);
}

Test(inspect_squeezed, wide_characters)
{
    uint8_t wide[4 * sizeof SECRET] = {0};
    for (unsigned width = 2; width <= 4; width += 2)
        for (unsigned at = 0; at < width; at += width - 1) {
            memset(wide, 0, sizeof wide);
            for (size_t i = 0; i < sizeof SECRET - 1; i++)
                wide[i * width + at] = (uint8_t)SECRET[i];
            expect_found(wide, (sizeof SECRET - 1) * width, "UTF-16 and UTF-32");
        }
}

Test(inspect_squeezed, in_numbers)
{
    static const char *const formats[] = {"%02x ", "%02x:", "0x%02x, ", "\\x%02x", "%d,", "%d, ", "\\u%04x",
        "%02X-", "%%%02x", "%%25%02x", "&#%d;", "\\%03o", "chr(%d)+", "%03d", "%o "};
    for (size_t k = 0; k < ARRAY_LEN(formats); k++) {
        char text[400];
        for (size_t i = 0, n = 0; i < sizeof SECRET - 1; i++)
            n += (size_t)sprintf(text + n, formats[k], SECRET[i]);
        expect_text(text);
    }
}

Test(inspect_squeezed, in_another_case_or_backwards)
{
    expect_text("KQ7-ZR2V/W9+PL4XT6_M");
    expect_text("kq7-zr2v/w9+pl4xt6_m");
    expect_text("m_6Tx4Lp+9W/v2Rz-7qK");
    expect_text("Xd7-mE2i/J9+cY4kG6_z"); /* rot13 */
    expect_text("Pj7-aI2e/D9+kO4cG6_n"); /* the alphabet backwards */
    expect_text("s3e3lxpsmnyvvzkrcew0efq2x20="); /* base64 in small letters */
    expect_text("0J2X2QFe0wEcrkzVvYnMSpXL3E3S"); /* base64 backwards */
    expect_text("bV82VHg0THArOVcvdjJSei03cUs="); /* base64 of it backwards */
    expect_text("jnytoll2kizhml2xhevxatbupbkdmx3n"); /* base32, small */
    expect_text("S3E3 LXpS MnYv VzkrcEw0 eFQ2 X20=");
    expect_text("23xgzcjJt4duzytqhj9Lc7US27cG"); /* base58 */
    expect_text("430699098670247290300489940776605884974378671981"); /* one number */
    expect_text("Sw== cQ== Nw== LQ== eg== Ug== Mg== dg== Lw== Vw== OQ== Kw== cA== TA== NA== eA== VA== Ng== "
                "Xw== bQ==");
    expect_text("S3E= Ny0= elI= MnY= L1c= OSs= cEw= NHg= VDY= X20=");
    expect_text("S3E3LQ== elIydg== L1c5Kw== cEw0eA== VDZfbQ==");
    expect_text("S3E3LXpSMnY= L1c5K3BMNHg= VDZfbQ==");
    expect_text("Kq7-zR2=\r\nv/W9+p=\nL4xT6_m"); /* quoted-printable */
}

Test(inspect_squeezed, in_parts)
{
    expect_body("a=Kq7-zR2v/&b=W9%2BpL4xT6_m");
    expect_body("one=Kq7-zR&two=2v%2fW9%2b&three=pL4xT6_m&x=y");
    expect_text("{\"Kq7-zR2v/\":\"W9+pL4xT6_m\"}");
    static const char multipart[] =
        "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nKq7-zR2v/W\r\n--b\r\n"
        "Content-Disposition: form-data; name=\"b\"\r\n\r\n9+pL4xT6_m\r\n--b--\r\n";
    expect_found(multipart, sizeof multipart - 1, "multipart");
    static const char markup[] =
        "<p>Kq7-zR2v/W<!-- <x> -- > --></p>\n<p class='a'>9+p<b></b>L4xT6_m</p> the rest of the page";
    expect_found(markup, sizeof markup - 1, "markup");
    expect_text("Kq7-zR2v/W,9+pL4xT6_m");
    expect_text("a: >\n  Kq7-zR2v/W\n  9+pL4xT6_m");
}

/* What the secret is the writing of: see the world's HEX. */
Test(inspect_squeezed, as_octets)
{
    static const uint8_t octets[] = {
        0x5f, 0x3a, 0x9c, 0x0d, 0x7b, 0xe1, 0x42, 0x86, 0xaa, 0x10, 0xcc, 0x55, 0x20, 0xf7, 0xe9, 0x31};
    expect_found(octets, sizeof octets, "octets");
    expect_text("5F3A9C0D-7BE1-4286-AA10-CC5520F7E931");
    expect_text("XzqcDXvhQoaqEMxVIPfpMQ==");
}

Test(inspect_squeezed, look_alikes_pass)
{
    static const char *const texts[] = {"Correct horses; batteries are a staple.", "kq7 zr2v w9 pl4xt6 n",
        "7511355", "Wonder, land of 77", "a=Kq7-zR2v/&b=x&c=W9%2BpL4xT6_m",
        "<p>Kq7-zR2v</p><p>no</p><p>/W9+pL4xT6_m</p>"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
            struct outcome o = outbound(texts[i], strlen(texts[i]), steps[k], NULL, NULL);
            cr_expect(!o.found && !o.status && o.n == strlen(texts[i]), "%s: %s", texts[i], o.detector);
            free(o.out);
        }
}

/* What is far from all else does not go with it; and nothing waits for long. */
Test(inspect_squeezed, a_gap_parts)
{
    char text[1200];
    (void)snprintf(text, sizeof text, "Kq7-zR2v/W%*s9+pL4xT6_m", 600, "");
    for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
        struct outcome o = outbound(text, strlen(text), steps[k], NULL, NULL);
        cr_expect(!o.found && o.n == strlen(text), "step %zu", steps[k]);
        free(o.out);
    }
}
