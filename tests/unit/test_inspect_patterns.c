/* Every token format by itself: one drawn by lot is found in every split, and what only looks like it passes.
 */
#include "tests/unit/inspect_world.h"

#include "appliance/inspect/inspect_internal.h"
#include "appliance/inspect/seed.h"

TestSuite(inspect_patterns, .init = inspect_world, .fini = inspect_world_end, .timeout = 120);

static uint32_t seed = 7;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

static const size_t steps[] = {0, 1, 5, 16, 33};

static struct outcome find(const char *text, size_t step)
{
    return outbound(text, strlen(text), step, NULL, NULL);
}

static void expect_token(const char *detector, const char *token)
{
    char text[3000];
    (void)snprintf(text, sizeof text, "{\"note\": \"%s\"}\n", token);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct outcome o = find(text, steps[i]);
        cr_expect(o.found && (!detector || strstr(o.detector, detector)), "%s, step %zu: %s", token, steps[i],
            o.found ? o.detector : "passed");
        cr_expect_lt(o.n, strlen(text), "%s", token);
        free(o.out);
    }
}

static void expect_look_alike(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct outcome o = find(text, steps[i]);
        cr_expect(
            !o.found && !o.status && o.n == strlen(text), "%s, step %zu: %s", text, steps[i], o.detector);
        free(o.out);
    }
}

static void draw_run(const char *chars, size_t n, char *out)
{
    do
        for (size_t i = 0; i < n; i++)
            do
                out[i] = (char)(33 + draw(94));
            while (!in_class(chars, (uint8_t)out[i]) || (strchr("_-.%=/@~", out[i]) && draw(4)));
    while (!looks_random((uint8_t *)out, n));
    out[n] = '\0';
}

Test(inspect_patterns, each_run)
{
    for (size_t i = 0; i < inspect_n_patterns; i++) {
        const struct pattern *t = &inspect_patterns[i];
        char token[600], placeholder[600], run[400];
        if (t->verify != verify_run || t->min < 16)
            continue;
        draw_run(t->chars, t->min, run);
        (void)snprintf(token, sizeof token, "%s%s", t->anchor, run);
        expect_token(NULL, token);
        memset(run, in_class(t->chars, 'x') ? 'x' : '0', t->min);
        (void)snprintf(placeholder, sizeof placeholder, "a %s%s b", t->anchor, run);
        expect_look_alike(placeholder);
    }
}

Test(inspect_patterns, formats_of_their_own)
{
    static const char *const found[][2] = {
        {"seed_phrase", "legal winner thank year wave sausage worth useful legal winner thank yellow"},
        {"seed_phrase", "LEGAL WINNER THANK YEAR WAVE SAUSAGE WORTH USEFUL LEGAL WINNER THANK YELLOW"},
        {"seed_phrase",
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"},
        {"seed_phrase", "legal\\nwinner\\nthank\\nyear\\nwave\\nsausage\\nworth\\nuseful\\nlegal\\nwinner\\nt"
                        "hank\\nyellow"},
        {"seed_phrase",
            "1. legal 2. winner 3. thank 4. year 5. wave 6. sausage 7. worth 8. useful 9. legal 10. "
            "winner 11. thank 12. yellow"},
        {"seed_phrase", "\"legal\",\"winner\",\"thank\",\"year\",\"wave\",\"sausage\",\"worth\",\"useful\","
                        "\"legal\",\"winner\","
                        "\"thank\",\"year\",\"wave\",\"sausage\",\"worth\",\"useful\",\"legal\",\"will\""},
        {"seed_phrase",
            "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing "
            "screen patrol group space point ten exist slush involve unfold"},
        {"card_number", "card_number\": \"4539 1488 0343 6467"},
        {"card_number", "my card: 4539148803436467."}, {"card_number", "4539-1488-0343-6467"},
        {"card_number", "pay with 3714-496353-98472 now"}, {"card_number", "card[number]=5413330089010434"},
        {"discord_bot_token", "MTE5ODYyMjQ4MzQ3MTkyNTI0OA.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWsQ9x"},
        {"connection_password",
            "Server=tcp:db.example.net,1433;User ID=app;Password=Wq9-xT7vB2;Encrypt=True"},
        {"connection_password", "jdbc:postgresql://db.example.net/app?user=app&password=Wq9xT7vB2m"},
        {"connection_password", "machine git.example.net login deploy password Wq9xT7vB2m"},
        {"azure_client_secret", "aZ38Q~kXv3LpWq9xT7vB2mRn5sYc1dFg8hJk4tMz"},
        {"mailchimp_key", "5f3a9c0d7be14286aa10cc5520f7e930-us12"},
        {"wireguard_key", "PrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="},
        {"private_key",
            "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: x\nP2/56wAAAi4AAAA3aWYtbW9kbntzaWdue3JzYQ"},
        {"private_key", "-----BEGIN OPENSSH PRIVATE KEY-----\\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ"},
        {"private_key", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBGJ3c1YBCADGh7uYp0Wq9xT7vB2mKpL5"},
        {"registry_login", "//r.example/:_authToken=5f3a9c0d-7be1-4286-aa10-cc5520f7e930"},
        {"environment_secret", "MISTRAL_API_KEY=8pDKZQqVwRgJV3WGQyi7W5qQAeGNvCr9"},
        {"environment_secret", "export SNYK_TOKEN='5f3a9c0d-7be1-4286-aa10-cc5520f7e930'"},
        {"environment_secret", "ENV RAILS_MASTER_KEY 1=\nRAILS_MASTER_KEY: 73c6dbb59175672731423410000f421d"},
        {"environment_secret", "DJANGO_SECRET_KEY_BASE: \"Wq9xT7vB2mRn5sYc1dFg8hJk4tMz\""},
        {"environment_secret", "DB_PASSWORD=Wq9xT7vB2mRn5sYc"},
        {"datadog_key", "dd-api-key: 440285b86ce53935fd16ccd6b9ccc6c4"},
        {"datadog_key", "DD_APPLICATION_KEY=13d9133d268f95d09ea9823fa7b3a99b7d87de86"},
        {"twilio_auth_token", "twilio_auth_token: 13830d71939b53182e4e349d98729e7c"},
        {"heroku_token", "heroku_api_key = 4add2d7b-c4d8-b92e-0a3c-fe53b170419e"},
        {"mailgun_key", "mailgun_key=a6a2e5a2a038d5a1e3a6594888e498e6-56e46a5c-9cfc4b1d"},
        {"cloudflare_token", "cloudflare_api_token=38Cj-20IM3H_f5_Td8uNMn-9jjv44S9JRXr6clUK"},
        {"newrelic_key", "08f56f49d64c090cea7a24129199532290b5FFFFNRAL"},
        {"private_key", "private_key = 0x016467e1d5cb2aac543c63b09d2d6d41d5ce05124fd73941f545de40f1b7f8e8"},
        {"private_jwk", "\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"d\": "
                        "\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\", \"x\": \"11\""},
        {"private_jwk",
            "\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\",\"kid\":\"1\",\"kty\":\"OKP\""},
        {"connection_password", "host=db.example.net port=5432 user=app password=Wq9xT7vB2m"},
        {"environment_secret", "define('DB_PASSWORD', 'Wq9xT7vB2mRn5sYc');"},
        {"registry_login", "{\"auths\":{\"r.example\":{\"auth\":\"ZGVwbG95OldxOXhUN3ZCMm0=\"}}}"},
        {"registry_login", "//r.example/:_auth=ZGVwbG95OldxOXhUN3ZCMm0="},
        {"login", "> Authorization: Basic ZGVwbG95OldxOXhUN3ZCMm0="},
        {"connection_password", "db.example.net:5432:app:deploy:Wq9xT7vB2m\n"},
        {"password_hash",
            "root:$6$Kq7zR2vW9pL4$Wq9xT7vB2mRn5sYc1dFg8hJk4tMzWq9xT7vB2mRn5sYc1dFg8hJk4tMzWq9xT7vB2mRn5s"
            "Yc1dFg8hJk4tMz.x/Yz:19000:0:99999:7:::"},
        {"password_hash", "admin:$apr1$Kq7zR2vW$Efh3UuDlGl3VCOzFTBDOn1"},
        {"url_password", "snowflake://app:Wq9xT7vB2m@account.example/db"},
        {"url_password", "postgres://admin:Wq9xT7vB2m@db.example.net:5432/app"},
        {"url_password", "git+https://bot:Wq9xT7vB2m@git.example.net/r.git"},
        {"url_password", "redis://:Wq9xT7vB2m@cache.example.net"}};
    for (size_t i = 0; i < ARRAY_LEN(found); i++)
        expect_token(found[i][0], found[i][1]);
}

Test(inspect_patterns, look_alikes)
{
    static const char *const passed[] = {
        "legal winner thank year wave sausage worth useful legal winner thank thank", /* its checksum is wrong
                                                                                       */
        "legal winner thank year wave sausage worth useful legal winner thank",
        "abandon ability able about above absent absorb abstract absurd abuse access accident account accuse "
        "achieve acid "
        "acoustic acquire across act action actor actress actual adapt add addict address adjust admit adult "
        "advance",
        "there were about twenty people that you will have to help before this was even possible and then "
        "some",
        "card 4539148803436468", "my number is 4539148803436467",
        "4111 1111 1111 1111 and 4242-4242-4242-4242", "card: 4242424242424242",
        "card 2024-01-15 12:30:45 6467", "1234 5678 9012 3456", "rows of 4539 1488 0343 6467 and so on",
        "4539 1488 0343 6467 89", "discard 17000000000000000", "id 4539148803436467 1.234567.890",
        "v1.234567.89 and a.b.c", "MTE5ODYyMjQ4.Cl2FMQ.short", "Server=localhost;Password=changeme;",
        "jdbc:postgresql://h/db?user=u&password=secret", "machine learning needs no password protected files",
        "the queue is at 8Q~ of all", "a5f3a9c0d7be14286aa10cc5520f7e930-usable",
        "[true, false, true, true, false, true, true, false, false, true, true, true, false, true, false, "
        "true, "
        "true, false]",
        ".list-group .list-group-item:first-child{border-top-width:0}.list-group+.panel",
        "true == false = false`,\n\t`true == true = true`,\n\n\t`false != false = false`,\n\t`false",
        "a/EAAAr4mCi/8AAAAwcVDb9EAAAQx8/EAAAkT0bJ2nVq8Wd3LzYx5Hc7KpRm1SgUf4Bt6NjAe9QoXi2MlZhCvDrGw4TbP",
        "AIXWCJNMRG4ZRHPXQDFRMSN3DVOKQNDVDUCUIQHJ6D2BXKWXAZDOQJ3FGXVB7EUNKM3",
        "{\"Rar!\\x1A\\x07\\x00\", \"application/x-rar-compressed\"},", "PrivateKey = <your key here>",
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBg",
        "-----BEGIN PRIVATE KEY-----\\n...\\n-----END PRIVATE KEY-----", "_authToken=${TOKEN}",
        /* names of secrets with something else behind them */
        "API_TOKEN: ${{ secrets.API_TOKEN_2024 }}", "ACCESS_TOKEN = getAccessTokenFromStore2(context1)",
        "case TOKEN_IDENTIFIER: return 1;", "TOKEN_SHA256=5f3a9c0d7be14286aa10cc5520f7e9305f3a9c0d7be14286",
        "XSRF-TOKEN=Wq9xT7vB2mRn5sYc1dFg8hJk4tMz; CSRF_TOKEN=Wq9xT7vB2mRn5sYc1dFg8hJk4tMz",
        "NEXT_PUBLIC_API_KEY=Wq9xT7vB2mRn5sYc1dFg8hJk4tMz", "SECRET_KEY=your-secret-key-goes-here-2024",
        "API_KEY=os.environ['STRIPE_KEY_V2_2024']", "#define AUTH_TOKEN kAuthTokenHeaderName12Value",
        "SECRET_HEADER: headers_x25519_mlkem768_kyber", "PASSWORD=correct-horse-battery-staple",
        "\"auth\": \"dXNlcjpwYXNzd29yZA==\"",
        "Authorization: Basic dXNlcm5hbWU6cGFzc3dvcmQ=", "a basic introduction of everything",
        "BASIC authenticationInformation", "\"auth\": \"oauth2-or-something\"", "ports: 127.0.0.1:5432:5432",
        "db:5432:app:postgres:postgres", "\"0.0.0.0:5432:5432:tcp:something\"",
        "price:$6$ and more, name:$1$2", "getTOKEN=Wq9xT7vB2mRn5sYc1dFg8hJk4tMz",
        "connect(host=settings.host, user=settings.user, password=settings.password)",
        "{\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\",\"id\":7}", "redis://user:password@localhost",
        "proto://${USER}:${PASS}@host", "ssh://git@host.example:22/r.git", "see https://example.org:8080/a@b",
        "'://' + user + ':' + pass + '@'", "[protocol://][user[:password]@]proxyhost[:port]",
        "cvs://:pserver:anoncvs@sources.example:/cvs/src",
        "WLX_CLIENT_CREDENTIALS_INFO_V2_0 = _WLX_CLIENT_CREDENTIALS_INFO_V2_0;"};
    for (size_t i = 0; i < ARRAY_LEN(passed); i++)
        expect_look_alike(passed[i]);
}

/* Nobody waits because of words that are in the list, or digits. */
Test(inspect_patterns, not_held)
{
    static const char *const tails[] = {"this will help", "there were about ten", "card: ", "call 4539 14",
        "Server=", "jdbc:x", "legal winner thank year", "at 12:30 on 2024-01-15", "see a.b", "it is a basic ",
        "BASIC auth", "basic authenticat", "the TOKEN", "TOKEN:", "API_KEY = ab", "{\"auth\": \"oa", "{\"d\"",
        "{\"d\":", "db:5432:", "db:5432:app", "with _auth"};
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        struct inspect_config c = {.detectors = OUT};
        struct inspect *s = inspect_open(inspector, &c);
        struct inspect_out out;
        size_t sent = 0;
        cr_assert_eq(inspect_feed(s, (const uint8_t *)tails[i], strlen(tails[i]), false, &out), 0);
        for (unsigned k = 0; k < out.n_spans; k++)
            sent += out.span[k].n;
        cr_expect_eq(sent, strlen(tails[i]), "%s: %zu", tails[i], sent);
        inspect_close(s);
    }
}

/* Of the shortest words, behind any number of octets, with an escape before each word: none is passed over.
 */
Test(inspect_patterns, seed_phrases_wherever_they_begin)
{
    static const char *const gaps[] = {" ", "\\n", ", ", "\", \"", "\n12. "};
    static const char filler[] =
        "no word here of nine letters or of tenfolders is on the list: \\nnowhere, legal ";
    uint16_t three[SEED_WORDS], places[12];
    static const uint8_t alike[12];
    const char *at[SEED_WORDS];
    size_t n = 0, n_words = 0;
    for (const char *p = seed_words; *p; p += strcspn(p, " ") + 1, n_words++)
        if (strcspn(p, " ") == 3) {
            at[n] = p;
            three[n++] = (uint16_t)n_words;
        }
    for (unsigned round = 0; round < 400; round++) {
        char text[600];
        size_t len = 0, chosen[12];
        do {
            for (unsigned k = 0; k < 12; k++)
                places[k] = three[chosen[k] = draw((uint32_t)n)];
        } while (!seed_phrase(places, 12) || !seeds_look_drawn(places, alike));
        for (; len < round % 130; len++)
            text[len] = filler[(len + round) % (sizeof filler - 1)];
        text[len++] = '\n';
        for (unsigned k = 0; k < 12; k++)
            len += (size_t)sprintf(text + len, "%.3s%s", at[chosen[k]], gaps[round % ARRAY_LEN(gaps)]);
        for (unsigned k = 0; k < round % 90; k++)
            text[len++] = filler[k % (sizeof filler - 1)];
        struct finding found;
        cr_assert(inspect_text(inspector, OUT, INSPECT_OUTBOUND, "header", text, len, &found), "%.*s",
            (int)len, text);
        cr_assert_str_eq(found.detector, "token_patterns:seed_phrase");
    }
}

/* A finding below escapes while one more has begun that is not whole, in the midst of a piece. */
Test(inspect_patterns, found_within_an_escape)
{
    static char text[16000];
    for (unsigned round = 0; round < 4000; round++) {
        size_t n = (size_t)sprintf(text, "\\u004b%s ", &SECRET[1]);
        unsigned gap = 1 + draw(60);
        while (n < sizeof text - 100) {
            n += (size_t)sprintf(text + n, "\\u0041");
            for (unsigned k = draw(gap); k; k--)
                text[n++] = 'b';
        }
        struct finding found;
        cr_assert(inspect_text(inspector, OUT, INSPECT_OUTBOUND, "header", text, n, &found));
    }
}
