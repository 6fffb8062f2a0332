/* The process that holds the CA key: {host name, public key} in, certificate out. */
#include "appliance/signer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include <openssl/x509.h>

#include "appliance/roles.h"
#include "appliance/sandbox.h"
#include "lib/base.h"
#include "lib/log.h"

#define ASKS_A_TURN 8 /* of one engine, before the others have theirs */

struct peer {
    int fd;
    bool waiting; /* `answer` has not been taken yet: nothing more is read from this engine */
    struct ipc_msg answer;
};

struct signer {
    struct minter *minter;
    struct peer peers[ENGINES_MAX];
    size_t n_peers;
};

static void answer(struct signer *s, struct peer *p, const struct ipc_leaf_ask *ask)
{
    p->answer = (struct ipc_msg){.type = IPC_LEAF, .leaf.id = ask->id};
    size_t n = minter_leaf(s->minter, ask->host, ask->spki, ask->spki_len, time(NULL), p->answer.leaf.der);
    p->answer.leaf.len = (uint16_t)n;
    if (n == 0)
        log_debug("no certificate for \"%s\": not a name or a key that one is made for", ask->host);
    p->waiting = ipc_send(p->fd, &p->answer, -1) == -EAGAIN;
}

static void serve_peer(struct signer *s, struct peer *p)
{
    struct ipc_msg m;
    if (p->waiting)
        p->waiting = ipc_send(p->fd, &p->answer, -1) == -EAGAIN;
    for (int i = 0; i < ASKS_A_TURN && !p->waiting; i++) {
        int r = ipc_recv(p->fd, &m, NULL);
        if (r == -EAGAIN)
            return;
        /* The socket outlives engines, and the monitor holds it open: garbage is left unanswered, no more. */
        if (r == 1 && m.type == IPC_LEAF_ASK)
            answer(s, p, &m.leaf_ask);
    }
}

/** False: the monitor is gone or wants us gone. */
static bool serve_control(int control)
{
    struct ipc_msg m;
    int r = ipc_recv(control, &m, NULL);
    if (r == 1 && m.type == IPC_PING)
        (void)ipc_send(control, &m, -1);
    return r == -EAGAIN || (r == 1 && m.type != IPC_DRAIN);
}

static int serve(struct signer *s, int control)
{
    struct pollfd fds[ENGINES_MAX + 1];
    fds[0] = (struct pollfd){.fd = control, .events = POLLIN};
    for (;;) {
        for (size_t i = 0; i < s->n_peers; i++)
            fds[i + 1] =
                (struct pollfd){.fd = s->peers[i].fd, .events = s->peers[i].waiting ? POLLOUT : POLLIN};
        if (poll(fds, s->n_peers + 1, -1) < 0 && errno != EINTR)
            die_errno("poll");
        if (fds[0].revents && !serve_control(control))
            return 0;
        for (size_t i = 0; i < s->n_peers; i++)
            if (fds[i + 1].revents)
                serve_peer(s, &s->peers[i]);
    }
}

/** One certificate before the door closes: OpenSSL opens and allocates what it needs the first time round. */
static void warm_up(const struct ca *ca, struct minter *minter)
{
    uint8_t *spki = NULL, der[IPC_LEAF_MAX];
    X509 *cert = NULL;
    int n = i2d_PUBKEY(ca->key, &spki);
    size_t len = n > 0 ? minter_leaf(minter, "warm-up.example", spki, (size_t)n, time(NULL), der) : 0;
    const uint8_t *p = der;
    if (len == 0 || !(cert = d2i_X509(NULL, &p, (long)len)) || X509_verify(cert, ca->key) != 1)
        die("cannot sign with the CA key; is the clock within the certificate's validity?");
    X509_free(cert);
    OPENSSL_free(spki);
}

int signer_run(const struct signer_config *c)
{
    static struct signer s;
    struct ca ca;
    char err[400];
    if (ca_open(c->ca_dir, &ca, err, sizeof err) < 0)
        die("%s", err);
    if (c->n_engines > ENGINES_MAX || !(s.minter = minter_new(&ca)))
        die("cannot set up signing");
    s.n_peers = c->n_engines;
    for (size_t i = 0; i < s.n_peers; i++)
        s.peers[i].fd = c->engines[i];
    warm_up(&ca, s.minter);
    sandbox_enter(SANDBOX_SIGNER);
    struct ipc_msg ready = {.type = IPC_READY};
    if (ipc_send(c->control, &ready, -1) < 0)
        return 1;
    return serve(&s, c->control);
}
