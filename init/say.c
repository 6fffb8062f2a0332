#include "init/say.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "init/init.h"
#include "init/text.h"

/* One write, so that lines of several processes never mix. */
static void put(const char *fmt, va_list ap, const char *why)
{
    TEXT(t, 1024);
    text_fmt(&t, "egress-init: ");
    text_vfmt(&t, fmt, ap);
    if (why)
        text_fmt(&t, ": %s", why);
    t.data[t.len] = '\n'; /* in place of the NUL, for which there is always room */
    t.len++;
    ssize_t n = write(STDERR_FILENO, t.data, t.len);
    (void)n; /* nobody is left to be told */
}

void say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put(fmt, ap, NULL);
    va_end(ap);
}

void fatal(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put(fmt, ap, NULL);
    va_end(ap);
    _exit(EXIT_SETUP);
}

void fatal_error(int error, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put(fmt, ap, strerror(error < 0 ? -error : error));
    va_end(ap);
    _exit(EXIT_SETUP);
}
