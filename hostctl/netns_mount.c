#include "hostctl/netns_mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hostctl/netns_argv.h"
#include "hostctl/proc.h"
#include "hostctl/record.h"
#include "lib/base.h"
#include "lib/log.h"

#define NSE (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define FILE_MAX MIB(4)

struct mounter {
    const struct sandbox *sb;
    char *why;
    size_t whylen;
};

__attribute__((format(printf, 3, 4))) static int fail(const struct mounter *m, int err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(m->why, m->whylen, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < m->whylen)
        (void)snprintf(m->why + n, m->whylen - (size_t)n, ": %s", strerror(err));
    return -err;
}

static int mount_at(
    const struct mounter *m, const char *type, const char *target, unsigned long flags, const char *data)
{
    if (mount(type, target, type, flags, data))
        return fail(m, errno, "cannot mount %s on %s", type, target);
    return 0;
}

static int make_dir(const struct mounter *m, const char *path, mode_t mode)
{
    if (mkdir(path, mode) && errno != EEXIST)
        return fail(m, errno, "cannot make %s", path);
    return 0;
}

/* Every parent of `path` too. */
static int make_dirs(const struct mounter *m, const char *path)
{
    char copy[PATH_MAX];
    (void)snprintf(copy, sizeof copy, "%s", path);
    for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = 0;
        (void)mkdir(copy, 0755);
        *p = '/';
    }
    return make_dir(m, path, 0755);
}

static int write_file(const char *path, const char *data, size_t len, mode_t mode)
{
    cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    for (size_t done = 0; fd >= 0 && done < len;) {
        ssize_t n = write(fd, data + done, len - done); /* less than all: the next says why */
        if (n < 0)
            return -1;
        done += (size_t)n;
    }
    return fd < 0 ? -1 : 0;
}

/* A file or folder found before it was hidden, shown again at its old place. */
static int bind_fd(const struct mounter *m, int fd, const char *target)
{
    char source[64];
    (void)snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
    if (mount(source, target, NULL, MS_BIND | MS_REC, NULL))
        return fail(m, errno, "cannot show %s to the agent", target);
    return 0;
}

/* What is mounted here stays here. What the host unmounts later must go here too, or it would be kept alive
 * by us. */
static int private_tree(const struct mounter *m)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
        return fail(m, errno, "cannot separate the mounts");
    return mount_at(m, "proc", "/proc", NSE, NULL);
}

/* By a name of ours: whoever runs as the agent does may own the folder it is in, and rename that. */
static int show_state(const struct mounter *m)
{
    struct stat made, shown;
    int err = make_dir(m, SIDECAR_STATE, 0700);
    if (!err && mount(m->sb->state_dir, SIDECAR_STATE, NULL, MS_BIND, NULL))
        err = fail(m, errno, "cannot show %s to the sidecar", m->sb->state_dir);
    if (!err && (fstat(m->sb->state_fd, &made) || stat(SIDECAR_STATE, &shown) ||
                    made.st_dev != shown.st_dev || made.st_ino != shown.st_ino))
        err = fail(m, ESTALE, "%s is not what it was a moment ago", m->sb->state_dir);
    return err;
}

int mount_sidecar(const struct sandbox *sb, char *why, size_t whylen)
{
    struct mounter m = {.sb = sb, .whylen = whylen};
    m.why = why;
    int err = private_tree(&m);
    if (!err)
        err = make_dir(&m, SIDECAR_DIR, 0700);
    if (!err)
        err = mount_at(&m, "tmpfs", SIDECAR_DIR, NSE, "mode=0700");
    return err ? err : show_state(&m);
}

/* -- /dev: the devices that any program may expect, and no other -- */

static const char *const devices[] = {"null", "zero", "full", "random", "urandom", "tty"};

static int dev_links(const struct mounter *m)
{
    static const char *const links[][2] = {{"pts/ptmx", "/dev/ptmx"}, {"/proc/self/fd", "/dev/fd"},
        {"/proc/self/fd/0", "/dev/stdin"}, {"/proc/self/fd/1", "/dev/stdout"},
        {"/proc/self/fd/2", "/dev/stderr"}};
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        if (symlink(links[i][0], links[i][1]))
            return fail(m, errno, "cannot make %s", links[i][1]);
    return 0;
}

/* The caller's terminal, opened by name: the descriptor itself belongs to the host's mounts, which cannot be
 * bound here. */
static int open_terminal(void)
{
    for (int fd = 0; fd < 3; fd++) {
        const char *name = ttyname(fd);
        int tty = name ? open(name, O_PATH | O_CLOEXEC) : -1;
        if (tty >= 0)
            return tty;
    }
    return -1;
}

/* It gets a name again, so that ttyname() finds it; its own one is in a devpts that is hidden. */
static int dev_console(const struct mounter *m, int tty)
{
    if (tty < 0)
        return 0;
    if (write_file("/dev/console", "", 0, 0600))
        return fail(m, errno, "cannot make /dev/console");
    return bind_fd(m, tty, "/dev/console");
}

static int mount_dev(const struct mounter *m)
{
    int fd[ARRAY_LEN(devices)], err = 0;
    cleanup_fd int tty = open_terminal();
    char path[64];
    for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
        (void)snprintf(path, sizeof path, "/dev/%s", devices[i]);
        fd[i] = open(path, O_PATH | O_CLOEXEC);
    }
    err = mount_at(m, "tmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k");
    for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
        (void)snprintf(path, sizeof path, "/dev/%s", devices[i]);
        if (!err && fd[i] >= 0)
            err = write_file(path, "", 0, 0666) ? fail(m, errno, "cannot make %s", path)
                                                : bind_fd(m, fd[i], path);
        if (fd[i] >= 0)
            close(fd[i]);
    }
    if (!err)
        err = make_dir(m, "/dev/pts", 0755);
    if (!err)
        err = mount_at(
            m, "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
    if (!err)
        err = make_dir(m, "/dev/shm", 01777);
    if (!err)
        err = mount_at(m, "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
    if (!err)
        err = make_dir(m, "/dev/mqueue", 0755);
    if (!err)
        (void)mount("mqueue", "/dev/mqueue", "mqueue", NSE, NULL); /* not in every kernel */
    if (!err)
        err = dev_links(m);
    return err ? err : dev_console(m, tty);
}

/* -- /run -- */

static int mount_run(const struct mounter *m)
{
    /* NixOS keeps its programs and drivers there. */
    static const char *const kept[] = {"/run/current-system", "/run/booted-system", "/run/opengl-driver"};
    int fd[ARRAY_LEN(kept)];
    struct stat st;
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        fd[i] = open(kept[i], O_PATH | O_CLOEXEC);
    int err = mount_at(m, "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755");
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        if (!err && fd[i] >= 0 && !(err = make_dir(m, kept[i], 0755)))
            err = bind_fd(m, fd[i], kept[i]);
        if (fd[i] >= 0)
            close(fd[i]);
    }
    if (!err && lstat("/var/run", &st) == 0 && S_ISDIR(st.st_mode))
        err = mount_at(m, "tmpfs", "/var/run", NSE, "mode=0755");
    if (!err)
        err = make_dir(m, "/run/lock", 01777);
    if (!err && chmod("/run/lock", 01777))
        err = fail(m, errno, "cannot open /run/lock");
    if (!err)
        err = make_dir(m, AGENT_DIR, 0755);
    if (!err)
        err = make_dir(m, AGENT_HOME, 0700);
    if (!err && chown(AGENT_HOME, m->sb->uid, m->sb->gid))
        err = fail(m, errno, "cannot give the agent its home");
    return err;
}

/* -- /etc -- */

/* An overlay where the kernel and the file system below have it; else a copy. `dir` must exist. */
static int cover(const struct mounter *m, const char *dir)
{
    static const char stage[] = AGENT_DIR "/.stage";
    char data[PATH_MAX * 2];
    int err = make_dir(m, stage, 0700);
    if (!err)
        err = mount_at(m, "tmpfs", stage, MS_NOSUID | MS_NODEV, "mode=0700");
    if (err)
        return err;
    (void)snprintf(data, sizeof data, "%s/upper", stage);
    err = make_dir(m, data, 0755);
    (void)snprintf(data, sizeof data, "%s/work", stage);
    if (!err)
        err = make_dir(m, data, 0755);
    (void)snprintf(data, sizeof data, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work", dir, stage, stage);
    if (!err && mount("overlay", dir, "overlay", MS_NOSUID | MS_NODEV, data)) {
        char from[PATH_MAX], to[PATH_MAX];
        (void)snprintf(from, sizeof from, "%s/.", dir);
        (void)snprintf(to, sizeof to, "%s/upper", stage);
        const char *const argv[] = {"cp", "-a", from, to, NULL};
        struct spawn s = {.argv = argv, .quiet = true};
        (void)spawn_wait(&s); /* what cannot be copied (a dangling mount) is missing in the sandbox */
        if (mount(to, dir, NULL, MS_BIND | MS_REC, NULL))
            err = fail(m, errno, "cannot cover %s for the agent", dir);
    }
    /* The overlay keeps what it needs; nobody else can reach it by name. */
    if (umount2(stage, MNT_DETACH) || rmdir(stage))
        err = err ? err : fail(m, errno, "cannot hide %s", stage);
    return err;
}

/* /etc/hosts and the like may be mounts of their own (containers, ip netns exec), which an overlay does not
 * show. */
static const char *const etc_files[] = {"/etc/hosts", "/etc/hostname", "/etc/nsswitch.conf"};

static int append_line(const struct mounter *m, const char *path, const char *line)
{
    cleanup_fd int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, line, strlen(line)) < 0)
        return fail(m, errno, "cannot write %s for the agent", path);
    return 0;
}

/* Programs ask who they are and give up when nobody knows (node's os.userInfo, git, ssh). */
static int add_user(const struct mounter *m)
{
    char line[200];
    if (m->sb->user_name)
        return 0;
    (void)snprintf(line, sizeof line, "agent:x:%u:%u:agent:%s:/bin/sh\n", m->sb->uid, m->sb->gid, AGENT_HOME);
    int err = append_line(m, "/etc/passwd", line);
    (void)snprintf(line, sizeof line, "agent:x:%u:\n", m->sb->gid);
    return err ? err : append_line(m, "/etc/group", line);
}

static int mount_etc(const struct mounter *m)
{
    struct blob before[ARRAY_LEN(etc_files)];
    for (size_t i = 0; i < ARRAY_LEN(etc_files); i++)
        if (blob_read(etc_files[i], FILE_MAX, &before[i]))
            before[i] = (struct blob){0};
    int err = cover(m, "/etc");
    for (size_t i = 0; i < ARRAY_LEN(etc_files); i++) {
        struct blob now = {0};
        if (!err && before[i].p && blob_read(etc_files[i], FILE_MAX, &now) == 0 &&
            (now.n != before[i].n || memcmp(now.p, before[i].p, now.n) != 0))
            (void)write_file(etc_files[i], before[i].p, before[i].n, 0644);
        blob_wipe(&now);
        blob_wipe(&before[i]);
    }
    /* Often a link into /run, which is not there any more; egress-init wants a file. */
    if (!err &&
        ((unlink("/etc/resolv.conf") && errno != ENOENT) || write_file("/etc/resolv.conf", "", 0, 0644)))
        err = fail(m, errno, "cannot make the agent's resolv.conf");
    return err ? err : add_user(m);
}

/* -- what is hidden -- */

static bool within(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == 0 || path[n] == '/');
}

static int hide_dir(const struct mounter *m, const char *dir)
{
    struct stat st;
    if (lstat(dir, &st) || !S_ISDIR(st.st_mode))
        return 0;
    return mount_at(m, "tmpfs", dir, NSE | MS_RDONLY, "mode=0755,size=4k");
}

static const char *const state_names[] = {"ca", "audit.jsonl", "status.json", "egressd.log"};

/* Does the folder hold nothing but what a sidecar writes? */
static bool only_state(const char *dir)
{
    DIR *d = opendir(dir);
    bool only = d != NULL;
    for (const struct dirent *e; only && (e = readdir(d));) {
        bool known = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
        for (size_t i = 0; !known && i < ARRAY_LEN(state_names); i++)
            known = strncmp(e->d_name, state_names[i], strlen(state_names[i])) == 0;
        only = known;
    }
    if (d)
        (void)closedir(d);
    return only;
}

/* The sidecar's state is root's and closed to the agent's uid; it also disappears from view. A folder that
 * holds other things too, or the working directory, stays: then our files in it are covered one by one. */
static int hide_state(const struct mounter *m)
{
    const char *dir = m->sb->state_dir, *registry = registry_dir();
    int err = hide_dir(m, STATE_ROOT);
    if (!err && !within(state_root(), STATE_ROOT))
        err = hide_dir(m, state_root());
    if (!err && registry && !within(registry, "/run"))
        err = hide_dir(m, registry);
    if (err || within(dir, STATE_ROOT) || within(dir, state_root()))
        return err;
    if (only_state(dir) && !(m->sb->cwd && within(m->sb->cwd, dir)))
        return hide_dir(m, dir);
    for (size_t i = 0; i < ARRAY_LEN(state_names) && !err; i++) {
        char path[PATH_MAX];
        struct stat st;
        (void)snprintf(path, sizeof path, "%s/%s", dir, state_names[i]);
        if (lstat(path, &st))
            continue;
        if (S_ISDIR(st.st_mode))
            err = hide_dir(m, path);
        else if (S_ISREG(st.st_mode) && mount("/dev/null", path, NULL, MS_BIND, NULL))
            err = fail(m, errno, "cannot hide %s", path);
    }
    return err;
}

static int mask_sockets(const struct mounter *m, const struct socket_paths *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct stat st;
        if (lstat(s->path[i], &st) || !S_ISSOCK(st.st_mode))
            continue;
        if (mount("/dev/null", s->path[i], NULL, MS_BIND, NULL))
            return fail(m, errno, "cannot hide the socket %s", s->path[i]);
    }
    return 0;
}

/* Kernel settings that belong to the whole host. Their files are root's, so this matters for --user 0: a
 * core_pattern is run by the host. */
static int freeze_proc(const struct mounter *m)
{
    static const char *const paths[] = {
        "/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi", "/proc/scsi"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (access(paths[i], F_OK))
            continue;
        if (mount(paths[i], paths[i], NULL, MS_BIND, NULL) ||
            mount(NULL, paths[i], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | NSE, NULL))
            return fail(m, errno, "cannot make %s read-only", paths[i]);
    }
    return 0;
}

/* Without capabilities uid 0 still owns the host's files. It may read them, and write where it works. */
static int read_only_for_root(const struct mounter *m, int cwd)
{
    static const char *const writable[] = {"/dev", "/run", "/etc", "/tmp", "/var/tmp"};
    struct mount_attr ro = {.attr_set = MOUNT_ATTR_RDONLY}, rw = {.attr_clr = MOUNT_ATTR_RDONLY};
    if (m->sb->uid != 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(writable); i++)
        if (access(writable[i], F_OK) == 0 && mount(writable[i], writable[i], NULL, MS_BIND | MS_REC, NULL))
            return fail(m, errno, "cannot keep %s writable", writable[i]);
    bool own_cwd = cwd >= 0 && strcmp(m->sb->cwd, "/") != 0 && access(m->sb->cwd, F_OK) == 0;
    if (own_cwd && mount(m->sb->cwd, m->sb->cwd, NULL, MS_BIND | MS_REC, NULL))
        return fail(m, errno, "cannot keep %s writable", m->sb->cwd);
    if (syscall(SYS_mount_setattr, -1, "/", AT_RECURSIVE, &ro, sizeof ro))
        return fail(m, errno, "cannot make the host's files read-only for --user 0; name another user");
    for (size_t i = 0; i < ARRAY_LEN(writable); i++)
        if (access(writable[i], F_OK) == 0)
            (void)syscall(SYS_mount_setattr, -1, writable[i], AT_RECURSIVE, &rw, sizeof rw);
    if (!own_cwd)
        return 0;
    (void)syscall(SYS_mount_setattr, -1, m->sb->cwd, 0, &rw, sizeof rw);
    return chdir(m->sb->cwd) ? fail(m, errno, "cannot enter %s", m->sb->cwd) : 0; /* what is above it now */
}

static int begin_at_root(const char *path)
{
    log_info("the working directory%s%s cannot be shown to the agent: CMD starts in /", path ? " " : "",
        path ? path : "");
    return chdir("/") ? -errno : 0;
}

/* The working directory by its name among the new mounts: a descriptor or the inherited one would lead below
 * them. */
static int enter_cwd(const struct mounter *m, int cwd)
{
    static const char *const hidden[] = {"/run", "/var/run", "/dev"};
    const char *path = m->sb->cwd;
    if (!path || cwd < 0)
        return begin_at_root(path);
    bool covered = false;
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
        covered |= within(path, hidden[i]) && strcmp(path, hidden[i]) != 0;
    if (covered && !within(path, SIDECAR_DIR)) {
        int err = make_dirs(m, path);
        if (!err)
            err = bind_fd(m, cwd, path);
        if (err)
            return err;
    }
    return chdir(path) ? begin_at_root(path) : 0;
}

static int copy_shim(const struct mounter *m, int from)
{
    struct blob program = {0};
    int err = make_dir(m, AGENT_SHIM_DIR, 0755);
    if (!err)
        err = mount_at(m, "tmpfs", AGENT_SHIM_DIR, MS_NOSUID | MS_NODEV, "mode=0755,size=4m");
    if (err)
        return err;
    err = from < 0 ? from : blob_read_fd(from, FILE_MAX, &program);
    if (!err && write_file(AGENT_SHIM, program.p, program.n, 0755))
        err = -errno;
    if (!err && mount(NULL, AGENT_SHIM_DIR, NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_RDONLY, NULL))
        err = -errno;
    blob_wipe(&program);
    return err ? fail(m, -err, "cannot copy egress-init") : 0;
}

int mount_agent(
    const struct sandbox *sb, const char *shim, const struct socket_paths *hidden, char *why, size_t whylen)
{
    struct mounter m = {.sb = sb, .whylen = whylen};
    cleanup_fd int program = open(shim, O_RDONLY | O_CLOEXEC);
    if (program < 0)
        program = -errno;
    cleanup_fd int cwd = sb->cwd ? open(".", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    m.why = why;
    /* A descriptor of the old tree must not be the way in: it is bound, never entered. */
    (void)!chdir("/");
    int err = private_tree(&m);
    if (!err && mount("sysfs", "/sys", "sysfs", NSE | MS_RDONLY, NULL))
        err = fail(&m, errno, "cannot mount sysfs");
    if (!err)
        err = mount_dev(&m);
    if (!err)
        err = mount_run(&m);
    if (!err)
        err = mount_etc(&m);
    if (!err)
        err = hide_state(&m);
    if (!err)
        err = freeze_proc(&m);
    if (!err)
        err = enter_cwd(&m, cwd);
    if (!err)
        err = mask_sockets(&m, hidden); /* the working directory may show some again */
    if (!err)
        err = read_only_for_root(&m, cwd);
    if (!err)
        err = copy_shim(&m, program); /* last: user 0 may write to all else in /run */
    return err;
}
