/* policy learn: an audit log becomes a policy to start from. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/audit_files.h"
#include "hostctl/commands.h"
#include "hostctl/learn.h"
#include "lib/base.h"
#include "lib/log.h"

static int read_log(struct learn *l, const char *dir)
{
    struct audit_files *f = audit_files_open(dir);
    const char *line, *file;
    unsigned long number, bad = 0;
    size_t len;
    if (!f) {
        log_warn("cannot read %s/audit.jsonl: %s", dir, strerror(errno));
        return EXIT_EGRESSCTL;
    }
    while ((line = audit_files_next(f, &len, &file, &number)))
        bad += !learn_line(l, line, len);
    if (audit_files_rotated(f))
        log_info("the log was rotated: what was seen before is not in it");
    if (bad)
        log_warn("%lu lines of the log are no audit lines", bad);
    audit_files_close(f);
    return 0;
}

/* What is written here must load. */
static int check(const char *text, size_t len)
{
    struct policy_error err = {0};
    struct policy *p = policy_load(text, len, &err);
    if (!p)
        log_warn("the policy needs your hand before it loads: line %u: %s", err.line, err.text);
    policy_free(p);
    return p ? 0 : EXIT_EGRESSCTL;
}

int policy_learn(const char *name, const char *state_dir, unsigned siblings)
{
    char dir[AUDIT_PATH_LEN];
    cleanup_free char *text = NULL;
    size_t len = 0;
    if (audit_locate(&name, state_dir, dir))
        return EXIT_EGRESSCTL;
    struct learn *l = learn_new(siblings ? siblings : LEARN_SIBLINGS);
    int status = l ? read_log(l, dir) : EXIT_EGRESSCTL;
    FILE *f = status == 0 ? open_memstream(&text, &len) : NULL;
    if (f) {
        learn_write(l, f, dir);
        (void)fclose(f);
        status = check(text, len);
        if (fwrite(text, 1, len, stdout) != len || fflush(stdout) != 0)
            status = EXIT_EGRESSCTL;
    } else if (status == 0) {
        log_warn("out of memory");
        status = EXIT_EGRESSCTL;
    }
    learn_free(l);
    return status;
}
