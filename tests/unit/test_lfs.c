#include <criterion/criterion.h>
#include <string.h>

#include "lib/lfs.h"

static enum lfs_operation of(const char *s)
{
    return lfs_operation(s, strlen(s));
}

Test(lfs, plain)
{
    cr_expect_eq(
        of("{\"operation\":\"download\",\"transfers\":[\"basic\"],\"ref\":{\"name\":\"r\"},\"n\":-1.5e3}"),
        LFS_DOWNLOAD);
    cr_expect_eq(
        of(" { \"objects\" : [ {\"oid\":\"a\\\"b\",\"size\":1}, [] ] ,\n \"operation\" : \"upload\" } "),
        LFS_UPLOAD);
    cr_expect_eq(of("{\"OPERATION\":\"upload\"}"), LFS_UPLOAD);
    cr_expect_eq(of("{\"x\":{\"operation\":\"upload\"},\"operation\":\"download\"}"), LFS_DOWNLOAD);
    cr_expect_eq(
        of("{\"x\":\"\\\",\\\"operation\\\":\\\"upload\",\"operation\":\"download\"}"), LFS_DOWNLOAD);
}

Test(lfs, unclear)
{
    static const char *const bad[] = {"", "{", "{}", "[]", "null", "{\"operation\":\"download\"",
        "{\"operation\":\"download\",\"operation\":\"upload\"}",
        "{\"operation\":\"download\",\"Operation\":\"upload\"}",
        "{\"operation\":\"download\",\"\\u006fperation\":\"upload\"}", "{\"operation\":\"downl\\u006fad\"}",
        "{\"operation\":\"delete\"}", "{\"operation\":[\"download\"]}", "{\"operation\":\"download\"}{}",
        "{\"operation\":\"download\"} x", "{'operation':'download'}", "{\"operation\":\"download\",}",
        "{\"a\":{\"operation\":\"download\"}}", "{\"operation\" \"download\"}", "{\"a\":}",
        "{\"a\":1,\"operation\":\"download\"]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(of(bad[i]), LFS_UNCLEAR, "%s", bad[i]);
}

Test(lfs, every_cut_of_a_good_one_is_unclear)
{
    static const char good[] = "{\"a\":[1,{\"b\":\"c\\\\\"}],\"operation\":\"download\"}";
    cr_assert_eq(of(good), LFS_DOWNLOAD);
    for (size_t n = 0; n < sizeof good - 1; n++)
        cr_expect_eq(lfs_operation(good, n), LFS_UNCLEAR, "cut at %zu", n);
}

Test(lfs, depth_is_bounded)
{
    static char deep[100000];
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"a\":", 5);
    cr_assert_eq(lfs_operation(deep, sizeof deep), LFS_UNCLEAR);
}
