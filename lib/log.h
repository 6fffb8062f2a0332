/** \file
 * Messages for the operator, on stderr: "egressd: engine 0: what happened; what to do".
 *
 * die() is for set-up only: once a program serves, errors are returned as -errno and handled.
 */
#ifndef EGRESS_LIB_LOG_H
#define EGRESS_LIB_LOG_H

/** Prefix of every later message. `name` must outlive the process. */
void log_init(const char *name);

/** More output from log_debug(); off by default. */
void log_verbose(int on);

/** One line to stderr, each in one write, behind the name of log_init(). */
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** Message, then exit(1). */
void die(const char *fmt, ...) __attribute__((__noreturn__, format(printf, 1, 2)));
/** Message with ": strerror(errno)", then exit(1). */
void die_errno(const char *fmt, ...) __attribute__((__noreturn__, format(printf, 1, 2)));
/** Message, then exit(status): 125 for egressctl, 2 for a bad policy. */
void die_status(int status, const char *fmt, ...) __attribute__((__noreturn__, format(printf, 2, 3)));

#endif
