/* What is drawn by lot is denied for nothing that it holds by chance, and tokens are still found beside it.
 */
#include "tests/unit/inspect_world.h"

TestSuite(inspect_noise, .init = inspect_world, .fini = inspect_world_end, .timeout = 240);

#define BODY MIB(2)

static uint64_t seed = 5;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 32) * below >> 32);
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static size_t noise(const char *alphabet, size_t line, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = line && i % (line + 1) == line ? '\n' : alphabet[draw((uint32_t)strlen(alphabet))];
    return n;
}

Test(inspect_noise, megabytes_pass)
{
    static const struct {
        const char *name, *alphabet;
        size_t line;
    } kinds[] = {{"base64", base64, 76}, {"base64 without lines", base64, 0}, {"base64url", base64url, 0},
        {"base64url in lines", base64url, 64}, {"hex", "0123456789abcdef", 0},
        {"hex in lines", "0123456789ABCDEF", 32}, {"base32", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 0}};
    static char body[BODY];
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        for (size_t n = 1000; n <= BODY; n *= 11) {
            struct outcome o =
                outbound(body, noise(kinds[i].alphabet, kinds[i].line, n, body), KIB(16), NULL, NULL);
            cr_expect(!o.found && !o.status && o.n == n, "%s, %zu octets: %s", kinds[i].name, n, o.detector);
            free(o.out);
        }
    for (size_t i = 0; i < BODY; i++)
        body[i] = (char)draw(256);
    struct outcome o = outbound(body, BODY, KIB(16), NULL, NULL);
    cr_expect(!o.found && !o.status, "octets: %s", o.detector);
    free(o.out);
}

/* Each is a token of its own, and once in some tens of megabytes of base64. */
static const struct {
    const char *alphabet, *text;
} by_chance[] = {{base64url, "xoxb-7Kq2vZr9TnWb4LsYp6McJd8G-f3Ru1EoHx5_"},
    {base64url, "xoxp-7Kq2vZr9TnWb4LsYp6McJd8Gf3Ru1EoHx5Za9_"}, {base64url, "glrt-7Kq2vZr9TnWb4LsYp6Mc_"},
    {base64url, "tvly-7Kq2vZr9TnWb4LsYp6McJd8Gf3Ru1Eo_"},
    {base64, "AIza7Kq2vZr9TnWb4LsYp6McJd8Gf3Ru1EoHx5Z/"}, {base64, "/cio7Kq2vZr9TnWb4LsYp6McJd8Gf3Ru1EoH+"},
    {base64, "+ATBB7Kq2vZr9TnWb4LsYp6McJd8Gf3Ru1+"}, {base64, "/LTAI7Kq2vZr9TnWb4LsYp6/"},
    {base64, "\nAQVN7Kq2vZr9TnWb4LsYp6McJd8Gf3Ru1EoHx5Z/"},
    {base64url, "\nsk-7Kq2vZr9TnWb4LsYp6McJd8Gf3Ru1EoHx5Za9"}};

/* By chance again, some 32 octets of base64 do not look drawn by lot. */
Test(inspect_noise, beginnings_come_by_chance)
{
    char body[700];
    unsigned found = 0;
    for (size_t i = 0; i < ARRAY_LEN(by_chance); i++)
        for (size_t round = 0; round < 20; round++) {
            const char *text = by_chance[i].text;
            size_t n = noise(by_chance[i].alphabet, 0, 300, body);
            memcpy(body + n, text, strlen(text));
            n += strlen(text);
            n += noise(by_chance[i].alphabet, 0, 300, body + n);
            struct outcome whole = outbound(body, n, 0, NULL, NULL);
            found += whole.found;
            for (size_t step = 1; step < 40; step += 13) {
                struct outcome o = outbound(body, n, step, NULL, NULL);
                cr_expect_eq(o.found, whole.found, "%s in %.*s", o.detector, (int)n, body);
                free(o.out);
            }
            free(whole.out);
        }
    cr_expect_leq(found, 4, "%u of %zu", found, 20 * ARRAY_LEN(by_chance));
}

Test(inspect_noise, tokens_beside_it_are_found)
{
    static const char *const parting[] = {" ", "=", "\"", ": ", "\nkey = ", ".", "&x="};
    char body[700];
    for (size_t i = 0; i < ARRAY_LEN(by_chance); i++)
        for (size_t k = 0; k < ARRAY_LEN(parting); k++) {
            const char *text = by_chance[i].text;
            text += strspn(text, "/+\n");
            size_t n = noise(by_chance[i].alphabet, 0, 300, body);
            n += (size_t)sprintf(body + n, "%s%.*s\n", parting[k], (int)strcspn(text, "/+_"), text);
            struct outcome o = outbound(body, n, 0, NULL, NULL);
            cr_expect(o.found, "%.*s", (int)(n - 300), body + 300);
            free(o.out);
        }
}
