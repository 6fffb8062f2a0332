/* Starting, replacing and ending generations: see monitor_internal.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/x509.h>
#include <sys/mman.h>

#include "appliance/ipc.h"
#include "appliance/memory.h"
#include "appliance/monitor_internal.h"
#include "lib/base.h"
#include "lib/log.h"
#include "lib/policy_text.h"

struct generation *generation_in(struct monitor *m, enum generation_state s)
{
    for (unsigned i = 0; i < GENERATIONS; i++)
        if (m->generations[i].state == s)
            return &m->generations[i];
    return NULL;
}

static bool all_gone(const struct monitor *m, const struct generation *g)
{
    for (unsigned e = 0; e < m->n_engines; e++)
        if (g->engines[e].pid > 0)
            return false;
    return g->resolver.pid <= 0;
}

static void inputs_free(struct inputs *in)
{
    policy_free(in->policy);
    secrets_free(in->secrets);
    X509_STORE_free(in->trust);
    engine_inspector_free(in->inspector);
    *in = (struct inputs){0};
}

/* What engines look at when they drain: 1, until a later policy takes the route away or changes it. */
static void make_kept(struct generation *g)
{
    size_t n = g->in.policy->n_routes + 1;
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    g->kept = p == MAP_FAILED ? NULL : memset(p, 1, n);
}

static void keep_by(struct monitor *m, const struct policy *now)
{
    for (unsigned i = 0; i < GENERATIONS; i++) {
        struct generation *g = &m->generations[i];
        if (g->kept && (g->state == GEN_PRESENT || g->state == GEN_DRAINING) && g->in.policy != now)
            policy_keep(g->in.policy, now, g->kept);
    }
}

static void generation_free(struct generation *g)
{
    if (g->kept)
        (void)munmap(g->kept, g->in.policy->n_routes + 1);
    inputs_free(&g->in);
    generation_close_proxy(g);
    *g = (struct generation){.state = GEN_NONE};
}

static void kill_all(const struct monitor *m, struct generation *g)
{
    for (unsigned e = 0; e < m->n_engines; e++)
        child_kill(&g->engines[e]);
    child_kill(&g->resolver);
}

/** A free set of sockets; failing that, that of whoever has been draining longest, who is killed for it.
 * NULL: a generation is still on its way out; the caller tries again. */
static struct generation *free_set(struct monitor *m)
{
    struct generation *free = generation_in(m, GEN_NONE), *oldest = NULL;
    if (free)
        return free;
    for (unsigned i = 0; i < GENERATIONS; i++) {
        struct generation *g = &m->generations[i];
        if (g->state == GEN_DRAINING && (!oldest || g->number < oldest->number))
            oldest = g;
    }
    if (oldest)
        kill_all(m, oldest);
    return NULL;
}

static int start_all(struct monitor *m, struct generation *g, unsigned set)
{
    int err = 0;
    for (unsigned e = 0; e < m->n_engines; e++)
        g->engines[e] =
            (struct child){.role = SANDBOX_ENGINE, .index = e, .slot = set * m->n_engines + e, .control = -1};
    g->resolver = (struct child){.role = SANDBOX_RESOLVER, .control = -1};
    err = child_start(m, g, &g->resolver);
    for (unsigned e = 0; !err && e < m->n_engines; e++)
        err = child_start(m, g, &g->engines[e]);
    return err;
}

int generation_start(struct monitor *m, struct inputs *in)
{
    struct generation *g = free_set(m);
    if (!g) {
        inputs_free(in);
        return -EBUSY;
    }
    *g = (struct generation){.state = GEN_INCOMING,
        .number = ++m->last_number,
        .in = *in,
        .deadline = monitor_now_ms() + START_DEADLINE_MS};
    make_kept(g);
    int err = generation_open_proxy(m, g);
    memory_trim();
    return err ? err : start_all(m, g, (unsigned)(g - m->generations));
}

static struct netfilter_config rules_for(const struct monitor *m, const struct policy *p)
{
    return (struct netfilter_config){.policy = p,
        .agent_if = m->net.agent_if,
        .uplink_if = m->net.uplink_if,
        .caps = m->caps,
        .n_queues = m->n_engines};
}

int generation_rules(const struct monitor *m, const struct policy *p)
{
    struct netfilter_config rules = rules_for(m, p);
    return netfilter_apply(&rules);
}

/* Replacing rules takes a program's time, in which no verdict is given, and costs the packets that are
 * queued. Most policies differ in names only, of which the rules know nothing. */
static int replace_rules(const struct monitor *m, const struct policy *before, const struct policy *now)
{
    const struct netfilter_config loaded = rules_for(m, before), wanted = rules_for(m, now);
    if (!netfilter_serves(&loaded, &wanted))
        return netfilter_apply(&wanted);
    netfilter_forget_forwarded();
    return 0;
}

static void drain_child(struct child *c)
{
    struct ipc_msg drain = {.type = IPC_DRAIN};
    c->restart_at = 0;
    if (c->pid > 0 && ipc_send(c->control, &drain, -1) < 0)
        child_kill(c);
}

static void generation_drain(struct monitor *m, struct generation *g, uint64_t ms)
{
    g->state = GEN_DRAINING;
    g->deadline = monitor_now_ms() + ms;
    for (unsigned e = 0; e < m->n_engines; e++)
        drain_child(&g->engines[e]);
    drain_child(&g->resolver);
}

static void reload_done(struct monitor *m, const char *error)
{
    m->n_reloads++;
    (void)snprintf(m->reload_error, sizeof m->reload_error, "%s", error ? error : "");
    if (error)
        log_warn("reload: nothing has changed: %s", error);
    else
        log_info("reload: generation %u serves with the new policy", m->last_number);
    files_event(m, "reload", error ? VERDICT_DENY : VERDICT_ALLOW, NULL, error);
    files_write_status(m);
}

void generation_ready(struct monitor *m, struct generation *g)
{
    struct generation *before = generation_in(m, GEN_PRESENT);
    /* At the start they are loaded while the children get ready (monitor_setup.c): without a ready engine
     * they let nothing through. At a reload the new ones come when there is somebody who knows what to do
     * with what they catch. */
    if (before) {
        int err = replace_rules(m, before->in.policy, g->in.policy);
        if (err < 0) {
            char why[128];
            (void)snprintf(why, sizeof why, "the packet rules do not load: %s", strerror(-err));
            generation_failed(m, g, why);
            return;
        }
        keep_by(m, g->in.policy);
        generation_drain(m, before,
            before->in.policy->timeouts.drain + DRAIN_GRACE_MS + (before->kept ? KEPT_DRAIN_MS : 0));
    }
    g->state = GEN_PRESENT;
    if (before)
        reload_done(m, NULL);
    memory_trim();
    memory_forget_code();
}

void generation_failed(struct monitor *m, struct generation *g, const char *why)
{
    kill_all(m, g);
    g->state = GEN_DRAINING;
    g->deadline = monitor_now_ms() + STOP_DRAIN_MS;
    if (m->announced) {
        reload_done(m, why);
        return;
    }
    log_warn("cannot start: %s", why);
    m->stopping = true;
    m->exit_status = 1;
}

int inputs_load_policy(const struct monitor *m, struct inputs *in, char *err, size_t errlen)
{
    const char *path = m->options->policy;
    struct policy_error e = {0};
    in->policy = policy_load_file(path, &e);
    if (!in->policy && e.line)
        (void)snprintf(err, errlen, "%s:%u:%u: %s", path, e.line, e.col, e.text);
    else if (!in->policy)
        (void)snprintf(err, errlen, "%s: %s", path, e.text);
    if (in->policy && m->options->proxy_port)
        in->policy->proxy_port = (uint16_t)m->options->proxy_port;
    if (in->policy && m->options->audit_only && policy_audit_only(in->policy) < 0) {
        (void)snprintf(err, errlen, "out of memory");
        inputs_free(in);
    }
    return in->policy ? 0 : -EINVAL;
}

int inputs_load(const struct monitor *m, struct inputs *in, char *err, size_t errlen)
{
    const struct monitor_options *o = m->options;
    if ((in->policy || inputs_load_policy(m, in, err, errlen) == 0) &&
        (!o->secrets || (in->secrets = secrets_load(o->secrets, err, errlen))) &&
        (in->trust = engine_trust(o->upstream_ca.items, o->upstream_ca.n, err, errlen)) &&
        (in->inspector = engine_inspector(in->policy, in->secrets, err, errlen)))
        return 0;
    inputs_free(in);
    return -EINVAL;
}

void monitor_reload(struct monitor *m)
{
    SANDBOX_RAISED; /* the files may be in somebody's home */
    struct inputs in = {0};
    char err[sizeof m->reload_error];
    m->reload_wanted = false;
    if (generation_in(m, GEN_INCOMING) || (!generation_in(m, GEN_NONE) && !free_set(m))) {
        m->reload_wanted = true; /* once there is room */
        return;
    }
    files_reopen(m);
    if (inputs_load(m, &in, err, sizeof err) < 0) {
        reload_done(m, err);
        return;
    }
    int r = generation_start(m, &in);
    if (r < 0) {
        (void)snprintf(err, sizeof err, "cannot start processes: %s", strerror(-r));
        struct generation *g = generation_in(m, GEN_INCOMING);
        if (g)
            generation_failed(m, g, err);
        else
            reload_done(m, err);
    }
}

static void restart(struct monitor *m, struct generation *g, struct child *c, uint64_t now)
{
    if (c->pid > 0 && !c->ready && now >= c->started + START_DEADLINE_MS) {
        log_warn("%s does not become ready; it is ended", child_name(c));
        c->started = now; /* once */
        child_kill(c);
    }
    if (c->pid > 0 || c->restart_at == 0 || now < c->restart_at)
        return;
    int err = child_start(m, g, c);
    if (err < 0) {
        log_warn("cannot start %s again: %s; trying once more soon", child_name(c), strerror(-err));
        c->restart_at = now + BACKOFF_MAX_MS;
    }
}

void generations_tick(struct monitor *m, uint64_t now)
{
    for (unsigned i = 0; i < GENERATIONS; i++) {
        struct generation *g = &m->generations[i];
        if (g->state == GEN_INCOMING && now >= g->deadline)
            generation_failed(m, g, "its processes did not become ready in time");
        if (g->state == GEN_DRAINING && all_gone(m, g))
            generation_free(g);
        if (g->state == GEN_DRAINING && now >= g->deadline) {
            kill_all(m, g);
            g->deadline = now + START_DEADLINE_MS;
        }
        for (unsigned e = 0; g->state == GEN_PRESENT && e < m->n_engines; e++)
            restart(m, g, &g->engines[e], now);
        if (g->state == GEN_PRESENT)
            restart(m, g, &g->resolver, now);
    }
    if (m->reload_wanted && m->announced && !m->stopping)
        monitor_reload(m);
}

static uint64_t sooner(uint64_t a, const struct child *c)
{
    if (c->pid > 0)
        return c->ready ? a : MIN(a, c->started + START_DEADLINE_MS);
    return c->restart_at ? MIN(a, c->restart_at) : a;
}

int generations_timeout(const struct monitor *m, uint64_t now)
{
    uint64_t next = watch_next(m);
    for (unsigned i = 0; i < GENERATIONS; i++) {
        const struct generation *g = &m->generations[i];
        if (g->state == GEN_INCOMING || g->state == GEN_DRAINING)
            next = MIN(next, g->deadline);
        for (unsigned e = 0; g->state == GEN_PRESENT && e < m->n_engines; e++)
            next = sooner(next, &g->engines[e]);
        if (g->state == GEN_PRESENT)
            next = sooner(next, &g->resolver);
    }
    if (next == UINT64_MAX)
        return -1;
    return next <= now ? 0 : (int)MIN(next - now, 60000u);
}
