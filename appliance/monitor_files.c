/* The state directory: the log and its rotation, status.json. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appliance/ipc.h"
#include "appliance/monitor_internal.h"
#include "lib/base.h"
#include "lib/log.h"

#define LOG_NAME "audit.jsonl"
#define LOG_NEW ".audit.jsonl.new"
#define STATUS_NAME "status.json"
#define STATUS_NEW ".status.json.new"
#define LOCK_TRIES 100 /* of a millisecond; a writer holds the lock for some microseconds */

/* Nothing is in it, or only what we put there; egressctl begins a log of its own before we start. */
static bool is_ours(int dir)
{
    static const char *const names[] = {
        ".", "..", LOG_NAME, LOG_NEW, STATUS_NAME, STATUS_NEW, "egressd.log", "ca"};
    struct stat st;
    if (fstatat(dir, LOG_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return true;
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    size_t n = 0, known = 0;
    for (const struct dirent *e; d && (e = readdir(d)); n++)
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            known += strcmp(e->d_name, names[i]) == 0;
    if (d)
        (void)closedir(d);
    return n > 0 && n == known;
}

/** 0700, as the log tells who talks to whom. A folder that holds other people's things is left as it is:
 * somebody may have said --state-dir /tmp. */
static void make_private(const char *path, int dir)
{
    struct stat st;
    if (fstat(dir, &st) < 0)
        die_errno("cannot look at %s", path);
    if ((st.st_mode & 077) == 0)
        return;
    if (!is_ours(dir))
        log_warn(
            "%s is open to other users and holds other things; better give --state-dir a folder of its own",
            path);
    else if (fchmod(dir, 0700) < 0)
        die_errno("cannot make %s private to its owner", path);
}

static int open_log(int dir, const char *name, int flags)
{
    int fd = openat(dir, name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
    if (fd >= 0 && fchmod(fd, 0600) < 0) {
        (void)close(fd);
        return -errno;
    }
    return fd < 0 ? -errno : fd;
}

void files_open(struct monitor *m)
{
    const char *path = m->options->state_dir ? m->options->state_dir : STATE_DIR_DEFAULT;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        die_errno("cannot make the folder %s", path);
    if (!realpath(path, m->state_dir))
        die_errno("cannot find %s", path);
    m->dir_fd = open(m->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (m->dir_fd < 0)
        die_errno("cannot open the folder %s", m->state_dir);
    make_private(m->state_dir, m->dir_fd);
    if (m->options->ca_dir)
        (void)snprintf(m->ca_dir, sizeof m->ca_dir, "%s", m->options->ca_dir);
    else
        (void)snprintf(m->ca_dir, sizeof m->ca_dir, "%s/ca", m->state_dir);
    m->log_fd = open_log(m->dir_fd, LOG_NAME, 0);
    if (m->log_fd < 0) {
        errno = -m->log_fd;
        die_errno("cannot open %s/%s", m->state_dir, LOG_NAME);
    }
    int copy = fcntl(m->log_fd, F_DUPFD_CLOEXEC, 3);
    m->audit = copy < 0 ? NULL : audit_open(copy, "monitor", 0);
    if (!m->audit)
        die("out of memory");
}

void files_event(
    struct monitor *m, const char *event, enum verdict v, const struct child *child, const char *error)
{
    const struct generation *g = generation_in(m, GEN_PRESENT);
    if (!m->audit)
        return;
    audit_begin(m->audit, &(struct audit_common){.event = event, .verdict = v});
    audit_str(m->audit, "role", child ? child_name(child) : "monitor");
    audit_str(m->audit, "version", EGRESS_VERSION);
    audit_u64(m->audit, "generation", g ? g->number : 0);
    audit_str(m->audit, "policy", m->options->policy);
    audit_u64(m->audit, "routes", g ? g->in.policy->n_routes : 0);
    audit_u64(m->audit, "engines", m->n_engines);
    audit_str(m->audit, "intercept", intercept_name(m->caps.intercept));
    audit_str(m->audit, "gate", gate_mode_name(m->caps.gate));
    audit_bool(m->audit, "ktls", m->ktls);
    audit_bool(m->audit, "audit_only", m->options->audit_only);
    audit_str(m->audit, "error", error);
    audit_end(m->audit);
    int err = audit_flush(m->audit);
    if (err < 0)
        log_warn("cannot write %s/%s: %s; everything is refused until it can be written", m->state_dir,
            LOG_NAME, strerror(-err));
}

/** A JSON string of text that the operator's files may have put octets into. */
static void put_json(FILE *f, const char *s)
{
    if (!s) {
        (void)fputs("null", f);
        return;
    }
    (void)fputc('"', f);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            (void)fprintf(f, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            (void)fprintf(f, "\\u%04x", c < 0x80 ? c : 0xfffd);
        else
            (void)fputc(c, f);
    }
    (void)fputc('"', f);
}

static bool everyone_ready(const struct monitor *m, const struct generation *g)
{
    for (unsigned e = 0; e < m->n_engines; e++)
        if (!watch_well(&g->engines[e]))
            return false;
    return watch_well(&g->resolver) && watch_well(&m->signer);
}

void files_print_status(struct monitor *m, FILE *f)
{
    const struct generation *g = generation_in(m, GEN_PRESENT);
    (void)fprintf(f,
        "{\"pid\":%d,\"ready\":%s,\"generation\":%u,\"reloads\":%u,\"reload_error\":", (int)getpid(),
        g && !m->stopping && everyone_ready(m, g) ? "true" : "false", g ? g->number : 0, m->n_reloads);
    put_json(f, m->reload_error[0] ? m->reload_error : NULL);
    (void)fputs(",\"policy\":", f);
    put_json(f, m->options->policy);
    (void)fputs("}\n", f);
}

void files_write_status(struct monitor *m)
{
    SANDBOX_RAISED;
    int fd = openat(m->dir_fd, STATUS_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f) {
        if (fd >= 0)
            (void)close(fd);
        log_warn("cannot write %s/%s: %s", m->state_dir, STATUS_NAME, strerror(errno));
        return;
    }
    files_print_status(m, f);
    bool ok = fflush(f) == 0 && !ferror(f);
    (void)fclose(f);
    if (!ok || renameat(m->dir_fd, STATUS_NEW, m->dir_fd, STATUS_NAME) < 0)
        log_warn("cannot write %s/%s: %s", m->state_dir, STATUS_NAME, strerror(errno));
}

/* Writers hold the same kind of lock while they write, so nobody is in the middle of a line. Never waits
 * long: a process that keeps the lock must not keep the monitor from its other duties. */
static int lock_log(int fd)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (fcntl(fd, F_SETLK, &l) == 0)
            return 0;
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return -errno;
        (void)usleep(1000);
    }
    return -EAGAIN;
}

/** Whether the name still means the file that is open: another sandbox with this folder may have been first.
 */
static bool is_current(const struct monitor *m)
{
    struct stat open_one, named;
    return fstat(m->log_fd, &open_one) == 0 &&
           fstatat(m->dir_fd, LOG_NAME, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev;
}

static void shift(const struct monitor *m, unsigned keep)
{
    char from[32], to[32];
    for (unsigned n = MAX(keep, 1u); n > 1; n--) {
        (void)snprintf(from, sizeof from, "%s.%u", LOG_NAME, n - 1);
        (void)snprintf(to, sizeof to, "%s.%u", LOG_NAME, n);
        (void)renameat(m->dir_fd, from, m->dir_fd, to); /* not there yet: nothing to shift */
    }
}

/** The new file exists before the old one loses its name, and the name is never without a file: whatever
 * fails in between, lines have a place. Returns the new descriptor or -errno. */
static int swap_log(struct monitor *m, unsigned keep)
{
    (void)unlinkat(m->dir_fd, LOG_NEW, 0);
    int fd = open_log(m->dir_fd, LOG_NEW, O_EXCL);
    if (fd < 0)
        return fd;
    shift(m, keep);
    (void)unlinkat(m->dir_fd, LOG_NAME ".1", 0); /* with keep = 1 it is the oldest and goes */
    if (linkat(m->dir_fd, LOG_NAME, m->dir_fd, LOG_NAME ".1", 0) < 0 ||
        renameat(m->dir_fd, LOG_NEW, m->dir_fd, LOG_NAME) < 0) {
        int err = -errno;
        (void)close(fd);
        return err;
    }
    return fd;
}

static void send_log(struct monitor *m, struct generation *g, struct child *c)
{
    struct ipc_msg msg = {.type = IPC_AUDIT_FD};
    (void)g;
    /* A child that does not take it writes on to the old file: late, but not lost; it asks again. */
    if (c->role != SANDBOX_SIGNER)
        (void)ipc_send(c->control, &msg, m->log_fd);
}

static int rotate(struct monitor *m, uint64_t limit, unsigned keep)
{
    struct stat st;
    int err = lock_log(m->log_fd), fd;
    if (err < 0)
        return err;
    if (!is_current(m))
        fd = open_log(m->dir_fd, LOG_NAME, 0);
    else if (fstat(m->log_fd, &st) == 0 && (uint64_t)st.st_size < limit)
        return 0; /* rotated already, at the word of another child */
    else
        fd = swap_log(m, keep);
    int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) {
        err = fd < 0 ? fd : -errno;
        if (fd >= 0)
            (void)close(fd);
        return err;
    }
    audit_replace_fd(m->audit, copy); /* closing the old file gives its lock back */
    (void)close(m->log_fd);
    m->log_fd = fd;
    return 1;
}

static void replace_log(struct monitor *m, uint64_t limit, struct child *asked)
{
    const struct generation *g = generation_in(m, GEN_PRESENT);
    if (!g)
        return;
    SANDBOX_RAISED;
    int r = rotate(m, limit, g->in.policy->audit.keep);
    struct flock l = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    (void)fcntl(m->log_fd, F_SETLK, &l);
    if (r < 0)
        log_warn("cannot rotate %s/%s: %s; it grows on", m->state_dir, LOG_NAME, strerror(-r));
    else if (r > 0)
        children_each(m, send_log);
    else if (asked)
        send_log(m, NULL, asked);
}

void files_rotate(struct monitor *m, struct child *asked)
{
    const struct generation *g = generation_in(m, GEN_PRESENT);
    if (g)
        replace_log(m, g->in.policy->audit.rotate_bytes, asked);
}

void files_reopen(struct monitor *m)
{
    replace_log(m, UINT64_MAX, NULL);
}
