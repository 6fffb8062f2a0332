#include "appliance/http/ws_handshake.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "lib/fields.h"

/* Exactly one, or NULL. */
static const struct field *only(const struct http_head *h, const char *name, bool *several)
{
    const struct field *found = NULL;
    size_t len = strlen(name);
    for (size_t i = 0; i < h->n_fields; i++) {
        if (!field_is(&h->fields[i], name, len))
            continue;
        *several |= found != NULL;
        found = &h->fields[i];
    }
    return found;
}

static void drop(struct http_head *h, const char *name)
{
    size_t kept = 0, len = strlen(name);
    for (size_t i = 0; i < h->n_fields; i++)
        if (!field_is(&h->fields[i], name, len))
            h->fields[kept++] = h->fields[i];
    h->n_fields = kept;
}

static bool is_key(const struct field *f)
{
    unsigned char raw[WS_KEY_LEN];
    /* 16 octets end in "==": EVP counts the padding in */
    return f->value_len == WS_KEY_LEN && memcmp(f->value + WS_KEY_LEN - 2, "==", 2) == 0 &&
           f->value[WS_KEY_LEN - 3] != '=' &&
           EVP_DecodeBlock(raw, (const unsigned char *)f->value, WS_KEY_LEN) == 18;
}

bool ws_take_key(struct http_head *h, bool h2, char key[static WS_KEY_LEN + 1])
{
    bool several = false;
    const struct field *version = only(h, "sec-websocket-version", &several);
    const struct field *k = only(h, "sec-websocket-key", &several);
    key[0] = '\0';
    if (several || !version || version->value_len != 2 || memcmp(version->value, "13", 2) != 0)
        return false;
    if (!h2) {
        if (!k || !is_key(k))
            return false;
        memcpy(key, k->value, WS_KEY_LEN);
        key[WS_KEY_LEN] = '\0';
    }
    drop(h, "sec-websocket-key");
    drop(h, "sec-websocket-accept");
    drop(h, "sec-websocket-extensions");
    return true;
}

bool ws_take_accept(struct http_head *h, const char *key)
{
    bool several = false;
    const struct field *f = only(h, "sec-websocket-accept", &several);
    char want[WS_ACCEPT_LEN + 1];
    bool ok = !http_field(h->fields, h->n_fields, "sec-websocket-extensions");
    if (key) {
        ws_accept(key, want);
        ok &= f && !several && f->value_len == WS_ACCEPT_LEN && memcmp(f->value, want, WS_ACCEPT_LEN) == 0;
    }
    drop(h, "sec-websocket-accept");
    return ok;
}

bool ws_new_key(char key[static WS_KEY_LEN + 1])
{
    unsigned char raw[16];
    if (RAND_bytes(raw, sizeof raw) != 1)
        return false;
    (void)EVP_EncodeBlock((unsigned char *)key, raw, sizeof raw);
    return true;
}

void ws_accept(const char *key, char accept[static WS_ACCEPT_LEN + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[WS_KEY_LEN + sizeof guid];
    int n = snprintf(text, sizeof text, "%.*s%s", WS_KEY_LEN, key, guid);
    if (EVP_Digest(text, (size_t)n, digest, NULL, EVP_sha1(), NULL) != 1)
        memset(digest, 0, sizeof digest); /* matches nothing */
    (void)EVP_EncodeBlock((unsigned char *)accept, digest, 20);
}
