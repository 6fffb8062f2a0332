/* Files in folders that are not root's: whoever owns them changes them under our hands. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "init/file.h"
#include "init/place.h"

static char dir[64], path[80], target[80];
static struct place place;

static void setup(void)
{
    if (geteuid() != 0)
        cr_skip_test("needs root");
    (void)snprintf(dir, sizeof dir, "/tmp/egress-place-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/cacerts", dir);
    (void)snprintf(target, sizeof target, "%s/preload", dir);
    place = (struct place){0};
    memcpy(place.dir, dir, strlen(dir) + 1);
}

static void teardown(void)
{
    static const char *const names[] = {"cacerts", "preload", "copy-0"};
    char name[96];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(name, sizeof name, "%s/%s", dir, names[i]);
        (void)unlink(name);
    }
    (void)rmdir(dir);
}

TestSuite(place, .init = setup, .fini = teardown, .timeout = 10);

/* Read as a file, then a link to where nothing is yet: root would make what the link's owner wants made. */
static void expect_nothing_made(void)
{
    cr_assert_eq(symlink(target, path), 0);
    cr_assert_lt(place_replace(&place, path, "x", 1), 0);
    cr_assert_lt(access(target, F_OK), 0, "made through a link");
}

Test(place, nothing_is_made_through_a_link)
{
    expect_nothing_made();
}

Test(place, nor_where_we_could_have_mounted)
{
    place.can_mount = place.apart = true;
    expect_nothing_made();
}

/* Where it can be mounted over, a file of the host's is not written to instead. */
Test(place, what_cannot_be_mounted_over_is_left)
{
    const struct blob old = {.data = (uint8_t *)"old", .len = 3};
    cr_assert_eq(file_write(path, old.data, old.len), 0);
    cr_assert(chown(dir, 65534, 65534) == 0 && chown(path, 65534, 65534) == 0);
    cr_assert_eq(seteuid(65534), 0); /* who may write, and not mount */
    place.can_mount = place.apart = true;
    int error = place_replace(&place, path, "new", 3);
    cr_assert_eq(seteuid(0), 0);
    cr_assert_lt(error, 0);
    cr_assert(file_holds(path, &old));
}

Test(place, a_fifo_is_not_waited_for)
{
    cr_assert_eq(mkfifo(path, 0644), 0);
    cr_assert_eq(place_replace(&place, path, "x", 1), -ENXIO);
    cr_assert_eq(file_write(path, "x", 1), -ENXIO);
}

Test(place, a_file_is_replaced)
{
    cr_assert_eq(file_write(path, "longer", 6), 0);
    cr_assert_eq(place_replace(&place, path, "new", 3), 0);
    cr_assert(file_holds(path, &(struct blob){.data = (uint8_t *)"new", .len = 3}));
}
