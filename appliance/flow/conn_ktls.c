/* TLS in the kernel (kTLS), where it has that: OpenSSL does the handshake and hands the sending key to our
 * BIO as it would to a socket's; from then on what is sent goes to the socket as it is, in as large pieces as
 * for a plain one. Receiving stays with OpenSSL, which of TLS 1.3 can hand over the sending side only.
 *
 * A peer's KeyUpdate is followed when receiving. Its wish for a new key of ours is not met, though RFC 8446
 * 4.6.3 asks for it: the kernel has only the first one. OpenSSL would answer with what it writes next, and it
 * writes nothing any more but alerts; to the peer it is as if its wish were still under way. */
#include "appliance/flow/conn_internal.h"

#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

/* What OpenSSL hands over begins with the kernel's own struct; which one, its first fields tell. */
static socklen_t info_len(const struct tls_crypto_info *i)
{
    switch (i->cipher_type) {
    case TLS_CIPHER_AES_GCM_128: return sizeof(struct tls12_crypto_info_aes_gcm_128);
    case TLS_CIPHER_AES_GCM_256: return sizeof(struct tls12_crypto_info_aes_gcm_256);
    case TLS_CIPHER_CHACHA20_POLY1305: return sizeof(struct tls12_crypto_info_chacha20_poly1305);
    default: return 0;
    }
}

bool conn_ktls_start(struct conn *c, const void *info)
{
    socklen_t len = info_len(info);
    /* What OpenSSL has encrypted itself must be in the socket before. */
    if (c->ktls || len == 0 || c->queue.len || c->write_err)
        return false;
    if (setsockopt(c->watch.fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") != 0)
        return false;
    c->ktls = setsockopt(c->watch.fd, SOL_TLS, TLS_TX, info, len) == 0;
    return c->ktls;
}

static ssize_t send_record(const struct conn *c, uint8_t type, const void *p, size_t n)
{
    union {
        struct cmsghdr align;
        uint8_t space[CMSG_SPACE(sizeof(uint8_t))];
    } control = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.space};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_TLS;
    h->cmsg_type = TLS_SET_RECORD_TYPE;
    h->cmsg_len = CMSG_LEN(sizeof type);
    memcpy(CMSG_DATA(h), &type, sizeof type);
    ssize_t r;
    do
        r = sendmsg(c->watch.fd, &m, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

static int flush(const struct conn *c, uint8_t type, struct octets *o)
{
    while (o->len) {
        ssize_t r = send_record(c, type, o->p + o->off, o->len);
        if (r == -EAGAIN)
            return 1;
        if (r < 0)
            return (int)r;
        octets_consume(o, (size_t)r);
    }
    return 0;
}

int conn_ktls_flush_messages(struct conn *c)
{
    return flush(c, SSL3_RT_HANDSHAKE, &c->messages);
}

int conn_ktls_flush_alert(struct conn *c)
{
    return flush(c, SSL3_RT_ALERT, &c->alert);
}

/* The parts of a message may have no other record between them (RFC 8446 5.1), but a full socket takes a part
 * only. Messages are tickets, which end the handshake: no data can be queued before them. */
int conn_ktls_record(struct conn *c, uint8_t type, const void *p, size_t n)
{
    bool alert = type == SSL3_RT_ALERT;
    if (alert ? c->alert.len : type != SSL3_RT_HANDSHAKE || c->queue.len)
        return -ENOBUFS; /* after an alert comes nothing */
    int r = octets_append(alert ? &c->alert : &c->messages, p, n);
    if (r == 0)
        r = conn_ktls_flush_messages(c);
    if (r == 0)
        r = c->queue.len ? 1 : conn_ktls_flush_alert(c);
    if (r > 0)
        conn_arm(c);
    return MIN(r, 0);
}
