/** \file
 * Answers of our own: the contract's refusal body.
 */
#include <stdio.h>
#include <string.h>

#include "appliance/flow/flow.h"
#include "appliance/http/exchange_internal.h"
#include "lib/fields.h"

/* Host names are LDH and hints are ours, but JSON is escaped wherever it is written. */
static size_t put_json(char *out, size_t room, const char *s)
{
    size_t n = 0;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        char esc[8];
        int len = c == '"' || c == '\\'   ? snprintf(esc, sizeof esc, "\\%c", c)
                  : c < 0x20 || c >= 0x7f ? snprintf(esc, sizeof esc, "\\u%04x", c)
                                          : snprintf(esc, sizeof esc, "%c", c);
        if (n + (size_t)len >= room)
            return 0;
        memcpy(out + n, esc, (size_t)len);
        n += (size_t)len;
    }
    return n;
}

size_t deny_body(
    char *out, size_t outlen, enum reason why, const char *host, const char *flow, const char *hint)
{
    const struct {
        const char *key, *value;
    } parts[] = {{"{\"error\":\"egress_denied\",\"reason\":\"", reason_name(why)}, {"\",\"host\":\"", host},
        {"\",\"flow\":\"", flow}, {"\",\"hint\":\"", hint ? hint : reason_hint(why)}, {"\"}\n", NULL}};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        size_t len = strlen(parts[i].key);
        if (n + len >= outlen)
            return 0;
        memcpy(out + n, parts[i].key, len);
        n += len;
        if (!parts[i].value || !parts[i].value[0])
            continue;
        len = put_json(out + n, outlen - n, parts[i].value);
        if (len == 0)
            return 0;
        n += len;
    }
    out[n] = '\0';
    return n;
}

#define FIELD(n, v) \
    { \
        .name = (n), .value = (v), .name_len = sizeof(n) - 1, .value_len = (uint32_t)strlen(v) \
    }

/* https://grpc.io/docs/guides/status-codes/ */
static const char *grpc_status(enum reason why)
{
    switch (why) {
    case REASON_MALFORMED:
    case REASON_AMBIGUOUS_PATH: return "3"; /* INVALID_ARGUMENT */
    case REASON_LIMIT: return "8"; /* RESOURCE_EXHAUSTED */
    case REASON_UPSTREAM_TLS:
    case REASON_UPSTREAM_UNREACHABLE:
    case REASON_AUDIT_UNAVAILABLE: return "14"; /* UNAVAILABLE */
    default: return "7"; /* PERMISSION_DENIED */
    }
}

/* Percent-encoded as gRPC has it. */
static void put_grpc_text(char *out, size_t room, const char *s)
{
    size_t n = 0;
    for (; *s && n + 4 < room; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c > 0x7e || c == '%')
            n += (size_t)snprintf(out + n, room - n, "%%%02X", c);
        else
            out[n++] = *s;
    }
    out[n] = '\0';
}

/* A response of trailers only, which is how gRPC says no: its clients show grpc-message to whoever asks why,
 * and would not look at a body. */
static int write_grpc_denial(struct http_stream *front, const struct denial *d)
{
    char text[800], message[1000];
    (void)snprintf(text, sizeof text, "egress_denied: %s: %s", reason_name(d->reason),
        d->hint ? d->hint : reason_hint(d->reason));
    put_grpc_text(message, sizeof message, text);
    struct field fields[] = {FIELD("content-type", "application/grpc"), FIELD("x-egress-verdict", "deny"),
        FIELD("grpc-status", grpc_status(d->reason)), FIELD("grpc-message", message)};
    struct http_head h = {
        .status = 200, .fields = fields, .n_fields = ARRAY_LEN(fields), .content_length = -1};
    int r = front->ops->head(front, &h, true);
    return r >= 0 ? front->ops->flush(front) : r;
}

int exchange_write_denial(struct http_front *f, struct http_stream *front, const struct denial *d)
{
    if (d->grpc)
        return write_grpc_denial(front, d);
    char body[1024];
    const char *flow = f->flow ? flow_id(f->flow) : "";
    size_t n = deny_body(body, sizeof body, d->reason, d->host ? d->host : "", flow, d->hint);
    struct field fields[] = {FIELD("content-type", d->plain ? "text/plain" : "application/json"),
        FIELD("x-egress-verdict", "deny"), FIELD("cache-control", "no-store")};
    struct http_head h = {.status = d->status ? d->status : (uint16_t)reason_status(d->reason),
        .fields = fields,
        .n_fields = ARRAY_LEN(fields),
        .content_length = (int64_t)n};
    int r = front->ops->head(front, &h, false);
    if (r >= 0)
        r = front->ops->data(front, (const uint8_t *)body, n, true);
    if (r >= 0)
        r = front->ops->flush(front);
    return r;
}

void exchange_reject(
    struct http_front *f, struct http_stream *front, enum reason why, const char *method, const char *target)
{
    struct denial d = {.reason = why, .host = f->host};
    (void)exchange_write_denial(f, front, &d);
    exchange_audit_reject(f, why, (uint16_t)reason_status(why), method, target);
}
