#include "lib/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "lib/utf8.h"

#define HEX_DIGEST 64
#define ID_POOL 320 /* random octets fetched at a time: 32 ids */
#define ID_OCTETS 10
/* The size of the file, to which others add too, need not be exact: it is looked at after so many octets of
 * ours. */
#define SIZE_EVERY KIB(16)

struct audit {
    int fd;
    char writer[32];
    uint64_t seq, lost, size;
    size_t unseen; /* octets of ours since the size was looked at */
    char prev[HEX_DIGEST + 1];
    char *buf; /* whole lines, then the line in the making */
    size_t len, cap, line; /* line: where the one in the making begins */
    bool skip; /* the line in the making is only counted */
    bool first_in_array;
    bool failing; /* the last flush left lines behind */
    EVP_MD *sha256;
    EVP_MD_CTX *md;
    time_t stamp_second;
    char stamp[24];
    uint8_t pool[ID_POOL];
    size_t pool_left;
};

struct audit *audit_open(int fd, const char *role, unsigned index)
{
    struct audit *a = calloc(1, sizeof *a);
    uint8_t id[6];
    if (!a || RAND_bytes(id, sizeof id) != 1 || !(a->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL)) ||
        !(a->md = EVP_MD_CTX_new())) {
        audit_close(a);
        (void)close(fd);
        return NULL;
    }
    a->fd = fd;
    a->unseen = SIZE_EVERY;
    (void)snprintf(a->writer, sizeof a->writer, "%.12s%u-%02x%02x%02x%02x%02x%02x", role, index, id[0], id[1],
        id[2], id[3], id[4], id[5]);
    memset(a->prev, '0', HEX_DIGEST);
    return a;
}

void audit_close(struct audit *a)
{
    if (!a)
        return;
    if (a->len)
        (void)audit_flush(a);
    if (a->fd > 0)
        (void)close(a->fd);
    EVP_MD_free(a->sha256);
    EVP_MD_CTX_free(a->md);
    free(a->buf);
    free(a);
}

void audit_replace_fd(struct audit *a, int fd)
{
    (void)close(a->fd);
    a->fd = fd;
    a->size = 0;
    a->unseen = SIZE_EVERY;
}

/* Room for `n` octets at the end, and for the newline; NULL: this line is lost. */
static inline char *room(struct audit *a, size_t n)
{
    if (a->skip)
        return NULL;
    if (a->cap - a->len < n + 1) {
        size_t cap = MAX(a->cap * 2, a->len + n + KIB(4));
        char *p = realloc(a->buf, cap);
        if (!p) {
            a->skip = true;
            return NULL;
        }
        a->buf = p;
        a->cap = cap;
    }
    char *at = a->buf + a->len;
    a->len += n;
    return at;
}

static inline void put(struct audit *a, const char *s, size_t n)
{
    char *at = room(a, n);
    if (at)
        memcpy(at, s, n);
}

static void puts_(struct audit *a, const char *s)
{
    put(a, s, strlen(s));
}

static void put_escape(struct audit *a, unsigned code)
{
    static const char hex[] = "0123456789abcdef";
    char esc[6] = {'\\', 'u', hex[code >> 12 & 15], hex[code >> 8 & 15], hex[code >> 4 & 15], hex[code & 15]};
    put(a, esc, sizeof esc);
}

/* Of a sequence of two or three octets. */
static unsigned code_of(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    return n == 2 ? (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu)
                  : (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
}

/* A JSON string (RFC 8259 7). What is not UTF-8 becomes U+FFFD, so that every line is valid whatever a peer
 * sent; what would command the terminal of whoever reads the file is escaped. */
static void put_string(struct audit *a, const char *s, size_t n)
{
    put(a, "\"", 1);
    size_t plain = 0, i = 0;
    while (i < n) {
        unsigned char c = (unsigned char)s[i];
        size_t w = c < 0x80 ? 1 : utf8_sequence(s + i, n - i);
        bool command = w > 1 && utf8_is_command(s + i, w);
        if (w && !command && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            i += w;
            continue;
        }
        put(a, s + plain, i - plain);
        if (!w)
            put(a, "\xef\xbf\xbd", 3);
        else
            put_escape(a, command ? code_of(s + i, w) : c);
        i += w ? w : 1;
        plain = i;
    }
    put(a, s + plain, n - plain);
    put(a, "\"", 1);
}

static void put_key(struct audit *a, const char *key)
{
    size_t n = strlen(key);
    char *at = room(a, n + 4);
    if (!at)
        return;
    memcpy(at, ",\"", 2);
    memcpy(at + 2, key, n);
    memcpy(at + 2 + n, "\":", 2);
}

/* With leading zeros; each line has some, and printf would be a tenth of its cost. */
static void put_digits(struct audit *a, unsigned long v, unsigned digits)
{
    char *at = room(a, digits);
    for (unsigned i = digits; at && i-- > 0; v /= 10)
        at[i] = (char)('0' + v % 10);
}

/* RFC 3339 with microseconds; the part above a second is made anew only once a second. */
static void put_now(struct audit *a)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    if (ts.tv_sec != a->stamp_second || !a->stamp[0]) {
        struct tm tm;
        (void)gmtime_r(&ts.tv_sec, &tm);
        (void)strftime(a->stamp, sizeof a->stamp, "%Y-%m-%dT%H:%M:%S", &tm);
        a->stamp_second = ts.tv_sec;
    }
    puts_(a, a->stamp);
    put(a, ".", 1);
    put_digits(a, (unsigned long)ts.tv_nsec / 1000, 6);
    put(a, "Z", 1);
}

static void put_u64(struct audit *a, uint64_t v)
{
    char digits[20];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    put(a, digits + i, sizeof digits - i);
}

void audit_begin(struct audit *a, const struct audit_common *c)
{
    static const char *const verdicts[] = {
        [VERDICT_ALLOW] = "allow", [VERDICT_DENY] = "deny", [VERDICT_AUDIT] = "audit"};
    a->line = a->len;
    a->skip = a->len > AUDIT_PENDING_MAX;
    puts_(a, "{\"ts\":\"");
    put_now(a);
    puts_(a, "\",\"w\":\"");
    puts_(a, a->writer);
    puts_(a, "\",\"seq\":");
    put_u64(a, a->seq + 1);
    puts_(a, ",\"prev\":\"");
    put(a, a->prev, HEX_DIGEST);
    puts_(a, "\"");
    audit_str(a, "event", c->event);
    audit_addr(a, "agent", c->agent);
    audit_str(a, "verdict", verdicts[c->verdict]);
    audit_str(a, "reason", c->reason ? reason_name(c->reason) : NULL);
    audit_str(a, "route", c->route);
    audit_str(a, "host", c->host);
    if (c->flow)
        audit_str(a, "flow", c->flow);
}

void audit_strn(struct audit *a, const char *key, const char *value, size_t len)
{
    put_key(a, key);
    if (value)
        put_string(a, value, len);
    else
        put(a, "null", 4);
}

void audit_str(struct audit *a, const char *key, const char *value)
{
    audit_strn(a, key, value, value ? strlen(value) : 0);
}

void audit_u64(struct audit *a, const char *key, uint64_t value)
{
    put_key(a, key);
    put_u64(a, value);
}

void audit_ms(struct audit *a, const char *key, uint64_t microseconds)
{
    audit_u64(a, key, microseconds / 1000);
    put(a, ".", 1);
    put_digits(a, microseconds % 1000, 3);
}

void audit_bool(struct audit *a, const char *key, bool value)
{
    put_key(a, key);
    puts_(a, value ? "true" : "false");
}

void audit_addr(struct audit *a, const char *key, const struct addr *value)
{
    char text[ADDR_STRLEN];
    audit_str(a, key, value ? addr_format(value, text) : NULL);
}

void audit_array_begin(struct audit *a, const char *key)
{
    put_key(a, key);
    put(a, "[", 1);
    a->first_in_array = true;
}

void audit_array_str(struct audit *a, const char *value)
{
    if (!a->first_in_array)
        put(a, ",", 1);
    a->first_in_array = false;
    put_string(a, value, strlen(value));
}

void audit_array_end(struct audit *a)
{
    put(a, "]", 1);
}

void audit_end(struct audit *a)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    put(a, "}", 1);
    if (a->skip || EVP_DigestInit_ex2(a->md, a->sha256, NULL) != 1 ||
        EVP_DigestUpdate(a->md, a->buf + a->line, a->len - a->line) != 1 ||
        EVP_DigestFinal_ex(a->md, digest, &n) != 1 || n * 2 != HEX_DIGEST) {
        a->len = a->line;
        a->lost++;
        a->skip = false;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        a->prev[2 * i] = hex[digest[i] >> 4];
        a->prev[2 * i + 1] = hex[digest[i] & 15];
    }
    a->seq++;
    a->buf[a->len++] = '\n'; /* put() keeps room for it */
}

static int lock(int fd, short type)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET};
    while (fcntl(fd, F_SETLKW, &l) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

/* Writes as many whole lines as the disk takes; what it took of a further line is cut off again. */
static ssize_t write_lines(struct audit *a)
{
    ssize_t n = write(a->fd, a->buf, a->len);
    if (n < 0)
        return -errno;
    size_t whole = (size_t)n;
    while (whole && a->buf[whole - 1] != '\n')
        whole--;
    a->unseen += whole;
    a->size += whole;
    if (whole == (size_t)n && a->unseen < SIZE_EVERY)
        return (ssize_t)whole;
    off_t end = lseek(a->fd, 0, SEEK_CUR);
    if (whole < (size_t)n && end >= 0) {
        end -= (off_t)((size_t)n - whole);
        if (ftruncate(a->fd, end) < 0)
            return -errno;
    }
    a->size = end > 0 ? (uint64_t)end : 0;
    a->unseen = 0;
    return (ssize_t)whole;
}

int audit_flush(struct audit *a)
{
    int err = 0;
    if (!a->len && !a->lost)
        return 0;
    if (a->lost && a->len <= AUDIT_PENDING_MAX) {
        uint64_t lost = a->lost;
        a->lost = 0;
        audit_begin(a, &(struct audit_common){
                           .event = "lost", .verdict = VERDICT_DENY, .reason = REASON_AUDIT_UNAVAILABLE});
        audit_u64(a, "count", lost);
        audit_end(a);
    }
    if ((err = lock(a->fd, F_WRLCK)) < 0) {
        a->failing = true;
        return err;
    }
    while (a->len && !err) {
        ssize_t n = write_lines(a);
        if (n <= 0) {
            err = n < 0 ? (int)n : -ENOSPC;
        } else {
            a->len -= (size_t)n;
            memmove(a->buf, a->buf + n, a->len);
        }
    }
    (void)lock(a->fd, F_UNLCK);
    a->failing = err < 0;
    return err;
}

bool audit_ok(struct audit *a)
{
    /* What was decided this turn is not late yet: only lines that a flush left behind mean trouble. */
    return !a->failing || audit_flush(a) == 0;
}

size_t audit_pending(const struct audit *a)
{
    return a->len;
}

uint64_t audit_size(const struct audit *a)
{
    return a->size;
}

void audit_new_id(struct audit *a, char out[static AUDIT_ID_LEN + 1])
{
    static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
    if (a->pool_left < ID_OCTETS) {
        if (RAND_bytes(a->pool, sizeof a->pool) != 1)
            abort(); /* guessable ids would be worse than none */
        a->pool_left = sizeof a->pool;
    }
    a->pool_left -= ID_OCTETS;
    const uint8_t *p = a->pool + a->pool_left;
    for (unsigned i = 0; i < 2; i++, p += 5) {
        uint64_t v =
            (uint64_t)p[0] << 32 | (uint64_t)p[1] << 24 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 8 | p[4];
        for (unsigned k = 0; k < 8; k++)
            out[i * 8 + k] = base32[v >> (35 - 5 * k) & 31];
    }
    out[AUDIT_ID_LEN] = 0;
}
