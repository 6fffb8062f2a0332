/** \file
 * Command line and environment.
 */
#ifndef EGRESS_INIT_OPTIONS_H
#define EGRESS_INIT_OPTIONS_H

#include "init/init.h"

/** Fills `s`, the command line winning over EGRESS_GATEWAY, EGRESS_GATEWAY6, EGRESS_DNS, EGRESS_CA and
 * EGRESS_USER. Answers
 * --help and
 * --version itself; a mistake is fatal. */
void options_parse(int argc, char **argv, struct settings *s);

/** "UID" or "UID:GID", decimal. False where it is neither. */
bool options_user(const char *text, struct settings *s);

#endif
