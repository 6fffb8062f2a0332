/** \file
 * One line on stderr: "egress-init: what happened; what to do".
 */
#ifndef EGRESS_INIT_SAY_H
#define EGRESS_INIT_SAY_H

/** Formats as text_fmt() does. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** Message, then exit with EXIT_SETUP. */
__attribute__((noreturn, format(printf, 1, 2))) void fatal(const char *fmt, ...);
/** Message with ": strerror(error)", then exit with EXIT_SETUP. `error` may be errno or -errno. */
__attribute__((noreturn, format(printf, 2, 3))) void fatal_error(int error, const char *fmt, ...);

#endif
