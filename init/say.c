#include "init/say.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "init/init.h"
#include "init/text.h"

/* One write, so that lines of several processes never mix. */
static void write_line(struct text *t)
{
    t->data[t->len] = '\n'; /* in place of the NUL, for which there is always room */
    t->len++;
    ssize_t n = write(STDERR_FILENO, t->data, t->len);
    (void)n; /* nobody is left to be told */
}

void say(const char *fmt, ...)
{
    TEXT(t, 1024);
    va_list ap;
    va_start(ap, fmt);
    text_fmt(&t, "egress-init: ");
    text_vfmt(&t, fmt, ap);
    va_end(ap);
    write_line(&t);
}

void fatal(const char *fmt, ...)
{
    TEXT(t, 1024);
    va_list ap;
    va_start(ap, fmt);
    text_fmt(&t, "egress-init: ");
    text_vfmt(&t, fmt, ap);
    va_end(ap);
    write_line(&t);
    _exit(EXIT_SETUP);
}

void fatal_error(int error, const char *fmt, ...)
{
    TEXT(t, 1024);
    va_list ap;
    va_start(ap, fmt);
    text_fmt(&t, "egress-init: ");
    text_vfmt(&t, fmt, ap);
    va_end(ap);
    text_fmt(&t, ": %s", strerror(error < 0 ? -error : error));
    write_line(&t);
    _exit(EXIT_SETUP);
}
