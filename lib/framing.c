#include "lib/framing.h"

#include <strings.h>

#include "lib/fields.h"

/* What may not be named there, since framing or routing hangs on it, or is no field's name. Of servers' it
 * changes nothing (content networks name Transfer-Encoding): these fields never go on as they came. */
static bool is_odd_option(const char *item, size_t len)
{
    return !http_is_token(item, len) || http_ieq(item, len, "host") ||
           http_ieq(item, len, "content-length") || http_ieq(item, len, "transfer-encoding");
}

static void connection_field(struct framing *fr, const struct field *f)
{
    const char *item;
    size_t at = 0, len;
    while (http_list_next(f->value, f->value_len, &at, &item, &len)) {
        if (http_ieq(item, len, "close")) {
            fr->close = true;
        } else if (http_ieq(item, len, "keep-alive")) {
            fr->keep_alive = true;
        } else if (http_ieq(item, len, "upgrade")) {
            fr->upgrade = true;
        } else if (http_ieq(item, len, "te")) {
            continue;
        } else if (is_odd_option(item, len)) {
            fr->bad |= !fr->response;
        } else if (fr->n_nominated == NOMINATED_MAX) {
            fr->bad = true;
        } else {
            fr->nominated[fr->n_nominated] = item;
            fr->nominated_len[fr->n_nominated++] = len;
        }
    }
}

static bool list_has(const struct field *f, const char *lower)
{
    const char *item;
    size_t at = 0, len;
    while (http_list_next(f->value, f->value_len, &at, &item, &len))
        if (http_ieq(item, len, lower))
            return true;
    return false;
}

/* True: a field that the codecs own, taken off the list. */
static bool framing_field(struct framing *fr, const struct field *f)
{
    switch (f->name_len) {
    case 2:
        if (FIELD_IS(f, "te")) {
            fr->te_trailers |= list_has(f, "trailers");
            return true;
        }
        return false;
    case 4:
        if (FIELD_IS(f, "host")) {
            fr->hosts++;
            fr->host = *f;
            return true;
        }
        return false;
    case 6:
        if (FIELD_IS(f, "expect")) {
            fr->bad |= !http_ieq(f->value, f->value_len, "100-continue");
            fr->expect = true;
            return true;
        }
        return false;
    case 7:
        if (FIELD_IS(f, "upgrade")) {
            fr->websocket |= http_ieq(f->value, f->value_len, "websocket");
            return true;
        }
        return false;
    case 10:
        if (FIELD_IS(f, "connection")) {
            connection_field(fr, f);
            return true;
        }
        return FIELD_IS(f, "keep-alive");
    case 14:
        if (FIELD_IS(f, "content-length")) {
            fr->lengths++;
            fr->length = http_length(f->value, f->value_len);
            fr->bad |= fr->length < 0;
            return true;
        }
        return FIELD_IS(f, "http2-settings");
    case 16: return FIELD_IS(f, "proxy-connection");
    case 17:
        if (FIELD_IS(f, "transfer-encoding")) {
            fr->codings++;
            fr->chunked = http_ieq(f->value, f->value_len, "chunked");
            fr->bad |= !fr->chunked;
            return true;
        }
        return false;
    default: return false;
    }
}

static bool is_nominated(const struct framing *fr, const struct field *f)
{
    for (size_t i = 0; i < fr->n_nominated; i++)
        if (fr->nominated_len[i] == f->name_len && strncasecmp(fr->nominated[i], f->name, f->name_len) == 0)
            return true;
    return false;
}

size_t framing_take(struct framing *fr, struct field *fields, size_t n)
{
    fr->length = -1;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct field f = fields[i];
        field_lower(&f);
        field_trim(&f);
        if (!framing_field(fr, &f))
            fields[kept++] = f;
    }
    if (!fr->n_nominated)
        return kept;
    size_t out = 0;
    for (size_t i = 0; i < kept; i++)
        if (!is_nominated(fr, &fields[i]))
            fields[out++] = fields[i];
    return out;
}

bool framing_ok(const struct framing *fr, unsigned minor)
{
    if (fr->bad || fr->lengths > 1 || fr->codings > 1 || (fr->lengths && fr->codings))
        return false;
    return !(fr->codings && minor == 0);
}

/* The codecs own the framing; a spelling of it that only the upstream understands must not travel as a common
 * field. */
bool framing_is_hidden(const struct field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (field_reads_as(&fields[i], "content-length") || field_reads_as(&fields[i], "transfer-encoding"))
            return true;
    return false;
}
