#include "init/resolv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "init/file.h"
#include "init/say.h"
#include "init/text.h"
#include "init/base.h"

#define RESOLV_CONF "/etc/resolv.conf"

bool resolv_names_only(const char *text, uint32_t dns)
{
    static const char key[] = "nameserver";
    bool named = false;
    for (const char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        if (strncmp(line, key, sizeof key - 1) == 0 && strchr(" \t", line[sizeof key - 1]) != NULL) {
            const char *value = line + sizeof key - 1;
            value += strspn(value, " \t");
            char address[IPV4_STRLEN];
            size_t n = strcspn(value, " \t\r\n");
            uint32_t server;
            if (n >= sizeof address)
                return false;
            memcpy(address, value, n);
            address[n] = '\0';
            if (!ipv4_parse(address, &server) || server != dns)
                return false;
            named = true;
        }
        line += len + (line[len] != '\0');
    }
    return named;
}

static bool is_right(uint32_t dns)
{
    struct blob b;
    bool right = file_read(RESOLV_CONF, &b) == 0 && memchr(b.data, 0, b.len) == NULL &&
                 resolv_names_only((const char *)b.data, dns);
    free(b.data);
    return right;
}

void resolv_point_at(struct place *p, uint32_t dns)
{
    if (is_right(dns)) /* whoever started us wrote it */
        return;
    char address[IPV4_STRLEN];
    TEXT(text, 64);
    text_fmt(&text, "nameserver %s\n", ipv4_format(dns, address));
    (void)mkdir("/etc", 0755); /* an image from scratch */
    int error = place_put(p, RESOLV_CONF, text.data, text.len);
    if (error == 0 && is_right(dns))
        return;
    struct stat st;
    if (lstat(RESOLV_CONF, &st) < 0 && errno == ENOENT)
        say("there is no " RESOLV_CONF " and none can be made: programs here resolve no names");
    else
        fatal_error(error != 0 ? error : EIO, "cannot point " RESOLV_CONF " at %s", address);
}
