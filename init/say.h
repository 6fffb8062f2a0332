/** \file
 * One line on stderr: "egress-init: what happened; what to do".
 */
#ifndef EGRESS_INIT_SAY_H
#define EGRESS_INIT_SAY_H

#include <stdnoreturn.h>

/** Formats as text_fmt() does. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** Message, then exit with EXIT_SETUP. */
noreturn void fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** Message with ": strerror(error)", then exit with EXIT_SETUP. `error` may be errno or -errno. */
noreturn void fatal_error(int error, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
