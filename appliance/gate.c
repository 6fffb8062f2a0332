#include "appliance/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "appliance/engine.h"
#include "appliance/gate_flows.h"
#include "appliance/gate_judge.h"
#include "appliance/gate_log.h"
#include "appliance/gate_message.h"
#include "appliance/netfilter.h"
#include "lib/base.h"
#include "lib/log.h"

/* Packets read with one system call, and the most that are served before the loop goes on with its
 * connections. */
#define BATCH 32u
#define BATCHES 4u
/* A message: headers, attributes and netfilter_queue.c's COPY_RANGE octets of packet. */
#define MESSAGE_MAX 3072u
/* The monitor's socket was full: until it is tried again. */
#define RETRY_MS 1u
#define TICK_MS 100u
/* Gaps in the kernel's numbers are losses only where it said so lately: during a reload two engines read one
 * queue. */
#define OVERRUN_MS 10000u

struct gate {
    struct engine *e;
    struct gate_log *log;
    struct gate_flows *flows;
    uv_poll_t poll;
    uv_timer_t retry;
    struct engine_timer tick;
    int closing; /* handles that the loop still has */
    bool stopped, ticking;
    bool broken; /* the queue cannot be read any more: nothing passes */
    uint32_t last_id;
    bool overrun; /* the kernel said that it dropped packets */
    uint64_t last_gap; /* when one was found since; 0: not yet */
    struct ipc_msg unsent[BATCH]; /* verdicts that the monitor's socket did not take */
    size_t n_unsent;
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH];
    uint8_t buf[BATCH][MESSAGE_MAX] __attribute__((aligned(8)));
};

static void on_tick(struct engine_timer *t)
{
    struct gate *g = (void *)((char *)t - offsetof(struct gate, tick));
    g->ticking = gate_log_tick(g->log, engine_now_ms(g->e));
    g->ticking |= gate_flows_tick(g->flows, engine_now_ms(g->e));
    if (g->ticking)
        engine_timer_set(g->e, &g->tick, TICK_MS, on_tick);
}

static void want_tick(struct gate *g)
{
    if (!g->ticking)
        engine_timer_set(g->e, &g->tick, TICK_MS, on_tick);
    g->ticking = true;
}

/* ---- verdicts ---- */

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_retry(uv_timer_t *t)
{
    struct gate *g = t->data;
    size_t sent = 0;
    while (sent < g->n_unsent && ipc_send(g->e->config->control, &g->unsent[sent], -1) != -EAGAIN)
        sent++;
    g->n_unsent -= sent;
    memmove(g->unsent, g->unsent + sent, g->n_unsent * sizeof g->unsent[0]);
    if (g->n_unsent)
        (void)uv_timer_start(&g->retry, on_retry, RETRY_MS, 0);
    else if (!g->stopped)
        (void)uv_poll_start(&g->poll, UV_READABLE, on_readable);
}

/* In order; what cannot be sent now waits, and no further packet is read until it is out. */
static void send_verdict(struct gate *g, const struct gate_message *m, uint32_t mark)
{
    const struct ipc_msg msg = {
        .type = IPC_VERDICT, .verdict = {.packet_id = m->id, .mark = mark, .queue = m->queue}};
    if (!g->n_unsent && ipc_send(g->e->config->control, &msg, -1) != -EAGAIN)
        return; /* sent, or the monitor is gone, and with it everything */
    g->unsent[g->n_unsent++] = msg;
}

/* ---- packets ---- */

static void judge(struct gate *g, const struct gate_message *m)
{
    struct packet p;
    struct gate_verdict v;
    packet_parse(m->data, m->len, m->total, &p);
    gate_judge(g->e->policy, g->e->leases, &p, m->mark, engine_now_s(g->e), &v);
    if (v.reason == REASON_NONE && !audit_ok(g->e->audit)) {
        v.mark = MARK_REFUSE;
        v.reason = REASON_AUDIT_UNAVAILABLE;
        v.route = NULL;
    }
    /* A relayed one gets its lines from the relay. */
    if (v.mark == MARK_FORWARD && !gate_flows_open(g->flows, &p, &v, engine_now_ms(g->e))) {
        v.mark = MARK_REFUSE;
        v.reason = REASON_LIMIT;
    }
    if (v.reason != REASON_NONE)
        gate_log_denied(g->log, &p, &v, engine_now_ms(g->e));
    send_verdict(g, m, v.mark);
}

static void note_gap(struct gate *g, uint32_t id)
{
    const uint32_t missing = id - g->last_id - 1;
    const uint64_t now = engine_now_ms(g->e);
    if (g->overrun && g->last_id && missing && missing < UINT32_MAX / 2) {
        gate_log_lost(g->log, missing);
        g->last_gap = now;
    }
    if (g->last_gap && now - g->last_gap > OVERRUN_MS)
        g->overrun = false;
    g->last_id = id;
}

static void note_overrun(struct gate *g)
{
    if (!g->overrun)
        log_warn("gate: the packet queue was full; what came then was dropped, and is counted in the log");
    g->overrun = true;
    g->last_gap = 0;
}

/* False: there is nothing more, or nothing more may be read now. */
static bool read_batch(struct gate *g)
{
    const int n = recvmmsg(g->e->config->nfqueue, g->msgs, BATCH, MSG_DONTWAIT, NULL);
    if (n < 0) {
        if (errno == ENOBUFS)
            note_overrun(g);
        else if (errno != EAGAIN && errno != EINTR)
            g->broken = true;
        return errno == ENOBUFS || errno == EINTR;
    }
    for (int i = 0; i < n; i++) {
        struct gate_message m;
        if (gate_message_parse(g->buf[i], g->msgs[i].msg_len, &m) == 1) {
            note_gap(g, m.id);
            judge(g, &m);
        }
    }
    if (n)
        want_tick(g);
    return (unsigned)n == BATCH && !g->n_unsent;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct gate *g = poll->data;
    (void)events;
    for (unsigned i = 0; i < BATCHES && read_batch(g); i++)
        ;
    if (g->broken) {
        log_warn("gate: the packet queue cannot be read: %s; nothing passes it", strerror(errno));
        (void)uv_poll_stop(&g->poll);
    } else if (g->n_unsent) {
        (void)uv_poll_stop(&g->poll);
        (void)uv_timer_start(&g->retry, on_retry, RETRY_MS, 0);
    } else if (status < 0) {
        /* A queue that was full has an error pending, for which libuv stops polling. Reading has cleared it.
         */
        (void)uv_poll_start(&g->poll, UV_READABLE, on_readable);
    }
}

/* ---- forwarded flows ---- */

static bool ask_count(void *arg, const struct ipc_count *c)
{
    const struct engine *e = arg;
    const struct ipc_msg m = {.type = IPC_COUNT_ASK, .count = *c};
    return ipc_send(e->config->control, &m, -1) == 0;
}

void gate_counted(struct gate *g, const struct ipc_count *c)
{
    if (g)
        gate_flows_counted(g->flows, c, engine_now_ms(g->e));
}

bool gate_has_said_all(const struct gate *g)
{
    return !g || !gate_flows_any(g->flows);
}

/* ---- life ---- */

struct gate *gate_new(struct engine *e)
{
    if (e->config->nfqueue < 0)
        return NULL;
    struct gate *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->e = e;
    g->log = gate_log_new(e->audit);
    g->flows = gate_flows_new(e->audit, ask_count, e);
    if (!g->log || !g->flows || uv_poll_init(&e->loop, &g->poll, e->config->nfqueue) < 0) {
        gate_log_free(g->log, 0);
        gate_flows_free(g->flows);
        free(g);
        return NULL;
    }
    (void)uv_timer_init(&e->loop, &g->retry);
    g->poll.data = g->retry.data = g;
    for (size_t i = 0; i < BATCH; i++) {
        g->iov[i] = (struct iovec){.iov_base = g->buf[i], .iov_len = MESSAGE_MAX};
        g->msgs[i].msg_hdr = (struct msghdr){.msg_iov = &g->iov[i], .msg_iovlen = 1};
    }
    (void)uv_poll_start(&g->poll, UV_READABLE, on_readable);
    return g;
}

void gate_stop(struct gate *g)
{
    if (g && !g->stopped) {
        gate_flows_end(g->flows, engine_now_ms(g->e));
        want_tick(g);
    }
    if (g)
        g->stopped = true;
    if (g && !uv_is_closing((uv_handle_t *)&g->poll))
        (void)uv_poll_stop(&g->poll);
}

static void on_closed(uv_handle_t *h)
{
    struct gate *g = h->data;
    if (--g->closing == 0)
        free(g);
}

void gate_free(struct gate *g)
{
    if (!g)
        return;
    gate_stop(g);
    engine_timer_clear(&g->tick);
    gate_log_free(g->log, engine_now_ms(g->e));
    gate_flows_free(g->flows);
    g->closing = 2;
    uv_close((uv_handle_t *)&g->poll, on_closed);
    uv_close((uv_handle_t *)&g->retry, on_closed);
}
