#include <criterion/criterion.h>
#include <openssl/ssl.h>
#include <string.h>

#include "appliance/flow/clienthello.h"
#include "appliance/flow/sniff.h"
#include "lib/base.h"

/* ---- ClientHellos that OpenSSL makes ---- */

static size_t openssl_hello(uint8_t *out, size_t room, const char *sni, const char *alpn, int max_version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *wire = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, wire);
    SSL_set_max_proto_version(ssl, max_version);
    if (sni)
        SSL_set_tlsext_host_name(ssl, sni);
    if (alpn)
        SSL_set_alpn_protos(ssl, (const uint8_t *)alpn, (unsigned)strlen(alpn));
    SSL_connect(ssl);
    int n = BIO_read(wire, out, (int)room);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    cr_assert_gt(n, 0);
    return (size_t)n;
}

/* The same message in records of `size` octets. */
static size_t refragment(const uint8_t *in, size_t n, size_t size, uint8_t *out)
{
    size_t len = 0;
    for (size_t at = 5; at < n; at += size) {
        size_t part = MIN(size, n - at);
        const uint8_t header[] = {22, 3, 1, (uint8_t)(part >> 8), (uint8_t)part};
        memcpy(out + len, header, sizeof header);
        memcpy(out + len + 5, in + at, part);
        len += 5 + part;
    }
    return len;
}

static void check_found(const struct client_hello *h, const char *sni)
{
    cr_assert_eq(h->sni_kind, SNI_NAME);
    cr_assert_str_eq(h->sni, sni);
    cr_assert(h->alpn_h2 && h->alpn_http11 && h->alpn);
}

Test(clienthello, of_openssl_13)
{
    uint8_t wire[4096];
    struct client_hello h;
    size_t need,
        n = openssl_hello(wire, sizeof wire, "Api.Example.COM", "\x02h2\x08http/1.1", TLS1_3_VERSION);
    cr_assert_eq(client_hello_parse(wire, n, &h, &need), HELLO_OK);
    check_found(&h, "api.example.com");
    cr_assert(h.tls13 && h.tls12 && !h.ech && !h.early_data);
}

Test(clienthello, of_openssl_12_without_extensions_of_interest)
{
    uint8_t wire[4096];
    struct client_hello h;
    size_t need, n = openssl_hello(wire, sizeof wire, NULL, NULL, TLS1_2_VERSION);
    cr_assert_eq(client_hello_parse(wire, n, &h, &need), HELLO_OK);
    cr_assert_eq(h.sni_kind, SNI_NONE);
    cr_assert(!h.tls13 && h.tls12 && !h.alpn);
}

/* However it is cut: every prefix is MORE with a need that makes progress, and is never wrong about it. */
Test(clienthello, every_prefix_of_every_fragmentation)
{
    uint8_t one[4096], wire[16384];
    static const size_t sizes[] = {1, 2, 3, 4, 5, 7, 64, 200, 4096};
    size_t n = openssl_hello(one, sizeof one, "a.example", "\x02h2\x08http/1.1", TLS1_3_VERSION);
    for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
        size_t len = refragment(one, n, sizes[s], wire);
        for (size_t cut = 0; cut < len; cut++) {
            struct client_hello h;
            size_t need = 0;
            cr_assert_eq(client_hello_parse(wire, cut, &h, &need), HELLO_MORE, "records of %zu, %zu octets",
                sizes[s], cut);
            cr_assert_gt(need, cut);
            cr_assert_leq(need, len);
        }
        struct client_hello h;
        size_t need;
        cr_assert_eq(client_hello_parse(wire, len, &h, &need), HELLO_OK, "records of %zu", sizes[s]);
        check_found(&h, "a.example");
        memset(wire + len, 0x17, 16); /* early data behind it is not looked at */
        cr_assert_eq(client_hello_parse(wire, len + 16, &h, &need), HELLO_OK);
    }
}

/* ---- ClientHellos of our own ---- */

struct build {
    uint8_t b[20000];
    size_t n;
};

static void put(struct build *w, const void *p, size_t n)
{
    cr_assert_leq(w->n + n, sizeof w->b);
    memcpy(w->b + w->n, p, n);
    w->n += n;
}

static void put16(struct build *w, size_t v)
{
    const uint8_t b[] = {(uint8_t)(v >> 8), (uint8_t)v};
    put(w, b, 2);
}

static void ext(struct build *w, unsigned type, const void *p, size_t n)
{
    put16(w, type);
    put16(w, n);
    put(w, p, n);
}

static void sni_ext(struct build *w, const char *name, size_t n)
{
    struct build e = {.n = 0};
    put16(&e, n + 3);
    put(&e, "", 1);
    put16(&e, n);
    put(&e, name, n);
    ext(w, 0, e.b, e.n);
}

/* version, random, no session id, one cipher, no compression; then `exts` as they are. */
static void whole(struct build *w, const struct build *exts)
{
    struct build body = {.n = 0};
    put16(&body, 0x0303);
    put(&body, "0123456789abcdef0123456789abcdef", 32);
    put(&body, "\0\0\2\x13\1\1\0", 7);
    if (exts) {
        put16(&body, exts->n);
        put(&body, exts->b, exts->n);
    }
    w->n = 0;
    put(w, "\x16\3\1", 3);
    put16(w, body.n + 4);
    put(w, "\1\0", 2);
    put16(w, body.n);
    put(w, body.b, body.n);
}

static enum hello_result parse(const struct build *w, struct client_hello *h)
{
    size_t need;
    return client_hello_parse(w->b, w->n, h, &need);
}

static enum hello_result with_exts(const struct build *exts, struct client_hello *h)
{
    struct build w;
    whole(&w, exts);
    return parse(&w, h);
}

Test(clienthello, server_names)
{
    static const struct {
        const char *name;
        enum sni_kind kind;
        const char *canonical;
    } cases[] = {
        {"a.example", SNI_NAME, "a.example"},
        {"A.EXAMPLE", SNI_NAME, "a.example"},
        {"a.example.", SNI_NAME, "a.example"},
        {"192.0.2.1", SNI_ADDRESS, "192.0.2.1"},
        {"0xc0.0.2.1", SNI_ADDRESS, "192.0.2.1"},
        {"a..example", SNI_BAD, ""},
        {"a example", SNI_BAD, ""},
        {"a.example\n", SNI_BAD, ""},
        {"b\xc3\xbc"
         "cher.example",
            SNI_BAD, ""},
        {"https://a.example", SNI_BAD, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct build e = {.n = 0};
        struct client_hello h;
        sni_ext(&e, cases[i].name, strlen(cases[i].name));
        cr_assert_eq(with_exts(&e, &h), HELLO_OK, "%s", cases[i].name);
        cr_assert_eq(h.sni_kind, cases[i].kind, "%s is %d", cases[i].name, (int)h.sni_kind);
        cr_assert_str_eq(h.sni, cases[i].canonical);
    }
    struct build e = {.n = 0};
    struct client_hello h;
    sni_ext(&e, "a.example\0.evil.example", 23);
    cr_assert_eq(with_exts(&e, &h), HELLO_OK);
    cr_assert_eq(h.sni_kind, SNI_BAD);
}

Test(clienthello, two_readings_are_none)
{
    struct client_hello h;
    struct build e = {.n = 0};
    sni_ext(&e, "a.example", 9);
    sni_ext(&e, "b.example", 9);
    cr_assert_eq(with_exts(&e, &h), HELLO_BAD, "two server_name extensions");

    static const struct {
        const char *what;
        unsigned type;
        const char *body;
        size_t n;
    } cases[] = {
        {"two names", 0, "\0\x08\0\0\1a\0\0\1b", 10},
        {"a name of another type", 0, "\0\4\1\0\1a", 6},
        {"an empty list", 0, "\0\0", 2},
        {"an empty name", 0, "\0\3\0\0\0", 5},
        {"an empty extension", 0, "", 0},
        {"a list longer than the extension", 0, "\0\x09\0\0\1a", 6},
        {"octets behind the list", 0, "\0\4\0\0\1ax", 7},
        {"octets behind the name", 0, "\0\5\0\0\1ax", 7},
        {"an empty ALPN list", 16, "\0\0", 2},
        {"an empty ALPN name", 16, "\0\1\0", 3},
        {"an ALPN name beyond its list", 16, "\0\3\4h2", 5},
        {"ALPN with a tail", 16, "\0\3\2h2x", 6},
        {"an empty list of versions", 43, "\0", 1},
        {"half a version", 43, "\3\3\4\3", 4},
        {"an inner ECH on the wire", 0xfe0d, "\1", 1},
        {"an empty ECH", 0xfe0d, "", 0},
        {"early data with octets", 42, "\0", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct build one = {.n = 0};
        ext(&one, cases[i].type, cases[i].body, cases[i].n);
        cr_assert_eq(with_exts(&one, &h), HELLO_BAD, "%s", cases[i].what);
    }
}

Test(clienthello, pre_shared_key_comes_last)
{
    struct client_hello h;
    struct build last = {.n = 0}, first = {.n = 0};
    sni_ext(&last, "a.example", 9);
    ext(&last, 41, "", 0);
    cr_assert_eq(with_exts(&last, &h), HELLO_OK);
    ext(&first, 41, "", 0);
    sni_ext(&first, "a.example", 9);
    cr_assert_eq(with_exts(&first, &h), HELLO_BAD);
}

Test(clienthello, encrypted_hello_is_seen)
{
    static const unsigned types[] = {0xfe0d, 0xfe0a, 0xffce};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct client_hello h;
        struct build e = {.n = 0};
        sni_ext(&e, "a.example", 9);
        ext(&e, types[i], "\0\0\1\0\1\x2a\0\0\0\0", 10);
        cr_assert_eq(with_exts(&e, &h), HELLO_OK);
        cr_assert(h.ech);
        cr_assert_str_eq(h.sni, "a.example");
    }
}

Test(clienthello, without_extensions)
{
    struct client_hello h;
    cr_assert_eq(with_exts(NULL, &h), HELLO_OK);
    cr_assert_eq(h.sni_kind, SNI_NONE);
}

Test(clienthello, every_wrong_length)
{
    struct build e = {.n = 0}, w;
    struct client_hello h;
    sni_ext(&e, "a.example", 9);
    whole(&w, &e);
    /* Lengths of session id, ciphers, compression, extensions, extension, list, name: one more is always
     * wrong. */
    static const size_t lengths[] = {43, 45, 48, 51, 55, 57, 60};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct build bad = w;
        bad.b[lengths[i]]++;
        cr_assert_neq(parse(&bad, &h), HELLO_OK, "at %zu", lengths[i]);
    }
    struct build tail = w; /* one octet more in the record, behind the message */
    tail.b[4]++;
    put(&tail, "", 1);
    cr_assert_eq(parse(&tail, &h), HELLO_BAD);
}

Test(clienthello, only_handshake_records)
{
    struct build e = {.n = 0}, w;
    struct client_hello h;
    sni_ext(&e, "a.example", 9);
    whole(&w, &e);
    uint8_t wire[4096];
    size_t n = refragment(w.b, w.n, 20, wire);
    cr_assert_lt(n, sizeof wire);
    static const uint8_t types[] = {0, 20, 21, 23, 24, 255};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        size_t need;
        wire[25] = types[i]; /* the second record */
        cr_assert_eq(client_hello_parse(wire, n, &h, &need), HELLO_BAD);
        cr_assert_eq(client_hello_parse(wire, 26, &h, &need), HELLO_BAD, "as soon as it can be seen");
    }
    wire[25] = 22;
    wire[28] = wire[29] = 0; /* an empty record */
    size_t need;
    cr_assert_eq(client_hello_parse(wire, n, &h, &need), HELLO_BAD);
}

Test(clienthello, other_things)
{
    static const struct {
        const char *what, *p;
        size_t n;
    } cases[] = {
        {"SSLv2", "\x80\x2e\1\3\1", 5},
        {"HTTP", "GET / HTTP/1.1\r\n", 16},
        {"SSH", "SSH-2.0-x\r\n", 11},
        {"a ServerHello", "\x16\3\1\0\x30\2", 6},
        {"a record of version 5", "\x16\3\5", 3},
        {"a record over 16 KiB", "\x16\3\1\x40\1", 5},
        {"a message over the limit", "\x16\3\1\x40\0\1\0\x40\0", 9},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client_hello h;
        size_t need;
        cr_assert_eq(client_hello_parse((const uint8_t *)cases[i].p, cases[i].n, &h, &need), HELLO_BAD, "%s",
            cases[i].what);
    }
}

/* In records of one octet it takes six times the room: within the limit it is read, beyond it is bad, not
 * MORE. */
Test(clienthello, the_limit_counts_octets_on_the_wire)
{
    struct client_hello h;
    size_t need;
    static uint8_t wire[120000];
    for (size_t pad = 1000; pad < 16000; pad += 1000) {
        struct build e = {.n = 0}, w;
        static const uint8_t zero[16000];
        sni_ext(&e, "a.example", 9);
        ext(&e, 21, zero, pad);
        whole(&w, &e);
        cr_assert_eq(client_hello_parse(w.b, w.n, &h, &need), HELLO_OK, "%zu", pad);
        size_t n = refragment(w.b, w.n, 1, wire);
        cr_assert_eq(client_hello_parse(wire, n, &h, &need), n <= CLIENT_HELLO_MAX ? HELLO_OK : HELLO_BAD);
        if (n > CLIENT_HELLO_MAX)
            cr_assert_eq(client_hello_parse(wire, CLIENT_HELLO_MAX, &h, &need), HELLO_BAD);
    }
}

Test(clienthello, too_many_extensions)
{
    struct build e = {.n = 0};
    struct client_hello h;
    for (unsigned i = 0; i < 200; i++)
        ext(&e, 1000 + i, "", 0);
    cr_assert_eq(with_exts(&e, &h), HELLO_BAD);
}

Test(sniff, first_octets)
{
    static const struct {
        const char *p;
        size_t n;
        enum sniff is;
    } cases[] = {
        {"", 0, SNIFF_MORE},
        {"\x16", 1, SNIFF_MORE},
        {"\x16\3", 2, SNIFF_TLS},
        {"\x16\2", 2, SNIFF_NEITHER},
        {"\x80\x2e\1", 3, SNIFF_NEITHER},
        {"G", 1, SNIFF_MORE},
        {"GET ", 4, SNIFF_HTTP},
        {"get ", 4, SNIFF_HTTP},
        {"M-SEARCH ", 9, SNIFF_HTTP},
        {"PRI * HTTP/2.0\r\n", 16, SNIFF_HTTP},
        {"\r\nGET ", 6, SNIFF_HTTP},
        {" GET", 4, SNIFF_NEITHER},
        {"SSH-", 4, SNIFF_MORE},
        {"SSH-2", 5, SNIFF_NEITHER},
        {"\0", 1, SNIFF_NEITHER},
        {"GET\t", 4, SNIFF_NEITHER},
        {"abcdefghijabcdefghijabcdefghijab", 32, SNIFF_MORE},
        {"abcdefghijabcdefghijabcdefghijabc", 33, SNIFF_NEITHER},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_assert_eq(sniff((const uint8_t *)cases[i].p, cases[i].n), cases[i].is, "case %zu", i);
}
