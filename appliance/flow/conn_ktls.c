/* TLS in the kernel (kTLS), where it has that: OpenSSL does the handshake and hands the sending key to our
 * BIO as it would to a socket's; from then on what is sent goes to the socket as it is, in as large pieces as
 * for a plain one. Receiving stays with OpenSSL, which of TLS 1.3 can hand over the sending side only.
 *
 * A peer's KeyUpdate is followed when receiving. Its wish for a new key of ours is not met: the kernel has
 * only the first one, and a peer cannot tell. */
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
    if (setsockopt(c->fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") != 0)
        return false;
    c->ktls = setsockopt(c->fd, SOL_TLS, TLS_TX, info, len) == 0;
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
        r = sendmsg(c->fd, &m, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

int conn_ktls_flush(struct conn *c)
{
    struct octets *o = &c->control;
    while (o->len) {
        ssize_t r = send_record(c, c->control_type, o->p + o->off, o->len);
        if (r == -EAGAIN)
            return 1;
        if (r < 0)
            return (int)r;
        octets_consume(o, (size_t)r);
    }
    return 0;
}

int conn_ktls_record(struct conn *c, uint8_t type, const void *p, size_t n)
{
    if (c->control.len) /* tickets go out at once, and after an alert comes nothing */
        return -ENOBUFS;
    int err = octets_append(&c->control, p, n);
    if (err)
        return err;
    c->control_type = type;
    int r = c->queue.len ? 1 : conn_ktls_flush(c);
    if (r > 0)
        conn_arm(c);
    return MIN(r, 0);
}
