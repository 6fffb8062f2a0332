#include "dns/budget.h"

#include <stdio.h>
#include <string.h>

#include "lib/base.h"

/* A label of this length has more letters than names tend to; half of it or more in digits or rare letters,
 * it is encoded data. */
#define DATA_LABEL_MIN 20
/* ... and then costs as much as this many ordinary names. */
#define DATA_LABEL_COST 8

/* Names charged lately: the other address family of a name, and a client that asks again, are not new. They
 * are kept in full, since a hash is something that names can be made to share. */
#define RECENT 64

struct bucket {
    uint64_t tokens; /* in 1/60 of a name, so that a second's share is a whole number */
    uint32_t at; /* seconds */
};

struct budget {
    struct bucket fresh, again;
};

struct budgets {
    uint32_t per_minute, label_max;
    char recent[RECENT][HOSTNAME_MAX + 1];
    unsigned next_recent;
    size_t n;
    struct budget routes[];
};

struct budgets *budgets_new(const struct policy *p)
{
    struct budgets *b = calloc(1, sizeof *b + (p->n_routes + 1) * sizeof(struct budget));

    if (b == NULL)
        return NULL;
    b->per_minute = MIN(p->dns.wildcard_labels_per_minute, UINT32_MAX / 3600 / BUDGET_AGAIN);
    b->label_max = p->dns.wildcard_label_max;
    b->n = p->n_routes + 1; /* and what is implied */
    for (size_t i = 0; i < b->n; i++)
        b->routes[i] = (struct budget){.fresh.tokens = b->per_minute * UINT64_C(60),
            .again.tokens = b->per_minute * UINT64_C(60) * BUDGET_AGAIN};
    return b;
}

void budgets_free(struct budgets *b)
{
    free(b);
}

/* Words alternate vowels and consonants and hold few digits; base32, base64 and hex do not. */
static bool looks_like_data(const char *label, size_t len)
{
    unsigned digits = 0, run = 0, longest = 0;

    if (len < DATA_LABEL_MIN)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = label[i];
        if (c >= '0' && c <= '9')
            digits++;
        run = strchr("aeiouy-_", c) != NULL ? 0 : run + 1;
        longest = MAX(longest, run);
    }
    return digits >= len / 5 || longest >= 8;
}

unsigned budget_cost(const struct route *route, const char *host)
{
    size_t fixed = strlen(route->host) - 1; /* ".a.example" */
    size_t len = strlen(host) - MIN(fixed, strlen(host));
    unsigned cost = 1;

    for (const char *label = host; label < host + len;) {
        const char *dot = memchr(label, '.', (size_t)(host + len - label));
        const char *end = dot != NULL ? dot : host + len;
        if (looks_like_data(label, (size_t)(end - label)))
            cost += DATA_LABEL_COST - 1;
        if (label != host)
            cost++;
        label = end + 1;
    }
    return cost;
}

static bool label_too_long(const struct route *route, const char *host, uint32_t max)
{
    size_t fixed = strlen(route->host) - 1, len = strlen(host);
    size_t run = 0;

    for (size_t i = 0; max > 0 && i + fixed < len; i++) {
        run = host[i] == '.' ? 0 : run + 1;
        if (run > max)
            return true;
    }
    return false;
}

static bool was_charged(const struct budgets *b, const char *host)
{
    for (size_t i = 0; i < RECENT; i++)
        if (strcmp(b->recent[i], host) == 0)
            return true;
    return false;
}

static bool take(struct bucket *x, uint32_t per_minute, uint32_t cost, uint32_t now)
{
    uint32_t passed = MIN(now - x->at, 60u);

    x->tokens = MIN(x->tokens + (uint64_t)passed * per_minute, (uint64_t)per_minute * 60);
    x->at = now;
    if (x->tokens < (uint64_t)cost * 60)
        return false;
    x->tokens -= (uint64_t)cost * 60;
    return true;
}

bool budget_allows(struct budgets *b, const struct route *route, const char *host, bool known, uint32_t now)
{
    struct budget *x = &b->routes[route->index];

    if (label_too_long(route, host, b->label_max))
        return false;
    if (b->per_minute == 0)
        return true;
    if (known || was_charged(b, host))
        return take(&x->again, b->per_minute * BUDGET_AGAIN, 1, now);
    if (!take(&x->fresh, b->per_minute, budget_cost(route, host), now))
        return false;
    (void)snprintf(b->recent[b->next_recent++ % RECENT], sizeof b->recent[0], "%s", host);
    return true;
}
