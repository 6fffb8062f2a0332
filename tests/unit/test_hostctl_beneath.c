#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostctl/beneath.h"
#include "hostctl/proc.h"
#include "hostctl/resolvers.h"

static char where[64];
static int dir;

static void put(const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void begin(void)
{
    (void)snprintf(where, sizeof where, "/tmp/egress-beneath.XXXXXX");
    cr_assert(mkdtemp(where));
    dir = folder_open(where);
    cr_assert(dir >= 0 && mkdirat(dir, "a", 0700) == 0);
    put("file", "one\n");
    put("a/file", "two\n");
    cr_assert(symlinkat("file", dir, "link") == 0);
    cr_assert(symlinkat("a", dir, "b") == 0);
    cr_assert(mkfifoat(dir, "fifo", 0600) == 0);
}

static void finish(void)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r %s", where);
    cr_assert(system(command) == 0);
    close(dir);
}

TestSuite(beneath, .init = begin, .fini = finish);

static void reads(const char *path, int want, const char *text)
{
    struct blob b;
    cr_assert_eq(beneath_read(dir, path, 100, &b), want, "%s", path);
    if (!want)
        cr_assert_str_eq(b.p, text);
    blob_wipe(&b);
}

Test(beneath, regular_files_are_read)
{
    reads("file", 0, "one\n");
    reads("a/file", 0, "two\n");
    reads("none", -ENOENT, NULL);
}

Test(beneath, no_link_is_followed)
{
    reads("link", -ELOOP, NULL);
    reads("b/file", -ENOTDIR, NULL);
    cr_assert_eq(beneath_open(dir, "link", O_WRONLY | O_CREAT | O_APPEND), -ELOOP);
    cr_assert_eq(beneath_folder(dir, "b"), -ENOTDIR);
}

Test(beneath, nothing_else_is_opened_and_nobody_waited_for)
{
    reads("fifo", -EINVAL, NULL);
    reads("a", -EINVAL, NULL);
    cr_assert_lt(beneath_open(dir, "fifo", O_WRONLY), 0);
}

Test(beneath, a_file_takes_the_place_of_a_link)
{
    char text[] = "three\n";
    const struct blob b = {text, strlen(text)};
    cr_assert(symlinkat("file", dir, "link.new") == 0);
    cr_assert_eq(beneath_replace(dir, "link", &b), 0);
    reads("link", 0, "three\n");
    reads("file", 0, "one\n");
}

Test(beneath, only_a_socket_is_connected_to)
{
    cr_assert_eq(beneath_connect(dir, "file"), -ENOTSOCK);
    cr_assert_eq(beneath_connect(dir, "link"), -ENOTSOCK);
    cr_assert_eq(beneath_connect(dir, "none"), -ENOENT);
}

Test(restarts, three_within_a_minute)
{
    struct restarts r = {0};
    for (int i = 0; i < RESTARTS; i++)
        cr_assert_not(restarts_too_many(&r, 1000 + i));
    cr_assert(restarts_too_many(&r, 1003));
    cr_assert_not(restarts_too_many(&r, 1003 + RESTART_MS));
}

Test(resolvers, are_written_as_a_resolv_conf)
{
    char out[RESOLVERS_TEXT];
    struct opt_list list = {.n = 2, .items = {"192.0.2.1", "2001:db8::1"}};
    resolvers_write(&list, out);
    cr_assert_str_eq(out, "nameserver 192.0.2.1\nnameserver 2001:db8::1\n");
    list.n = 0;
    resolvers_write(&list, out);
    cr_assert_str_eq(out, "");
}
