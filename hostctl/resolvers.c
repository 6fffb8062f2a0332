#include "hostctl/resolvers.h"

#include <errno.h>
#include <string.h>

#include "hostctl/sandbox.h"
#include "lib/addr.h"
#include "lib/base.h"
#include "lib/log.h"

#define RESOLV_MAX KIB(64)

/* The C library takes 0.0.0.0 and :: for this host, too. */
static bool is_loopback(const struct addr *a)
{
    static const struct addr none = {.b = {0}}, one = {.b = {[15] = 1}};
    return addr_is_v4(a) ? a->b[12] == 127 || a->b[12] == 0 : addr_eq(a, &one) || addr_eq(a, &none);
}

void resolvers_parse(char *text, struct opt_list *out, bool *loopback)
{
    static const char blanks[] = " \t\r";
    *loopback = false;
    out->n = 0;
    for (char *save = NULL, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *word_save = NULL, *word = strtok_r(line, blanks, &word_save);
        char *value = word && strcmp(word, "nameserver") == 0 ? strtok_r(NULL, blanks, &word_save) : NULL;
        struct addr a;
        /* A scoped link-local address (fe80::1%eth0) does not parse: another namespace has other interfaces.
         */
        if (!value || !addr_parse(value, &a))
            continue;
        if (is_loopback(&a))
            *loopback = true;
        else if (out->n < OPT_LIST_MAX)
            out->items[out->n++] = value;
    }
}

int resolvers_look(char **text, struct opt_list *out, bool *stub)
{
    static const char *const files[] = {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf",
        "/run/NetworkManager/no-stub-resolv.conf", "/run/NetworkManager/resolv.conf"};
    *stub = false;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct blob b = {0};
        bool loopback = false;
        if (blob_read(files[i], RESOLV_MAX, &b))
            continue;
        resolvers_parse(b.p, out, &loopback);
        *stub |= loopback;
        if (out->n) {
            *text = b.p;
            return 0;
        }
        blob_wipe(&b);
        if (!loopback)
            break;
    }
    *text = NULL;
    out->n = 0;
    return -ENOENT;
}

void resolvers_write(const struct opt_list *list, char out[static RESOLVERS_TEXT])
{
    size_t at = 0;
    out[0] = 0;
    for (size_t i = 0; i < list->n; i++) {
        int n = snprintf(out + at, RESOLVERS_TEXT - at, "nameserver %s\n", list->items[i]);
        if (n < 0 || (size_t)n >= RESOLVERS_TEXT - at)
            break;
        at += (size_t)n;
    }
    out[at] = 0;
}

int resolvers_of_host(char **text, struct opt_list *out)
{
    bool stub;
    int err = resolvers_look(text, out, &stub);
    if (!err)
        return 0;
    if (stub)
        log_warn("this host's only DNS server is on its own loopback address, which a sidecar cannot reach; "
                 "name one with "
                 "--dns-upstream IP");
    else
        log_warn("/etc/resolv.conf names no DNS server; name one with --dns-upstream IP");
    return err;
}
