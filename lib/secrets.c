#include <ctype.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/base.h"
#include "lib/policy.h"

#define FILE_MAX MIB(1)
#define SECRETS_MAX 1000
#define VALUE_MAX KIB(16) /* must fit a header field */

struct entry {
    const char *name, *value; /* into `text` */
};

struct secrets {
    char *text; /* FILE_MAX + 1 octets, mapped: never in a core file */
    size_t len;
    struct entry *entries;
    size_t n, room;
};

#ifndef MADV_DONTDUMP
#define MADV_DONTDUMP 0
#endif

static void say(char *err, size_t errlen, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void say(char *err, size_t errlen, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(err, errlen, fmt, ap);
    va_end(ap);
}

/* The compiler may not leave this out as a write that nobody reads. */
static void wipe(char *p, size_t n)
{
    for (volatile char *v = p; n; n--)
        *v++ = 0;
}

static struct secrets *secrets_new(void)
{
    struct secrets *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->text = mmap(NULL, FILE_MAX + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s->text == MAP_FAILED) {
        free(s);
        return NULL;
    }
    (void)madvise(s->text, FILE_MAX + 1, MADV_DONTDUMP);
    return s;
}

void secrets_free(struct secrets *s)
{
    if (!s)
        return;
    wipe(s->text, s->len);
    (void)munmap(s->text, FILE_MAX + 1);
    free(s->entries);
    free(s);
}

/* False with a message. Reads pipes too, so that no file needs to exist. */
static bool slurp(struct secrets *s, const char *path, char *err, size_t errlen)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        say(err, errlen, "%s: %s", path, strerror(errno));
        return false;
    }
    if (st.st_mode & (S_IRWXG | S_IRWXO)) {
        say(err, errlen, "%s: mode is %04o, so that others may read the secrets; chmod 600 it", path,
            (unsigned)(st.st_mode & 07777));
        return false;
    }
    for (;;) {
        ssize_t n = read(fd, s->text + s->len, FILE_MAX + 1 - s->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            say(err, errlen, "%s: %s", path, strerror(errno));
            return false;
        }
        if (n == 0)
            return true;
        s->len += (size_t)n;
        if (s->len > FILE_MAX) {
            say(err, errlen, "%s: longer than %zu octets", path, FILE_MAX);
            return false;
        }
    }
}

static bool is_name(const char *s)
{
    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    return *s == '\0';
}

static const char *value_problem(const char *v)
{
    size_t n = strlen(v);
    if (n == 0)
        return "has no value";
    if (n > VALUE_MAX)
        return "is longer than a header field may be (16384 octets)";
    if (v[0] == ' ' || v[n - 1] == ' ')
        return "begins or ends with a space";
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)v[i] < 0x20 || v[i] == 0x7f)
            return "holds a control character";
    return NULL;
}

static bool add(struct secrets *s, const char *name, const char *value)
{
    if (s->n == s->room) {
        size_t room = s->room ? 2 * s->room : 16;
        struct entry *e = realloc(s->entries, room * sizeof *e);
        if (!e)
            return false;
        s->entries = e;
        s->room = room;
    }
    s->entries[s->n++] = (struct entry){name, value};
    return true;
}

/* Cuts one line in place. Messages never quote it: it may be a secret that lost its name. */
static bool parse_line(
    struct secrets *s, char *line, const char *path, unsigned number, char *err, size_t errlen)
{
    size_t n = strlen(line);
    if (n && line[n - 1] == '\r')
        line[n - 1] = '\0';
    if (*line == '\0' || *line == '#')
        return true;
    char *eq = strchr(line, '=');
    if (eq)
        *eq = '\0';
    if (!eq || !is_name(line)) {
        say(err, errlen, "%s:%u: not NAME=value (a name has letters, digits and '_')", path, number);
        return false;
    }
    const char *problem = value_problem(eq + 1);
    if (problem) {
        say(err, errlen, "%s:%u: %s %s", path, number, line, problem);
        return false;
    }
    if (secrets_get(s, line)) {
        say(err, errlen, "%s:%u: %s is there twice", path, number, line);
        return false;
    }
    if (s->n == SECRETS_MAX) {
        say(err, errlen, "%s:%u: more than %d secrets", path, number, SECRETS_MAX);
        return false;
    }
    if (!add(s, line, eq + 1)) {
        say(err, errlen, "out of memory");
        return false;
    }
    return true;
}

static bool parse(struct secrets *s, const char *path, char *err, size_t errlen)
{
    if (memchr(s->text, '\0', s->len)) {
        say(err, errlen, "%s: holds a NUL octet", path);
        return false;
    }
    unsigned number = 0;
    for (char *line = s->text, *end = s->text + s->len; line < end;) {
        char *nl = memchr(line, '\n', (size_t)(end - line));
        if (!nl)
            nl = end; /* the mapping is one octet longer */
        *nl = '\0';
        if (!parse_line(s, line, path, ++number, err, errlen))
            return false;
        line = nl + 1;
    }
    return true;
}

struct secrets *secrets_load(const char *path, char *err, size_t errlen)
{
    struct secrets *s = secrets_new();
    if (!s) {
        say(err, errlen, "out of memory");
        return NULL;
    }
    if (!slurp(s, path, err, errlen) || !parse(s, path, err, errlen)) {
        secrets_free(s);
        return NULL;
    }
    return s;
}

static bool take_from_environment(struct secrets *s, const char *name)
{
    const char *value = name ? getenv(name) : NULL;
    size_t name_len = name ? strlen(name) + 1 : 0, len = value ? strlen(value) + 1 : 0;
    if (!value || value_problem(value) || secrets_get(s, name) || s->n == SECRETS_MAX ||
        s->len + name_len + len > FILE_MAX)
        return true;
    char *to = s->text + s->len;
    memcpy(to, name, name_len);
    memcpy(to + name_len, value, len);
    s->len += name_len + len;
    return add(s, to, to + name_len);
}

struct secrets *secrets_of_environment(const struct policy *p)
{
    struct secrets *s = secrets_new();
    bool ok = s != NULL;
    for (size_t i = 0; ok && i < p->n_routes; i++)
        ok = take_from_environment(s, p->routes[i].auth.token_ref);
    for (size_t i = 0; ok && i < p->inspect.n_secrets; i++)
        ok = take_from_environment(s, p->inspect.secrets[i]);
    if (ok)
        return s;
    secrets_free(s);
    return NULL;
}

const char *secrets_get(const struct secrets *s, const char *name)
{
    for (size_t i = 0; s && i < s->n; i++)
        if (strcmp(s->entries[i].name, name) == 0)
            return s->entries[i].value;
    return NULL;
}

size_t secrets_count(const struct secrets *s)
{
    return s ? s->n : 0;
}

const char *secrets_at(const struct secrets *s, size_t i, const char **name)
{
    assert(i < secrets_count(s));
    if (name)
        *name = s->entries[i].name;
    return s->entries[i].value;
}
