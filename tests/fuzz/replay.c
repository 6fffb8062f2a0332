/* Gives files to a fuzz target, whole and cut short: what has been found stays found, with a compiler that
 * has no fuzzer, too. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUTS 32u /* of each file */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of just that length, so that reading past it shows. */
static void give(const uint8_t *p, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy)
        abort();
    if (n)
        memcpy(copy, p, n);
    (void)LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static bool replay(const char *path)
{
    static uint8_t data[1 << 20];
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    size_t n = fread(data, 1, sizeof data, f);
    (void)fclose(f);
    (void)fprintf(stderr, "%s\n", path); /* of a crash, the last line says of what */
    for (size_t k = 0; k < CUTS; k++)
        give(data, n * k / CUTS);
    give(data, n);
    return true;
}

int main(int argc, char **argv)
{
    unsigned files = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
            char path[4096];
            (void)snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            if (e->d_name[0] != '.' && replay(path))
                files++;
        }
        if (dir)
            (void)closedir(dir);
    }
    (void)fprintf(stderr, "%u files\n", files);
    return files ? 0 : 1;
}
