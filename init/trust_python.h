/** \file
 * Python packages bring roots of their own: certifi, which most clients ask, and copies of it in others.
 */
#ifndef EGRESS_INIT_TRUST_PYTHON_H
#define EGRESS_INIT_TRUST_PYTHON_H

#include "init/file.h"
#include "init/place.h"

/** Appends `ca` (PEM) to those files in the usual places and in VIRTUAL_ENV and CONDA_PREFIX. What cannot be
 * changed stays as it is: most clients obey a variable as well. */
void trust_python(struct place *p, const struct blob *ca);

#endif
