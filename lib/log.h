/** \file
 * Messages for the operator, on stderr: "egressd: engine 0: what happened; what to do".
 *
 * die() is for set-up only: once a program serves, errors are returned as -errno and handled.
 */
#ifndef EGRESS_LIB_LOG_H
#define EGRESS_LIB_LOG_H

/** First of all: prefix of every later message; `name` must outlive the process. Standard descriptors that
 * are closed become /dev/null, lest what is opened next gets what is meant for people. */
void log_init(const char *name);

/** The status to exit with once all of stdout is written: `status`; `failure`, and a message, where that is
 * not possible. */
int output_end(int status, int failure);

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
