/** \file
 * `egressd doctor`: what this kernel has, and what is used instead of what it lacks.
 */
#ifndef EGRESS_APPLIANCE_DOCTOR_H
#define EGRESS_APPLIANCE_DOCTOR_H

#include <stdbool.h>
#include <stdio.h>

/** Changes nothing. 0; 1 where something is missing that nothing can stand in for, or where it may not look.
 */
int doctor_run(FILE *out);

/** TLS in the kernel. Asking loads its module, where that is one and we may. */
bool doctor_has_ktls(void);

#endif
