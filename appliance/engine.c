/* The role itself: what is prepared before the sandbox closes, what the monitor says, and the orderly end. */
#include "appliance/engine_internal.h"

#include <signal.h>
#include <string.h>

#include "appliance/flow/flow.h"
#include "appliance/flow/splice.h"
#include "appliance/flow/tls.h"
#include "appliance/gate.h"
#include "appliance/http/upstream.h"
#include "appliance/inspect/inspect.h"
#include "appliance/sandbox.h"
#include "lib/base.h"
#include "lib/log.h"

#define REVOKED_MS 1000

struct role {
    struct engine engine;
    uv_poll_t control;
    struct engine_timer deadline; /* of draining */
    uint64_t last_deadline; /* of what a newer policy still has; 0: not there yet */
    struct gate *gate;
    bool rotation_asked;
    int status;
};

static struct role *role_of(struct engine *e)
{
    return (struct role *)((char *)e - offsetof(struct role, engine));
}

/* ---- the end ---- */

static void on_deadline(struct engine_timer *t)
{
    struct role *r = (struct role *)((char *)t - offsetof(struct role, deadline));
    struct engine *e = &r->engine;
    if (!r->last_deadline)
        r->last_deadline = engine_now_ms(e) + KEPT_DRAIN_MS;
    flows_abort_revoked(e);
    if (e->n_flows && engine_now_ms(e) < r->last_deadline) {
        engine_timer_set(e, t, REVOKED_MS, on_deadline); /* there may be another reload */
        return;
    }
    flows_abort(e);
    e->stopped = true;
}

static void start_drain(struct role *r)
{
    struct engine *e = &r->engine;
    if (e->draining)
        return;
    e->draining = true;
    engine_accept_stop(e);
    if (r->gate)
        gate_stop(r->gate);
    flows_drain(e);
    engine_timer_set(e, &r->deadline, e->policy->timeouts.drain, on_deadline);
}

/* ---- each turn ---- */

static void ask_for_rotation(struct role *r)
{
    struct engine *e = &r->engine;
    uint64_t limit = e->policy->audit.rotate_bytes;
    struct ipc_msg m = {.type = IPC_ROTATE};
    if (r->rotation_asked || limit == 0 || audit_size(e->audit) < limit)
        return;
    r->rotation_asked = ipc_send(e->config->control, &m, -1) == 0;
}

static void on_turn(struct engine *e)
{
    struct role *r = role_of(e);
    if (audit_pending(e->audit)) {
        (void)audit_flush(e->audit); /* what cannot be written waits, and audit_ok() denies meanwhile */
        ask_for_rotation(r);
    }
    if (e->draining && e->n_flows == 0 && e->n_lingering == 0 && gate_has_said_all(r->gate))
        e->stopped = true;
}

/* ---- the monitor ---- */

static void on_control(uv_poll_t *handle, int status, int events)
{
    struct role *r = handle->data;
    struct engine *e = &r->engine;
    struct ipc_msg m;
    int fd = -1, got = status < 0 ? 0 : ipc_recv(e->config->control, &m, &fd);
    (void)events;
    if (got == -EAGAIN)
        return;
    if (got != 1) { /* without a monitor nobody answers for us */
        r->status = 1;
        e->stopped = true;
        return;
    }
    if (m.type == IPC_AUDIT_FD && fd >= 0) {
        audit_replace_fd(e->audit, steal_fd(&fd));
        r->rotation_asked = false;
    } else if (m.type == IPC_DRAIN) {
        start_drain(r);
    } else if (m.type == IPC_COUNT) {
        gate_counted(r->gate, &m.count);
    } else if (m.type == IPC_PING) {
        (void)ipc_send(e->config->control, &m, -1); /* full of verdicts: they say the same */
    }
    if (fd >= 0)
        (void)close(fd);
}

/* ---- life ---- */

static void prepare(struct role *r, const struct engine_config *c)
{
    struct engine *e = &r->engine;
    char err[300];
    e->config = c;
    e->policy = c->policy;
    e->on_turn = on_turn;
    e->leases = lease_attach(c->lease_mem, c->lease_len);
    e->refused = lease_attach(c->refused_mem, c->refused_len);
    if (!e->leases || !e->refused)
        die("the lease table is not one");
    e->audit = audit_open(c->audit_fd, "engine", c->index);
    e->tls = tls_ctx_trusting(c->trust, c->ticket_key, err, sizeof err);
    if (!e->tls)
        die("%s", err);
    if (!e->audit || engine_loop_init(e) != 0 || engine_ipc_open(e) != 0 || engine_accept_open(e) != 0)
        die_errno("cannot set up");
    e->inspector = c->inspector;
    if (e->inspector && inspector_thread_init(e->inspector) != 0)
        die("out of memory");
    e->pool = upstream_pool_new(e);
    e->pipes = pipe_pool_new();
    if (!e->pool || !e->pipes || uv_poll_init(&e->loop, &r->control, c->control) != 0)
        die_errno("cannot set up");
    if (c->nfqueue >= 0 && !(r->gate = gate_new(e)))
        die_errno("cannot set up the packet gate");
    r->control.data = r;
}

static void serve(struct role *r)
{
    struct engine *e = &r->engine;
    struct ipc_msg ready = {.type = IPC_READY};
    (void)uv_poll_start(&r->control, UV_READABLE, on_control);
    engine_accept_start(e);
    if (ipc_send(e->config->control, &ready, -1) != 0)
        die_errno("cannot reach the monitor");
    while (!e->stopped)
        engine_turn(e, true);
}

static void finish(struct role *r)
{
    struct engine *e = &r->engine;
    flows_abort(e);
    gate_free(r->gate);
    upstream_pool_free(e->pool);
    engine_timer_clear(&r->deadline);
    engine_accept_stop(e);
    engine_loop_close(e);
    engine_ipc_close(e);
    engine_accept_free(e);
    pipe_pool_free(e->pipes);
    tls_ctx_free(e->tls);
    (void)audit_flush(e->audit);
    audit_close(e->audit);
}

X509_STORE *engine_trust(const char *const *upstream_ca, size_t n_upstream_ca, char *err, size_t errlen)
{
    return tls_trust_load(upstream_ca, n_upstream_ca, err, errlen);
}

struct inspector *engine_inspector(const struct policy *p, const struct secrets *s, char *err, size_t errlen)
{
    return inspector_new(p, s, err, errlen);
}

void engine_inspector_free(struct inspector *i)
{
    inspector_free(i);
}

const char *engine_name_finding(const struct inspector *i, const struct route *r, const char *host)
{
    struct finding f;
    if (!i || !r->wildcard)
        return NULL;
    return inspect_host(i, r->outbound, host, strlen(host), &f) ? f.detector : NULL;
}

int engine_run(const struct engine_config *c)
{
    struct role *r = calloc(1, sizeof *r);
    if (!r)
        die("out of memory");
    (void)signal(SIGPIPE, SIG_IGN);
    prepare(r, c);
    sandbox_enter(SANDBOX_ENGINE);
    serve(r);
    finish(r);
    int status = r->status;
    free(r);
    return status;
}
