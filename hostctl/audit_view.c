#include "hostctl/audit_view.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <jansson.h>

#include "lib/base.h"
#include "lib/utf8.h"

const char audit_view_head[] = "TIME                 VERDICT EVENT HOST                             DETAIL";

/** A row being written. */
struct row {
    char *p;
    size_t n;
};

static void put_char(struct row *r, char c)
{
    if (r->n + 1 < AUDIT_ROW_MAX)
        r->p[r->n++] = c;
    r->p[r->n] = 0;
}

/* What a terminal would obey is shown as '?'. jansson gives well-formed UTF-8. */
static void put_text(struct row *r, const char *s)
{
    size_t n;
    for (const char *end = s + strlen(s); s < end; s += n) {
        n = MAX(utf8_sequence(s, (size_t)(end - s)), (size_t)1);
        if ((unsigned char)*s < 0x20 || *s == 0x7f || utf8_is_command(s, n))
            put_char(r, '?');
        else
            for (size_t i = 0; i < n; i++)
                put_char(r, s[i]);
    }
}

static void pad(struct row *r, size_t column)
{
    put_char(r, ' ');
    while (r->n < column)
        put_char(r, ' ');
}

static const char *text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static void word(struct row *r, const char *s)
{
    if (!s || !*s)
        return;
    if (r->n && r->p[r->n - 1] != ' ')
        put_char(r, ' ');
    put_text(r, s);
}

__attribute__((format(printf, 2, 3))) static void wordf(struct row *r, const char *fmt, ...)
{
    char buf[200];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    word(r, buf);
}

static void number(struct row *r, const json_t *o, const char *key, const char *fmt_unit)
{
    const json_t *v = json_object_get(o, key);
    if (json_is_number(v))
        wordf(r, "%.10g%s", json_number_value(v), fmt_unit);
}

static void dns_detail(struct row *r, const json_t *o)
{
    word(r, text(o, "qtype"));
    word(r, text(o, "rcode"));
    const json_t *answers = json_object_get(o, "answers");
    for (size_t i = 0; i < json_array_size(answers) && i < 4; i++)
        word(r, json_string_value(json_array_get(answers, i)));
    if (json_is_true(json_object_get(o, "cached")))
        word(r, "cached");
}

static void flow_detail(struct row *r, const json_t *o)
{
    word(r, text(o, "proto"));
    const char *dst = text(o, "dst");
    if (dst)
        wordf(r, strchr(dst, ':') ? "[%s]:%lld" : "%s:%lld", dst,
            (long long)json_integer_value(json_object_get(o, "dport")));
    word(r, text(o, "mode"));
    word(r, text(o, "state"));
}

static void http_detail(struct row *r, const json_t *o)
{
    word(r, text(o, "method"));
    word(r, text(o, "path"));
    number(r, o, "status", "");
}

static void dlp_detail(struct row *r, const json_t *o)
{
    word(r, text(o, "detector"));
    word(r, text(o, "direction"));
    word(r, text(o, "where"));
    number(r, o, "offset", "");
}

static const struct {
    const char *event;
    void (*detail)(struct row *r, const json_t *o);
} events[] = {{"dns", dns_detail}, {"flow", flow_detail}, {"http", http_detail}, {"dlp", dlp_detail}};

static void detail(struct row *r, const json_t *o, const char *event)
{
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        if (strcmp(events[i].event, event) == 0)
            events[i].detail(r, o);
    number(r, o, "ms", "ms");
    word(r, text(o, "reason"));
}

bool audit_view(const struct audit_filter *f, const char *line, size_t len, char row[static AUDIT_ROW_MAX])
{
    struct row r = {row, 0};
    row[0] = 0;
    json_t *o = json_loadb(line, len, 0, NULL);
    const char *event = text(o, "event"), *verdict = text(o, "verdict"), *ts = text(o, "ts"),
               *host = text(o, "host");
    bool shown = json_is_object(o) && event && (!f->event || strcmp(f->event, event) == 0) &&
                 (!f->denied || (verdict && strcmp(verdict, "deny") == 0));
    if (shown) {
        char when[20]; /* seconds are enough for a person */
        (void)snprintf(when, sizeof when, "%s", ts ? ts : "-");
        put_text(&r, when);
        pad(&r, 21);
        put_text(&r, verdict ? verdict : "-");
        pad(&r, 29);
        put_text(&r, event);
        pad(&r, 35);
        put_text(&r, host               ? host
                     : text(o, "qname") ? text(o, "qname")
                     : text(o, "sni")   ? text(o, "sni")
                                        : "-");
        pad(&r, 68);
        detail(&r, o, event);
    }
    json_decref(o);
    return shown;
}
