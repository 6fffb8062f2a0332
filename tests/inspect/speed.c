/* How fast a core inspects: MB/s of texts of several kinds, out and in, in pieces of 16 KiB, bodies of 100
 * KiB. usage: speed [SECONDS] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "appliance/inspect/inspect.h"
#include "lib/base.h"
#include "lib/policy.h"

#define BODY KIB(100)
#define STEP KIB(16)

static uint8_t body[BODY];
static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

static const char *const words[] = {"the", "of", "server", "and", "a", "request", "that", "is", "to",
    "network", "which", "value", "in", "configuration", "for", "client", "reads", "with", "not", "when",
    "file", "an", "option", "are", "default", "you", "your", "can", "message", "it", "as", "connection", "on",
    "system", "returns", "this", "because", "language", "new", "process", "should", "output", "first",
    "description"};

static size_t sentence(char *to)
{
    size_t n = 0;
    for (unsigned k = 6 + draw(12); k; k--)
        n += (size_t)sprintf(to + n, "%s%s", words[draw(ARRAY_LEN(words))],
            k > 1     ? " "
            : draw(4) ? ". "
                      : ".");
    to[0] = (char)(to[0] - 32);
    return n;
}

/* Sentences between `before` and `after` until the body is full. */
static void fill(const char *first, const char *before, const char *after, unsigned sentences)
{
    size_t n = strlen(first);
    memset(body, ' ', BODY);
    memcpy(body, first, n);
    while (n < BODY - 4096) {
        n += (size_t)sprintf((char *)body + n, "%s", before);
        for (unsigned k = sentences; k; k--)
            n += sentence((char *)body + n);
        n += (size_t)sprintf((char *)body + n, "%s", after);
    }
}

static void prose(void)
{
    fill("", "", "\n", 3);
}
static void chat(void)
{
    fill("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"",
        "\"},{\"role\":\"user\",\"content\":\"", "\\n\\nHe said \\\"no\\\" to it.\\n", 4);
}
static void records(void)
{
    fill("[", "{\"id\":12345,\"name\":\"", "\",\"ok\":true,\"tags\":[\"red\",\"green\"],\"size\":1.5},", 1);
}
static void html(void)
{
    fill("<html>", "<div class=\"row main\"><p id=\"p17\">",
        "</p><a href=\"/docs/page?id=1&amp;x=2\">more&nbsp;text</a></div>\n", 2);
}
static void form(void)
{
    fill("text=", "", "%0D%0Afield%5B1%5D=x%20y&next=", 1);
}
static void digits(void)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < BODY; i++)
        body[i] = (uint8_t)set[draw(64)];
}
static void lots(void)
{
    for (size_t i = 0; i < BODY; i++)
        body[i] = (uint8_t)draw(256);
}

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double speed(struct inspector *i, const struct inspect_config *c, double seconds)
{
    double start = now(), end;
    uint64_t total = 0;
    do {
        struct inspect *s = inspect_open(i, c);
        for (size_t at = 0; s && at < BODY; at += STEP) {
            struct inspect_out out;
            size_t n = MIN(STEP, BODY - at);
            int r = inspect_feed(s, body + at, n, at + n == BODY, &out);
            if (r || out.found) {
                printf("(%s %d) ", out.found ? out.finding.detector : "status", r);
                break;
            }
        }
        inspect_close(s);
        total += BODY;
        end = now();
    } while (end - start < seconds);
    return (double)total / (end - start) / 1e6;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name, *type;
        void (*make)(void);
    } kinds[] = {{"prose", "text/plain", prose}, {"chat JSON", "application/json", chat},
        {"records JSON", "application/json", records}, {"HTML", "text/html", html},
        {"form", "application/x-www-form-urlencoded", form}, {"base64", "text/plain", digits},
        {"random", "application/octet-stream", lots}};
    static const char yaml[] = "version: 1\n", secret[] = "DEPLOY_KEY=Kq7-zR2v/W9+pL4xT6_m\n";
    double seconds = argc > 1 ? atof(argv[1]) : 0.5;
    char err[300], path[] = "/tmp/inspect_speed_XXXXXX";
    struct policy_error perr;
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, secret, sizeof secret - 1) < 0)
        return 2;
    close(fd);
    struct secrets *secrets = secrets_load(path, err, sizeof err);
    unlink(path);
    struct policy *policy = policy_load(yaml, sizeof yaml - 1, &perr);
    struct inspector *i = secrets && policy ? inspector_new(policy, secrets, err, sizeof err) : NULL;
    if (!i || inspector_thread_init(i) != 0)
        return 2;
    printf("%-14s %10s %10s  MB/s\n", "", "outbound", "inbound");
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct inspect_config out = {.detectors = DETECT_TOKEN_PATTERNS | DETECT_KNOWN_SECRETS,
            .direction = INSPECT_OUTBOUND,
            .content_type = kinds[k].type};
        struct inspect_config in = {
            .detectors = DETECT_INJECTION, .direction = INSPECT_INBOUND, .content_type = kinds[k].type};
        kinds[k].make();
        double a = speed(i, &out, seconds);
        printf("%-14s %10.0f ", kinds[k].name, a);
        if (strncmp(kinds[k].type, "application/x", 13) == 0 || kinds[k].make == lots)
            printf("%10s\n", "-");
        else
            printf("%10.0f\n", speed(i, &in, seconds));
    }
    inspector_free(i);
    policy_free(policy);
    secrets_free(secrets);
    return 0;
}
