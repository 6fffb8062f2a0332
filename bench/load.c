/** \file
 * The client of `make bench`: HTTPS and first packets, with plain blocking threads. One JSON object on
 * stdout.
 *
 *     load seq   HOST ADDR N              N requests one after another on one connection
 *     load new   HOST ADDR THREADS SECS   full handshake, one request, close; again and again
 *     load first SUFFIX NET N             one new connection to each of h00.SUFFIX at NET.1, h01 at NET.2 ...
 *     load hold  HOST ADDR N THREADS      N connections of one request each, kept until stdin ends
 *     load down  HOST ADDR PATH           one GET
 *     load up    HOST ADDR PATH OCTETS    one POST
 *     load sse   HOST ADDR PORT N         N event streams, one after another: how old the first event is when
 * it comes load sse-origin ADDR PORT CERT KEY  what serves them load syn   ADDR PORT THREADS SECS connections
 * that are to be refused, one after another
 *
 * Nothing is verified (who measures has looked at that before) and no session is resumed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64
#define STACK (256 * 1024)

struct times {
    double *v;
    size_t n, cap;
};

struct job {
    const char *host, *addr, *path;
    double until;
    size_t n;
    struct times times;
    size_t failed;
    SSL **kept; /* hold: n of them */
    pthread_t thread;
};

static SSL_CTX *ctx;

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    (void)printf("{\"error\": \"");
    (void)vprintf(format, ap);
    (void)printf("\"}\n");
    va_end(ap);
    exit(1);
}

static void note(struct times *t, double v)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 256;
        t->v = reallocarray(t->v, t->cap, sizeof *t->v);
        if (!t->v)
            abort();
    }
    t->v[t->n++] = v;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* In milliseconds. */
static double percentile(struct times *t, double p)
{
    if (t->n == 0)
        return -1;
    qsort(t->v, t->n, sizeof *t->v, by_value);
    return t->v[(size_t)((double)(t->n - 1) * p)] * 1e3;
}

static void print_times(struct times *t, size_t failed, double seconds)
{
    (void)printf("{\"n\": %zu, \"failed\": %zu, \"seconds\": %.4f, \"p50_ms\": %.4f, \"p99_ms\": %.4f}\n",
        t->n, failed, seconds, percentile(t, .5), percentile(t, .99));
}

static int dial(const char *addr, uint16_t port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval limit = {.tv_sec = 20};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || inet_pton(AF_INET, addr, &sa.sin_addr) != 1)
        abort();
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

static void hang_up(SSL *s)
{
    if (!s)
        return;
    int fd = SSL_get_fd(s);
    (void)SSL_shutdown(s);
    SSL_free(s);
    (void)close(fd);
}

static uint16_t port = 443;

static SSL *open_tls(const char *host, const char *addr)
{
    int fd = dial(addr, port);
    SSL *s = fd >= 0 ? SSL_new(ctx) : NULL;
    if (!s) {
        if (fd >= 0)
            (void)close(fd);
        return NULL;
    }
    (void)SSL_set_tlsext_host_name(s, host);
    (void)SSL_set_fd(s, fd);
    if (SSL_connect(s) == 1)
        return s;
    hang_up(s);
    return NULL;
}

/* The length that the head names, and how much of the body came with the head; -1: not a 200. */
static long long read_head(SSL *s, size_t *body)
{
    char head[8193];
    size_t n = 0;
    for (;;) {
        int r = SSL_read(s, head + n, (int)(sizeof head - 1 - n));
        if (r <= 0)
            return -1;
        n += (size_t)r;
        head[n] = 0;
        const char *end = strstr(head, "\r\n\r\n");
        if (end) {
            const char *length = strcasestr(head, "\r\ncontent-length:");
            *body = n - (size_t)(end + 4 - head);
            return strncmp(head + 8, " 200", 4) == 0 && length ? atoll(length + 17) : -1;
        }
        if (n == sizeof head - 1)
            return -1;
    }
}

static bool ask(SSL *s, const char *method, const char *host, const char *path, long long post)
{
    char req[512];
    int n = snprintf(req, sizeof req, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\n", method, path, host);
    if (post >= 0)
        n += snprintf(req + n, sizeof req - (size_t)n, "Content-Length: %lld\r\n", post);
    n += snprintf(req + n, sizeof req - (size_t)n, "\r\n");
    return SSL_write(s, req, n) == n;
}

static bool read_answer(SSL *s)
{
    static _Thread_local char sink[131072];
    size_t body;
    long long length = read_head(s, &body);
    if (length < 0)
        return false;
    for (long long left = length - (long long)body; left > 0;) {
        int r = SSL_read(s, sink, (int)(left < (long long)sizeof sink ? left : (long long)sizeof sink));
        if (r <= 0)
            return false;
        left -= r;
    }
    return true;
}

static bool get(SSL *s, const char *host, const char *path)
{
    return ask(s, "GET", host, path, -1) && read_answer(s);
}

/* ---- threads ---- */

static void *new_connections(void *arg)
{
    struct job *j = arg;
    while (now() < j->until) {
        double t = now();
        SSL *s = open_tls(j->host, j->addr);
        if (s && get(s, j->host, j->path))
            note(&j->times, now() - t);
        else
            j->failed++;
        hang_up(s);
    }
    return NULL;
}

static void *refused_connections(void *arg)
{
    struct job *j = arg;
    while (now() < j->until) {
        double t = now();
        int fd = dial(j->addr, (uint16_t)j->n);
        if (fd < 0 && (errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == EACCES))
            note(&j->times, now() - t);
        else
            j->failed++;
        if (fd >= 0)
            (void)close(fd);
    }
    return NULL;
}

static void *held_connections(void *arg)
{
    struct job *j = arg;
    for (size_t i = 0; i < j->n; i++) {
        j->kept[i] = open_tls(j->host, j->addr);
        if (j->kept[i] && get(j->kept[i], j->host, j->path))
            note(&j->times, 0);
        else
            j->failed++;
    }
    return NULL;
}

static size_t run_threads(struct job *jobs, size_t n, void *(*fn)(void *), struct times *all)
{
    size_t failed = 0;
    pthread_attr_t attr;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK);
    for (size_t i = 0; i < n; i++)
        if (pthread_create(&jobs[i].thread, &attr, fn, &jobs[i]) != 0)
            abort();
    for (size_t i = 0; i < n; i++) {
        (void)pthread_join(jobs[i].thread, NULL);
        for (size_t k = 0; k < jobs[i].times.n; k++)
            note(all, jobs[i].times.v[k]);
        failed += jobs[i].failed;
    }
    return failed;
}

static void looped(void *(*fn)(void *), const struct job *like, size_t threads, double seconds)
{
    struct job jobs[THREADS_MAX];
    struct times all = {0};
    double start = now();
    for (size_t i = 0; i < threads; i++) {
        jobs[i] = *like;
        jobs[i].until = start + seconds;
    }
    size_t failed = run_threads(jobs, threads, fn, &all);
    print_times(&all, failed, now() - start);
}

/* ---- modes ---- */

static void sequential(const char *host, const char *addr, size_t n)
{
    struct times t = {0};
    double start = now();
    SSL *s = open_tls(host, addr);
    for (size_t i = 0; i < n; i++) {
        double began = now();
        if (!s || !get(s, host, "/1k"))
            fail("request %zu failed", i);
        if (i >= n / 10) /* the first tenth warms up */
            note(&t, now() - began);
    }
    print_times(&t, 0, now() - start);
}

static void first_visits(const char *suffix, const char *net, size_t n)
{
    struct times t = {0};
    size_t failed = 0;
    double start = now();
    for (size_t i = 0; i < n; i++) {
        char host[300], addr[64];
        (void)snprintf(host, sizeof host, "h%02zu.%s", i, suffix);
        (void)snprintf(addr, sizeof addr, "%s.%zu", net, i + 1);
        double began = now();
        SSL *s = open_tls(host, addr);
        if (s && get(s, host, "/1k"))
            note(&t, now() - began);
        else
            failed++;
        hang_up(s);
    }
    print_times(&t, failed, now() - start);
}

static void hold(const char *host, const char *addr, size_t n, size_t threads)
{
    struct job jobs[THREADS_MAX];
    struct times all = {0};
    for (size_t i = 0; i < threads; i++) {
        jobs[i] = (struct job){.host = host, .addr = addr, .path = "/1k", .n = n / threads};
        jobs[i].kept = calloc(jobs[i].n + 1, sizeof(SSL *));
        if (!jobs[i].kept)
            abort();
    }
    double start = now();
    size_t failed = run_threads(jobs, threads, held_connections, &all);
    print_times(&all, failed, now() - start);
    (void)fflush(stdout);
    while (getchar() != EOF)
        ;
}

static void bulk(const char *host, const char *addr, const char *path, long long up)
{
    static char block[131072];
    SSL *s = open_tls(host, addr);
    double start = now();
    if (!s || !ask(s, up >= 0 ? "POST" : "GET", host, path, up))
        fail("cannot ask");
    for (long long left = up; left > 0;) {
        int r = SSL_write(s, block, (int)(left < (long long)sizeof block ? left : (long long)sizeof block));
        if (r <= 0)
            fail("cut with %lld octets to go", left);
        left -= r;
    }
    if (!read_answer(s))
        fail("no whole answer");
    (void)printf("{\"seconds\": %.4f}\n", now() - start);
}

/* ---- event streams ---- */

/* A head at once, an event with the time in it a little later, the end a little after that. */
static bool serve_stream(SSL *s)
{
    char buf[4096], event[256];
    struct timespec pause = {.tv_nsec = 2000000};
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    int n = SSL_read(s, buf, sizeof buf - 1); /* our client's requests come in one piece */
    if (n <= 0 || SSL_write(s, head, sizeof head - 1) <= 0)
        return false;
    (void)nanosleep(&pause, NULL);
    int len = snprintf(event, sizeof event,
        "data: {\"at\":%.9f,\"delta\":\"a piece of text, as a model sends it\"}\n\n", now());
    n = snprintf(buf, sizeof buf, "%x\r\n%s\r\n", len, event);
    if (SSL_write(s, buf, n) != n)
        return false;
    (void)nanosleep(&pause, NULL);
    return SSL_write(s, "0\r\n\r\n", 5) == 5;
}

static void *serve_streams(void *arg)
{
    int fd = (int)(intptr_t)arg;
    SSL *s = SSL_new(ctx);
    if (s && SSL_set_fd(s, fd) == 1 && SSL_accept(s) == 1)
        while (serve_stream(s))
            ;
    SSL_free(s);
    (void)close(fd);
    return NULL;
}

static void stream_origin(const char *addr, uint16_t at, const char *cert, const char *key)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(at)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        fail("no certificate");
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (inet_pton(AF_INET, addr, &sa.sin_addr) != 1 || bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 ||
        listen(fd, 64) != 0)
        fail("cannot listen");
    for (;;) {
        int c = accept(fd, NULL, NULL);
        pthread_t t;
        if (c < 0)
            continue;
        (void)setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (pthread_create(&t, NULL, serve_streams, (void *)(intptr_t)c) == 0)
            (void)pthread_detach(t);
    }
}

/* Age of the first event in seconds; < 0: none came. */
static double stream_age(SSL *s, const char *host)
{
    char buf[8193];
    size_t n = 0;
    double age = -1;
    if (!ask(s, "GET", host, "/events", -1))
        return -1;
    while (n < sizeof buf - 1) {
        int r = SSL_read(s, buf + n, (int)(sizeof buf - 1 - n));
        if (r <= 0)
            return -1;
        n += (size_t)r;
        buf[n] = 0;
        const char *at = strstr(buf, "\"at\":");
        if (age < 0 && at && strstr(at, "\n\n"))
            age = now() - atof(at + 5);
        if (strstr(buf, "0\r\n\r\n"))
            return age;
    }
    return -1;
}

static void streams(const char *host, const char *addr, size_t n)
{
    struct times t = {0};
    double start = now();
    SSL *s = open_tls(host, addr);
    for (size_t i = 0; i < n; i++) {
        double age = s ? stream_age(s, host) : -1;
        if (age < 0)
            fail("stream %zu failed", i);
        if (i >= n / 10)
            note(&t, age);
    }
    print_times(&t, 0, now() - start);
}

static size_t number(const char *text, size_t max)
{
    char *end;
    unsigned long long v = strtoull(text, &end, 10);
    if (*end || v == 0 || v > max)
        fail("not a number from 1 to %zu: %s", max, text);
    return (size_t)v;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 3 ? argv[1] : "";
    const char *fourth = argc > 4 ? argv[4] : "1", *fifth = argc > 5 ? argv[5] : "1";
    ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        abort();
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    struct job like = {.host = argv[2], .addr = argv[3], .path = "/1k"};
    if (strcmp(mode, "seq") == 0)
        sequential(argv[2], argv[3], number(fourth, 10000000));
    else if (strcmp(mode, "new") == 0)
        looped(new_connections, &like, number(fourth, THREADS_MAX), atof(fifth));
    else if (strcmp(mode, "first") == 0)
        first_visits(argv[2], argv[3], number(fourth, 100));
    else if (strcmp(mode, "hold") == 0)
        hold(argv[2], argv[3], number(fourth, 100000), number(fifth, THREADS_MAX));
    else if (strcmp(mode, "down") == 0)
        bulk(argv[2], argv[3], fourth, -1);
    else if (strcmp(mode, "up") == 0)
        bulk(argv[2], argv[3], fourth, atoll(fifth));
    else if (strcmp(mode, "sse") == 0) {
        port = (uint16_t)number(fourth, 65535);
        streams(argv[2], argv[3], number(fifth, 100000));
    } else if (strcmp(mode, "sse-origin") == 0)
        stream_origin(argv[2], (uint16_t)number(argv[3], 65535), fourth, fifth);
    else if (strcmp(mode, "syn") == 0) {
        like = (struct job){.addr = argv[2], .n = number(argv[3], 65535)};
        looped(refused_connections, &like, number(fourth, THREADS_MAX), atof(fifth));
    } else
        fail("usage: see the head of bench/load.c");
    return 0;
}
