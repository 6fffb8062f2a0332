#include <criterion/criterion.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base.h"
#include "lib/opt.h"

static bool keep;
static const char *policy;
static struct opt_list upstreams;
static unsigned engines;
static struct opt_args args;
static char err[200];

static const struct opt table[] = {
    {"policy", 'p', OPT_STRING, &policy, "FILE", "the policy", 0, 0},
    {"keep", 0, OPT_FLAG, &keep, NULL, "keep it", 0, 0},
    {"dns-upstream", 0, OPT_LIST, &upstreams, "IP[:PORT]", "ask these", 0, 0},
    {"engines", 0, OPT_UINT, &engines, "N", "processes", 1, 64},
    {0},
};

/** A copy of `words` that lives as long as the test looks at `args`. */
static enum opt_result parse(unsigned flags, char **words)
{
    static char *argv[OPT_LIST_MAX + 8];
    int argc = 0;
    while ((argv[argc] = words[argc]))
        argc++;
    keep = false;
    policy = NULL;
    upstreams.n = 0;
    engines = 0;
    err[0] = '\0';
    return opt_parse(table, argc, argv, flags, &args, err, sizeof err);
}
#define PARSE(flags, ...) parse(flags, (char *[]){"prog", __VA_ARGS__, NULL})

Test(opt, both_ways_to_give_a_value)
{
    cr_assert_eq(PARSE(0, "--policy", "a", "--engines=3", "--keep"), OPT_OK);
    cr_assert_str_eq(policy, "a");
    cr_assert_eq(engines, 3);
    cr_assert(keep);
    cr_assert_eq(args.n_pos + args.n_rest, 0);
    cr_assert_eq(PARSE(0, "-p", "b"), OPT_OK);
    cr_assert_str_eq(policy, "b");
    cr_assert_eq(PARSE(0, "--policy=a=b"), OPT_OK);
    cr_assert_str_eq(policy, "a=b");
}

Test(opt, a_value_may_look_like_an_option)
{
    cr_assert_eq(PARSE(0, "--policy", "--keep"), OPT_OK);
    cr_assert_str_eq(policy, "--keep");
    cr_assert_not(keep);
}

Test(opt, lists_repeat_and_are_bounded)
{
    cr_assert_eq(PARSE(0, "--dns-upstream", "1.1.1.1", "--dns-upstream=2.2.2.2:53"), OPT_OK);
    cr_assert_eq(upstreams.n, 2);
    cr_assert_str_eq(upstreams.items[1], "2.2.2.2:53");
    char *argv[OPT_LIST_MAX + 3] = {"prog"};
    for (size_t i = 1; i < ARRAY_LEN(argv) - 1; i++)
        argv[i] = "--dns-upstream=1.1.1.1";
    cr_assert_eq(parse(0, argv), OPT_BAD);
}

Test(opt, words_and_the_command)
{
    cr_assert_eq(PARSE(0, "NAME", "--keep", "other", "--", "ls", "--keep", "--"), OPT_OK);
    cr_assert_eq(args.n_pos, 2);
    cr_assert_str_eq(args.pos[0], "NAME");
    cr_assert_str_eq(args.pos[1], "other");
    cr_assert_eq(args.n_rest, 3);
    cr_assert_str_eq(args.rest[0], "ls");
    cr_assert_str_eq(args.rest[2], "--");
    cr_assert_null(args.rest[3]);
}

Test(opt, stop_at_the_first_word)
{
    cr_assert_eq(PARSE(OPT_STOP_AT_WORD, "--keep", "ls", "--policy", "x"), OPT_OK);
    cr_assert_eq(args.n_rest, 3);
    cr_assert_str_eq(args.rest[0], "ls");
    cr_assert_null(policy);
}

Test(opt, a_single_dash_is_a_word)
{
    cr_assert_eq(PARSE(0, "-"), OPT_OK);
    cr_assert_eq(args.n_pos, 1);
}

Test(opt, refused)
{
    cr_assert_eq(PARSE(0, "--polcy", "x"), OPT_BAD);
    cr_assert(strstr(err, "did you mean --policy?"), "%s", err);
    cr_assert_eq(PARSE(0, "--pol", "x"), OPT_BAD);
    cr_assert_eq(PARSE(0, "--token=hunter2"), OPT_BAD);
    cr_assert_null(strstr(err, "hunter2"));
    cr_assert_eq(PARSE(0, "--policy"), OPT_BAD);
    cr_assert_eq(PARSE(0, "--policy="), OPT_BAD);
    cr_assert_eq(PARSE(0, "--policy", "a", "--policy", "b"), OPT_BAD);
    cr_assert_eq(PARSE(0, "--keep=yes"), OPT_BAD);
    cr_assert_eq(PARSE(0, "--engines", "0"), OPT_BAD);
    cr_assert_eq(PARSE(0, "--engines", "65"), OPT_BAD);
    cr_assert_eq(PARSE(0, "--engines", "-1"), OPT_BAD);
    cr_assert_eq(PARSE(0, "--engines", "1x"), OPT_BAD);
    cr_assert_eq(PARSE(0, "--engines", "18446744073709551617"), OPT_BAD);
    cr_assert_eq(PARSE(0, "-x"), OPT_BAD);
    cr_assert_eq(PARSE(0, "-pk"), OPT_BAD);
}

Test(opt, help_and_version)
{
    cr_assert_eq(PARSE(0, "--help"), OPT_HELP);
    cr_assert_eq(PARSE(0, "-h"), OPT_HELP);
    cr_assert_eq(PARSE(0, "--version"), OPT_VERSION);
    cr_assert_eq(PARSE(OPT_STOP_AT_WORD, "ls", "--help"), OPT_OK);
    char text[2048] = "";
    FILE *f = fmemopen(text, sizeof text, "w");
    opt_help(f, "usage: prog [options]\n", table);
    fclose(f);
    cr_assert(strstr(text, "-p, --policy FILE"), "%s", text);
    cr_assert(strstr(text, "--dns-upstream IP[:PORT]..."), "%s", text);
}
