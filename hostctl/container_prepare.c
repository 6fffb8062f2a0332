/* What has to be there before a container starts: images, and the files that the sidecar reads. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "hostctl/beneath.h"
#include "hostctl/container.h"
#include "hostctl/resolvers.h"
#include "hostctl/status.h"
#include "lib/base.h"
#include "lib/log.h"

#define CA_MAX KIB(16)
#define UPSTREAM_CA_MAX MIB(16)

char *container_name(char out[static CONTAINER_NAME_MAX], const char *sandbox, const char *what)
{
    (void)snprintf(out, CONTAINER_NAME_MAX, "egressd-%s-%s", sandbox, what);
    return out;
}

const char *container_dir(const struct record *r)
{
    return record_str(r, "private_dir");
}

int container_sidecar_files(const struct record *r)
{
    const char *dir = container_dir(r);
    cleanup_fd int fd = dir ? folder_open(dir) : -ESRCH;
    return fd < 0 ? fd : beneath_folder(fd, SIDECAR_FILES);
}

json_t *container_status(struct record *r)
{
    cleanup_fd int dir = container_sidecar_files(r);
    return dir < 0 ? NULL : status_ask(dir, SIDECAR_STATUS_NAME);
}

/* -- images -- */

static const char *machine(void)
{
    static struct utsname u;
    if (uname(&u))
        return "unknown";
    return strcmp(u.machine, "x86_64") == 0    ? "amd64"
           : strcmp(u.machine, "aarch64") == 0 ? "arm64"
                                               : u.machine;
}

/* Beside our own programs, where a build leaves it, or where an installation does. NULL: nowhere. */
static char *find_archive(void)
{
    cleanup_free char *sidecar = program_find(GUEST_SHIM);
    char *slash = sidecar ? strrchr(sidecar, '/') : NULL;
    static const char *const places[] = {
        "image", "../share/egressd", "../../share/egressd", "../../../share/egressd"};
    if (!slash)
        return NULL;
    *slash = 0;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        char *path = NULL;
        if (asprintf(&path, "%s/%s/egressd-sidecar-%s.oci.tar", sidecar, places[i], machine()) < 0)
            return NULL;
        if (access(path, R_OK) == 0)
            return path;
        free(path);
    }
    return NULL;
}

/* What a build wrote beside its archive: the digests of configuration and manifest. False: nothing. */
static bool archive_ids(const char *archive, char out[static 160])
{
    char path[PATH_MAX];
    struct blob text = {0};
    (void)snprintf(path, sizeof path, "%.*s.id", (int)(strlen(archive) - strlen(".oci.tar")), archive);
    if (blob_read(path, 159, &text))
        return false;
    (void)snprintf(out, 160, "%s", text.p);
    blob_wipe(&text);
    return out[0] != 0;
}

int container_load_image(const struct cli *c)
{
    cleanup_free char *archive = find_archive();
    json_t *present = cli_inspect(c, CLI_IMAGE, SIDECAR_IMAGE);
    char wanted[160];
    bool known = archive && archive_ids(archive, wanted);
    bool good = present && (!archive || c->d->image_is(present, known ? wanted : NULL));
    json_decref(present);
    if (good)
        return 0;
    if (!archive) {
        log_warn(
            "there is no image %s, and no archive of it beside egressctl; build it (make image) or load it "
            "(%s egressd-sidecar-%s.oci.tar)",
            SIDECAR_IMAGE, c->d->load, machine());
        return -ENOENT;
    }
    struct words w = {0};
    c->d->load_argv(c, archive, &w);
    if (cli_run(c, &w, true) == 0)
        return 0;
    log_warn("%s cannot load %s; try: %s %s", c->program, archive, c->d->load, archive);
    return -EIO;
}

/* "1000" or "1000:100"; names would need the image's files. */
static bool numeric_user(const char *text, struct sandbox *sb)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long uid = strtoul(text, &end, 10), gid = uid;
    if (*end == ':' && end[1] >= '0' && end[1] <= '9')
        gid = strtoul(end + 1, &end, 10);
    if (*end || uid == 0 || uid >= UINT_MAX || gid >= UINT_MAX)
        return false;
    sb->uid = (uid_t)uid;
    sb->gid = (gid_t)gid;
    return true;
}

int container_look_at_image(const struct cli *c, struct sandbox *sb)
{
    const char *image = sb->opt->image;
    json_t *o = cli_inspect(c, CLI_IMAGE, image);
    if (!o) {
        struct words w = {0};
        c->d->pull_argv(c, image, &w);
        if (cli_run(c, &w, false) == 0)
            o = cli_inspect(c, CLI_IMAGE, image);
    }
    if (!o) {
        log_warn(
            "--image %s: %s has no such image and cannot pull it; its reason is above. `%s image ls` lists "
            "what is there",
            image, c->program, c->program);
        return -ENOENT;
    }
    const char *user = c->d->image_user(o);
    if (!sb->opt->user && user && *user && !numeric_user(user, sb))
        log_info("the image's user %s is not taken over (it is not a number, or root); CMD runs as %u, or "
                 "give --user",
            user, (unsigned)sb->uid);
    json_decref(o);
    char text[32];
    (void)snprintf(text, sizeof text, "%u:%u", (unsigned)sb->uid, (unsigned)sb->gid);
    record_set_str(sb->rec, "user", text);
    return 0;
}

/* -- files -- */

int container_write_file(const char *dir, const char *name, const void *data, size_t len, mode_t mode)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    const char *p = data;
    while (fd >= 0 && len) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        p += n;
        len -= (size_t)n;
    }
    if (fd >= 0 && len == 0 && fchmod(fd, mode) == 0)
        return 0;
    int err = errno;
    log_warn("cannot write %s: %s", path, strerror(err));
    return -err;
}

/* Never on a disk where the host has memory for it. The name is recorded before there is such a directory. */
static int make_dir(struct sandbox *sb)
{
    struct stat st;
    uint32_t r[2];
    char path[PATH_MAX];
    const char *parent = stat("/dev/shm", &st) == 0 && S_ISDIR(st.st_mode) ? "/dev/shm" : registry_dir();
    if (!parent || getentropy(r, sizeof r))
        return -EIO;
    (void)snprintf(path, sizeof path, "%s/.egressd-%s-%08x%08x", parent, sb->name, r[0], r[1]);
    record_set_str(sb->rec, "private_dir", path);
    int err = record_save(sb->rec);
    cleanup_fd int dir = err ? err : mkdir(path, 0700) ? -errno : folder_open(path);
    if (!err && (dir < 0 || mkdirat(dir, SIDECAR_FILES, 0700))) {
        err = dir < 0 ? dir : -errno;
        log_warn("cannot make %s: %s", path, strerror(-err));
    }
    return err;
}

static int copy_upstream_ca(struct sandbox *sb, const char *dir, size_t i)
{
    char name[32];
    struct blob ca = {0};
    int err = blob_read(sb->upstream_ca[i], UPSTREAM_CA_MAX, &ca);
    if (err)
        log_warn("cannot read %s: %s", sb->upstream_ca[i], strerror(-err));
    (void)snprintf(name, sizeof name, "upstream-%zu.pem", i);
    if (!err)
        err = container_write_file(dir, name, ca.p, ca.n, 0644);
    blob_wipe(&ca);
    return err;
}

int container_write_files(struct sandbox *sb)
{
    int err = make_dir(sb);
    if (err)
        return err;
    char dir[PATH_MAX], servers[RESOLVERS_TEXT];
    (void)snprintf(dir, sizeof dir, "%s/" SIDECAR_FILES, container_dir(sb->rec));
    err = container_write_file(dir, SIDECAR_POLICY, sb->policy_text.p, sb->policy_text.n, 0600);
    if (!err)
        err = container_write_file(dir, SIDECAR_SECRETS, sb->secrets.p, sb->secrets.n, 0600);
    blob_wipe(&sb->secrets);
    resolvers_write(&sb->resolvers, servers);
    if (!err)
        err = container_write_file(dir, SIDECAR_RESOLV, servers, strlen(servers), 0600);
    for (size_t i = 0; !err && i < OPT_LIST_MAX && sb->upstream_ca[i]; i++)
        err = copy_upstream_ca(sb, dir, i);
    return err;
}

int container_copy_ca(struct sandbox *sb)
{
    struct blob ca = {0};
    cleanup_fd int dir = container_sidecar_files(sb->rec);
    int err = dir < 0 ? dir : beneath_read(dir, SIDECAR_CA, CA_MAX, &ca);
    if (err)
        log_warn("cannot read the sidecar's CA certificate: %s", strerror(-err));
    else
        err = container_write_file(container_dir(sb->rec), AGENT_CA_FILE, ca.p, ca.n, 0644);
    blob_wipe(&ca);
    return err;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void container_remove_files(const char *dir)
{
    /* From a record, which only root can write; still, nothing but what this program makes. */
    if (!dir || !strstr(dir, "/.egressd-") || strstr(dir, "/../"))
        return;
    if (nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) && errno != ENOENT)
        log_warn("cannot remove %s: %s", dir, strerror(errno));
}
