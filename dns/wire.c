#include "dns/wire.h"

#include <stdio.h>

/* One walk for both forms: `out` may be NULL. A pointer must go before the label that it follows, so each
 * jump makes the rest shorter and no loop is possible (RFC 1035 4.1.4: "a prior occurrence"). */
static void walk_name(struct wire_in *w, struct dns_name *out)
{
    size_t at = w->at, end = 0, limit = w->at, used = 0;

    while (!w->bad) {
        if (at >= w->len)
            break;
        uint8_t n = w->p[at];
        if ((n & 0xc0) == 0xc0) {
            if (w->len - at < 2)
                break;
            size_t to = (size_t)(n & 0x3f) << 8 | w->p[at + 1];
            if (end == 0)
                end = at + 2;
            if (to < DNS_HEADER || to >= limit)
                break;
            at = limit = to;
            continue;
        }
        if (n > DNS_LABEL_MAX || w->len - at < 1u + n || used + 1u + n > DNS_NAME_MAX)
            break;
        if (out != NULL)
            memcpy(out->b + used, w->p + at, 1u + n);
        used += 1u + n;
        at += 1u + n;
        if (n == 0) {
            if (out != NULL)
                out->len = (uint8_t)used;
            w->at = end != 0 ? end : at;
            return;
        }
    }
    w->bad = true;
    if (out != NULL)
        out->len = 0;
}

void wire_name(struct wire_in *w, struct dns_name *out)
{
    out->len = 0;
    walk_name(w, out);
}

void wire_skip_name(struct wire_in *w)
{
    walk_name(w, NULL);
}

bool dns_name_eq(const struct dns_name *a, const struct dns_name *b)
{
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++)
        if (dns_lower(a->b[i]) != dns_lower(b->b[i]))
            return false;
    return true;
}

void dns_name_lower(struct dns_name *n)
{
    for (size_t i = 0; i < n->len; i++)
        n->b[i] = dns_lower(n->b[i]);
}

static bool is_host_octet(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool dns_name_host(const uint8_t *wire, size_t len, char out[static HOSTNAME_MAX + 1])
{
    char text[DNS_NAME_MAX];
    size_t at = 0, n = 0;

    while (at < len && wire[at] != 0) {
        size_t label = wire[at++];
        if (label > DNS_LABEL_MAX || len - at < label)
            return false;
        if (n > 0)
            text[n++] = '.';
        for (size_t i = 0; i < label; i++) {
            uint8_t c = dns_lower(wire[at + i]);
            if (!is_host_octet(c))
                return false;
            text[n++] = (char)c;
        }
        at += label;
    }
    return n > 0 && host_canon(text, n, out, NULL) == HOST_NAME;
}

void dns_name_from_host(const char *host, struct dns_name *out)
{
    size_t n = strlen(host), label = 0;

    out->len = 0;
    if (n == 0 || n > HOSTNAME_MAX)
        return;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && host[i] != '.') {
            out->b[i + 1] = (uint8_t)host[i];
            continue;
        }
        if (i == label || i - label > DNS_LABEL_MAX)
            return;
        out->b[label] = (uint8_t)(i - label);
        label = i + 1;
    }
    out->b[n + 1] = 0;
    out->len = (uint8_t)(n + 2);
}

void dns_name_text(const uint8_t *wire, size_t len, char out[static DNS_TEXT_MAX])
{
    size_t at = 0;
    char *p = out;

    while (at < len && wire[at] != 0) {
        size_t label = wire[at++];
        if (label > len - at)
            label = len - at;
        if (p != out)
            *p++ = '.';
        for (size_t i = 0; i < label; i++) {
            uint8_t c = wire[at + i];
            if (c == '.' || c == '\\') {
                *p++ = '\\';
                *p++ = (char)c;
            } else if (c > ' ' && c < 0x7f) {
                *p++ = (char)c;
            } else {
                p += snprintf(p, 5, "\\%03u", (unsigned)c);
            }
        }
        at += label;
    }
    if (p == out)
        *p++ = '.';
    *p = '\0';
}
