/** \file
 * What a wildcard route may be asked for: names below it are the agent's own words, so they could carry data
 * out. Each wildcard has a budget of new names a minute; long and random-looking labels cost more of it.
 * Names that are known say something by when and in what order they are asked for again, so that has a
 * budget, too. Pure.
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

/** Questions for known names that go upstream in a minute, for each new name that may. */
#define BUDGET_AGAIN 10

/** May `host` be asked upstream for the sake of `route`? Takes from the budget if so. `known`: an old answer
 * is in the cache. */
bool budget_allows(struct budgets *b, const struct route *route, const char *host, bool known, uint32_t now);

/** What one name costs: 1, and more for each label that looks like data rather than a word. */
unsigned budget_cost(const struct route *route, const char *host);

#endif
