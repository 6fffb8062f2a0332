/** \file
 * Java keeps its roots in files of its own kind.
 */
#ifndef EGRESS_INIT_TRUST_JAVA_H
#define EGRESS_INIT_TRUST_JAVA_H

#include "init/file.h"
#include "init/place.h"

/** Appends the certificates of `ca` (PEM) to every Java trust store there is. Where one cannot be changed,
 * Java is told by JAVA_TOOL_OPTIONS of a store made from the PEM file `bundle`. */
void trust_java(struct place *p, const struct blob *ca, const char *bundle);

#endif
