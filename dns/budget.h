/** \file
 * What a wildcard route may be asked for: names below it are the agent's own words, so they could carry data
 * out. Each wildcard has a budget of new names a minute; long and random-looking labels cost more of it.
 * Pure.
 */
#ifndef EGRESS_DNS_BUDGET_H
#define EGRESS_DNS_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/policy.h"

struct budgets;

/** For every route of the policy. NULL: no memory. */
struct budgets *budgets_new(const struct policy *p);
void budgets_free(struct budgets *b);

/** May `host`, which is not in the cache, be asked upstream for the sake of `route`? Takes from the budget if
 * so. */
bool budget_allows(struct budgets *b, const struct route *route, const char *host, uint32_t now);

/** What one name costs: 1, and more for each label that looks like data rather than a word. */
unsigned budget_cost(const struct route *route, const char *host);

#endif
