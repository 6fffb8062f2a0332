#include <criterion/criterion.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "appliance/engine.h"
#include "appliance/flow/conn_internal.h"
#include "appliance/flow/tls.h"
#include "lib/base.h"
#include "tests/unit/engine_world.h"

/* ---- a loop, and two ends in it ---- */

struct end {
    struct conn *c;
    struct engine *e;
    uint64_t got, to_send, sent;
    uint32_t sum_in, sum_out;
    ssize_t last; /* what ended reading: 0, -ECONNABORTED... */
    int handshake; /* 1 = none yet */
    bool ended, failed, close_on_read, echo_half_close;
};

static uint32_t mix(uint32_t sum, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum = sum * 31 + p[i];
    return sum;
}

static void produce(struct end *end)
{
    static uint8_t block[50000];
    while (end->sent < end->to_send) {
        size_t n = (size_t)MIN(sizeof block, end->to_send - end->sent);
        for (size_t i = 0; i < n; i++)
            block[i] = (uint8_t)((end->sent + i) * 7 >> 3);
        int r = conn_send(end->c, block, n);
        cr_assert_geq(r, 0);
        end->sum_out = mix(end->sum_out, block, n);
        end->sent += n;
        if (r == 1)
            return;
    }
    conn_shutdown(end->c);
}

static void on_readable(struct conn *c, void *arg)
{
    struct end *end = arg;
    for (;;) {
        ssize_t n = conn_read(c, end->e->scratch, sizeof end->e->scratch);
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            end->last = n;
            end->ended = true;
            return;
        }
        end->sum_in = mix(end->sum_in, end->e->scratch, (size_t)n);
        end->got += (uint64_t)n;
        if (end->close_on_read) {
            conn_close(c, false);
            end->c = NULL;
            end->ended = true;
            return;
        }
    }
}

static void on_drained(struct conn *c, void *arg)
{
    (void)c;
    produce(arg);
}

static void on_error(struct conn *c, void *arg, int err)
{
    (void)c;
    struct end *end = arg;
    end->failed = true;
    end->last = err;
}

static const struct conn_ops ops = {on_readable, on_drained, on_error};

static void pair(struct engine *e, struct end *a, struct end *b)
{
    int sv[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
    *a = *b = (struct end){.e = e, .handshake = 1};
    a->c = conn_new(e, sv[0], &ops, a);
    b->c = conn_new(e, sv[1], &ops, b);
}

static void close_end(struct end *end)
{
    if (end->c)
        conn_close(end->c, false);
    end->c = NULL;
}

static void run_until(struct engine *e, bool (*over)(const struct end *, const struct end *),
    const struct end *a, const struct end *b)
{
    for (int i = 0; i < 100000 && !over(a, b); i++)
        engine_turn(e, true);
    cr_assert(over(a, b));
}

static bool both_ended(const struct end *a, const struct end *b)
{
    return a->ended && b->ended;
}

static bool b_ended(const struct end *a, const struct end *b)
{
    (void)a;
    return b->ended;
}

static bool handshakes_over(const struct end *a, const struct end *b)
{
    return a->handshake != 1 && b->handshake != 1;
}

/* ---- names ---- */

struct names {
    struct tls_ctx *tls;
    EVP_PKEY *ca_key;
    X509 *ca;
};

static void add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    cr_assert(ext && X509_add_ext(x, ext, -1));
    X509_EXTENSION_free(ext);
}

static X509 *certificate(EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, const char *san)
{
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), san ? 2 : 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    if (!issuer)
        X509_NAME_add_entry_by_txt(
            X509_get_subject_name(x), "CN", MBSTRING_ASC, (const uint8_t *)"test CA", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
    add_ext(x, issuer ? issuer : x, NID_subject_key_identifier, "hash");
    add_ext(x, issuer ? issuer : x, NID_authority_key_identifier, "keyid:always");
    add_ext(x, x, NID_basic_constraints, issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
    add_ext(x, x, NID_key_usage, issuer ? "critical,digitalSignature" : "critical,keyCertSign");
    if (san) {
        char critical[100]; /* as it must be where there is no subject */
        (void)snprintf(critical, sizeof critical, "critical,%s", san);
        add_ext(x, x, NID_subject_alt_name, critical);
    }
    cr_assert_gt(X509_sign(x, issuer_key ? issuer_key : key, EVP_sha256()), 0);
    return x;
}

static struct names names_up(void)
{
    struct names n = {.ca_key = EVP_EC_gen("P-256")};
    char path[] = "/tmp/test_conn-XXXXXX", err[200];
    n.ca = certificate(n.ca_key, NULL, NULL, NULL);
    FILE *f = fdopen(mkstemp(path), "w");
    PEM_write_X509(f, n.ca);
    fclose(f);
    const char *const files[] = {path};
    n.tls = tls_ctx_new(files, 1, NULL, err, sizeof err);
    cr_assert(n.tls, "%s", err);
    unlink(path);
    return n;
}

static void names_down(struct names *n)
{
    tls_ctx_free(n->tls);
    X509_free(n->ca);
    EVP_PKEY_free(n->ca_key);
}

static SSL *server_for(
    const struct names *n, const char *name, const char *san, const char *sni, enum tls_alpn alpn)
{
    size_t len;
    const uint8_t *spki = tls_leaf_spki(n->tls, &len);
    EVP_PKEY *key = d2i_PUBKEY(NULL, &spki, (long)len);
    X509 *leaf = certificate(key, n->ca, n->ca_key, san);
    uint8_t *der = NULL;
    int der_len = i2d_X509(leaf, &der);
    cr_assert_gt(tls_leaf_seconds(der, (size_t)der_len), 3000);
    SSL *ssl = tls_server_new(n->tls, name, sni, der, (size_t)der_len, alpn);
    OPENSSL_free(der);
    X509_free(leaf);
    EVP_PKEY_free(key);
    cr_assert(ssl);
    return ssl;
}

static void on_handshake(struct conn *c, void *arg, int err)
{
    struct end *end = arg;
    end->handshake = err;
    if (err == 0)
        conn_read_enable(c, true);
}

/* `client` and `server` are what each believes; the leaf has `san`. */
static void handshake(const struct names *n, struct end *a, struct end *b, const char *client,
    const char *server, const char *san, enum tls_alpn alpn)
{
    conn_handshake(b->c, server_for(n, server, san, server, alpn), on_handshake);
    conn_handshake(a->c, tls_client_new(n->tls, client, 443, true), on_handshake);
    run_until(a->e, handshakes_over, a, b);
}

static void handshake_well(
    const struct names *n, struct end *a, struct end *b, const char *name, enum tls_alpn alpn)
{
    bool h2;
    char why[200] = "", san[80];
    (void)snprintf(san, sizeof san, "DNS:%s", name);
    handshake(n, a, b, name, name, san, alpn);
    cr_assert_eq(tls_client_verified(conn_ssl(a->c), &h2, why, sizeof why), 0, "%s", why);
    cr_assert(a->handshake == 0 && b->handshake == 0 && h2 == (alpn == TLS_ALPN_H2));
}

/* ---- plain ---- */

Test(conn, plain_both_ways_with_half_closes)
{
    struct engine *e = engine_up();
    struct end a, b;
    pair(e, &a, &b);
    a.to_send = 5000001;
    b.to_send = 3;
    conn_read_enable(a.c, true);
    conn_read_enable(b.c, true);
    produce(&b); /* its FIN is out long before a has finished */
    produce(&a);
    run_until(e, both_ended, &a, &b);
    cr_assert_eq(b.got, a.to_send);
    cr_assert_eq(b.sum_in, a.sum_out);
    cr_assert_eq(a.got, 3);
    cr_assert_eq(a.last, 0);
    cr_assert_eq(conn_bytes_in(b.c), a.to_send);
    cr_assert_eq(conn_bytes_out(a.c), a.to_send);
    close_end(&a);
    close_end(&b);
    engine_down(e);
}

Test(conn, corked_octets_leave_together)
{
    struct engine *e = engine_up();
    struct end a, b;
    char buf[64];
    pair(e, &a, &b);
    conn_cork(a.c);
    conn_cork(a.c);
    cr_assert_eq(conn_send(a.c, "one ", 4), 0);
    cr_assert_eq(conn_uncork(a.c), 0);
    cr_assert_lt(recv(conn_fd(b.c), buf, sizeof buf, MSG_PEEK), 0, "still corked once");
    cr_assert_eq(conn_send(a.c, "two", 3), 0);
    cr_assert_eq(conn_uncork(a.c), 0);
    cr_assert_eq(conn_read(b.c, buf, sizeof buf), 7);
    cr_assert_eq(memcmp(buf, "one two", 7), 0);
    close_end(&a);
    close_end(&b);
    engine_down(e);
}

Test(conn, closing_from_inside_a_callback)
{
    struct engine *e = engine_up();
    struct end a, b;
    pair(e, &a, &b);
    a.to_send = 10;
    b.close_on_read = true;
    conn_read_enable(a.c, true);
    conn_read_enable(b.c, true);
    produce(&a);
    run_until(e, both_ended, &a, &b);
    cr_assert_eq(a.last, 0);
    close_end(&a);
    cr_assert_null(e->conns);
    engine_down(e);
}

/* The owner is gone; what it had queued still arrives, though the peer has unread octets under way to us. */
Test(conn, a_lingering_answer_is_not_lost)
{
    struct engine *e = engine_up();
    struct end a, b;
    pair(e, &a, &b);
    static uint8_t answer[1000000];
    conn_set_linger(a.c);
    cr_assert_eq(conn_send(b.c, "a request", 9), 0);
    cr_assert_eq(conn_send(a.c, answer, sizeof answer), 1);
    close_end(&a);
    cr_assert_eq(e->n_lingering, 1);
    conn_read_enable(b.c, true);
    run_until(e, b_ended, &a, &b);
    cr_assert_eq(b.got, sizeof answer);
    cr_assert_eq(b.last, 0);
    close_end(&b);
    while (e->n_lingering)
        engine_turn(e, true);
    cr_assert_null(e->conns);
    engine_down(e);
}

/* ---- TLS ---- */

Test(conn, tls_both_ways)
{
    struct engine *e = engine_up();
    struct names n = names_up();
    struct end a, b;
    pair(e, &a, &b);
    handshake_well(&n, &a, &b, "a.example", TLS_ALPN_H2);
    a.to_send = 3000000;
    b.to_send = 4000001;
    produce(&a);
    produce(&b);
    run_until(e, both_ended, &a, &b);
    cr_assert_eq(a.got, b.to_send);
    cr_assert_eq(b.got, a.to_send);
    cr_assert_eq(a.sum_in, b.sum_out);
    cr_assert_eq(b.sum_in, a.sum_out);
    cr_assert_eq(a.last, 0);
    cr_assert_eq(b.last, 0);
    close_end(&a);
    close_end(&b);
    engine_down(e);
    names_down(&n);
}

Test(conn, tls_pauses_and_goes_on)
{
    struct engine *e = engine_up();
    struct names n = names_up();
    struct end a, b;
    pair(e, &a, &b);
    handshake_well(&n, &a, &b, "a.example", TLS_ALPN_HTTP11);
    a.to_send = 400000;
    produce(&a);
    uint8_t buf[1000];
    uint64_t got = 0;
    conn_read_enable(b.c, false);
    while (got < 300) { /* a little, by hand: the rest of the records stay in memory */
        ssize_t r = conn_read(b.c, buf, 100);
        cr_assert(r > 0 || r == -EAGAIN);
        got += r > 0 ? (uint64_t)r : 0;
        b.sum_in = r > 0 ? mix(b.sum_in, buf, (size_t)r) : b.sum_in;
    }
    for (int i = 0; i < 20; i++)
        engine_turn(e, false);
    cr_assert_eq(b.got, 0, "nothing is delivered while reading is off");
    conn_read_enable(b.c, true);
    run_until(e, b_ended, &a, &b);
    cr_assert_eq(b.got + got, a.to_send);
    cr_assert_eq(b.sum_in, a.sum_out);
    close_end(&a);
    close_end(&b);
    engine_down(e);
    names_down(&n);
}

Test(conn, tls_end_without_close_notify_is_told_apart)
{
    struct engine *e = engine_up();
    struct names n = names_up();
    struct end a, b;
    pair(e, &a, &b);
    handshake_well(&n, &a, &b, "a.example", TLS_ALPN_HTTP11);
    shutdown(conn_fd(a.c), SHUT_WR);
    run_until(e, b_ended, &a, &b);
    cr_assert_eq(b.last, -ECONNABORTED);
    cr_assert_eq(conn_send(b.c, "answer", 6), 0, "the other direction is still usable");
    close_end(&a);
    close_end(&b);
    engine_down(e);
    names_down(&n);
}

/* `n` key updates, each in a record of its own, then a little data; with `ask`, each wants an answer. */
static void update_keys(struct end *from, unsigned n, bool ask)
{
    SSL *ssl = conn_ssl(from->c);
    for (unsigned i = 0; i < n; i++) {
        cr_assert_eq(SSL_key_update(ssl, ask ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        cr_assert_eq(SSL_do_handshake(ssl), 1);
    }
    cr_assert_geq(conn_send(from->c, "x", 1), 0);
}

/* Records that bring no data cost as much as those that do, or more. */
Test(conn, tls_key_updates_are_bounded)
{
    static const struct {
        unsigned updates, times;
        bool ask, passes;
    } t[] = {{30, 10, false, true}, {30, 5, true, true}, {1, 300, true, true}, {70, 1, false, false},
        {40, 1, true, false}, {300, 1, false, false}};
    struct names n = names_up();
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct engine *e = engine_up();
        struct end a, b;
        pair(e, &a, &b);
        handshake_well(&n, &a, &b, "a.example", TLS_ALPN_HTTP11);
        for (unsigned k = 0; k < t[i].times && !b.ended; k++) {
            update_keys(&a, t[i].updates, t[i].ask);
            (void)conn_send(b.c, "y", 1); /* the answers to `a` are records without data as well */
            for (int turn = 0; turn < 3; turn++)
                engine_turn(e, false);
        }
        cr_expect_eq(b.ended, !t[i].passes, "row %zu", i);
        cr_expect_eq(b.last, t[i].passes ? 0 : -EPROTO, "row %zu: %zd", i, b.last);
        if (t[i].passes)
            cr_expect_eq(b.got, t[i].times, "row %zu", i);
        close_end(&a);
        close_end(&b);
        engine_turn(e, false);
        engine_down(e);
    }
    names_down(&n);
}

Test(conn, tls_wrong_names)
{
    static const struct {
        const char *client, *server, *san, *what, *why;
    } cases[] = {
        {"a.example", "a.example", "DNS:b.example", "a certificate for another name", "hostname mismatch"},
        {"a.example", "b.example", "DNS:a.example", "another server name than was judged",
            "unrecognized name"},
        {"192.0.2.1", "192.0.2.1", "DNS:192.0.2.1", "an address as a DNS name", "unrecognized name"},
        {"ab.example", "ab.example", "DNS:a*.example", "a partial wildcard", "hostname mismatch"},
        {"x.y.example", "x.y.example", "DNS:*.example", "a wildcard over two labels", "hostname mismatch"},
    };
    struct names n = names_up();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct engine *e = engine_up();
        struct end a, b;
        bool h2;
        char why[200] = "";
        pair(e, &a, &b);
        handshake(&n, &a, &b, cases[i].client, cases[i].server, cases[i].san, TLS_ALPN_HTTP11);
        cr_assert_neq(a.handshake, 0, "%s", cases[i].what);
        cr_assert_neq(tls_client_verified(conn_ssl(a.c), &h2, why, sizeof why), 0);
        cr_assert(strstr(why, cases[i].why), "%s: %s", cases[i].what, why);
        close_end(&a);
        close_end(&b);
        engine_down(e);
    }
    names_down(&n);
}

/* A whole number of days, as a fresh leaf has it, too. */
Test(tls, seconds_a_leaf_has_left)
{
    static const long valid[] = {90L * 86400, 86400, 3600, -86400, -1};
    for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509 *x = certificate(key, NULL, NULL, NULL);
        X509_gmtime_adj(X509_getm_notAfter(x), valid[i]);
        X509_sign(x, key, EVP_sha256());
        uint8_t *der = NULL;
        int len = i2d_X509(x, &der);
        int64_t left = (int64_t)tls_leaf_seconds(der, (size_t)len), want = MAX(valid[i], 0L);
        cr_assert(left <= want && left >= want - 5, "%ld: %ld", valid[i], (long)left);
        OPENSSL_free(der);
        X509_free(x);
        EVP_PKEY_free(key);
    }
    cr_assert_eq(tls_leaf_seconds((const uint8_t *)"junk", 4), 0);
}

static bool visit(const struct names *n, const char *name)
{
    struct engine *e = engine_up();
    struct end a, b;
    pair(e, &a, &b);
    handshake_well(n, &a, &b, name, TLS_ALPN_HTTP11);
    b.to_send = 10; /* its ticket comes with the first octets */
    produce(&b);
    run_until(e, b_ended, &b, &a);
    bool resumed = SSL_session_reused(conn_ssl(b.c));
    close_end(&a);
    close_end(&b);
    engine_down(e);
    return resumed;
}

Test(conn, tls_sessions_are_resumed_for_their_name_only)
{
    struct names n = names_up();
    cr_assert_not(visit(&n, "a.example"));
    cr_assert(visit(&n, "a.example"));
    cr_assert_not(visit(&n, "b.example"));
    names_down(&n);
}

static int waiting_at(const struct end *end)
{
    int n = -1;
    cr_assert_eq(ioctl(conn_fd(end->c), FIONREAD, &n), 0);
    return n;
}

/* A ticket goes with the first answer; a client's Finished goes at once, or the server would wait. */
Test(conn, tls_ends_of_handshakes_go_with_what_follows)
{
    struct names n = names_up();
    struct engine *e = engine_up();
    struct end a, b;
    pair(e, &a, &b);
    handshake_well(&n, &a, &b, "a.example", TLS_ALPN_HTTP11);
    conn_read_enable(a.c, false);
    for (int i = 0; i < 3; i++)
        engine_turn(e, false);
    cr_assert_eq(waiting_at(&a), 0, "no ticket alone");
    cr_assert_eq(conn_send(b.c, "answer", 6), 0);
    cr_assert_gt(waiting_at(&a), 6 + 22 + 100, "answer and ticket");
    conn_read_enable(a.c, true);
    conn_shutdown(b.c);
    run_until(e, b_ended, &b, &a);
    cr_assert_eq(a.got, 6);
    close_end(&a);
    close_end(&b);
    engine_down(e);
    names_down(&n);
}

/* A ticket of a.example's, offered to b.example by a client that does not care. */
Test(conn, tls_ticket_of_another_name_is_none)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct names n = names_up();
        SSL_SESSION *session = NULL;
        static const char *const hosts[] = {"a.example", "a.example", "b.example"};
        for (int round = 0; round < 3; round++) {
            struct engine *e = engine_up();
            struct end a, b;
            char san[40];
            snprintf(san, sizeof san, "DNS:%s", hosts[round]);
            pair(e, &a, &b);
            SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
            SSL *ssl = SSL_new(ctx);
            SSL_set_connect_state(ssl);
            SSL_set_max_proto_version(ssl, versions[i]);
            SSL_set_tlsext_host_name(ssl, hosts[round]);
            if (session) {
                SSL_SESSION_set1_hostname(session, hosts[round]);
                SSL_set_session(ssl, session);
            }
            conn_handshake(
                b.c, server_for(&n, hosts[round], san, hosts[round], TLS_ALPN_HTTP11), on_handshake);
            conn_handshake(a.c, ssl, on_handshake);
            run_until(e, handshakes_over, &a, &b);
            cr_assert_eq(b.handshake, 0);
            b.to_send = 10;
            produce(&b);
            run_until(e, b_ended, &b, &a);
            cr_assert_eq(SSL_session_reused(conn_ssl(b.c)), round == 1, "version %x, round %d",
                (unsigned)versions[i], round);
            SSL_SESSION_free(session);
            session = SSL_get1_session(ssl);
            close_end(&a);
            close_end(&b);
            engine_down(e);
            SSL_CTX_free(ctx);
        }
        SSL_SESSION_free(session);
        names_down(&n);
    }
}

/* ---- TLS in the kernel: the order of what is sent, with a sendmsg() of ours in place of the kernel's ----
 */

static size_t socket_takes;

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    const struct cmsghdr *h = CMSG_FIRSTHDR(m);
    if (!h || h->cmsg_level != SOL_TLS)
        return syscall(SYS_sendmsg, fd, m, flags); /* the test's own machinery has some to send, too */
    size_t n = MIN(socket_takes, m->msg_iov->iov_len);
    socket_takes -= n;
    if (n == 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(fd, m->msg_iov->iov_base, n);
}

static const char *came(struct engine *e, int fd)
{
    static char text[100];
    for (int i = 0; i < 3; i++)
        engine_turn(e, false);
    ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[MAX(n, 0)] = '\0';
    return text;
}

Test(conn, ktls_data_does_not_overtake_a_ticket)
{
    struct engine *e = engine_up();
    struct end a = {.e = e};
    int sv[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
    a.c = conn_new(e, sv[0], &ops, &a);
    socket_takes = 3;
    cr_assert_eq(conn_ktls_record(a.c, SSL3_RT_HANDSHAKE, "ticket1 ", 8), 0);
    cr_assert_eq(conn_ktls_record(a.c, SSL3_RT_HANDSHAKE, "ticket2 ", 8), 0);
    cr_assert_eq(conn_send(a.c, "data ", 5), 1, "it waits");
    cr_assert_eq(conn_ktls_record(a.c, SSL3_RT_ALERT, "alert", 5), 0);
    cr_assert_str_eq(came(e, sv[1]), "tic");
    socket_takes = 4;
    cr_assert_str_eq(came(e, sv[1]), "ket1");
    socket_takes = 100;
    cr_assert_str_eq(came(e, sv[1]), " ticket2 data alert");
    close_end(&a);
    close(sv[1]);
    engine_down(e);
}

/* ---- descriptors ---- */

struct watched {
    struct engine_watch watch;
    struct engine *e;
    struct watched *other; /* that ends when this one hears something */
    uint32_t heard;
    int far; /* the other end */
};

static void on_watched(struct engine_watch *watch, uint32_t events)
{
    struct watched *w = (struct watched *)((char *)watch - offsetof(struct watched, watch));
    w->heard |= events;
    if (w->other)
        engine_watch_close(w->e, &w->other->watch);
    if (w->other)
        w->other->other = NULL;
    w->other = NULL;
}

static struct watched watched_new(struct engine *e)
{
    int sv[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
    return (struct watched){.watch = {on_watched, sv[0], 0}, .e = e, .far = sv[1]};
}

static void watched_close(struct watched *w)
{
    if (w->watch.fd >= 0)
        engine_watch_close(w->e, &w->watch);
    close(w->far);
}

/* What the kernel has told of both is looked at after one has ended the other. */
Test(engine, a_watch_that_has_ended_hears_nothing)
{
    struct engine *e = engine_up();
    struct watched a = watched_new(e), b = watched_new(e);
    a.other = &b;
    b.other = &a;
    engine_watch(e, &a.watch, EPOLLIN);
    engine_watch(e, &b.watch, EPOLLIN);
    cr_assert(write(a.far, "x", 1) == 1 && write(b.far, "x", 1) == 1);
    engine_turn(e, true);
    cr_assert_eq(!a.heard + !b.heard, 1, "one of them");
    struct watched *ended = a.heard ? &b : &a;
    close(ended->far);
    *ended = watched_new(e); /* of the same number */
    engine_watch(e, &ended->watch, EPOLLIN);
    engine_turn(e, false);
    cr_assert_eq(ended->heard, 0);
    cr_assert_eq(write(ended->far, "x", 1), 1);
    engine_turn(e, true);
    cr_assert_eq(ended->heard, EPOLLIN);
    watched_close(&a);
    watched_close(&b);
    engine_down(e);
}

Test(engine, a_descriptor_is_given_on)
{
    struct engine *e = engine_up();
    struct watched a = watched_new(e), b = a;
    engine_watch(e, &a.watch, EPOLLOUT);
    engine_turn(e, true);
    cr_assert_eq(a.heard, EPOLLOUT);
    engine_unwatch(e, &a.watch);
    a.heard = 0;
    engine_turn(e, false); /* it can still be written to, and nobody cares */
    engine_watch(e, &b.watch, EPOLLIN);
    engine_turn(e, false);
    cr_assert_eq(b.heard, 0);
    cr_assert_eq(write(b.far, "x", 1), 1);
    engine_turn(e, true);
    cr_assert(a.heard == 0 && b.heard == EPOLLIN);
    watched_close(&b);
    engine_down(e);
}

Test(engine, an_error_is_told_once_and_ends_the_watch)
{
    struct engine *e = engine_up();
    struct watched a = watched_new(e);
    cr_assert_eq(write(a.watch.fd, "x", 1), 1);
    engine_watch(e, &a.watch, EPOLLIN);
    close(a.far); /* over what it has not read: a reset */
    engine_turn(e, true);
    cr_assert_eq(a.heard, EPOLLERR);
    cr_assert_eq(a.watch.events, 0);
    a.heard = 0;
    engine_turn(e, false);
    cr_assert_eq(a.heard, 0);
    engine_watch_close(e, &a.watch);
    engine_down(e);
}
