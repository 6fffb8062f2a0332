#include "dns/anchor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base.h"
#include "lib/hex.h"

/* clang-format off */
const struct anchors anchors_public = {.n = 2, .ds = {
    {20326, 8, 2, 32, {0xe0, 0x6d, 0x44, 0xb8, 0x0b, 0x8f, 0x1d, 0x39, 0xa9, 0x5c, 0x0b, 0x0d, 0x7c, 0x65, 0xd0, 0x84,
                       0x58, 0xe8, 0x80, 0x40, 0x9b, 0xbc, 0x68, 0x34, 0x57, 0x10, 0x42, 0x37, 0xc7, 0xf8, 0xec, 0x8d}},
    {38696, 8, 2, 32, {0x68, 0x3d, 0x2d, 0x0a, 0xcb, 0x8c, 0x9b, 0x71, 0x2a, 0x19, 0x48, 0xb2, 0x7f, 0x74, 0x12, 0x19,
                       0x29, 0x8d, 0x0a, 0x45, 0x0d, 0x61, 0x2c, 0x48, 0x3a, 0xf4, 0x44, 0xa4, 0xc0, 0xfb, 0x2b, 0x16}},
}};
/* clang-format on */

static bool number(const char *s, unsigned max, unsigned *out)
{
    char *end;

    if (s == NULL || *s < '0' || *s > '9')
        return false;
    unsigned long v = strtoul(s, &end, 10);
    *out = (unsigned)v;
    return *end == '\0' && v <= max;
}

/* The digest may be broken up by spaces. */
static bool digest(struct ds *out, char **save)
{
    size_t n = 0;

    for (const char *s = strtok_r(NULL, " \t", save); s != NULL; s = strtok_r(NULL, " \t", save)) {
        for (; *s != '\0'; s++, n++) {
            int v = hex_value(*s);
            if (v < 0 || n >= 2 * (size_t)DIGEST_MAX)
                return false;
            out->digest[n / 2] = (uint8_t)(out->digest[n / 2] << 4 | v);
        }
    }
    out->digest_len = (uint8_t)(n / 2);
    static const uint8_t lengths[] = {0, 20, 32, 0, 48}; /* SHA-1, SHA-256, SHA-384 */
    return n % 2 == 0 && n > 0 && out->digest_type < sizeof lengths &&
           out->digest_len == lengths[out->digest_type];
}

int anchor_parse(const char *line, struct ds *out)
{
    char buf[512], *save = NULL;
    unsigned v, tag, algorithm, type;

    *out = (struct ds){0};
    if (snprintf(buf, sizeof buf, "%s", line) >= (int)sizeof buf)
        return -EINVAL;
    buf[strcspn(buf, ";\r\n")] = '\0';
    char *word = strtok_r(buf, " \t", &save);
    if (word == NULL)
        return 0;
    if (strcmp(word, ".") != 0)
        return -EINVAL;
    word = strtok_r(NULL, " \t", &save);
    if (number(word, UINT32_MAX, &v))
        word = strtok_r(NULL, " \t", &save);
    if (word != NULL && strcasecmp(word, "IN") == 0)
        word = strtok_r(NULL, " \t", &save);
    if (word == NULL || strcasecmp(word, "DS") != 0 ||
        !number(strtok_r(NULL, " \t", &save), UINT16_MAX, &tag) ||
        !number(strtok_r(NULL, " \t", &save), UINT8_MAX, &algorithm) ||
        !number(strtok_r(NULL, " \t", &save), UINT8_MAX, &type))
        return -EINVAL;
    out->tag = (uint16_t)tag;
    out->algorithm = (uint8_t)algorithm;
    out->digest_type = (uint8_t)type;
    return digest(out, &save) ? 1 : -EINVAL;
}

int anchors_load(const char *path, struct anchors *out, unsigned *line)
{
    char text[512];
    FILE *f = fopen(path, "re");
    int rc = f != NULL ? 0 : -errno;

    out->n = 0;
    *line = 0;
    while (rc >= 0 && fgets(text, sizeof text, f) != NULL) {
        struct ds ds;
        ++*line;
        rc = anchor_parse(text, &ds);
        if (rc == 1 && out->n == ANCHORS_MAX)
            rc = -E2BIG;
        if (rc == 1)
            out->ds[out->n++] = ds;
    }
    if (f != NULL)
        (void)fclose(f);
    if (rc >= 0 && out->n == 0) {
        *line = 0;
        rc = -ENODATA;
    }
    return rc < 0 ? rc : 0;
}
