#include "hostctl/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostctl/proc.h"
#include "lib/base.h"
#include "lib/log.h"

#ifdef __APPLE__
#define REGISTRY "/var/run/egressd"
#else
#define REGISTRY "/run/egressd"
#endif
#define RECORD_FILE "record.json"
#define PATH_LEN 512

/* EGRESSD_RUNTIME_DIR is for hosts whose /run is not writable and for users of podman or Apple's container,
 * who need not be root. */
const char *registry_dir(void)
{
    const char *dir = getenv("EGRESSD_RUNTIME_DIR");
    if (!dir || !*dir)
        dir = REGISTRY;
#ifdef __APPLE__
    if (strcmp(dir, REGISTRY) == 0 && geteuid() != 0) {
        static char own[PATH_LEN];
        (void)mkdir(state_root(), 0700);
        (void)snprintf(own, sizeof own, "%s/.run", state_root());
        dir = own;
    }
#endif
    struct stat st;
    if (mkdir(dir, 0700) && errno != EEXIST) {
        log_warn("cannot make %s: %s; run egressctl as root (sudo), or set EGRESSD_RUNTIME_DIR", dir,
            strerror(errno));
        return NULL;
    }
    if (geteuid() != 0 && lstat(dir, &st) == 0 && st.st_uid == 0) {
        log_warn("the sandboxes of %s are root's: sudo egressctl ..., or set EGRESSD_RUNTIME_DIR", dir);
        return NULL;
    }
    if (lstat(dir, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022)) {
        log_warn("%s is not a directory that only this user can write to; refusing to use it", dir);
        return NULL;
    }
    return dir;
}

int registry_lock(void)
{
    const char *dir = registry_dir();
    if (!dir)
        return -EACCES;
    char path[PATH_LEN];
    (void)snprintf(path, sizeof path, "%s/.lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        int err = errno;
        log_warn("cannot open %s: %s", path, strerror(err));
        return -err;
    }
    while (flock(fd, LOCK_EX)) {
        if (errno != EINTR) {
            int err = errno;
            close(fd);
            return -err;
        }
    }
    return fd;
}

static void entry_path(char out[static PATH_LEN], const char *name, const char *file)
{
    const char *dir = registry_dir();
    (void)snprintf(
        out, PATH_LEN, "%s/%s%s%s", dir ? dir : "/nonexistent", name, file ? "/" : "", file ? file : "");
}

/* The lock file of `name`, opened and tried. Gives the descriptor; *held says whether it is ours now. */
static int try_lock(const char *name, int flags, bool *held)
{
    char path[PATH_LEN];
    entry_path(path, name, "lock");
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    if (fd < 0)
        return -errno;
    *held = flock(fd, LOCK_EX | LOCK_NB) == 0;
    return fd;
}

static void load_json(struct record *r)
{
    char path[PATH_LEN];
    entry_path(path, r->name, RECORD_FILE);
    r->json = json_load_file(path, 0, NULL);
    if (!json_is_object(r->json)) {
        json_decref(r->json);
        r->json = json_object();
    }
}

int record_open(struct record *r, const char *name, bool *alive)
{
    char path[PATH_LEN];
    struct stat st;
    *r = (struct record){.lock_fd = -1};
    if (!sandbox_name_ok(name))
        return -ENOENT;
    (void)snprintf(r->name, sizeof r->name, "%s", name);
    entry_path(path, name, NULL);
    if (lstat(path, &st) || !S_ISDIR(st.st_mode))
        return -ENOENT;
    bool held = false;
    int fd = try_lock(name, 0, &held);
    if (fd >= 0)
        close(fd);
    *alive = fd >= 0 && !held;
    load_json(r);
    return 0;
}

int record_lock(struct record *r)
{
    bool held = false;
    int fd = try_lock(r->name, O_CREAT, &held);
    if (fd < 0)
        return fd;
    if (!held) {
        close(fd);
        return -EWOULDBLOCK;
    }
    r->lock_fd = fd;
    return 0;
}

/* What is left of a dead sandbox by this name goes first. */
static int clear_name(const char *name, record_bury_fn *bury)
{
    struct record old;
    bool alive = false;
    int err = record_open(&old, name, &alive);
    if (err == -ENOENT)
        return 0;
    if (err == 0 && (alive || record_lock(&old))) {
        log_warn(
            "a sandbox named %s is running; choose another --name, or end it: egressctl stop %s", name, name);
        err = -EEXIST;
    } else if (err == 0) {
        err = bury(&old);
    }
    record_close(&old);
    return err;
}

int record_claim(struct record *r, const char *name, record_bury_fn *bury)
{
    char path[PATH_LEN];
    *r = (struct record){.lock_fd = -1, .json = json_object()};
    (void)snprintf(r->name, sizeof r->name, "%s", name);
    int err = clear_name(name, bury);
    if (err)
        return err;
    entry_path(path, name, NULL);
    if (mkdir(path, 0700)) {
        err = -errno;
        log_warn("cannot make %s: %s", path, strerror(-err));
        return err;
    }
    err = record_lock(r);
    if (err) {
        log_warn("cannot lock %s: %s", path, strerror(-err));
        (void)rmdir(path);
    }
    return err;
}

int record_save(struct record *r)
{
    char path[PATH_LEN], tmp[PATH_LEN + 8];
    entry_path(path, r->name, RECORD_FILE);
    (void)snprintf(tmp, sizeof tmp, "%s.new", path);
    if (json_dump_file(r->json, tmp, JSON_INDENT(2) | JSON_SORT_KEYS) || rename(tmp, path)) {
        int err = errno ? errno : EIO;
        log_warn("cannot write %s: %s", path, strerror(err));
        return -err;
    }
    return 0;
}

void record_remove(struct record *r)
{
    static const char *const files[] = {RECORD_FILE ".new", RECORD_FILE, "lock"};
    char path[PATH_LEN];
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        entry_path(path, r->name, files[i]);
        (void)unlink(path);
    }
    entry_path(path, r->name, NULL);
    if (rmdir(path) && errno != ENOENT)
        log_warn("cannot remove %s: %s", path, strerror(errno));
    if (r->lock_fd >= 0)
        close(r->lock_fd);
    r->lock_fd = -1;
}

void record_close(struct record *r)
{
    if (r->lock_fd >= 0)
        close(r->lock_fd);
    r->lock_fd = -1;
    json_decref(r->json);
    r->json = NULL;
}

static int not_hidden(const struct dirent *d)
{
    return d->d_name[0] != '.' && sandbox_name_ok(d->d_name);
}

int record_each(int (*fn)(struct record *r, bool alive, void *arg), void *arg)
{
    const char *dir = registry_dir();
    struct dirent **names;
    int result = 0, n = dir ? scandir(dir, &names, not_hidden, alphasort) : -1;
    if (n < 0)
        return -EACCES;
    for (int i = 0; i < n; i++) {
        struct record r;
        bool alive = false;
        if (result == 0 && record_open(&r, names[i]->d_name, &alive) == 0) {
            result = fn(&r, alive, arg);
            record_close(&r);
        }
        free(names[i]);
    }
    free(names);
    return result;
}

const char *record_str(const struct record *r, const char *key)
{
    return json_string_value(json_object_get(r->json, key));
}

long long record_int(const struct record *r, const char *key)
{
    return json_integer_value(json_object_get(r->json, key));
}

void record_set_str(struct record *r, const char *key, const char *value)
{
    (void)json_object_set_new(r->json, key, json_string(value));
}

void record_set_int(struct record *r, const char *key, long long value)
{
    (void)json_object_set_new(r->json, key, json_integer(value));
}

void record_set_process(struct record *r, const char *key, pid_t pid)
{
    (void)json_object_set_new(
        r->json, key, json_pack("{s:i,s:I}", "pid", (int)pid, "start", (json_int_t)process_start(pid)));
}

pid_t record_process(const struct record *r, const char *key)
{
    const json_t *p = json_object_get(r->json, key);
    pid_t pid = (pid_t)json_integer_value(json_object_get(p, "pid"));
    if (pid <= 1)
        return 0;
    long long start = json_integer_value(json_object_get(p, "start"));
    long long now = process_start(pid);
    return now >= 0 && now == start ? pid : 0;
}
