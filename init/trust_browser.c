#include "init/trust_browser.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "init/base.h"
#include "init/pem.h"
#include "init/say.h"
#include "init/text.h"

static const char *const chromium[] = {"/etc/chromium/policies/managed", "/etc/opt/chrome/policies/managed",
    "/etc/opt/chrome_for_testing/policies/managed", "/etc/opt/edge/policies/managed"};
static const char firefox[] = "/etc/firefox/policies";

/* With the right to mount we may stand in the host's own file system, where nothing new is to appear. An
 * overlay or a tmpfs is a container's layer, or what egressctl has put over the host's. */
static bool etc_is_ours(const struct place *p)
{
    struct statfs fs;
    if (!p->can_mount)
        return true;
    return statfs("/etc", &fs) == 0 && (fs.f_type == OVERLAYFS_SUPER_MAGIC || fs.f_type == TMPFS_MAGIC);
}

static bool make_dirs(const char *path)
{
    struct blob copy = blob_concat(path, strlen(path), NULL, 0);
    char *at = (char *)copy.data;
    int error = 0;
    while (error == 0 && (at = strchr(at + 1, '/')) != NULL) {
        *at = '\0';
        if (mkdir((const char *)copy.data, 0755) < 0 && errno != EEXIST)
            error = errno;
        *at = '/';
    }
    if (error == 0 && mkdir(path, 0755) < 0 && errno != EEXIST)
        error = errno;
    free(copy.data);
    return error == 0;
}

/* Where it cannot be, the browser asks its user; nothing else depends on it. */
static void leave(const char *dir, const char *name, const char *text, size_t len)
{
    struct stat st;
    cleanup_free char *path = path_join(dir, name);
    if (!make_dirs(dir) || lstat(path, &st) == 0)
        return;
    int ignored = file_write(path, text, len);
    (void)ignored;
}

/* The bodies of PEM are what the policy wants: base64, here without line ends, each in quotes. */
static struct blob chromium_policy(const struct blob *ca)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";
    struct blob pem = pem_certificates((const char *)ca->data), out = {.data = malloc(pem.len + 64)};
    if (out.data == NULL)
        fatal("out of memory");
    struct text t = {.data = (char *)out.data, .cap = pem.len + 64};
    text_fmt(&t, "{\"CACertificates\": [");
    for (const char *at = (const char *)pem.data, *comma = ""; (at = strstr(at, begin)) != NULL;
         comma = ",") {
        const char *to = strstr(at += sizeof begin - 1, end);
        text_fmt(&t, "%s\"", comma);
        for (size_t n; at < to; at += n + strspn(at + n, " \t\r\n")) {
            n = strcspn(at, " \t\r\n-");
            text_add(&t, at, n);
        }
        text_add(&t, "\"", 1);
    }
    text_add(&t, "]}\n", 3);
    out.len = t.len;
    free(pem.data);
    return out;
}

void trust_browser(const struct place *p, const struct blob *ca, const char *ca_path)
{
    if (!etc_is_ours(p))
        return;
    struct blob policy = chromium_policy(ca);
    for (unsigned i = 0; i < ARRAY_LEN(chromium); i++)
        leave(chromium[i], "egressd.json", (const char *)policy.data, policy.len);
    free(policy.data);
    TEXT(text, PLACE_PATH_MAX + 96);
    text_fmt(&text, "{\"policies\": {\"Certificates\": {\"Install\": [\"%s\"]}}}\n", ca_path);
    leave(firefox, "policies.json", text.data, text.len);
}
