#include "init/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "init/file.h"
#include "init/say.h"
#include "init/text.h"
#include "init/base.h"

/* In order of preference; the first parent that exists and can be written gets the directory. /dev/shm is a
 * tmpfs in every container, whatever its root is. */
static const char *const candidates[] = {"/run/egress", "/dev/shm/egress", "/tmp/egress", "/var/tmp/egress"};

/* Where nothing can be written but something mounted: an empty directory that nobody looks into. */
static const char *const mount_points[] = {"/run", "/mnt", "/media", "/srv", "/opt", "/tmp"};

void place_open(struct place *p, bool shared)
{
    *p = (struct place){0};
    if (shared) {
        p->can_mount = true; /* for the caller's later processes; the first mount tells */
        return;
    }
    if (unshare(CLONE_NEWNS) < 0)
        return;
    /* What we mount must not appear on the host; what the host mounts later may appear here. In a plain
     * chroot "/" is no mount and cannot be detached so: then nothing is mounted. */
    p->can_mount = p->apart = mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0;
}

static bool is_roots(const char *dir)
{
    struct stat st;
    return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == 0 && (st.st_mode & 022) == 0;
}

static bool is_empty(const char *dir)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return false;
    bool empty = true;
    for (struct dirent *e; empty && (e = readdir(d)) != NULL;)
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    (void)closedir(d);
    return empty;
}

static bool mount_tmpfs(const char *dir)
{
    return mount("egress-init", dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=64m") == 0;
}

static bool try_directory(struct place *p, const char *dir)
{
    (void)mkdir("/run", 0755); /* an image from scratch has none */
    bool made = mkdir(dir, 0755) == 0;
    if (!made && (errno != EEXIST || !is_roots(dir)))
        return false;
    /* Ours alone, so that several agents that share the host's file system do not meet. A restarted container
     * finds what it left: then it is used as it is. */
    if (p->can_mount && mount_tmpfs(dir))
        return true;
    return access(dir, W_OK) == 0;
}

const char *place_dir(struct place *p)
{
    if (p->dir[0] != '\0')
        return p->dir;
    const char *found = NULL;
    for (unsigned i = 0; found == NULL && i < ARRAY_LEN(candidates); i++)
        if (try_directory(p, candidates[i]))
            found = candidates[i];
    for (unsigned i = 0; p->can_mount && found == NULL && i < ARRAY_LEN(mount_points); i++)
        if (is_empty(mount_points[i]) && mount_tmpfs(mount_points[i]))
            found = mount_points[i];
    if (found == NULL)
        fatal("no place for files: neither /run, /dev/shm, /tmp nor /var/tmp can be written; mount a tmpfs "
              "on one");
    memcpy(p->dir, found, strlen(found) + 1);
    return p->dir;
}

const char *place_find(struct place *p)
{
    for (unsigned i = 0; i < ARRAY_LEN(candidates) + ARRAY_LEN(mount_points); i++) {
        const char *dir = i < ARRAY_LEN(candidates) ? candidates[i] : mount_points[i - ARRAY_LEN(candidates)];
        cleanup_free char *file = path_join(dir, "environment");
        struct stat st;
        if (!is_roots(dir) || lstat(file, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0)
            continue;
        memcpy(p->dir, dir, strlen(dir) + 1);
        return p->dir;
    }
    return NULL;
}

char *place_write(struct place *p, const char *name, const void *data, size_t len)
{
    char *path = path_join(place_dir(p), name);
    int error = file_write(path, data, len);
    if (error != 0)
        fatal_error(error, "cannot write %s", path);
    return path;
}

/* The copy has no other name than `path` afterwards, so that the folders which keep others from the original
 * keep them from it. */
static int mount_copy(
    struct place *p, const char *path, const void *data, size_t len, const struct stat *like)
{
    TEXT(name, 32);
    text_fmt(&name, "copy-%u", p->copies++);
    cleanup_free char *copy = path_join(place_dir(p), name.data);
    (void)unlink(copy); /* an earlier run was interrupted */
    int error = file_create(copy, data, len, like);
    if (error == 0 && mount(copy, path, NULL, MS_BIND, NULL) < 0)
        error = -errno;
    (void)unlink(copy);
    return error;
}

/* A link that leads nowhere (systemd's resolv.conf in an image) cannot be written through. */
static int write_over_dangling_link(const char *path, const void *data, size_t len)
{
    struct stat st;
    if (lstat(path, &st) < 0 || !S_ISLNK(st.st_mode))
        return -ENOENT;
    if (unlink(path) < 0)
        return -errno;
    return file_write(path, data, len);
}

int place_replace(struct place *p, const char *path, const void *data, size_t len)
{
    struct stat st;
    int error = !p->can_mount ? -EPERM : stat(path, &st) < 0 ? -errno : mount_copy(p, path, data, len, &st);
    return error == 0 || p->apart ? error : file_rewrite(path, data, len);
}

int place_put(struct place *p, const char *path, const void *data, size_t len)
{
    struct stat st;
    if (p->can_mount && stat(path, &st) == 0) {
        int error = mount_copy(p, path, data, len, &(struct stat){.st_mode = 0644});
        if (error == 0)
            return 0;
    }
    int error = file_write(path, data, len);
    return error == -ENOENT ? write_over_dangling_link(path, data, len) : error;
}
