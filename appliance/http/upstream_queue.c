/** \file
 * How many upstream connections there may be: so many of a host, and of all hosts no more than leave
 * descriptors for the agent's own. Requests beyond that wait in line, first come first served; an idle
 * connection of whatever host makes room for one that is needed.
 */
#include <sys/resource.h>

#include "appliance/http/upstream_internal.h"
#include "lib/base.h"

#define OPEN_MIN 16
#define FDS_OF_OUR_OWN 64 /* as in engine_accept.c, which gives flows twice as many */

size_t upstream_open_max(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return OPEN_MIN;
    size_t n = r.rlim_max > FDS_OF_OUR_OWN ? (size_t)(r.rlim_max - FDS_OF_OUR_OWN) / 3 : 0;
    return MAX(n, (size_t)OPEN_MIN);
}

/* Of one host, which may not starve the others. */
static size_t host_max(const struct upstream_pool *p)
{
    return MIN((size_t)p->e->policy->limits.upstream_connections, p->open_max / 2);
}

static void on_wake(void *arg)
{
    struct upstream_pool *p = arg;
    p->waking = false;
    if (p->closing) {
        free(p);
        return;
    }
    struct upstream_host *list = p->queued;
    p->queued = NULL;
    for (struct upstream_host *h = list, *next; h; h = next) {
        next = h->next_queued;
        h->users++;
        h->queued = false;
        while (h->queue && upstream_request_serve(h->queue))
            ;
        if (h->queue && !h->queued) {
            h->next_queued = p->queued;
            p->queued = h;
            h->queued = true;
        }
        h->users--;
    }
}

static void wake(struct upstream_pool *p)
{
    if (p->waking || p->closing || !p->queued)
        return;
    p->waking = true;
    engine_defer(p->e, on_wake, p);
}

bool upstream_slot_take(struct upstream_host *h)
{
    struct upstream_pool *p = h->pool;
    if (h->n_open >= host_max(p) && !upstream_close_idle(p, h))
        return false;
    if (p->n_open >= p->open_max && !upstream_close_idle(p, NULL))
        return false;
    h->n_open++;
    p->n_open++;
    return true;
}

void upstream_slot_give(struct upstream_host *h)
{
    h->n_open--;
    h->pool->n_open--;
    wake(h->pool);
}

void upstream_queue_wake(struct upstream_host *h)
{
    if (h->queue)
        wake(h->pool);
}

static void on_timeout(struct engine_timer *t)
{
    upstream_request_fail((struct upstream_request *)((char *)t - offsetof(struct upstream_request, timer)),
        REASON_LIMIT, "too many connections to this host at once");
}

void upstream_queue_add(struct upstream_request *r)
{
    struct upstream_host *h = r->host;
    struct upstream_pool *p = h->pool;
    if (!h->queue)
        h->queue_end = &h->queue;
    r->next = NULL;
    r->prev = h->queue_end;
    *h->queue_end = r;
    h->queue_end = &r->next;
    engine_timer_set(p->e, &r->timer, p->e->policy->timeouts.upstream_queue, on_timeout);
    if (h->queued)
        return;
    h->queued = true;
    h->next_queued = p->queued;
    p->queued = h;
}

void upstream_queue_unlink(struct upstream_request *r)
{
    if (r->host->queue_end == &r->next)
        r->host->queue_end = r->prev;
}
