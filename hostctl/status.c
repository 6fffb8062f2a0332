#include "hostctl/status.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostctl/beneath.h"
#include "lib/base.h"

#define ANSWER_MS 2000
#define ANSWER_MAX KIB(4)

json_t *status_ask(int dir, const char *path)
{
    char text[ANSWER_MAX];
    size_t n = 0;
    cleanup_fd int fd = beneath_connect(dir, path);
    while (fd >= 0 && n < sizeof text) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t got = poll(&p, 1, ANSWER_MS) == 1 ? recv(fd, text + n, sizeof text - n, 0) : -1;
        if (got < 0)
            return NULL;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return n > 0 ? json_loadb(text, n, 0, NULL) : NULL;
}

json_t *status_read(const char *state_dir)
{
    struct blob text = {0};
    cleanup_fd int dir = state_dir ? folder_open(state_dir) : -1;
    if (dir < 0 || beneath_read(dir, "status.json", ANSWER_MAX, &text))
        return NULL;
    json_t *status = json_loadb(text.p, text.n, 0, NULL);
    blob_wipe(&text);
    return status;
}

json_t *status_of_sandbox(const struct backend *b, struct record *r)
{
    return b && b->status ? b->status(r) : status_read(record_str(r, "state_dir"));
}

void status_judge(json_t *status, struct health *out)
{
    out->ready = json_is_true(json_object_get(status, "ready"));
    if (!status)
        (void)snprintf(out->note, sizeof out->note, "the sidecar does not answer");
    else if (!out->ready)
        (void)snprintf(
            out->note, sizeof out->note, "the sidecar says that one of its processes does not serve");
    json_decref(status);
}
