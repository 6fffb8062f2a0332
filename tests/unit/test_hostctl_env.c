/* What of the host's environment an agent gets, and that secrets are not part of it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/hostenv.h"
#include "lib/base.h"

extern char **environ;

static const char *value_in(char *const *env, const char *name)
{
    size_t n = strlen(name);
    for (; env && *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}

static bool passes(const char *name)
{
    return hostenv_passes(name, strlen(name));
}

Test(hostenv, closes_ways_round_the_sidecar)
{
    static const char *const closed[] = {"HTTP_PROXY", "https_proxy", "All_Proxy", "NO_PROXY",
        "SSH_AUTH_SOCK", "SUDO_UID", "SUDO_COMMAND", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR",
        "DOCKER_HOST", "DISPLAY", "EGRESS_USER", "EGRESSD_RUNTIME_DIR", "TMUX", "TMUX_PANE"};
    static const char *const open[] = {"PATH", "HOME", "LANG", "XDG_CONFIG_HOME", "ANTHROPIC_BASE_URL",
        "HTTP_PROXY_NOT", "TERM", "EDITOR", "DISPLAYS"};
    for (size_t i = 0; i < ARRAY_LEN(closed); i++)
        cr_expect_not(passes(closed[i]), "%s", closed[i]);
    for (size_t i = 0; i < ARRAY_LEN(open); i++)
        cr_expect(passes(open[i]), "%s", open[i]);
}

Test(hostenv, takes_secrets_out_of_our_own_environment)
{
    const struct secret_names names = {.name = {"CTL_A", "CTL_B"}, .n = 2};
    struct blob out;
    cr_assert_eq(setenv("CTL_A", "value-of-a", 1), 0);
    cr_assert_eq(setenv("CTL_B", "value=of b", 1), 0);
    const char *place = getenv("CTL_A");
    cr_assert_eq(hostenv_take(&names, NULL, &out), 0);
    cr_assert_str_eq(out.p, "CTL_A=value-of-a\nCTL_B=value=of b\n");
    cr_assert_eq(out.n, strlen(out.p));
    cr_assert_null(getenv("CTL_A"));
    cr_assert_null(getenv("CTL_B"));
    cr_assert_eq(place[0], 0, "the octets themselves are overwritten");
    blob_wipe(&out);
}

Test(hostenv, says_what_is_missing_and_takes_nothing)
{
    const struct secret_names names = {.name = {"CTL_A", "CTL_MISSING"}, .n = 2};
    struct blob out;
    cr_assert_eq(setenv("CTL_A", "value", 1), 0);
    cr_assert_eq(unsetenv("CTL_MISSING"), 0);
    cr_assert_eq(hostenv_take(&names, NULL, &out), -ENOENT);
    cr_assert_null(out.p);
    cr_assert_null(getenv("CTL_A"), "it is not for the agent either way");
}

Test(hostenv, keeps_a_known_value_that_the_environment_lacks)
{
    static char lines[] = "XCTL_A=no\nCTL_A=old\nCTL_B=older\n";
    const struct blob known = {lines, sizeof lines - 1};
    const struct secret_names names = {.name = {"CTL_B", "CTL_A"}, .n = 2};
    struct blob out;
    cr_assert_eq(setenv("CTL_B", "new", 1), 0);
    cr_assert_eq(unsetenv("CTL_A"), 0);
    cr_assert_eq(hostenv_take(&names, &known, &out), 0);
    cr_assert_str_eq(out.p, "CTL_B=new\nCTL_A=old\n");
    blob_wipe(&out);
}

Test(hostenv, refuses_values_that_do_not_fit_a_line)
{
    const struct secret_names names = {.name = {"CTL_A"}, .n = 1};
    struct blob out;
    cr_assert_eq(setenv("CTL_A", "one\nCTL_B=two", 1), 0);
    cr_assert_eq(hostenv_take(&names, NULL, &out), -EINVAL);
    cr_assert_eq(setenv("CTL_A", "", 1), 0);
    cr_assert_eq(hostenv_take(&names, NULL, &out), -EINVAL);
}

Test(hostenv, an_agent_gets_no_variable_that_holds_a_secret)
{
    static char lines[] = "CTL_TOKEN=0123456789\nCTL_SHORT=abc\n";
    const struct blob secrets = {lines, sizeof lines - 1};
    static const char *const overrides[] = {"HOME=/run/agent/home", "CTL_NEW=1", NULL};
    cr_assert_eq(setenv("CTL_URL", "https://u:0123456789@h/", 1), 0);
    cr_assert_eq(setenv("CTL_PLAIN", "012345678", 1), 0);
    cr_assert_eq(setenv("CTL_ABC", "abc", 1), 0);
    cr_assert_eq(setenv("CTL_SHORT", "other", 1), 0);
    cr_assert_eq(setenv("HOME", "/root", 1), 0);
    cr_assert_eq(setenv("HTTPS_PROXY", "http://x", 1), 0);
    char **env = hostenv_for_agent(&secrets, overrides);
    cr_assert_null(value_in(env, "CTL_URL"));
    cr_assert_null(value_in(env, "CTL_SHORT"), "a secret's own variable, whatever it holds now");
    cr_assert_str_eq(value_in(env, "CTL_PLAIN"), "012345678");
    cr_assert_str_eq(value_in(env, "CTL_ABC"), "abc", "too short to be more than chance");
    cr_assert_str_eq(value_in(env, "HOME"), "/run/agent/home");
    cr_assert_str_eq(value_in(env, "CTL_NEW"), "1");
    cr_assert_null(value_in(env, "HTTPS_PROXY"));
    hostenv_free(env);
}

Test(hostenv, names_of_a_policy_are_listed_once)
{
    static const struct route routes[] = {
        {.host = "a.example", .auth = {.scheme = AUTH_BEARER, .token_ref = "A"}},
        {.host = "b.example", .auth = {.scheme = AUTH_TOKEN, .token_ref = "A"}},
        {.host = "c.example", .auth = {.scheme = AUTH_NONE}},
    };
    static const char *const more[] = {"B", "A"};
    const struct policy p = {.routes = routes, .n_routes = 3, .inspect = {.secrets = more, .n_secrets = 2}};
    struct secret_names names;
    cr_assert_eq(secret_names_of(&p, &names), 0);
    cr_assert_eq(names.n, 2u);
    cr_assert_str_eq(names.name[0], "A");
    cr_assert_str_eq(names.name[1], "B");
}
