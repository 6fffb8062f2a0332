/* Secrets on their way out: every format and encoding, in every split, and look-alikes that pass. */
#include "tests/unit/inspect_world.h"

TestSuite(inspect_outbound, .init = inspect_world, .fini = inspect_world_end, .timeout = 60);

/* Denied in every split; what went on before is a prefix with at most `spare` octets of the match. */
static void expect_cut(
    const char *before, const char *match, const char *after, const char *detector, size_t spare)
{
    char in[9000];
    int n = snprintf(in, sizeof in, "%s%s%s", before, match, after);
    cr_assert(n > 0 && (size_t)n < sizeof in);
    for (size_t step = 0; step < 70; step++) {
        struct outcome o = outbound(in, (size_t)n, step, NULL, NULL);
        cr_expect(o.found, "step %zu: %s", step, in);
        cr_expect(!detector || strcmp(o.detector, detector) == 0, "step %zu: %s, not %s", step, o.detector,
            detector);
        cr_expect_leq(
            o.n, strlen(before) + (step ? spare : 0), "step %zu: %zu octets of %s went on", step, o.n, in);
        cr_expect_eq(memcmp(o.out, in, o.n), 0);
        free(o.out);
        if (!o.found)
            return;
    }
}

/* Less than four octets of a match may have gone, where its text came in pieces so short. */
static void expect_blocked(const char *before, const char *match, const char *after, const char *detector)
{
    expect_cut(before, match, after, detector, 3);
}

/* The same, where an octet of the match takes several: three of them, and a part of the fourth. */
static void expect_blocked_escaped(const char *before, const char *match, const char *after)
{
    expect_cut(before, match, after, NULL, strlen(match) / 2);
}

static void expect_passed(const char *text)
{
    size_t n = strlen(text);
    for (size_t step = 0; step < 70; step++) {
        struct outcome o = outbound(text, n, step, NULL, NULL);
        cr_expect(!o.found && !o.status, "step %zu: %s in %s", step, o.detector, text);
        cr_expect_eq(o.n, n, "step %zu: %zu of %zu octets of %s", step, o.n, n, text);
        cr_expect(o.n == n && memcmp(o.out, text, n) == 0, "as it came: %s", text);
        free(o.out);
        if (o.found)
            return;
    }
}

/* Longer than what is looked at in one go: the end is looked at, and nothing is written behind a buffer. */
Test(inspect_outbound, a_long_header)
{
    static char text[120 * 1024];
    memset(text, 'v', sizeof text - 1);
    cr_assert(!text_found("header", text));
    memcpy(text + sizeof text - 1 - strlen(SECRET), SECRET, strlen(SECRET));
    cr_assert(text_found("header", text));
    memcpy(text + 16384 - 5, SECRET, strlen(SECRET));
    memset(text + sizeof text - 1 - strlen(SECRET), 'v', strlen(SECRET));
    cr_assert(text_found("header", text), "across two pieces");
}

Test(inspect_outbound, known_secret_raw)
{
    expect_blocked("hello ", SECRET, " world", "known_secrets:DEPLOY_KEY");
    expect_blocked("", SECRET, "", "known_secrets:DEPLOY_KEY");
    expect_blocked("K Kq Kq7 Kq7- ", SECRET, "", "known_secrets:DEPLOY_KEY");
    expect_blocked("Kq7-zR2v/W9+pL4xT6_", SECRET, "x", "known_secrets:DEPLOY_KEY");
    expect_blocked("x", "Wonder-land-77", "x", "known_secrets:PAIR");
    expect_passed("Kq7-zR2v/W9+pL4xT6_n and abc");
}

Test(inspect_outbound, known_secret_encoded)
{
    expect_blocked("a=", "S3E3LXpSMnYvVzkrcEw0eFQ2X20=", "&b=c", NULL);
    expect_cut(
        "a=x", "eEtxNy16UjJ2L1c5K3BMNHhUNl9t", "\n", NULL, 5); /* two of them are of the octet before it */
    expect_blocked("{\"a\":\"", "4b71372d7a5232762f57392b704c3478", "54365f6d\"}", NULL);
    expect_blocked("{\"a\":\"", "4B71372D7A5232762F57392B704C3478", "54365F6D\"}", NULL);
    expect_blocked_escaped("a=", "Kq7-zR2v%2FW9%2BpL4xT6_m", "&b=c");
    expect_blocked_escaped("a=", "%4b%71%37%2d%7a%52%32%76%2f%57%39%2b%70%4c%34%78%54%36%5f%6d", "");
    expect_blocked_escaped("{\"a\":\"", "Kq7-zR2v\\/W9+pL4xT6_m", "\"}");
    expect_blocked_escaped("{\"a\":\"", "\\u004bq7\\u002dzR2v/W9\\u002BpL4xT6_m", "\"}");
    expect_blocked_escaped("{\"a\":\"", "Kq7-zR2v/W9+pL4xT6\\u005fm", "\"}");
    expect_blocked_escaped("<p>", "Kq7&#45;zR2v&#x2f;W9&plus;pL4xT6&lowbar;m", "</p>");
    expect_blocked_escaped("<p>", "correct horse &lt;battery&gt; &quot;staple&quot; &amp; 100%", "</p>");
    expect_blocked_escaped("q=", "correct+horse+%3Cbattery%3E+%22staple%22+%26+100%25", "&x=y");
    expect_blocked_escaped("", "Kq7%25%32%64zR2v/W9+pL4xT6_m", "");
}

/* Ascii85, git's base85, Z85, two with octets before them, uuencode. */
Test(inspect_outbound, known_secret_in_larger_alphabets)
{
    static const char *const forms[] = {"95umBH;ZMA03:.aE(i*5<&S*#", "OK~\?XdQviWFIPD$a7;9KR5o92",
        "ok#)xDqVIwfipd:A7&9kr5O92", "cuR3NEqYQib}v^sD{xFScvLoDZ2", "G^4U.EAoIq;DNDK=#hdM9Jgun2IC;",
        "2W$W+7I2,G8O5SDK<$PT>%0V7VT"};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        expect_cut("key: ", forms[i], "\n", "known_secrets:DEPLOY_KEY", 13);
}

Test(inspect_outbound, known_secret_nested)
{
    /* base64 of base64; hex of base64; base64 of a JSON text with escapes */
    expect_blocked_escaped("{\"k\":\"", "UzNFM0xYcFNNbll2VnprcmNFdzBlRlEyWDIwPQ==", "\"}");
    expect_blocked_escaped("", "533345334c5870534d6e5976567a6b7263457730654651325832303d", "");
    expect_blocked_escaped("data:text/plain;base64,",
        "eyJ4IjoiXHUwMDRiXHUwMDcxXHUwMDM3XHUwMDJkXHUwMDdhXHUwMDUyXHUwMDMyXHUwMDc2XHUwMDJmXHUwMDU3XHUwMDM5XHUw"
        "MDJiXHUwMDcwXHUwMDRjXHUwMDM0XHUwMDc4XHUwMDU0XHUwMDM2XHUwMDVmXHUwMDZkIn0=",
        "");
}

Test(inspect_outbound, token_patterns)
{
    expect_blocked("token ", "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", " x", "token_patterns:github_token");
    expect_blocked("", "AKIA2E0A8F3B244C9986", "", NULL);
}

/* The letter that ends an escape is no part of a word before the token. */
Test(inspect_outbound, tokens_behind_escapes)
{
    static const char *const before[] = {"{\"a\":\"key:\\n", "{\"a\":\"\\t", "{\"a\":\"{\\\"b\\\":\\\"\\\\n",
        "{\"a\":\"\\u2019", "{\"a\":\"\\u000a", "a=b%0A", "a=%20", "a='\\x0a"};
    static const char *const tokens[] = {
        "AKIA2E0A8F3B244C9986", "4417-1234-5678-9113", "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"};
    for (size_t i = 0; i < ARRAY_LEN(before); i++)
        for (size_t k = 0; k < ARRAY_LEN(tokens); k++)
            expect_cut(before[i], tokens[k], "\\n\"}", NULL, strlen(tokens[k]));
    expect_passed("{\"a\":\"xAKIA2E0A8F3B244C9986\"}");
    expect_passed("{\"a\":\"x%41AKIA2E0A8F3B244C9986\"}");
}

/* A line break that is escaped once more, or a quote as an entity, with nothing else to undo near it. */
Test(inspect_outbound, tokens_within_escapes)
{
    expect_cut(
        "{\"a\":\"", "AKIA2E0A\\\\\\n8F3B244C9986", " \"}", NULL, strlen("AKIA2E0A\\\\\\n8F3B244C9986"));
    expect_cut("", "AKIA2E0A\\\n8F3B244C9986", " ", NULL, strlen("AKIA2E0A\\\n8F3B244C9986"));
    expect_cut(
        "{\"a\":\"", "AKIA2E0A8F3B\\\\u003244C9986", " \"}", NULL, strlen("AKIA2E0A8F3B\\\\u003244C9986"));
}

/* Each character in `width` octets, of which the one at `at` is not 0. */
static size_t widen(const char *text, size_t width, size_t at, char *out)
{
    size_t n = strlen(text);
    memset(out, 0, n * width);
    for (size_t i = 0; i < n; i++)
        out[i * width + at] = text[i];
    return n * width;
}

Test(inspect_outbound, tokens_in_wide_characters)
{
    static const char token[] = "key: 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 x",
                      none[] = "key: ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18 x";
    char wide[4 * sizeof token];
    for (size_t width = 2; width <= 4; width += 2)
        for (size_t at = 0; at < width; at += width - 1)
            for (size_t step = 0; step < 2 * sizeof token; step++) {
                size_t n = widen(token, width, at, wide);
                struct outcome o = outbound(wide, n, step, NULL, NULL);
                cr_expect(o.found && strcmp(o.detector, "token_patterns:github_token") == 0,
                    "%zu octets, the %zuth, step %zu", width, at, step);
                free(o.out);
                n = widen(none, width, at, wide);
                o = outbound(wide, n, step, NULL, NULL);
                cr_expect(!o.found && o.n == n && memcmp(o.out, wide, n) == 0, "step %zu", step);
                free(o.out);
            }
    /* PowerShell's -EncodedCommand is base64 of this */
    expect_cut("powershell -enc ",
        "JAB0AD0AIgBnAGgAcABfAHoAUQBXAEIAdQBUAFMATwBvAFIAaQA0AEEAOQBzAHAASABjAFYAWQA1AG4AYwBuAHMARABrAHgAawBK"
        "ADAA"
        "bQBMAHEAMQA3ACIA",
        "\n", "token_patterns:github_token", 200);
}

Test(inspect_outbound, look_alikes_pass)
{
    expect_passed("ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18 is no token");
    expect_passed("AKIAIOSFODNN7EXAMPLE is in the manual");
    expect_passed(
        "{\"model\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":\"write a task-list\\nplease\\n\"}]}");
}

Test(inspect_outbound, split_over_json)
{
    expect_blocked_escaped("{\"a\":\"", "Kq7-zR2v/W9+\",\"b\":{\"c\":[1,\"pL4x\",\"T6_m\"]", "}}");
    expect_blocked_escaped("[\"g\",\"h\",\"p_\"", ",\"zQWBuTSOoRi4A9spHc\",\"VY5ncnsDkxkJ0mLq17\"", "]");
    expect_blocked_escaped("{\"", "Kq7-zR2v\":0,\"/W9+pL4xT6_m\":1", "}");
    expect_passed("{\"a\":\"Kq7-zR2v\",\"b\":\"x\",\"c\":\"/W9+pL4xT6_m\"}");
}

/* Whoever sends a part and waits for an answer gets it: a tail that may go on is no reason to wait. */
Test(inspect_outbound, tails_are_not_held)
{
    static const char *const tails[] = {"hello wor", "K", "Kq7", "gh", "ghp", "a&", "a & b\\", "100%",
        "a\\u00", "{\"jsonrpc\": \"2.0", "{\"a\": \"b\", \"c\": \"SGVsbG8gV29ybGQhSGVsbG8gV29ybGQh",
        "SGVsbG8gV29ybGQhSGVsbG8gV29ybGQ", "48656c6c6f20576f726c6421486", "data: x\n\n", "postg", "-----BEG",
        "aws_sec", "my secret", "x", "h", "task-", "see https://example.com", "url=https://user",
        "{\"a\":\"\\u00e9t\\u00e9 b", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA\n"};
    for (size_t i = 0; i < ARRAY_LEN(tails); i++)
        for (size_t step = 1; step <= 64; step *= 2) {
            struct inspect_config c = {.detectors = OUT};
            struct inspect *s = inspect_open(inspector, &c);
            size_t n = strlen(tails[i]), sent = 0;
            for (size_t at = 0; at < n; at += step) {
                struct inspect_out out;
                cr_assert_eq(
                    inspect_feed(s, (const uint8_t *)tails[i] + at, MIN(step, n - at), false, &out), 0);
                for (unsigned k = 0; k < out.n_spans; k++)
                    sent += out.span[k].n;
            }
            cr_expect_eq(sent, n, "%s in steps of %zu: %zu went on", tails[i], step, sent);
            inspect_close(s);
        }
}

/* What goes on before a pause, for each form that a secret or a token is told by. */
static void expect_held(const char *text, size_t went)
{
    struct inspect_config c = {.detectors = OUT};
    struct inspect *s = inspect_open(inspector, &c);
    struct inspect_out out;
    size_t sent = 0;
    cr_assert_eq(inspect_feed(s, (const uint8_t *)text, strlen(text), false, &out), 0);
    for (unsigned k = 0; k < out.n_spans; k++)
        sent += out.span[k].n;
    cr_expect_eq(sent, went, "%s: %zu, not %zu, went on", text, sent, went);
    inspect_close(s);
}

Test(inspect_outbound, beginnings_are_held)
{
    expect_held("key: Kq7-", 5);
    expect_held("key: Kq7-zR2v/W9", 5);
    expect_held("key: S3E3", 5);
    expect_held("key: 4b71372d7a52", 5);
    expect_held("key: 4B71372D7A52", 5);
    expect_held("key: ghp_", 5);
    expect_held("key: ghp_zQWBuTSOo", 5);
    expect_held("key: AKIA2E0A8F3B244C99", 5);
    expect_held("key: https://deploy:Wq9", 10);
    expect_held("key: %4b%71%37%2d", 0);
    expect_held("UzNFM0xYcFNNbll2VnprcmNF", 0); /* base64 of base64 */
    expect_held("Z2hwX3pRV0J1VFNPb1JpNEE5c3BI", 0); /* base64 of a token */
}

/* A beginning that was too short to be held, in every encoding: the rest is no less found. */
Test(inspect_outbound, resumed_after_a_pause)
{
    static const char *const halves[][2] = {{"Kq7", "-zR2v/W9+pL4xT6_m"}, {"a Kq7", "%2dzR2v/W9+pL4xT6_m"},
        {"{\"a\":\"Kq", "7\",\"b\":\"-zR2v/W9+pL4xT6_m\"}"}, {"Kq7\\u00", "2dzR2v/W9+pL4xT6_m"},
        {"x S3E", "3LXpSMnYvVzkrcEw0eFQ2X20="}, {"gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17"},
        {"Z2h", "wX3pRV0J1VFNPb1JpNEE5c3BIY1ZZNW5jbnNEa3hrSjBtTHExNw=="},
        {"Z2hwX3pRV0J1VFNPb1Jp", "NEE5c3BIY1ZZNW5jbnNEa3hrSjBtTHExNw=="}, {"glp", "at-Zq3xT7vB9mKpL2wR5nYc"},
        {"discord.com/api/web", "hooks/1284910573326847590/"
                                "aZ3kQ9xT7vB2mKpL5wR8nYcF4hJ6dG1sA0eU-iO_zX3vC7bN9mQwE5rT2yU8iP4o"}};
    for (size_t i = 0; i < ARRAY_LEN(halves); i++) {
        struct inspect_config c = {.detectors = OUT};
        struct inspect *s = inspect_open(inspector, &c);
        struct inspect_out out;
        const char *const *h = halves[i];
        cr_assert_eq(inspect_feed(s, (const uint8_t *)h[0], strlen(h[0]), false, &out), 0);
        (void)inspect_feed(s, (const uint8_t *)h[1], strlen(h[1]), true, &out);
        cr_expect(out.found, "%s | %s", h[0], h[1]);
        inspect_close(s);
    }
}

/* Where nothing will be cut, nobody is kept waiting. */
Test(inspect_outbound, audited_is_not_held)
{
    struct inspect_config c = {.detectors = OUT, .audit_only = true};
    struct inspect *s = inspect_open(inspector, &c);
    struct inspect_out out;
    cr_assert_eq(inspect_feed(s, (const uint8_t *)SECRET, 10, false, &out), 0);
    cr_expect_eq(out.n_spans, 1);
    cr_assert_eq(inspect_feed(s, (const uint8_t *)SECRET + 10, sizeof SECRET - 11, true, &out), 0);
    cr_expect(out.found);
    inspect_close(s);
}

/* What is large and harmless goes through, and little of it waits at any time. */
Test(inspect_outbound, large_bodies)
{
    static const char *const forms[][2] = {
        {"{\"messages\":[{\"content\":\"", "\"}]}"}, {"[\"a\",\"", "\"]"}, {"a=", ""}, {"\\u0041", "\\n"}};
    static const char *const fills[] = {"Lorem ipsum\\n dolor \\\"sit\\\" amet, ", "QUJDREVGR0hJSktMTU5PUFFS",
        "0123456789abcdef", "a%20b%2Fc&amp;", "x"};
    const size_t size = 3u << 20;
    uint8_t *in = malloc(size + 100);
    for (size_t f = 0; f < ARRAY_LEN(forms) * ARRAY_LEN(fills); f++) {
        const char *const *form = forms[f / ARRAY_LEN(fills)], *fill = fills[f % ARRAY_LEN(fills)];
        size_t n = (size_t)sprintf((char *)in, "%s", form[0]);
        while (n < size)
            n += (size_t)sprintf((char *)in + n, "%s", fill);
        n += (size_t)sprintf((char *)in + n, "%s", form[1]);
        struct inspect_config c = {.detectors = OUT};
        struct inspect *s = inspect_open(inspector, &c);
        for (size_t at = 0, sent = 0; at < n; at += 50000) {
            struct inspect_out out;
            size_t k = MIN(n - at, (size_t)50000);
            cr_assert_eq(
                inspect_feed(s, in + at, k, at + k == n, &out), 0, "%s %s at %zu", form[0], fill, at);
            cr_assert(!out.found, "%s %s: %s", form[0], fill, out.finding.detector);
            for (unsigned i = 0; i < out.n_spans; i++)
                sent += out.span[i].n;
            cr_assert_leq(at + k - sent, 100000, "%s %s at %zu: %zu held", form[0], fill, at, at + k - sent);
        }
        inspect_close(s);
    }
    free(in);
}
