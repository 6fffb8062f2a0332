#include "init/trust_bundle.h"

#include <stdlib.h>
#include <string.h>

#include "init/pem.h"

bool bundle_holds(const struct blob *bundle, const struct blob *ca)
{
    return memmem(bundle->data, bundle->len, ca->data, ca->len) != NULL;
}

struct blob bundle_with(const struct blob *bundle, const struct blob *ca)
{
    bool whole_line = bundle->len == 0 || bundle->data[bundle->len - 1] == '\n';
    struct blob line = blob_concat("\n", whole_line ? 0 : 1, ca->data, ca->len);
    struct blob all = blob_concat(bundle->data, bundle->len, line.data, line.len);
    free(line.data);
    return all;
}

bool bundle_append(struct place *p, const char *path, const struct blob *ca)
{
    struct blob old;
    if (file_read(path, &old) != 0)
        return false;
    bool there = bundle_holds(&old, ca);
    if (!there) {
        struct blob all = bundle_with(&old, ca);
        there = place_replace(p, path, all.data, all.len) == 0 && file_holds(path, &all);
        free(all.data);
    }
    free(old.data);
    return there;
}

bool bundle_read_foreign(const char *path, struct blob *out)
{
    struct blob whole;
    *out = (struct blob){0};
    if (file_read(path, &whole) != 0)
        return false;
    *out = pem_certificates((const char *)whole.data);
    free(whole.data);
    if (out->len > 0)
        return true;
    free(out->data);
    *out = (struct blob){0};
    return false;
}
