#include "appliance/http/ws_seam.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"

/* Of short messages several are kept, of the last one so much of its end. As much of the next is looked at.
 */
#define SEVERAL KIB(1)
#define EDGE KIB(4)

struct ws_seam {
    struct inspect *inspect; /* of what is kept and the message's beginning; NULL: past it */
    size_t skip; /* octets that were sent earlier and that it has not let go of */
    bool audit_only;
    size_t fed; /* octets of the message that it was given */
    uint8_t *text; /* what is kept, then the message so far, as much of its end */
    size_t n_kept, n_message, room;
    uint8_t *whole; /* spans put together */
};

struct ws_seam *ws_seam_new(void)
{
    return calloc(1, sizeof(struct ws_seam));
}

void ws_seam_free(struct ws_seam *s)
{
    if (!s)
        return;
    inspect_close(s->inspect);
    free(s->text);
    free(s->whole);
    free(s);
}

static void stop(struct ws_seam *s)
{
    inspect_close(s->inspect);
    s->inspect = NULL;
}

/* Leaves out what was sent earlier. */
static void drop_sent(struct ws_seam *s, struct inspect_out *out)
{
    for (unsigned i = 0; i < out->n_spans; i++) {
        size_t k = MIN(s->skip, out->span[i].n);
        out->span[i].p += k;
        out->span[i].n -= k;
        s->skip -= k;
    }
}

void ws_seam_begin(struct ws_seam *s, struct inspector *i, const struct inspect_config *c)
{
    struct inspect_out out;
    stop(s);
    s->n_message = s->fed = 0;
    s->skip = s->n_kept;
    s->audit_only = c->audit_only;
    if (!s->n_kept || !(s->inspect = inspect_open(i, c)))
        return;
    /* A finding in what has been sent is none of this message. */
    if (inspect_feed(s->inspect, s->text, s->n_kept, false, &out) != 0 || out.found)
        stop(s);
    else
        drop_sent(s, &out);
}

/* The message so far, behind what is kept; of a long one its end. */
static int keep(struct ws_seam *s, const uint8_t *p, size_t n)
{
    if (n > EDGE) {
        p += n - EDGE;
        n = EDGE;
    }
    if (s->n_kept + s->n_message + n > s->room) {
        size_t room = MIN(2 * (s->n_kept + s->n_message + n), (size_t)3 * EDGE);
        uint8_t *text = realloc(s->text, room);
        if (!text)
            return -ENOMEM;
        s->text = text;
        s->room = room;
    }
    if (n)
        memcpy(s->text + s->n_kept + s->n_message, p, n);
    s->n_message += n;
    if (s->n_message > EDGE) {
        uint8_t *message = s->text + s->n_kept;
        memmove(message, message + s->n_message - EDGE, EDGE);
        s->n_message = EDGE;
    }
    return 0;
}

static void end_message(struct ws_seam *s)
{
    if (s->n_kept + s->n_message > SEVERAL) {
        memmove(s->text, s->text + s->n_kept, s->n_message);
        s->n_kept = 0;
    }
    s->n_kept += s->n_message;
    s->n_message = 0;
}

/* One piece of it all. */
static int put_together(struct ws_seam *s, const struct inspect_out *out, const uint8_t **p, size_t *n)
{
    static const uint8_t none[1];
    *n = 0;
    *p = out->n_spans ? out->span[0].p : none;
    for (unsigned i = 0; i < out->n_spans; i++)
        *n += out->span[i].n;
    if (out->n_spans < 2)
        return 0;
    free(s->whole);
    s->whole = malloc(*n + 1);
    if (!s->whole)
        return -ENOMEM;
    for (size_t i = 0, at = 0; i < out->n_spans; at += out->span[i++].n)
        memcpy(s->whole + at, out->span[i].p, out->span[i].n);
    *p = s->whole;
    return 0;
}

int ws_seam_feed(struct ws_seam *s, bool last, struct inspect_out *out)
{
    const uint8_t *p;
    size_t n;
    if (out->found) /* told, and let through: once is enough */
        stop(s);
    out->found = false;
    int r = put_together(s, out, &p, &n);
    if (!r)
        r = keep(s, p, n);
    if (!r && s->inspect && s->fed < EDGE) {
        size_t k = MIN(n, EDGE - s->fed);
        s->fed += k;
        r = inspect_feed(s->inspect, p, k, last || s->fed == EDGE, out);
        drop_sent(s, out);
        if (n > k && (s->audit_only || (!r && !out->found))) {
            out->span[out->n_spans].p = p + k;
            out->span[out->n_spans++].n = n - k;
        }
    }
    if (last)
        end_message(s);
    return r;
}
