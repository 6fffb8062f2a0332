/* DNSSEC: gets what validation needs to know, keys and delegations, from the same upstreams. Questions are
 * for names in an answer to a name that a route allows and for the zones above them; each is a line of the
 * log. */
#include <string.h>
#include <time.h>

#include "dns/resolver.h"
#include "lib/base.h"
#include "lib/log.h"

#define FETCHES_MAX 128

struct fetch {
    struct upstream_query up; /* first: found again in done() */
    struct fetch *next;
    struct resolver *r;
    struct validation *waiting;
    uint64_t began; /* uv_hrtime() */
};

void validate_start(struct resolver *r)
{
    const struct policy_dns *d = &r->policy->dns;
    unsigned line;

    if (d->dnssec != DNS_DNSSEC_VALIDATE)
        return;
    r->anchors = anchors_public;
    int rc = d->trust_anchor != NULL ? anchors_load(d->trust_anchor, &r->anchors, &line) : 0;
    if (rc < 0 && line > 0)
        die("%s:%u: not a DS record of the root", d->trust_anchor, line);
    if (rc < 0)
        die("dns.trust_anchor %s: %s", d->trust_anchor, rc == -ENODATA ? "no DS record" : strerror(-rc));
    r->dnssec = dnssec_new(&r->anchors, random_u64(&r->random));
    if (r->dnssec == NULL)
        die("out of memory");
    dnssec_leave_alone(r->dnssec, d->insecure, d->n_insecure);
}

struct dnssec_clock validate_clock(const struct resolver *r)
{
    return (struct dnssec_clock){.now = resolver_now(r), .wall = (int64_t)time(NULL)};
}

static void on_answer(struct upstream_query *up, const struct upstream_answer *a)
{
    struct fetch *f = (struct fetch *)up;
    struct resolver *r = f->r;
    struct dnssec_clock t = validate_clock(r);
    struct fetch **p = &r->fetches;
    bool answered = a->status == UPSTREAM_ANSWERED;
    struct validation *v;

    while (*p != f)
        p = &(*p)->next;
    *p = f->next;
    r->n_fetches--;
    report_fetch(r, f->waiting, up, a, f->began);
    if (answered)
        dnssec_learn(r->dnssec, a->msg, a->len, &up->name, up->qtype, &t);
    while ((v = f->waiting) != NULL) {
        f->waiting = v->next;
        v->done(v, answered ? NULL : a);
    }
    free(f);
}

bool validate_need(
    struct resolver *r, struct validation *v, const struct dnssec_verdict *verdict, uint32_t total_ms)
{
    struct fetch *f = r->fetches;

    while (f != NULL && (f->up.qtype != verdict->need_type || !dns_name_eq(&f->up.name, &verdict->need)))
        f = f->next;
    if (f != NULL) {
        v->next = f->waiting;
        f->waiting = v;
        return true;
    }
    if (r->n_fetches >= FETCHES_MAX || (f = calloc(1, sizeof *f)) == NULL)
        return false;
    f->r = r;
    f->up.name = verdict->need;
    f->up.qtype = verdict->need_type;
    f->up.dnssec = true;
    f->up.total_ms = total_ms;
    f->up.done = on_answer;
    f->began = uv_hrtime();
    v->next = NULL;
    f->waiting = v;
    f->next = r->fetches;
    r->fetches = f;
    r->n_fetches++;
    upstream_ask(r->upstreams, &f->up);
    return true;
}
