#include "init/trust.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "init/environment.h"
#include "init/file.h"
#include "init/say.h"
#include "init/text.h"
#include "init/trust_browser.h"
#include "init/trust_bundle.h"
#include "init/trust_java.h"
#include "init/trust_python.h"
#include "init/base.h"

/* Where distributions keep all roots in one file; several may be links to one. */
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
    "/etc/pki/tls/certs/ca-bundle.crt", /* RHEL, Fedora */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem", /* Alpine, Arch */
    "/etc/ca-certificates/extracted/tls-ca-bundle.pem", /* Arch */
    "/etc/ssl/ca-bundle.pem", /* SUSE */
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ssl/certs/ca-bundle.crt",
};

/* Variables whose file is used in place of a program's own roots: the file must hold all of them. */
static const char *const bundle_variables[] = {
    "SSL_CERT_FILE", /* OpenSSL, Go, Ruby, rustls-native-certs, uv */
    "REQUESTS_CA_BUNDLE", /* Python requests */
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "AWS_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "HTTPLIB2_CA_CERTS",
    "PERL_LWP_SSL_CA_FILE",
    "BUNDLE_SSL_CA_CERT",
    "NIX_SSL_CERT_FILE",
};

/* Variables whose file is added to a program's own roots: ours alone is enough, and quicker to read. */
static const char *const extra_variables[] = {"NODE_EXTRA_CA_CERTS", "DENO_CERT"};

static const char *const other_variables[] = {
    "DENO_TLS_CA_STORE", "JAVA_TOOL_OPTIONS", "SYSTEM_WGETRC", "PHP_INI_SCAN_DIR"};

static void read_ca(const char *path, struct blob *ca)
{
    int error = file_read(path, ca);
    if (error != 0)
        fatal_error(error, "cannot read the CA certificate %s", path);
    const char *text = (const char *)ca->data;
    if (strlen(text) != ca->len || strstr(text, "-----BEGIN CERTIFICATE-----") == NULL ||
        strstr(text, "-----END CERTIFICATE-----") == NULL)
        fatal("%s holds no PEM certificate", path);
    if (strstr(text, "PRIVATE KEY") != NULL)
        fatal("%s holds a private key, which the agent must never see; give the certificate alone", path);
    if (text[ca->len - 1] != '\n') {
        struct blob line = blob_concat(ca->data, ca->len, "\n", 1);
        free(ca->data);
        *ca = line;
    }
}

/* A read-only bundle is copied with ours to a place of our own; without any, ours is all there is. */
static char *own_bundle(struct place *p, const struct blob *ca)
{
    struct blob system = {0};
    for (unsigned i = 0; i < ARRAY_LEN(bundles); i++)
        if (bundle_read_foreign(bundles[i], &system))
            break;
    struct blob all = bundle_with(&system, ca);
    char *path = place_write(p, "ca-bundle.pem", all.data, all.len);
    free(all.data);
    free(system.data);
    return path;
}

/* A bundle of the caller's own choice gets our CA too, in a copy. Otherwise the variable names `common`. */
static void set_variable(struct place *p, const char *name, const char *common, const struct blob *ca)
{
    const char *chosen = getenv(name);
    struct blob own;
    if (chosen == NULL || *chosen == '\0' || strcmp(chosen, common) == 0 ||
        !bundle_read_foreign(chosen, &own)) {
        environment_set(name, common);
        return;
    }
    if (!bundle_holds(&own, ca)) {
        struct blob all = bundle_with(&own, ca);
        cleanup_free char *path = place_write(p, name, all.data, all.len);
        free(all.data);
        environment_set(name, path);
    }
    free(own.data);
}

static void set_variables(struct place *p, const char *bundle, const char *ca_path, const struct blob *ca)
{
    const char *names[ARRAY_LEN(bundle_variables) + ARRAY_LEN(extra_variables) + ARRAY_LEN(other_variables)];
    unsigned n = 0;
    for (unsigned i = 0; i < ARRAY_LEN(bundle_variables); i++)
        set_variable(p, names[n++] = bundle_variables[i], bundle, ca);
    for (unsigned i = 0; i < ARRAY_LEN(extra_variables); i++)
        set_variable(p, names[n++] = extra_variables[i], ca_path, ca);
    if (getenv("DENO_TLS_CA_STORE") == NULL)
        environment_set("DENO_TLS_CA_STORE", "mozilla,system");
    for (unsigned i = 0; i < ARRAY_LEN(other_variables); i++)
        names[n++] = other_variables[i];
    environment_keep(p, names, n);
}

/* wget, where it is built with GnuTLS, obeys no variable but the one that names its settings. */
static void tell_wget(struct place *p, const char *bundle)
{
    const char *chosen = getenv("SYSTEM_WGETRC");
    struct blob settings;
    /* It may hold a password, and ours is for all to read. */
    if (file_read_public(chosen != NULL ? chosen : "/etc/wgetrc", &settings) != 0)
        settings = (struct blob){0};
    TEXT(line, PLACE_PATH_MAX + 32);
    text_fmt(&line, "\nca_certificate = %s\n", bundle);
    struct blob all = blob_concat(settings.data, settings.len, line.data, line.len);
    cleanup_free char *path = place_write(p, "wgetrc", all.data, all.len);
    environment_set("SYSTEM_WGETRC", path);
    free(all.data);
    free(settings.data);
}

/* The same for PHP's curl. An empty part of the list is the folder that PHP was built with. */
static void tell_php(struct place *p, const char *bundle)
{
    const char *chosen = getenv("PHP_INI_SCAN_DIR");
    TEXT(ini, 2 * PLACE_PATH_MAX + 64);
    TEXT(dirs, 4096);
    text_fmt(&ini, "curl.cainfo=%s\nopenssl.cafile=%s\n", bundle, bundle);
    free(place_write(p, "php.ini", ini.data, ini.len));
    text_fmt(&dirs, "%s:%s", chosen != NULL ? chosen : "", place_dir(p));
    if (!dirs.cut)
        environment_set("PHP_INI_SCAN_DIR", dirs.data);
}

/* Debian's OpenSSL looks for one file first, which is not there, and then in a folder of hashed names. With a
 * link to the bundle also programs that were given an empty environment find our CA. */
static void link_default_bundle(const struct place *p)
{
    if (p->can_mount) /* then nothing of the image is written */
        return;
    int ignored = symlink(bundles[0], "/usr/lib/ssl/cert.pem");
    (void)ignored;
}

void trust_install(struct place *p, const char *ca_file)
{
    struct blob ca;
    const char *bundle = NULL;
    read_ca(ca_file, &ca);
    for (unsigned i = 0; i < ARRAY_LEN(bundles); i++)
        if (bundle_append(p, bundles[i], &ca) && bundle == NULL)
            bundle = bundles[i];
    cleanup_free char *own = bundle == NULL ? own_bundle(p, &ca) : NULL;
    if (bundle == bundles[0])
        link_default_bundle(p);
    if (own != NULL) {
        tell_wget(p, own);
        tell_php(p, own);
    }
    trust_java(p, &ca, bundle != NULL ? bundle : own);
    trust_python(p, &ca);
    cleanup_free char *ca_path = place_write(p, "ca.pem", ca.data, ca.len);
    trust_browser(p, &ca, ca_path);
    set_variables(p, bundle != NULL ? bundle : own, ca_path, &ca);
    free(ca.data);
}
