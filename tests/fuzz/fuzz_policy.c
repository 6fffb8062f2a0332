/* Policy files: whatever comes, a policy or an error with a place and words; and what loads can be used and
 * told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/policy_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void use(const struct policy *p)
{
    static const char path[] = "/api/v1/x";
    const struct request req = {.method = "GET", .path = path, .path_len = sizeof path - 1};
    for (size_t i = 0; i < p->n_routes; i++) {
        char host[HOSTNAME_MAX + 3], canonical[HOSTNAME_MAX + 1];
        const struct route *r = &p->routes[i];
        int match;
        (void)snprintf(host, sizeof host, "%s", r->host);
        if (r->wildcard)
            host[0] = 'x';
        require(host_canon(r->wildcard ? host + 2 : host, strlen(host) - (r->wildcard ? 2 : 0), canonical,
                    NULL) == HOST_NAME);
        require(policy_route(p, host) != NULL && (r->wildcard || policy_route(p, host) == r));
        (void)policy_judge(r, &req, &match);
        require(match < (int)r->n_matches && r->n_ports > 0 && !route_has_port(r, 53));
    }
    cleanup_free char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    require(f);
    policy_summary(f, p);
    require(!policy_diff(f, p, p));
    require(fclose(f) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy_error e;
    struct policy *p = policy_load((const char *)data, size, &e);
    if (p)
        use(p);
    else
        require(e.text[0] && strnlen(e.text, sizeof e.text) < sizeof e.text && (e.line > 0) == (e.col > 0));
    policy_free(p);
    return 0;
}
