#include <stdio.h>
#include <string.h>

#include "dns/upstream_internal.h"
#include "lib/base.h"
#include "lib/log.h"

#define PORT_PLAIN 53
#define PORT_TLS 853

static bool server_parse(const char *text, struct upstream_server *out)
{
    static const char scheme[] = "tls://";
    char buf[sizeof out->text - sizeof scheme];
    bool tls = strncmp(text, scheme, sizeof scheme - 1) == 0;

    if (tls)
        text += sizeof scheme - 1;
    if (snprintf(buf, sizeof buf, "%s", text) >= (int)sizeof buf)
        return false;
    char *name = strchr(buf, '#');
    if (name != NULL)
        *name++ = '\0';
    if (tls != (name != NULL) || !endpoint_parse(buf, tls ? PORT_TLS : PORT_PLAIN, &out->ep))
        return false;
    out->tls_name[0] = '\0';
    if (tls && host_canon(name, strlen(name), out->tls_name, NULL) != HOST_NAME)
        return false;
    (void)snprintf(out->text, sizeof out->text, "%s%s", tls ? scheme : "", buf);
    return out->ep.port != 0;
}

static void add_server(struct upstreams *u, const char *text)
{
    struct upstream_server *s = &u->servers[u->n_servers];

    if (u->n_servers == UPSTREAM_SERVERS_MAX) {
        log_warn("DNS upstream %s: more than %d are not used", text, UPSTREAM_SERVERS_MAX);
        return;
    }
    if (!server_parse(text, s)) {
        log_warn("DNS upstream %s: not IP[:PORT] or tls://IP[:PORT]#NAME; it is not used", text);
        return;
    }
    s->owner = u;
    s->index = u->n_servers++;
}

/* Only "nameserver" lines count: search lists would change the name that was judged. */
static void add_resolv_conf(struct upstreams *u, const char *path)
{
    char line[256], ip[64];
    FILE *f = fopen(path, "re");

    if (f == NULL) {
        log_warn("%s: %s; no DNS upstream", path, strerror(errno));
        return;
    }
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, " nameserver %63s", ip) == 1)
            add_server(u, ip);
    (void)fclose(f);
}

void servers_configure(struct upstreams *u, const struct upstream_config *c)
{
    for (size_t i = 0; i < c->n_servers; i++)
        add_server(u, c->servers[i]);
    if (c->n_servers == 0 && c->resolv_conf != NULL)
        add_resolv_conf(u, c->resolv_conf);
}
