#include "appliance/http/h1_write.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base.h"

static const struct {
    uint16_t status;
    const char *phrase;
} phrases[] = {{100, "Continue"}, {101, "Switching Protocols"}, {102, "Processing"}, {103, "Early Hints"},
    {200, "OK"}, {201, "Created"}, {202, "Accepted"}, {203, "Non-Authoritative Information"},
    {204, "No Content"}, {205, "Reset Content"}, {206, "Partial Content"}, {207, "Multi-Status"},
    {208, "Already Reported"}, {226, "IM Used"}, {300, "Multiple Choices"}, {301, "Moved Permanently"},
    {302, "Found"}, {303, "See Other"}, {304, "Not Modified"}, {305, "Use Proxy"},
    {307, "Temporary Redirect"}, {308, "Permanent Redirect"}, {400, "Bad Request"}, {401, "Unauthorized"},
    {402, "Payment Required"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
    {406, "Not Acceptable"}, {407, "Proxy Authentication Required"}, {408, "Request Timeout"},
    {409, "Conflict"}, {410, "Gone"}, {411, "Length Required"}, {412, "Precondition Failed"},
    {413, "Content Too Large"}, {414, "URI Too Long"}, {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"}, {417, "Expectation Failed"}, {418, "I'm a teapot"},
    {421, "Misdirected Request"}, {422, "Unprocessable Content"}, {423, "Locked"}, {424, "Failed Dependency"},
    {425, "Too Early"}, {426, "Upgrade Required"}, {428, "Precondition Required"}, {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"}, {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
    {503, "Service Unavailable"}, {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"}, {507, "Insufficient Storage"}, {508, "Loop Detected"},
    {511, "Network Authentication Required"}};

const char *h1_phrase(unsigned status)
{
    for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "";
}

void h1_buf_init(struct h1_buf *b)
{
    b->p = b->small;
    b->len = 0;
    b->cap = sizeof b->small;
    b->failed = false;
}

void h1_buf_free(struct h1_buf *b)
{
    if (b->p != b->small)
        free(b->p);
    h1_buf_init(b);
}

static bool reserve(struct h1_buf *b, size_t n)
{
    if (b->cap - b->len >= n)
        return true;
    size_t cap = b->cap;
    while (cap - b->len < n)
        cap *= 2;
    char *p = b->p == b->small ? malloc(cap) : realloc(b->p, cap);
    if (!p)
        return false;
    if (b->p == b->small)
        memcpy(p, b->small, b->len);
    b->p = p;
    b->cap = cap;
    return true;
}

/* Text of our own. */
static void put(struct h1_buf *b, const char *s, size_t n)
{
    if (b->failed || !reserve(b, n)) {
        b->failed = true;
        return;
    }
    memcpy(b->p + b->len, s, n);
    b->len += n;
}
#define PUT(b, literal) put((b), "" literal, sizeof(literal) - 1)

/* Text that came from a peer. */
static void put_text(struct h1_buf *b, const char *s, size_t n)
{
    if (memchr(s, '\r', n) || memchr(s, '\n', n) || memchr(s, '\0', n))
        b->failed = true;
    put(b, s, n);
}

static void put_u64(struct h1_buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    put(b, digits + at, sizeof digits - at);
}

static void put_fields(struct h1_buf *b, const struct field *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put_text(b, f[i].name, f[i].name_len);
        PUT(b, ": ");
        put_text(b, f[i].value, f[i].value_len);
        PUT(b, "\r\n");
    }
}

static void put_framing(struct h1_buf *b, const struct http_head *h, enum h1_framing framing)
{
    if (framing == H1_FRAME_LENGTH) {
        PUT(b, "content-length: ");
        put_u64(b, (uint64_t)h->content_length);
        PUT(b, "\r\n");
    } else if (framing == H1_FRAME_CHUNKED) {
        PUT(b, "transfer-encoding: chunked\r\n");
    }
}

static void put_upgrade(struct h1_buf *b, const char *name, const char *proof)
{
    PUT(b, "connection: upgrade\r\nupgrade: websocket\r\n");
    if (!proof)
        return;
    put(b, name, strlen(name));
    put_text(b, proof, strlen(proof));
    PUT(b, "\r\n");
}

static void put_connection(struct h1_buf *b, bool te, bool close)
{
    if (te)
        PUT(b, "te: trailers\r\n");
    if (te && close)
        PUT(b, "connection: te, close\r\n");
    else if (te)
        PUT(b, "connection: te\r\n");
    else if (close)
        PUT(b, "connection: close\r\n");
}

bool h1_odd_body(const struct http_head *h, enum h1_framing framing)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE"};
    bool body = framing == H1_FRAME_CHUNKED || (framing == H1_FRAME_LENGTH && h->content_length > 0);
    for (size_t i = 0; body && i < ARRAY_LEN(methods); i++)
        if (strcmp(h->method, methods[i]) == 0)
            return true;
    return false;
}

bool h1_write_request(struct h1_buf *b, const struct http_head *h, enum h1_framing framing)
{
    if (strchr(h->method, ' ') || strchr(h->target, ' ') || strchr(h->authority, ' '))
        b->failed = true;
    put_text(b, h->method, strlen(h->method));
    PUT(b, " ");
    put_text(b, h->target, strlen(h->target));
    PUT(b, " HTTP/1.1\r\nhost: ");
    put_text(b, h->authority, strlen(h->authority));
    PUT(b, "\r\n");
    put_fields(b, h->fields, h->n_fields);
    put_framing(b, h, framing);
    if (h->expect_continue)
        PUT(b, "expect: 100-continue\r\n");
    if (h->upgrade == UPGRADE_WEBSOCKET)
        put_upgrade(b, "sec-websocket-key: ", h->ws_proof);
    else
        put_connection(b, h->te_trailers, h1_odd_body(h, framing));
    PUT(b, "\r\n");
    return !b->failed;
}

bool h1_write_response(
    struct h1_buf *b, const struct http_head *h, enum h1_framing framing, enum h1_connection connection)
{
    const char *phrase = h1_phrase(h->status);
    PUT(b, "HTTP/1.1 ");
    put_u64(b, h->status);
    PUT(b, " ");
    put(b, phrase, strlen(phrase));
    PUT(b, "\r\n");
    put_fields(b, h->fields, h->n_fields);
    put_framing(b, h, framing);
    if (h->upgrade == UPGRADE_WEBSOCKET)
        put_upgrade(b, "sec-websocket-accept: ", h->ws_proof);
    else if (connection == H1_CONN_CLOSE)
        PUT(b, "connection: close\r\n");
    else if (connection == H1_CONN_KEEP_ALIVE)
        PUT(b, "connection: keep-alive\r\n");
    PUT(b, "\r\n");
    return !b->failed;
}

bool h1_write_trailers(struct h1_buf *b, const struct field *f, size_t n)
{
    PUT(b, "0\r\n");
    put_fields(b, f, n);
    PUT(b, "\r\n");
    return !b->failed;
}

size_t h1_chunk_line(char out[static H1_CHUNK_LINE_MAX], size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char tmp[16];
    size_t at = sizeof tmp;
    do {
        tmp[--at] = digits[n & 15];
        n >>= 4;
    } while (n);
    size_t len = sizeof tmp - at;
    memcpy(out, tmp + at, len);
    out[len] = '\r';
    out[len + 1] = '\n';
    return len + 2;
}
