#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "appliance/sandbox.h"
#include "lib/base.h"
#include "lib/log.h"

static char *area;
static size_t area_len;

void sandbox_title_init(int argc, char **argv)
{
    char *end = argc > 0 ? argv[0] : NULL;
    for (int i = 0; i < argc; i++) {
        if (argv[i] == end) /* contiguous, as the kernel lays them out */
            end += strlen(argv[i]) + 1;
    }
    area = argc > 0 ? argv[0] : NULL;
    area_len = (size_t)(end - area);
    for (int i = 0; i < argc; i++)
        if (!(argv[i] = strdup(argv[i])))
            die("out of memory");
}

void sandbox_title(const char *text)
{
    (void)prctl(PR_SET_NAME, "egressd"); /* also where the binary has been renamed or run by descriptor */
    if (area_len < 2)
        return;
    /* An octet that is not NUL at the very end makes the kernel show one string and stop at its NUL, as it
     * does for setproctitle(3); the command line's remains, a path or an address, are gone. */
    memset(area, 0, area_len);
    (void)snprintf(area, area_len - 1, "egressd: %s", text);
    area[area_len - 1] = '.';
}
