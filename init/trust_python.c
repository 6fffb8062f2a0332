#include "init/trust_python.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "init/base.h"
#include "init/trust_bundle.h"

/* What Python, virtual environments and conda are installed below, in images. */
static const char *const prefixes[] = {"/usr", "/usr/local", "/opt/venv", "/opt/.venv", "/venv", "/.venv",
    "/app/venv", "/app/.venv", "/opt/conda", "/opt/miniconda3"};
static const char *const prefix_variables[] = {"VIRTUAL_ENV", "CONDA_PREFIX"};

static const char *const libraries[] = {"lib", "lib64"}; /* PREFIX/lib/python3.x/site-packages */
static const char *const packages[] = {"site-packages", "dist-packages" /* Debian's */};

static const char *const files[] = {"certifi/cacert.pem", "pip/_vendor/certifi/cacert.pem",
    "botocore/cacert.pem", "httplib2/cacerts.txt", "grpc/_cython/_credentials/roots.pem",
    "stripe/data/ca-certificates.crt"};

/* No links: a path that leads elsewhere is none of the package's own. */
static void visit_file(struct place *p, const char *path, const struct blob *ca)
{
    struct stat st;
    struct blob old;
    if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || !bundle_read_foreign(path, &old))
        return;
    if (!bundle_holds(&old, ca)) {
        struct blob all = bundle_with(&old, ca);
        int ignored = place_replace(p, path, all.data, all.len);
        (void)ignored;
        free(all.data);
    }
    free(old.data);
}

static void visit_python(struct place *p, const char *python, const struct blob *ca)
{
    for (unsigned i = 0; i < ARRAY_LEN(packages); i++) {
        cleanup_free char *dir = path_join(python, packages[i]);
        for (unsigned k = 0; k < ARRAY_LEN(files); k++) {
            cleanup_free char *path = path_join(dir, files[k]);
            visit_file(p, path, ca);
        }
    }
}

static void visit_prefix(struct place *p, const char *prefix, const struct blob *ca)
{
    for (unsigned i = 0; i < ARRAY_LEN(libraries); i++) {
        cleanup_free char *lib = path_join(prefix, libraries[i]);
        DIR *d = opendir(lib);
        for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
            if (strncmp(e->d_name, "python", 6) != 0)
                continue;
            cleanup_free char *python = path_join(lib, e->d_name);
            visit_python(p, python, ca);
        }
        if (d != NULL)
            (void)closedir(d);
    }
}

void trust_python(struct place *p, const struct blob *ca)
{
    for (unsigned i = 0; i < ARRAY_LEN(prefixes); i++)
        visit_prefix(p, prefixes[i], ca);
    for (unsigned i = 0; i < ARRAY_LEN(prefix_variables); i++) {
        const char *prefix = getenv(prefix_variables[i]);
        if (prefix != NULL && prefix[0] == '/')
            visit_prefix(p, prefix, ca);
    }
}
