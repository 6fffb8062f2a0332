#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/policy.h"

static struct secrets *load(const char *text, size_t len, mode_t mode, char *err, size_t errlen)
{
    char path[] = "/tmp/test_secrets.XXXXXX";
    cleanup_fd int fd = mkstemp(path);
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, len), (ssize_t)len);
    cr_assert_eq(fchmod(fd, mode), 0);
    err[0] = '\0';
    struct secrets *s = secrets_load(path, err, errlen);
    (void)unlink(path);
    return s;
}

Test(secrets, values)
{
    static const char text[] = "# comment\n\nA=1\nB_2=with=equals and # hash\r\n_c='quoted'";
    char err[200];
    struct secrets *s = load(text, strlen(text), 0600, err, sizeof err);
    cr_assert(s, "%s", err);
    cr_expect_eq(secrets_count(s), 3);
    cr_expect_str_eq(secrets_get(s, "A"), "1");
    cr_expect_str_eq(secrets_get(s, "B_2"), "with=equals and # hash");
    cr_expect_str_eq(secrets_get(s, "_c"), "'quoted'");
    cr_expect_null(secrets_get(s, "a"));
    cr_expect_null(secrets_get(s, ""));
    const char *name;
    cr_expect_str_eq(secrets_at(s, 1, &name), "with=equals and # hash");
    cr_expect_str_eq(name, "B_2");
    secrets_free(s);
    secrets_free(NULL);
    cr_expect_eq(secrets_count(NULL), 0);
    cr_expect_null(secrets_get(NULL, "A"));
}

Test(secrets, refused_without_quoting_values)
{
    static const struct {
        const char *text;
        mode_t mode;
        const char *says;
    } t[] = {
        {"A=hunter2", 0640, "others may read"},
        {"A=hunter2", 0604, "others may read"},
        {"A=hunter2", 0620, "others may read"},
        {"hunter2", 0600, ":1: not NAME=value"},
        {"A=x\nhun ter2=1", 0600, ":2: not NAME=value"},
        {"=hunter2", 0600, ":1: not NAME=value"},
        {"1A=hunter2", 0600, ":1: not NAME=value"},
        {"A =hunter2", 0600, ":1: not NAME=value"},
        {"A=", 0600, "A has no value"},
        {"A= hunter2", 0600, "A begins or ends with a space"},
        {"A=hunter2 ", 0600, "A begins or ends with a space"},
        {"A=hunter2\tx", 0600, "A holds a control character"},
        {"A=hunter2\nB=1\nA=hunter2", 0600, ":3: A is there twice"},
    };
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        char err[200];
        struct secrets *s = load(t[i].text, strlen(t[i].text), t[i].mode, err, sizeof err);
        cr_expect_null(s, "%s", t[i].text);
        cr_expect(strstr(err, t[i].says), "'%s' does not say '%s'", err, t[i].says);
        cr_expect_null(strstr(err, "hunter2"), "%s", err);
    }
    char err[200];
    cr_expect_null(load("A=1\0B=2", 7, 0600, err, sizeof err));
    cr_expect_null(secrets_load("/nonexistent/secrets", err, sizeof err));
    cr_expect(strstr(err, "No such file"));
    size_t big = MIB(1) + 1;
    char *text = malloc(big);
    memset(text, '\n', big);
    cr_expect_null(load(text, big, 0600, err, sizeof err));
    struct secrets *s = load(text, big - 1, 0600, err, sizeof err);
    cr_expect(s, "%s", err);
    secrets_free(s);
    free(text);
}

Test(secrets, from_a_pipe)
{
    int p[2];
    cr_assert_eq(pipe(p), 0);
    cr_assert_eq(write(p[1], "A=1\n", 4), 4);
    (void)close(p[1]);
    char path[40], err[200];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
    struct secrets *s = secrets_load(path, err, sizeof err);
    cr_assert(s, "%s", err);
    cr_expect_str_eq(secrets_get(s, "A"), "1");
    secrets_free(s);
    (void)close(p[0]);
}

Test(secrets, from_the_environment)
{
    static const char yaml[] = "version: 1\negress:\n  routes:\n"
                               "    - {host: a.example, auth: {scheme: token, token_ref: T_ROUTE}}\n"
                               "    - {host: b.example, auth: {scheme: token, token_ref: T_ROUTE}}\n"
                               "    - {host: c.example, auth: {scheme: token, token_ref: T_BAD}}\n"
                               "inspect: {secrets: [T_OTHER, T_NONE]}\n";
    struct policy_error e;
    struct policy *p = policy_load(yaml, sizeof yaml - 1, &e);
    cr_assert(p, "%s", e.text);
    (void)setenv("T_ROUTE", "value one", 1);
    (void)setenv("T_OTHER", "two", 1);
    (void)setenv("T_BAD", "line\nbreak", 1);
    (void)setenv("T_UNNAMED", "three", 1);
    struct secrets *s = secrets_of_environment(p);
    cr_assert(s);
    cr_expect_eq(secrets_count(s), 2);
    cr_expect_str_eq(secrets_get(s, "T_ROUTE"), "value one");
    cr_expect_str_eq(secrets_get(s, "T_OTHER"), "two");
    secrets_free(s);
    policy_free(p);
}
