/* Listeners of the explicit proxy: they belong to a generation, since its policy says whether and where. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "appliance/monitor_internal.h"
#include "lib/log.h"

static const struct generation *same_port(const struct monitor *m, const struct generation *g)
{
    for (unsigned i = 0; i < GENERATIONS; i++) {
        const struct generation *o = &m->generations[i];
        if (o != g && o->n_proxy && o->state == GEN_PRESENT &&
            o->in.policy->proxy_port == g->in.policy->proxy_port)
            return o;
    }
    return NULL;
}

int generation_open_proxy(struct monitor *m, struct generation *g)
{
    SANDBOX_RAISED; /* the port may be a low one */
    const uint16_t port = g->in.policy->proxy_port;
    const struct generation *o = same_port(m, g);
    for (unsigned i = 0; port && i < m->n_engines; i++) {
        int fd = o ? fcntl(o->proxy4[i], F_DUPFD_CLOEXEC, 0) : netfilter_open_proxy(&m->net.self4, port);
        if (fd < 0) {
            int err = o ? -errno : fd;
            log_warn("cannot open the proxy's port %u", (unsigned)port);
            generation_close_proxy(g);
            return err;
        }
        g->proxy4[g->n_proxy++] = fd;
    }
    return 0;
}

void generation_close_proxy(struct generation *g)
{
    while (g->n_proxy)
        (void)close(g->proxy4[--g->n_proxy]);
}
