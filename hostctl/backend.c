#include "hostctl/backend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/log.h"

static const struct backend *const backends[] = {
#ifdef __linux__
    &backend_netns,
#endif
};

static const struct backend *by_name(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_LEN(backends); i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    return NULL;
}

const struct backend *backend_find(const char *name, const struct run_options *opt)
{
    (void)opt;
    if (!name || strcmp(name, "auto") == 0)
        name = "netns";
    const struct backend *b = by_name(name);
    if (!b)
        log_warn("--backend %s: not available here; use netns", name);
    return b;
}

const struct backend *backend_of(const struct record *r)
{
    const struct backend *b = by_name(record_str(r, "backend"));
    if (!b)
        log_warn("the record of %s names no backend of this program", r->name);
    return b;
}

int sandbox_bury(struct record *dead)
{
    /* Claimed, but nothing made yet: there is no backend in the record. */
    const char *name = record_str(dead, "backend");
    const struct backend *b = name ? backend_of(dead) : NULL;
    int err = name ? (b ? b->remove(dead) : -EINVAL) : 0;
    if (!err)
        record_remove(dead);
    return err;
}
