/* Loading the rules. Order matters: the main table closes everything before a route or a queue opens
 * anything. */
#include "appliance/netfilter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "appliance/netfilter_internal.h"
#include "lib/base.h"
#include "lib/log.h"

/* Runs `nft -f -` with the text of `fd` as its input. 0, or -EINVAL where it refused (it has said why on
 * stderr). */
static int run_nft(int fd)
{
    char name[] = "nft", file[] = "-f", input[] = "-", path[] = "PATH=/usr/sbin:/sbin:/usr/bin:/bin";
    char *const argv[] = {name, file, input, NULL}, *const envp[] = {path, NULL};
    static const char *const paths[] = {"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"};
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions))
        return -ENOMEM;
    int err = posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
    pid_t pid = -1;
    for (size_t i = 0; i < ARRAY_LEN(paths) && !err; i++) {
        err = posix_spawn(&pid, paths[i], &actions, NULL, argv, envp);
        if (err != ENOENT)
            break;
        if (i + 1 < ARRAY_LEN(paths))
            err = 0;
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    if (err) {
        log_warn("cannot run the nft program: %s; install nftables", strerror(err));
        return -err;
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EINVAL;
}

static bool loaded_before(void)
{
    struct nft_batch b;
    if (nft_batch_open(&b))
        return true; /* the longer text is right in either case */
    const bool there = nft_exists(&b, NFPROTO_INET, NETFILTER_TABLE, NULL);
    nft_batch_close(&b);
    return there;
}

static int load_text(const struct netfilter_config *c)
{
    cleanup_fd int fd = memfd_create("ruleset", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    FILE *f = fdopen(dup(fd), "w");
    if (!f)
        return -errno;
    int err = loaded_before() ? netfilter_write(f, c) : netfilter_write_fresh(f, c);
    if (fclose(f) != 0 && !err)
        err = -errno;
    if (err)
        return err;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return -errno;
    return run_nft(fd);
}

/* NULL: no memory, or a configuration that cannot be. */
static char *text_of(const struct netfilter_config *c)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (!f)
        return NULL;
    int err = netfilter_write_fresh(f, c);
    if (fclose(f) == 0 && !err)
        return text;
    free(text);
    return NULL;
}

bool netfilter_serves(const struct netfilter_config *loaded, const struct netfilter_config *wanted)
{
    cleanup_free char *a = text_of(loaded), *b = text_of(wanted);
    return a && b && strcmp(a, b) == 0 && loaded_before();
}

void netfilter_forget_forwarded(void)
{
    struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (!nl)
        return;
    char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE;
    h->nlmsg_flags = NLM_F_REQUEST;
    struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);
    g->nfgen_family = AF_UNSPEC;
    mnl_attr_put_u32(h, CTA_MARK, htonl(MARK_FORWARD));
    mnl_attr_put_u32(h, CTA_MARK_MASK, htonl(UINT32_MAX));
    if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0)
        (void)mnl_socket_sendto(nl, h, h->nlmsg_len);
    (void)mnl_socket_close(nl);
}

int netfilter_apply(const struct netfilter_config *c)
{
    int err = load_text(c);
    if (!err)
        err = netfilter_xt_apply(c);
    if (!err)
        err = netfilter_route_apply(c, netfilter_forwards(c->policy));
    if (!err)
        netfilter_forget_forwarded();
    return err;
}
