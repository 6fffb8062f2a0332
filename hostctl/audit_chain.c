#include "hostctl/audit_chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include <openssl/evp.h>

#include "lib/base.h"

#define HEX_LEN 64
#define WRITER_MAX 64

struct writer {
    char name[WRITER_MAX];
    json_int_t seq; /* of the last line */
    char hash[HEX_LEN + 1]; /* of the last line */
};

struct chains {
    struct writer *writers;
    size_t n, room, n_cut;
    unsigned long long lines;
    bool cut;
};

struct chains *chains_new(bool cut)
{
    struct chains *c = calloc(1, sizeof *c);
    if (c)
        c->cut = cut;
    return c;
}

void chains_free(struct chains *c)
{
    if (!c)
        return;
    free(c->writers);
    free(c);
}

static int hash_line(const char *line, size_t len, char out[static HEX_LEN + 1])
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_Digest(line, len, md, &n, EVP_sha256(), NULL) != 1 || n * 2 != HEX_LEN)
        return -ENOMEM;
    for (unsigned i = 0; i < n; i++)
        (void)snprintf(out + (size_t)i * 2, 3, "%02x", md[i]);
    return 0;
}

/* The newest writers are the likely ones. */
static struct writer *find(const struct chains *c, const char *name)
{
    for (size_t i = c->n; i > 0; i--)
        if (strcmp(c->writers[i - 1].name, name) == 0)
            return &c->writers[i - 1];
    return NULL;
}

static struct writer *add(struct chains *c, const char *name)
{
    if (c->n == c->room) {
        size_t room = c->room ? c->room * 2 : 16;
        struct writer *w = realloc(c->writers, room * sizeof *w);
        if (!w)
            return NULL;
        c->writers = w;
        c->room = room;
    }
    struct writer *w = &c->writers[c->n++];
    *w = (struct writer){.seq = 0};
    (void)snprintf(w->name, sizeof w->name, "%s", name);
    memset(w->hash, '0', HEX_LEN);
    return w;
}

static int judge(
    struct chains *c, struct writer *w, json_int_t seq, const char *prev, char *why, size_t whylen)
{
    bool first = w->seq == 0;
    if (first && c->cut && seq > 1) {
        c->n_cut++;
        return 0;
    }
    if (seq != w->seq + 1) {
        (void)snprintf(why, whylen, "writer %s: line %lld follows %lld; lines are missing or repeated",
            w->name, (long long)seq, (long long)w->seq);
        return -1;
    }
    if (strcmp(prev, w->hash) != 0) {
        (void)snprintf(why, whylen,
            "writer %s: line %lld does not follow from the line before it; one of them was changed", w->name,
            (long long)seq);
        return -1;
    }
    return 0;
}

int chains_line(struct chains *c, const char *line, size_t len, char *why, size_t whylen)
{
    const char *name, *prev;
    json_int_t seq;
    char hash[HEX_LEN + 1];
    c->lines++;
    json_t *j = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    if (!j || json_unpack(j, "{s:s,s:I,s:s}", "w", &name, "seq", &seq, "prev", &prev) ||
        strlen(name) >= WRITER_MAX) {
        (void)snprintf(why, whylen, "not a line of an audit log");
        json_decref(j);
        return -1;
    }
    struct writer *w = find(c, name);
    if (!w)
        w = add(c, name);
    int err = !w || hash_line(line, len, hash) ? -ENOMEM : judge(c, w, seq, prev, why, whylen);
    if (err != -ENOMEM) {
        w->seq = seq;
        memcpy(w->hash, hash, sizeof hash);
    }
    json_decref(j);
    return err;
}

size_t chains_writers(const struct chains *c)
{
    return c->n;
}

unsigned long long chains_lines(const struct chains *c)
{
    return c->lines;
}

size_t chains_cut(const struct chains *c)
{
    return c->n_cut;
}
