#include "init/environment.h"

#include <stdlib.h>
#include <string.h>

#include "init/file.h"
#include "init/say.h"
#include "init/text.h"
#include "init/base.h"

#define KEPT "environment"

void environment_set(const char *name, const char *value)
{
    if (setenv(name, value, 1) < 0)
        fatal("out of memory");
}

void environment_keep(struct place *p, const char *const *names, unsigned n)
{
    TEXT(t, 8192);
    for (unsigned i = 0; i < n; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && strchr(value, '\n') == NULL)
            text_fmt(&t, "%s=%s\n", names[i], value);
    }
    if (t.cut)
        fatal("the environment's file names are too long");
    free(place_write(p, KEPT, t.data, t.len));
}

void environment_load(void)
{
    struct place p = {0};
    const char *dir = place_find(&p);
    if (dir == NULL)
        return;
    cleanup_free char *path = path_join(dir, KEPT);
    struct blob b;
    if (file_read(path, &b) != 0)
        return;
    for (char *line = (char *)b.data, *next; *line != '\0'; line = next) {
        next = strchr(line, '\n');
        if (next == NULL)
            break;
        *next++ = '\0';
        char *value = strchr(line, '=');
        if (value == NULL)
            continue;
        *value++ = '\0';
        environment_set(line, value);
    }
    free(b.data);
}

/* One line of /etc/passwd: name:password:uid:gid:gecos:home:shell. */
struct account {
    char *name, *home;
    uint32_t uid, gid;
};

/* Cuts the line at `*text` into `a` and moves on. False at the end; lines that are not accounts have no name.
 */
static bool next_account(char **text, struct account *a)
{
    char *fields[7] = {0}, *line = *text;
    if (*line == '\0')
        return false;
    size_t len = strcspn(line, "\n");
    *text = line + len + (line[len] != '\0');
    line[len] = '\0';
    *a = (struct account){0};
    for (unsigned i = 0; i < ARRAY_LEN(fields) && line != NULL; i++) {
        fields[i] = line;
        line = strchr(line, ':');
        if (line != NULL)
            *line++ = '\0';
    }
    if (fields[5] != NULL && number_parse(fields[2], UINT32_MAX, &a->uid) != NULL &&
        number_parse(fields[3], UINT32_MAX, &a->gid) != NULL) {
        a->name = fields[0];
        a->home = fields[5];
    }
    return true;
}

static void replace_roots(const char *name, const char *roots, const char *value)
{
    const char *present = getenv(name);
    if (present == NULL || *present == '\0' || strcmp(present, roots) == 0)
        environment_set(name, value);
}

void environment_identify(struct settings *s)
{
    struct blob b;
    struct account a;
    const char *home = "/", *name = NULL;
    int error = file_read("/etc/passwd", &b);
    for (char *at = (char *)b.data; error == 0 && next_account(&at, &a);) {
        if (a.name == NULL || a.uid != s->uid)
            continue;
        if (!s->gid_given)
            s->gid = a.gid;
        home = a.home;
        name = a.name;
        break;
    }
    replace_roots("HOME", s->uid != 0 ? "/root" : "", home);
    if (name != NULL && s->uid != 0) {
        replace_roots("USER", "root", name);
        replace_roots("LOGNAME", "root", name);
    }
    free(b.data);
}

void environment_clean(void)
{
    static const char *const ours[] = {
        "EGRESS_GATEWAY", "EGRESS_GATEWAY6", "EGRESS_DNS", "EGRESS_CA", "EGRESS_USER"};
    for (unsigned i = 0; i < ARRAY_LEN(ours); i++)
        (void)unsetenv(ours[i]);
}
