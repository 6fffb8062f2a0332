#include "init/exec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "init/file.h"
#include "init/base.h"

extern char **environ;

/* execvp(3) says EACCES as soon as one directory of PATH cannot be searched, which for an agent with root's
 * PATH is the rule; a shell says "not found" then. */
static int try_one(const char *path, char *const *command)
{
    (void)execve(path, command, environ);
    int error = errno;
    return error == EACCES && access(path, F_OK) < 0 ? ENOENT : error == ENOTDIR ? ENOENT : error;
}

int exec_search(char *const *command)
{
    if (strchr(command[0], '/') != NULL)
        return try_one(command[0], command);
    const char *path = getenv("PATH");
    if (path == NULL)
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    int found = ENOENT;
    for (;;) {
        size_t len = strcspn(path, ":");
        struct blob dir = blob_concat(path, len, ".", len == 0 ? 1 : 0); /* an empty part means here */
        cleanup_free char *file = path_join((const char *)dir.data, command[0]);
        free(dir.data);
        int error = *command[0] == '\0' ? ENOENT : try_one(file, command);
        if (error != ENOENT)
            found = error;
        if (path[len] == '\0')
            return found;
        path += len + 1;
    }
}
