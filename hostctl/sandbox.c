#include "hostctl/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

#include "hostctl/hostenv.h"
#include "hostctl/resolvers.h"
#include "hostctl/wipe.h"
#include "lib/base.h"
#include "lib/log.h"

#define POLICY_MAX MIB(16)
/* Unassigned on Debian, Alpine and Fedora, like the sidecar's own uids: nobody's files, nobody's processes.
 */
#define UID_AGENT 65520

static const char no_policy[] = "version: 1\negress:\n  routes: []\n";

void blob_wipe(struct blob *b)
{
    if (b->p)
        wipe(b->p, b->n);
    free(b->p);
    *b = (struct blob){0};
}

int blob_read(const char *path, size_t max, struct blob *out)
{
    *out = (struct blob){0};
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : blob_read_fd(fd, max, out);
}

int blob_read_fd(int fd, size_t max, struct blob *out)
{
    size_t room = 4096, used = 0;
    char *p = malloc(room + 1);
    for (;;) {
        if (!p)
            return -ENOMEM;
        ssize_t n = read(fd, p + used, room - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || used > max) {
            int err = n < 0 ? errno : EFBIG;
            free(p);
            return -err;
        }
        if (n == 0)
            break;
        used += (size_t)n;
        if (used == room) {
            char *q = realloc(p, room * 2 + 1);
            if (!q)
                free(p);
            p = q;
            room *= 2;
        }
    }
    p[used] = 0;
    *out = (struct blob){p, used};
    return 0;
}

const char *state_root(void)
{
    const char *given = getenv("EGRESSD_STATE_DIR");
    if (given && *given == '/')
        return given;
#ifdef __APPLE__
    static char own[PATH_MAX];
    const char *home = getenv("HOME");
    if (geteuid() != 0 && home && *home == '/') {
        (void)snprintf(own, sizeof own, "%s/.egressd", home);
        return own;
    }
#endif
    return STATE_ROOT;
}

bool sandbox_name_ok(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > SANDBOX_NAME_MAX || name[0] == '-' || name[0] == '_')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == n;
}

void sandbox_name_make(char out[static SANDBOX_NAME_MAX + 1])
{
    static const char consonants[] = "bdfghklmnprstvwz", vowels[] = "aeiou";
    unsigned char r[8];
    if (getentropy(r, sizeof r))
        for (size_t i = 0; i < sizeof r; i++)
            r[i] = (unsigned char)((unsigned)getpid() >> (i % 4));
    size_t k = 0;
    for (size_t i = 0; i < sizeof r; i++) {
        if (i == 4)
            out[k++] = '-';
        out[k++] = i % 2 ? vowels[r[i] % 5] : consonants[r[i] % 16];
    }
    out[k] = 0;
}

static void own_path(char out[static PATH_MAX])
{
#ifdef __APPLE__
    char raw[PATH_MAX];
    uint32_t len = sizeof raw;
    if (_NSGetExecutablePath(raw, &len) || !realpath(raw, out))
        out[0] = 0;
#else
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    out[n > 0 ? n : 0] = 0;
#endif
}

char *program_look(const char *name)
{
    char self[PATH_MAX], path[PATH_MAX + 64];
    own_path(self);
    char *slash = strrchr(self, '/');
    if (slash) {
        *slash = 0;
        (void)snprintf(path, sizeof path, "%s/%s", self, name);
        if (access(path, X_OK) == 0)
            return strdup(path);
        (void)snprintf(path, sizeof path, "%s/../libexec/egressd/%s", self, name);
        if (access(path, X_OK) == 0)
            return realpath(path, NULL);
    }
    const char *dirs = getenv("PATH");
    cleanup_free char *copy = strdup(dirs && *dirs ? dirs : "/usr/local/bin:/usr/bin:/bin");
    for (char *save = NULL, *d = copy ? strtok_r(copy, ":", &save) : NULL; d;
         d = strtok_r(NULL, ":", &save)) {
        (void)snprintf(path, sizeof path, "%s/%s", d, name);
        if (d[0] == '/' && access(path, X_OK) == 0)
            return strdup(path);
    }
    return NULL;
}

char *program_find(const char *name)
{
    char *path = program_look(name);
    if (!path)
        log_warn("cannot find the program %s, neither beside egressctl nor in PATH; is it installed?", name);
    return path;
}

static int prepare_name(struct sandbox *sb)
{
    const char *name = sb->opt->name;
    if (!name) {
        sandbox_name_make(sb->name);
        return 0;
    }
    if (!sandbox_name_ok(name)) {
        log_warn(
            "\"%s\" cannot be a name: letters, digits, '-' and '_', at most %d, not beginning with a sign",
            name, SANDBOX_NAME_MAX);
        return -EINVAL;
    }
    (void)snprintf(sb->name, sizeof sb->name, "%s", name);
    return 0;
}

static int prepare_policy(struct sandbox *sb)
{
    const char *file = sb->opt->policy;
    struct policy_error err = {0};
    if (!file) {
        log_info("no --policy: nothing is allowed");
        sb->policy_text = (struct blob){strdup(no_policy), sizeof no_policy - 1};
    } else {
        int e = blob_read(file, POLICY_MAX, &sb->policy_text);
        if (e) {
            log_warn("cannot read the policy %s: %s", file, strerror(-e));
            return e;
        }
    }
    if (!sb->policy_text.p)
        return -ENOMEM;
    sb->policy = policy_load(sb->policy_text.p, sb->policy_text.n, &err);
    if (!sb->policy) {
        (void)fprintf(stderr, "%s:%u:%u: %s\n", file ? file : "(no policy)", err.line, err.col, err.text);
        return -EINVAL;
    }
    return 0;
}

static bool number(const char *s, unsigned long max, unsigned long *out)
{
    char *end;
    errno = 0;
    *out = strtoul(s, &end, 10);
    return *s >= '0' && *s <= '9' && !*end && errno == 0 && *out <= max;
}

/* UID[:GID], by number or by name. */
static int parse_user(struct sandbox *sb, const char *text)
{
    cleanup_free char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    char *colon = strchr(copy, ':');
    unsigned long uid, gid = 0;
    if (colon)
        *colon = 0;
    bool numeric = number(copy, UINT_MAX - 1, &uid);
    const struct passwd *pw = numeric ? getpwuid((uid_t)uid) : getpwnam(copy);
    if (!numeric && !pw) {
        log_warn("--user %s: there is no such user; give a number or a name of /etc/passwd", text);
        return -EINVAL;
    }
    sb->uid = numeric ? (uid_t)uid : pw->pw_uid;
    sb->gid = pw ? pw->pw_gid : (gid_t)sb->uid;
    if (colon) {
        bool gid_numeric = number(colon + 1, UINT_MAX - 1, &gid);
        const struct group *gr = gid_numeric ? NULL : getgrnam(colon + 1);
        if (!gid_numeric && !gr) {
            log_warn("--user %s: there is no such group; give a number or a name of /etc/group", text);
            return -EINVAL;
        }
        sb->gid = gid_numeric ? (gid_t)gid : gr->gr_gid;
    }
    return 0;
}

static int prepare_user(struct sandbox *sb)
{
    const char *sudo_uid = getenv("SUDO_UID"), *sudo_gid = getenv("SUDO_GID");
    unsigned long uid = 0, gid = 0;
    sb->uid = UID_AGENT;
    sb->gid = UID_AGENT;
    if (sb->opt->user) {
        int err = parse_user(sb, sb->opt->user);
        if (err)
            return err;
    } else if (sudo_uid && number(sudo_uid, UINT_MAX - 1, &uid) && uid > 0) {
        sb->uid = (uid_t)uid;
        sb->gid = sudo_gid && number(sudo_gid, UINT_MAX - 1, &gid) ? (gid_t)gid : (gid_t)uid;
    }
    const struct passwd *pw = getpwuid(sb->uid);
    struct stat st;
    if (!pw)
        return 0;
    sb->user_name = strdup(pw->pw_name);
    /* root's own is read-only in a sandbox */
    if (sb->uid != 0 && pw->pw_dir && pw->pw_dir[0] == '/' && stat(pw->pw_dir, &st) == 0 &&
        S_ISDIR(st.st_mode) && st.st_uid == sb->uid)
        sb->home = strdup(pw->pw_dir);
    return sb->user_name ? 0 : -ENOMEM;
}

static char *absolute(const struct sandbox *sb, const char *path)
{
    char *out = NULL;
    if (path[0] == '/')
        return strdup(path);
    return sb->cwd && asprintf(&out, "%s/%s", sb->cwd, path) >= 0 ? out : NULL;
}

static int prepare_paths(struct sandbox *sb)
{
    const struct run_options *o = sb->opt;
    sb->cwd = getcwd(NULL, 0);
    if (o->state_dir)
        sb->state_dir = absolute(sb, o->state_dir);
    else if (asprintf(&sb->state_dir, "%s/%s", state_root(), sb->name) < 0)
        sb->state_dir = NULL;
    if (!sb->state_dir)
        return -ENOMEM;
    for (size_t i = 0; i < o->upstream_ca.n; i++) {
        const char *file = o->upstream_ca.items[i];
        sb->upstream_ca[i] = realpath(file, NULL);
        if (!sb->upstream_ca[i] || access(sb->upstream_ca[i], R_OK)) {
            int err = errno;
            log_warn("--upstream-ca %s: %s", file, strerror(err));
            return -err;
        }
    }
    return 0;
}

static int prepare_resolvers(struct sandbox *sb)
{
    const struct opt_list *given = &sb->opt->dns_upstream;
    for (size_t i = 0; i < given->n; i++) {
        struct endpoint ep;
        if (strncmp(given->items[i], "tls://", 6) != 0 && !endpoint_parse(given->items[i], 53, &ep)) {
            log_warn("--dns-upstream %s: not an address; give IP or IP:PORT", given->items[i]);
            return -EINVAL;
        }
    }
    if (given->n)
        sb->resolvers = *given;
    else if (sb->policy->dns.n_upstreams == 0 && sb->policy->n_routes > 0)
        return resolvers_of_host(&sb->resolver_text, &sb->resolvers);
    return 0;
}

static int prepare_env(struct sandbox *sb)
{
    static const char home_dir[] = "/run/agent/home";
    char home[PATH_MAX + 8], user[96], logname[96];
    const char *name = sb->user_name ? sb->user_name : "agent";
    (void)snprintf(home, sizeof home, "HOME=%s", sb->home ? sb->home : home_dir);
    (void)snprintf(user, sizeof user, "USER=%s", name);
    (void)snprintf(logname, sizeof logname, "LOGNAME=%s", name);
    const char *const overrides[] = {home, user, logname, NULL};
    sb->env = hostenv_for_agent(&sb->secrets, overrides);
    return sb->env ? 0 : -ENOMEM;
}

unsigned sandbox_proxy_port(const struct sandbox *sb)
{
    return sb->policy->proxy_port ? sb->policy->proxy_port : PROXY_PORT;
}

bool sandbox_proxy_line(const struct sandbox *sb, const char *gateway, size_t i, char out[static PROXY_LINE])
{
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"};
    static const char *const fixed[] = {
        "no_proxy=localhost,127.0.0.1,::1", "NO_PROXY=localhost,127.0.0.1,::1", "NODE_USE_ENV_PROXY=1"};
    if (i < ARRAY_LEN(names))
        (void)snprintf(out, PROXY_LINE, "%s=http://%s:%u", names[i], gateway, sandbox_proxy_port(sb));
    else if (i < ARRAY_LEN(names) + ARRAY_LEN(fixed))
        (void)snprintf(out, PROXY_LINE, "%s", fixed[i - ARRAY_LEN(names)]);
    else
        return false;
    return true;
}

int sandbox_proxy_env(struct sandbox *sb, const char *gateway)
{
    char line[PROXY_LINE];
    size_t n = 0;
    while (sb->env[n])
        n++;
    for (size_t i = 0; sandbox_proxy_line(sb, gateway, i, line); i++) {
        char **env = realloc(sb->env, (n + 2) * sizeof *env);
        if (!env)
            return -ENOMEM;
        sb->env = env;
        env[n] = strdup(line);
        if (!env[n])
            return -ENOMEM;
        env[++n] = NULL;
    }
    return 0;
}

int sandbox_prepare(struct sandbox *sb, const struct run_options *opt)
{
    struct secret_names names;
    *sb = (struct sandbox){.opt = opt, .state_fd = -1};
    int err = prepare_name(sb);
    if (!err)
        err = prepare_policy(sb);
    if (!err)
        err = prepare_user(sb);
    if (!err)
        err = prepare_paths(sb);
    if (!err)
        err = prepare_resolvers(sb);
    if (!err && (err = secret_names_of(sb->policy, &names)) == -E2BIG)
        log_warn("the policy names more than %d secrets", HOSTENV_SECRETS_MAX);
    if (!err)
        err = hostenv_take(&names, NULL, &sb->secrets);
    if (!err)
        err = prepare_env(sb);
    if (err == -ENOMEM)
        log_warn("out of memory");
    return err;
}

void sandbox_free(struct sandbox *sb)
{
    if (sb->state_fd >= 0)
        close(sb->state_fd);
    blob_wipe(&sb->secrets);
    blob_wipe(&sb->policy_text);
    policy_free(sb->policy);
    hostenv_free(sb->env);
    free(sb->state_dir);
    free(sb->cwd);
    free(sb->home);
    free(sb->user_name);
    free(sb->resolver_text);
    for (size_t i = 0; i < OPT_LIST_MAX; i++)
        free(sb->upstream_ca[i]);
}
