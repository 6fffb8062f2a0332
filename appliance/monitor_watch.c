/* Is everybody alive? The monitor asks its children, and whoever may open the status socket asks the monitor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "appliance/ipc.h"
#include "appliance/monitor_internal.h"
#include "lib/base.h"
#include "lib/log.h"

#define PING_EVERY_MS 5000
/* Longer than a busy machine keeps anybody waiting; meanwhile what the child would decide does not pass. */
#define PING_DEADLINE_MS 15000
/* From then on the status says that not all is well. */
#define PING_LATE_MS 2000
/* We were not running ourselves: nor were they, perhaps. */
#define STALL_MS 3000

#define ASKERS_A_TURN 8

/* -- children -- */

static void ping(struct monitor *m, struct generation *g, struct child *c)
{
    struct ipc_msg msg = {.type = IPC_PING};
    uint64_t now = m->watched_at;
    if (!c->ready || (g && g->state == GEN_INCOMING))
        return;
    if (m->stalled && c->pinged)
        c->pinged = now;
    if (c->pinged && now - c->pinged >= PING_DEADLINE_MS) {
        log_warn("%s has not answered for %d seconds; it is ended", child_name(c), PING_DEADLINE_MS / 1000);
        c->hung = true;
        c->pinged = 0;
        c->ping_at = now + PING_DEADLINE_MS;
        child_kill(c);
    } else if (!c->pinged && now >= c->ping_at) {
        /* A full socket is no excuse: it does not read. */
        (void)ipc_send(c->control, &msg, -1);
        c->pinged = now;
    }
}

void watch_children(struct monitor *m, uint64_t now)
{
    m->stalled = m->watched_at && now - m->watched_at > PING_EVERY_MS + STALL_MS;
    m->watched_at = now;
    children_each(m, ping);
}

void watch_heard(struct child *c)
{
    if (!c->pinged)
        return;
    c->pinged = 0;
    c->ping_at = monitor_now_ms() + PING_EVERY_MS;
}

uint64_t watch_next(const struct monitor *m)
{
    return m->announced ? m->watched_at + PING_EVERY_MS : UINT64_MAX;
}

bool watch_well(const struct child *c)
{
    return c->ready && !(c->pinged && monitor_now_ms() - c->pinged > PING_LATE_MS);
}

/* -- whoever asks us -- */

int watch_open(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof to.sun_path)
        return -ENAMETOOLONG;
    memcpy(to.sun_path, path, strlen(path) + 1);
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)unlink(path); /* an earlier run's */
    mode_t mask = umask(077);
    int err =
        fd < 0 || bind(fd, (const struct sockaddr *)&to, sizeof to) < 0 || listen(fd, 16) < 0 ? -errno : 0;
    (void)umask(mask);
    return err ? err : steal_fd(&fd);
}

/* Nothing is read from those who ask, and nobody who does not read is waited for. */
void watch_answer(struct monitor *m)
{
    for (int i = 0; i < ASKERS_A_TURN; i++) {
        char *text = NULL;
        size_t len = 0;
        cleanup_fd int asker = accept4(m->status_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (asker < 0)
            return;
        FILE *f = open_memstream(&text, &len);
        if (f) {
            files_print_status(m, f);
            if (fclose(f) == 0)
                (void)send(asker, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        free(text);
    }
}
