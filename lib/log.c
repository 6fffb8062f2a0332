#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *log_name = "egress";
static int log_is_verbose;

void log_init(const char *name)
{
    log_name = name;
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", O_RDWR); /* the lowest that is free */
}

int output_end(int status, int failure)
{
    bool before = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) == 0 && !before)
        return status;
    log_warn("cannot write all of the output%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
    return status ? status : failure;
}

void log_verbose(int on)
{
    log_is_verbose = on;
}

/* One write(2) a message, so that lines of several processes do not mix. */
static void emit(const char *fmt, va_list ap, const char *tail)
{
    char line[1024];
    int n = snprintf(line, sizeof line, "%s: ", log_name);
    if (n < 0 || (size_t)n >= sizeof line)
        return;
    size_t used = (size_t)n;
    int m = vsnprintf(line + used, sizeof line - used, fmt, ap);
    if (m > 0)
        used += (size_t)m;
    if (tail && used < sizeof line) {
        m = snprintf(line + used, sizeof line - used, ": %s", tail);
        if (m > 0)
            used += (size_t)m;
    }
    if (used > sizeof line - 2)
        used = sizeof line - 2;
    line[used++] = '\n';
    (void)!write(STDERR_FILENO, line, used);
}

#define EMIT(tail) \
    do { \
        va_list ap; \
        va_start(ap, fmt); \
        emit(fmt, ap, tail); \
        va_end(ap); \
    } while (0)

void log_warn(const char *fmt, ...)
{
    EMIT(NULL);
}

void log_info(const char *fmt, ...)
{
    EMIT(NULL);
}

void log_debug(const char *fmt, ...)
{
    if (log_is_verbose)
        EMIT(NULL);
}

void die(const char *fmt, ...)
{
    EMIT(NULL);
    exit(1);
}

void die_errno(const char *fmt, ...)
{
    const char *why = strerror(errno);
    EMIT(why);
    exit(1);
}

void die_status(int status, const char *fmt, ...)
{
    EMIT(NULL);
    exit(status);
}
