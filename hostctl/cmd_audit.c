#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hostctl/audit_chain.h"
#include "hostctl/audit_files.h"
#include "hostctl/audit_view.h"
#include "hostctl/commands.h"
#include "lib/base.h"
#include "lib/log.h"

#ifdef __APPLE__
#define MTIME(st) ((st).st_mtimespec)
#else
#define MTIME(st) ((st).st_mtim)
#endif
#define PATH_LEN AUDIT_PATH_LEN
#define EXIT_BROKEN 1
#define FAULTS_SHOWN 20

struct audit_query {
    struct audit_filter filter;
    bool follow, verify, json;
    const char *format, *state_dir;
};

/* The state directory whose log was written to last. */
static bool newest(char out[static PATH_LEN])
{
    DIR *d = opendir(state_root());
    struct timespec best = {0};
    bool found = false;
    for (const struct dirent *e; d && (e = readdir(d));) {
        char path[PATH_LEN];
        struct stat st;
        (void)snprintf(path, sizeof path, "%s/%s/audit.jsonl", state_root(), e->d_name);
        if (e->d_name[0] == '.' || stat(path, &st))
            continue;
        const struct timespec t = MTIME(st);
        if (t.tv_sec > best.tv_sec || (t.tv_sec == best.tv_sec && t.tv_nsec > best.tv_nsec)) {
            best = t;
            (void)snprintf(out, PATH_LEN, "%s/%s", state_root(), e->d_name);
            found = true;
        }
    }
    if (d)
        (void)closedir(d);
    return found;
}

static int name_one(struct record *r, bool alive, void *arg)
{
    const char **only = arg;
    static char name[SANDBOX_NAME_MAX + 1];
    if (!alive)
        return 0;
    if (*only)
        return 1;
    (void)snprintf(name, sizeof name, "%s", r->name);
    *only = name;
    return 0;
}

int audit_locate(const char **name, const char *state_dir, char dir[static AUDIT_PATH_LEN])
{
    struct record r;
    bool alive = false;
    struct stat st;
    if (state_dir) {
        (void)snprintf(dir, PATH_LEN, "%s", state_dir);
        *name = NULL;
        return 0;
    }
    if (!*name && record_each(name_one, name) == 1) {
        log_warn("several sandboxes are running; say which one: egressctl audit NAME");
        return -EINVAL;
    }
    if (*name && record_open(&r, *name, &alive) == 0) {
        const char *known = record_str(&r, "state_dir");
        (void)snprintf(dir, PATH_LEN, "%s", known ? known : "");
        record_close(&r);
        if (!alive)
            *name = NULL;
        return 0;
    }
    if (*name && sandbox_name_ok(*name)) {
        (void)snprintf(dir, PATH_LEN, "%s/%s", state_root(), *name);
        if (stat(dir, &st) == 0) {
            *name = NULL;
            return 0;
        }
    } else if (!*name && newest(dir)) {
        return 0;
    }
    if (access(state_root(), X_OK) && errno == EACCES) {
        log_warn("%s is root's: sudo egressctl audit ...", state_root());
        return -EACCES;
    }
    log_warn(*name ? "there is no log of a sandbox %s; with a state directory elsewhere: --state-dir DIR"
                   : "there is no log yet%s",
        *name ? *name : "");
    return -ENOENT;
}

static bool still_running(const char *name)
{
    struct record r;
    bool alive = false;
    int err = record_open(&r, name, &alive);
    record_close(&r);
    return err == 0 && alive;
}

static void show_line(const struct audit_query *q, const char *line, size_t len)
{
    char row[AUDIT_ROW_MAX];
    if (!audit_view(&q->filter, line, len, row))
        return;
    if (q->json)
        printf("%.*s\n", (int)len, line);
    else
        puts(row);
}

/* `name`: of the sandbox that writes, NULL: none that we know. */
static int show(struct audit_files *f, const struct audit_query *q, const char *name)
{
    const char *line, *file;
    unsigned long number;
    size_t len;
    bool last = !name && !q->state_dir; /* of a sandbox that has ended */
    if (!q->json)
        puts(audit_view_head);
    for (;;) {
        while ((line = audit_files_next(f, &len, &file, &number)))
            show_line(q, line, len);
        if (fflush(stdout) != 0)
            return EXIT_EGRESSCTL;
        if (!q->follow || last)
            return 0;
        /* One more look after it has ended: its last lines come before its end. */
        last = name && !still_running(name);
        const struct timespec pause = {.tv_nsec = 100000000};
        (void)nanosleep(&pause, NULL);
    }
}

static int verify(struct audit_files *f)
{
    struct chains *c = chains_new(audit_files_rotated(f));
    const char *line, *file;
    unsigned long number, faults = 0;
    size_t len;
    char why[300];
    while (c && (line = audit_files_next(f, &len, &file, &number))) {
        int err = chains_line(c, line, len, why, sizeof why);
        if (err == -ENOMEM)
            break;
        if (err && ++faults <= FAULTS_SHOWN)
            printf("%s:%lu: %s\n", file, number, why);
    }
    if (!c) {
        log_warn("out of memory");
        return EXIT_EGRESSCTL;
    }
    if (audit_files_torn(f)) {
        faults++;
        puts("the log ends in the middle of a line");
    }
    printf("%s: %llu lines of %zu writers", faults ? "BROKEN" : "good", chains_lines(c), chains_writers(c));
    if (faults)
        printf(", %lu faults", faults);
    if (chains_cut(c))
        printf(" (the beginning of %zu was rotated away)", chains_cut(c));
    (void)putchar('\n');
    chains_free(c);
    return faults ? EXIT_BROKEN : 0;
}

static bool format_ok(struct audit_query *q)
{
    static const char *const events[] = {"start", "reload", "dns", "flow", "http", "dlp", "stop"};
    bool known = !q->filter.event;
    for (size_t i = 0; !known && i < ARRAY_LEN(events); i++)
        known = strcmp(q->filter.event, events[i]) == 0;
    if (!known) {
        log_warn("audit: --event %s: dns, flow, http, dlp, start, reload or stop", q->filter.event);
        return false;
    }
    return command_format(q->format, "table", "audit", &q->json);
}

int cmd_audit(int argc, char **argv)
{
    struct audit_query q = {.format = "table"};
    const struct opt table[] = {
        {"follow", 'f', OPT_FLAG, &q.follow, NULL, "go on with new lines until the sandbox ends", 0, 0},
        {"denied", 0, OPT_FLAG, &q.filter.denied, NULL, "only what was refused", 0, 0},
        {"event", 0, OPT_STRING, &q.filter.event, "EVENT", "only dns, flow, http or dlp", 0, 0},
        {"format", 0, OPT_STRING, &q.format, "table|json", "for people, or the lines as they are", 0, 0},
        {"verify", 0, OPT_FLAG, &q.verify, NULL, "check the hash chains instead; status 1 if broken", 0, 0},
        {"state-dir", 0, OPT_STRING, &q.state_dir, "DIR", "the log in this directory", 0, 0},
        {0},
    };
    struct opt_args args;
    char dir[PATH_LEN];
    int status = 0;
    if (!command_options(table,
            "usage: egressctl audit [NAME] [OPTION...]\n\nShows the audit log of a sandbox, also after its "
            "end; of the last one where no NAME is given.\n\n",
            argc, argv, 0, &args, &status))
        return status;
    const char *name = args.n_pos ? args.pos[0] : NULL;
    if (!command_words(&args, 1, "audit") || !format_ok(&q) || audit_locate(&name, q.state_dir, dir))
        return EXIT_EGRESSCTL;
    struct audit_files *f = audit_files_open(dir);
    if (!f) {
        log_warn("cannot read %s/audit.jsonl: %s", dir, strerror(errno));
        return EXIT_EGRESSCTL;
    }
    status = q.verify ? verify(f) : show(f, &q, name);
    audit_files_close(f);
    return status;
}
