/* What may be asked of another connection: only what the upstream has not looked at, or what is harmless to
 * ask again. A server that goes away tells which requests of an HTTP/2 connection it did not serve; by then
 * their bodies are out, so small ones are kept until the answer begins. */
#include <string.h>

#include "appliance/http/exchange_internal.h"

#define KEPT_MAX KIB(256) /* of one request */
#define KEPT_ALL_MAX MIB(32) /* of an engine's */

void exchange_keep_nothing(struct exchange *x)
{
    x->e->kept -= x->kept_cap;
    free(x->kept);
    x->kept = NULL;
    x->kept_len = x->kept_cap = 0;
}

static bool room(struct exchange *x, size_t n)
{
    size_t need = x->kept_len + n, cap = MAX(need, MIN(2 * x->kept_cap, (size_t)KEPT_MAX));
    if (need <= x->kept_cap)
        return true;
    if (need > KEPT_MAX || x->e->kept + cap - x->kept_cap > KEPT_ALL_MAX)
        return false;
    uint8_t *grown = realloc(x->kept, cap);
    if (!grown)
        return false;
    x->e->kept += cap - x->kept_cap;
    x->kept = grown;
    x->kept_cap = cap;
    return true;
}

void exchange_keep(struct exchange *x, const uint8_t *p, size_t n)
{
    if (n == 0 || x->req_open)
        return;
    if (x->back->gives_back && !x->resp_started && room(x, n)) {
        memcpy(x->kept + x->kept_len, p, n);
        x->kept_len += n;
        return;
    }
    x->req_open = true;
    exchange_keep_nothing(x);
}

bool exchange_is_idempotent(const char *method)
{
    static const char *const safe[] = {
        "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PROPFIND", "REPORT", "SEARCH"};
    for (size_t i = 0; i < ARRAY_LEN(safe); i++)
        if (strcmp(method, safe[i]) == 0)
            return true;
    return false;
}

static bool is_safe(const struct exchange *x, enum http_abort why)
{
    if (x->req_open || x->resp_started)
        return false;
    if (why == ABORT_H1)
        return !x->h1_only;
    if (x->retried)
        return false;
    return why == ABORT_REFUSED || (why == ABORT_RETRY && exchange_is_idempotent(x->req->method));
}

bool exchange_may_retry(struct exchange *x, enum http_abort why)
{
    if (!is_safe(x, why))
        return false;
    if (!x->kept)
        return true;
    x->sent -= x->kept_len;
    x->e->kept -= x->kept_cap;
    x->queue = x->kept;
    x->queue_len = x->kept_len;
    x->kept = NULL;
    x->kept_len = x->kept_cap = 0;
    return true;
}
