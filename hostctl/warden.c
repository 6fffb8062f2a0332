#include "hostctl/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hostctl/proc.h"
#include "hostctl/record.h"
#include "hostctl/sandbox.h"
#include "lib/base.h"

/* The kernel takes its time to end a sandbox's namespaces on a busy machine. */
#define TRIES 40
#define PAUSE_NS 250000000L

/* It holds nothing but the pipe: not our caller's descriptors, and not the lock that says that we live. */
static _Noreturn void collect(int mounts, char *program)
{
    char option[64];
    (void)snprintf(option, sizeof option, "--mount=/proc/self/fd/%d", mounts);
    if (mounts >= 0 && fcntl(mounts, F_SETFD, 0) == 0)
        (void)execlp("nsenter", "nsenter", option, "--", program, "gc", (char *)NULL);
    (void)execl(program, "egressctl", "gc", (char *)NULL);
    _exit(EXIT_EGRESSCTL);
}

static _Noreturn void guard(int fd, int mounts, char *program, const char *record)
{
    char word;
    ssize_t n;
    (void)setsid();
    signals_reset();
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++)
        (void)dup2(null, i);
    for (int i = 3; i < 1024; i++)
        if (i != fd && i != mounts)
            (void)close(i);
    while ((n = read(fd, &word, 1)) < 0 && errno == EINTR)
        ;
    if (n == 1)
        _exit(0);
    (void)close(fd);
    /* Processes that die with us may still hold the lock that says that we live. */
    for (int i = 0; i < TRIES && access(record, F_OK) == 0; i++) {
        const struct timespec pause = {.tv_nsec = PAUSE_NS};
        pid_t pid = fork();
        if (pid == 0)
            collect(mounts, program);
        if (pid > 0)
            (void)waitpid(pid, NULL, 0);
        if (access(record, F_OK) == 0)
            (void)nanosleep(&pause, NULL);
    }
    _exit(0);
}

void warden_start(struct warden *w, const char *name, int mounts)
{
    int fd[2];
    const char *dir = registry_dir();
    cleanup_free char *program = program_find("egressctl"), *record = NULL;
    *w = (struct warden){.fd = -1};
    if (!program || !dir || asprintf(&record, "%s/%s", dir, name) < 0 || pipe(fd))
        return;
    for (size_t i = 0; i < 2; i++)
        (void)fcntl(fd[i], F_SETFD, FD_CLOEXEC);
    w->pid = fork();
    if (w->pid == 0) {
        (void)close(fd[1]);
        guard(fd[0], mounts, program, record);
    }
    (void)close(fd[0]);
    w->fd = fd[1];
}

void warden_dismiss(struct warden *w)
{
    if (w->fd < 0)
        return;
    (void)!write(w->fd, "k", 1);
    (void)close(w->fd);
    w->fd = -1;
    while (w->pid > 0 && waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
