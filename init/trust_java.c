#include "init/trust_java.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "init/base.h"
#include "init/environment.h"
#include "init/keystore.h"
#include "init/pem.h"
#include "init/say.h"
#include "init/text.h"

static const char *const stores[] = {
    "/etc/ssl/certs/java/cacerts", /* Debian, Alpine, Arch */
    "/etc/pki/ca-trust/extracted/java/cacerts", /* RHEL, Fedora */
    "/etc/pki/java/cacerts", "/etc/ca-certificates/extracted/java-cacerts", /* Arch */
    "/var/lib/ca-certificates/java-cacerts", /* SUSE */
};

/* Folders that JDKs are unpacked into, each under its version's name. Most of their stores are links to those
 * above. */
static const char *const parents[] = {"/usr/lib/jvm", "/opt/java", "/usr/java", "/usr/local", "/opt"};
static const char *const inside[] = {"lib/security/cacerts", "jre/lib/security/cacerts"};

struct java {
    struct place *place;
    const struct blob *ca;
    uint64_t millis;
    bool missed; /* a store that we could not change */
};

/* Appends those of our certificates that `store` lacks. False where it is none that we can change. */
static bool add_ours(const struct java *j, struct blob *store)
{
    const char *pem = (const char *)j->ca->data;
    struct blob der, longer;
    bool good = true;
    for (unsigned n = 0; good && pem_next_certificate(&pem, &der); n++) {
        TEXT(alias, KEYSTORE_ALIAS_MAX + 1);
        text_fmt(&alias, "egressd-%u", n);
        if (memmem(store->data, store->len, der.data, der.len) == NULL) {
            good = keystore_append(store, &der, alias.data, j->millis, &longer);
            if (good) {
                free(store->data);
                *store = longer;
            }
        }
        free(der.data);
    }
    return good;
}

static void visit_store(struct java *j, const char *path)
{
    struct blob store;
    if (file_read(path, &store) != 0)
        return;
    size_t before = store.len;
    bool good = add_ours(j, &store);
    if (good && store.len != before)
        good = place_replace(j->place, path, store.data, store.len) == 0 && file_holds(path, &store);
    j->missed |= !good;
    free(store.data);
}

static void visit_home(struct java *j, const char *home)
{
    for (unsigned i = 0; i < ARRAY_LEN(inside); i++) {
        cleanup_free char *path = path_join(home, inside[i]);
        visit_store(j, path);
    }
}

static void visit_parent(struct java *j, const char *parent)
{
    DIR *d = opendir(parent);
    if (d == NULL)
        return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        cleanup_free char *home = path_join(parent, e->d_name);
        if (e->d_name[0] != '.' && e->d_type != DT_REG)
            visit_home(j, home);
    }
    (void)closedir(d);
}

/* Every JVM prints a line on stderr when this variable is set: only where nothing else helps. */
static void set_options(struct place *p, const char *bundle, uint64_t millis)
{
    static const char property[] = "-Djavax.net.ssl.trustStore=";
    const char *options = getenv("JAVA_TOOL_OPTIONS");
    struct blob pem;
    if (options != NULL && strstr(options, property) != NULL) {
        say("JAVA_TOOL_OPTIONS names a trust store of its own, which does not have our CA");
        return;
    }
    if (file_read(bundle, &pem) != 0)
        return;
    struct blob store = keystore_from_pem((const char *)pem.data, millis);
    cleanup_free char *path = place_write(p, "cacerts.jks", store.data, store.len);
    TEXT(value, 4096);
    text_fmt(&value, "%s%s%s%s", options != NULL ? options : "", options != NULL ? " " : "", property, path);
    if (!value.cut)
        environment_set("JAVA_TOOL_OPTIONS", value.data);
    free(store.data);
    free(pem.data);
}

void trust_java(struct place *p, const struct blob *ca, const char *bundle)
{
    struct java j = {.place = p, .ca = ca, .millis = (uint64_t)time(NULL) * 1000};
    const char *home = getenv("JAVA_HOME");
    for (unsigned i = 0; i < ARRAY_LEN(stores); i++)
        visit_store(&j, stores[i]);
    for (unsigned i = 0; i < ARRAY_LEN(parents); i++)
        visit_parent(&j, parents[i]);
    if (home != NULL && home[0] == '/')
        visit_home(&j, home);
    if (j.missed)
        set_options(p, bundle, j.millis);
}
