#include <criterion/criterion.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "lib/audit.h"

static int log_file(void)
{
    char name[] = "/tmp/audit-test-XXXXXX";
    int fd = mkostemp(name, O_APPEND);
    cr_assert(fd >= 0);
    cr_assert_eq(unlink(name), 0);
    return fd;
}

static size_t contents(int fd, char *out, size_t max)
{
    ssize_t n = pread(fd, out, max - 1, 0);
    cr_assert(n >= 0);
    out[n] = 0;
    return (size_t)n;
}

static void one_line(struct audit *a, const char *host)
{
    audit_begin(a, &(struct audit_common){.event = "flow", .verdict = VERDICT_ALLOW, .host = host});
    audit_end(a);
}

Test(audit, line_has_common_fields_in_order)
{
    int fd = log_file(), mine = dup(fd);
    struct audit *a = audit_open(fd, "engine", 0);
    struct addr agent = addr_v4((uint8_t[]){192, 168, 127, 2});
    audit_begin(
        a, &(struct audit_common){"dns", &agent, VERDICT_DENY, REASON_NO_ROUTE, NULL, "x.test", "f1"});
    audit_ms(a, "ms", 1234);
    audit_array_begin(a, "answers");
    audit_array_str(a, "192.0.2.1");
    audit_array_str(a, "192.0.2.2");
    audit_array_end(a);
    audit_end(a);
    cr_assert_eq(audit_flush(a), 0);
    char buf[2048];
    contents(mine, buf, sizeof buf);
    cr_assert(
        strstr(buf,
            "\"agent\":\"192.168.127.2\",\"verdict\":\"deny\",\"reason\":\"no_route\",\"route\":null,"
            "\"host\":\"x.test\",\"flow\":\"f1\",\"ms\":1.234,\"answers\":[\"192.0.2.1\",\"192.0.2.2\"]}\n"),
        "%s", buf);
    audit_close(a);
}

Test(audit, chain_is_the_digest_of_the_line_before)
{
    int fd = log_file(), mine = dup(fd);
    struct audit *a = audit_open(fd, "engine", 3);
    one_line(a, "a.test");
    one_line(a, "b.test");
    cr_assert_eq(audit_flush(a), 0);
    char buf[2048], hex[65] = "";
    contents(mine, buf, sizeof buf);
    char *end = strchr(buf, '\n');
    uint8_t digest[32];
    unsigned n;
    cr_assert(EVP_Digest(buf, (size_t)(end - buf), digest, &n, EVP_sha256(), NULL));
    for (unsigned i = 0; i < n; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    cr_assert(strstr(end, hex));
    cr_assert(strstr(buf, "\"seq\":1,\"prev\":\"0000"));
    cr_assert(strstr(end, "\"seq\":2,"));
    audit_close(a);
}

Test(audit, hostile_strings_stay_one_valid_line)
{
    int fd = log_file(), mine = dup(fd);
    struct audit *a = audit_open(fd, "engine", 0);
    audit_begin(a, &(struct audit_common){.event = "http"});
    audit_strn(a, "path", "/a\n\"\\\xff\xc0\xaf\x7f\xe2\x82\xac\x1b[0m", 17);
    audit_end(a);
    cr_assert_eq(audit_flush(a), 0);
    char buf[2048];
    size_t n = contents(mine, buf, sizeof buf);
    cr_assert_eq(strchr(buf, '\n'), buf + n - 1);
    cr_assert(strstr(buf,
                  "/a\\u000a\\u0022\\u005c\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\u007f\xe2\x82\xac\\u001b[0m"),
        "%s", buf);
    audit_close(a);
}

/* RLIMIT_FSIZE gives the short writes of a full disk. */
Test(audit, nothing_in_a_line_commands_a_terminal)
{
    int fd = log_file(), mine = dup(fd);
    struct audit *a = audit_open(fd, "engine", 0);
    audit_begin(a, &(struct audit_common){.event = "http", .verdict = VERDICT_DENY});
    audit_str(
        a, "path", "/\xc2\x9b[1m\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8\xc2\xa0\xe2\x80\x8b\xf0\x9f\x98\x80");
    audit_end(a);
    cr_assert_eq(audit_flush(a), 0);
    char buf[2048];
    contents(mine, buf, sizeof buf);
    cr_assert(
        strstr(buf, "\"/\\u009b[1m\\u202e\\u2066\\u2028\xc2\xa0\xe2\x80\x8b\xf0\x9f\x98\x80\""), "%s", buf);
    audit_close(a);
}

Test(audit, full_disk_denies_keeps_whole_lines_and_recovers)
{
    int fd = log_file(), mine = dup(fd);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct audit *a = audit_open(fd, "engine", 0);
    one_line(a, "first.test");
    cr_assert_eq(audit_flush(a), 0);
    struct stat st;
    cr_assert_eq(fstat(mine, &st), 0);
    struct rlimit full = {(rlim_t)st.st_size + 40, RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &full), 0);
    cr_assert(audit_ok(a));
    one_line(a, "second.test");
    cr_assert_lt(audit_flush(a), 0);
    cr_assert_not(audit_ok(a));
    struct stat now;
    cr_assert_eq(fstat(mine, &now), 0);
    cr_assert_eq(now.st_size, st.st_size, "no part of a line stays");
    struct rlimit room = {RLIM_INFINITY, RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &room), 0);
    cr_assert(audit_ok(a));
    char buf[2048];
    contents(mine, buf, sizeof buf);
    cr_assert(strstr(buf, "second.test"));
    audit_close(a);
}

Test(audit, lines_past_the_bound_are_counted)
{
    int fd = log_file(), mine = dup(fd);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct audit *a = audit_open(fd, "engine", 0);
    struct rlimit full = {0, RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &full), 0);
    unsigned written = 0;
    while (audit_pending(a) <= AUDIT_PENDING_MAX) {
        one_line(a, "x.test");
        written++;
    }
    for (int i = 0; i < 7; i++)
        one_line(a, "y.test");
    cr_assert_lt(audit_flush(a), 0);
    struct rlimit room = {RLIM_INFINITY, RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &room), 0);
    cr_assert_eq(audit_flush(a), 0);
    cr_assert_eq(audit_flush(a), 0);
    char *buf = malloc(MIB(2));
    contents(mine, buf, MIB(2));
    cr_assert(strstr(buf, "\"event\":\"lost\""));
    cr_assert(strstr(buf, "\"count\":7}"));
    unsigned lines = 0;
    for (char *p = buf; (p = strchr(p, '\n')); p++)
        lines++;
    cr_assert_eq(lines, written + 1);
    free(buf);
    audit_close(a);
}

Test(audit, ids_differ)
{
    struct audit *a = audit_open(log_file(), "engine", 0);
    char one[AUDIT_ID_LEN + 1], two[AUDIT_ID_LEN + 1];
    for (int i = 0; i < 100; i++) {
        audit_new_id(a, one);
        audit_new_id(a, two);
        cr_assert_eq(strlen(one), (size_t)AUDIT_ID_LEN);
        cr_assert_str_neq(one, two);
    }
    audit_close(a);
}
