/** \file
 * What inspection would find in a request that somebody wrote down, for `policy test`.
 */
#ifndef EGRESS_APPLIANCE_OFFLINE_H
#define EGRESS_APPLIANCE_OFFLINE_H

#include <stdio.h>

#include "lib/policy_text.h"

/** policy_explain(), with inspection. The known secrets are those of the environment. REASON_NONE: allowed.
 */
enum reason offline_test(FILE *out, const struct policy *p, const struct policy_query *q);

#endif
