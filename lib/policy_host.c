/* Hosts of a policy file: any script, one canonical form. */
#include <idn2.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/policy_loader.h"
#include "lib/policy_text.h"

static bool is_ascii(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s >= 0x80)
            return false;
    return true;
}

/* U-labels and fullwidth forms to A-labels (UTS #46, non-transitional, STD3 rules but for '_'). */
enum host_kind policy_host_canon(const char *in, char out[static HOSTNAME_MAX + 1])
{
    if (is_ascii(in))
        return host_canon(in, strlen(in), out, NULL);
    char *ascii = NULL;
    if (idn2_to_ascii_8z(in, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return HOST_BAD;
    enum host_kind k = host_canon(ascii, strlen(ascii), out, NULL);
    idn2_free(ascii);
    return k;
}

const char *load_host(struct load *l, const struct ynode *n, bool *wildcard)
{
    const char *text = load_text(l, n);
    if (!text)
        return NULL;
    if (strcmp(text, "*") == 0) {
        load_error(l, n, "'*' would allow every host; name one, or its subdomains as \"*.example.org\"");
        return NULL;
    }
    char name[HOSTNAME_MAX + 1];
    *wildcard = strncmp(text, "*.", 2) == 0;
    switch (policy_host_canon(text + (*wildcard ? 2 : 0), name)) {
    case HOST_NAME: break;
    case HOST_IP:
        load_error(l, n,
            "'%.60s' is an address; routes go by name, since that is what DNS and TLS can vouch for. "
            "Give it a name (and allow_private: true if it is a private one)",
            text);
        return NULL;
    case HOST_BAD:
        load_error(l, n,
            "'%.80s' is not a host name; allowed: a name such as api.example.org, or \"*.example.org\" "
            "for its subdomains (no scheme, port or path)",
            text);
        return NULL;
    }
    size_t room = strlen(name) + sizeof "*.";
    char *out = load_alloc(l, 1, room);
    if (out)
        (void)snprintf(out, room, "%s%s", *wildcard ? "*." : "", name);
    return out;
}
