/* Typed readers of YAML nodes for the policy loader. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base.h"
#include "lib/policy_loader.h"

void load_error(struct load *l, const struct ynode *at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (!l->failed) {
        l->failed = true;
        l->err->line = at ? at->line : 0;
        l->err->col = at ? at->col : 0;
        (void)vsnprintf(l->err->text, sizeof l->err->text, fmt, ap);
    }
    va_end(ap);
}

void *load_alloc(struct load *l, size_t n, size_t size)
{
    if (l->failed)
        return NULL;
    size_t bytes;
    void *p = __builtin_mul_overflow(n, size, &bytes) ? NULL : arena_alloc(l->arena, MAX(bytes, 1u));
    if (!p)
        load_error(l, NULL, "out of memory");
    return p;
}

/* Edits (Levenshtein) between two words, or more than 3. */
static unsigned distance(const char *a, const char *b)
{
    enum { ROOM = 40 };
    size_t n = strlen(a), m = strlen(b);
    unsigned row[ROOM];
    if (n >= ROOM || m >= ROOM)
        return 4;
    for (size_t j = 0; j <= m; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned above = row[j], replace = diagonal + (a[i - 1] != b[j - 1]);
            row[j] = MIN(MIN(above, row[j - 1]) + 1, replace);
            diagonal = above;
        }
    }
    return row[m];
}

static const char *nearest_word(const char *word, const char *const *list)
{
    const char *best = NULL;
    unsigned best_distance = 4;
    for (; *list; list++) {
        unsigned d = strcasecmp(word, *list) == 0 ? 0 : distance(word, *list);
        if (d < best_distance && (size_t)d * 2 <= strlen(*list)) {
            best_distance = d;
            best = *list;
        }
    }
    return best;
}

char *join_words(const char *const *list, char *out, size_t outlen)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; list[i] && at < outlen; i++) {
        const char *sep = i == 0 ? "" : list[i + 1] ? ", " : " or ";
        int n = snprintf(out + at, outlen - at, "%s%s", sep, list[i]);
        at += n > 0 ? (size_t)n : 0;
    }
    return out;
}

static void unknown_key(
    struct load *l, const struct ynode *key, const char *what, const struct key_spec *specs, size_t n)
{
    const char *names[YAML_KEYS_MAX + 1] = {0};
    char allowed[300];
    assert(n <= YAML_KEYS_MAX);
    for (size_t i = 0; i < n; i++)
        names[i] = specs[i].name;
    const char *near = nearest_word(key->text, names);
    load_error(l, key, "unknown key '%.40s' in %s%s%s%s; allowed: %s", key->text, what,
        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "",
        join_words(names, allowed, sizeof allowed));
}

bool load_map(struct load *l, const struct ynode *n, const char *what, const struct key_spec *specs,
    size_t n_specs, void *base)
{
    if (n->kind != YNODE_MAP) {
        load_error(l, n, "%s must be a mapping (key: value), not %s", what, ynode_type(n));
        return false;
    }
    for (const struct ynode *c = n->first; c && !l->failed; c = c->next) {
        const struct key_spec *spec = specs;
        while (spec < specs + n_specs && strcmp(spec->name, c->key->text) != 0)
            spec++;
        if (spec == specs + n_specs)
            unknown_key(l, c->key, what, specs, n_specs);
        else
            spec->fn(l, c, spec, (char *)base + spec->offset);
    }
    return !l->failed;
}

const struct ynode *ynode_get(const struct ynode *map, const char *key)
{
    for (const struct ynode *c = map->first; c; c = c->next)
        if (strcmp(c->key->text, key) == 0)
            return c;
    return NULL;
}

bool load_is_list(struct load *l, const struct ynode *n, const char *what)
{
    if (n->kind != YNODE_SEQ)
        load_error(l, n, "must be %s, not %s", what, ynode_type(n));
    else if (n->n == 0)
        load_error(l, n, "an empty list can be read as all or as none; leave the key out, or give %s", what);
    return !l->failed;
}

static const char *key_of(const struct ynode *n)
{
    return n->key ? n->key->text : "an item";
}

const char *load_text(struct load *l, const struct ynode *n)
{
    if (!ynode_is_string(n)) {
        const char *quote =
            n->kind == YNODE_SCALAR && n->len ? "; put it in quotes if it is meant as text" : "";
        load_error(l, n, "%s must be a string, not %s%s", key_of(n), ynode_type(n), quote);
        return NULL;
    }
    if (n->len == 0) {
        load_error(l, n, "%s must not be empty", key_of(n));
        return NULL;
    }
    for (size_t i = 0; i < n->len; i++)
        if ((unsigned char)n->text[i] < 0x20 || n->text[i] == 0x7f) {
            load_error(l, n, "%s must not hold control characters", key_of(n));
            return NULL;
        }
    char *s = load_alloc(l, 1, n->len + 1);
    return s ? memcpy(s, n->text, n->len) : NULL;
}

void load_string(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    (void)spec;
    *(const char **)out = load_text(l, n);
}

void load_bool(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    bool yes = n->kind == YNODE_SCALAR && n->plain && strcmp(n->text, "true") == 0;
    if (!yes && !(n->kind == YNODE_SCALAR && n->plain && strcmp(n->text, "false") == 0))
        load_error(l, n, "%s must be true or false%s", spec->name,
            strcmp(ynode_type(n), "a boolean") == 0 ? ", in these words" : "");
    *(bool *)out = yes;
}

/* Digits, then the rest in `*unit`. */
static bool parse_digits(const char *s, uint64_t *v, const char **unit)
{
    size_t n = strspn(s, "0123456789");
    if (n == 0 || n > 15 || (n > 1 && s[0] == '0'))
        return false;
    *v = 0;
    for (size_t i = 0; i < n; i++)
        *v = *v * 10 + (uint64_t)(s[i] - '0');
    *unit = s + n;
    return true;
}

struct unit {
    const char *name;
    uint64_t factor;
};

static uint64_t load_quantity(struct load *l, const struct ynode *n, const struct key_spec *spec,
    const struct unit *units, size_t n_units, const char *form)
{
    uint64_t v = 0, factor = 0;
    const char *unit = NULL;
    /* A quoted number is text, but "10s" is text in any case. */
    if (n->kind == YNODE_SCALAR && parse_digits(n->text, &v, &unit) && (n->plain || *unit))
        for (size_t i = 0; i < n_units; i++)
            if (strcmp(unit, units[i].name) == 0)
                factor = units[i].factor;
    if (factor == 0)
        load_error(l, n, "%s must be %s, not %s", spec->name, form,
            n->kind == YNODE_SCALAR && n->len ? n->text : ynode_type(n));
    else if (v > UINT64_MAX / factor || v * factor < spec->min || v * factor > spec->max)
        load_error(l, n, "%s is out of range: %llu to %llu%s", spec->name, (unsigned long long)spec->min,
            (unsigned long long)spec->max, units[0].factor == 1 && n_units > 1 ? units[1].name : "");
    return v * factor;
}

static const struct unit no_unit[] = {{"", 1}};

void load_u16(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    *(uint16_t *)out = (uint16_t)load_quantity(l, n, spec, no_unit, 1, "a whole number");
}

void load_u32(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    *(uint32_t *)out = (uint32_t)load_quantity(l, n, spec, no_unit, 1, "a whole number");
}

void load_ms(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    static const struct unit units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    *(uint32_t *)out =
        (uint32_t)load_quantity(l, n, spec, units, ARRAY_LEN(units), "a time such as 500ms, 10s, 5m or 1h");
}

void load_seconds(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    static const struct unit units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    *(uint32_t *)out =
        (uint32_t)load_quantity(l, n, spec, units, ARRAY_LEN(units), "a time such as 30s, 5m, 1h or 1d");
}

void load_size(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    static const struct unit units[] = {
        {"", 1}, {"", 1}, {"KiB", KIB(1)}, {"MiB", MIB(1)}, {"GiB", MIB(1024)}};
    *(uint64_t *)out =
        load_quantity(l, n, spec, units, ARRAY_LEN(units), "a size such as 65536, 64KiB, 16MiB or 1GiB");
}

void load_word(struct load *l, const struct ynode *n, const struct key_spec *spec, void *out)
{
    char allowed[200];
    for (unsigned i = 0; spec->words[i] && n->kind == YNODE_SCALAR; i++)
        if (strcmp(n->text, spec->words[i]) == 0) {
            *(unsigned *)out = i;
            return;
        }
    const char *near = n->kind == YNODE_SCALAR ? nearest_word(n->text, spec->words) : NULL;
    load_error(l, n, "%s must be %s%s%s%s", spec->name, join_words(spec->words, allowed, sizeof allowed),
        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

bool is_token(const char *s)
{
    for (const char *c = s; *c; c++) {
        bool alnum = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
        if (!alnum && !strchr("!#$%&'*+-.^_`|~", *c))
            return false;
    }
    return *s != '\0';
}

/* Fields that the codecs make themselves: a rule or a credential cannot use them. */
static bool is_framing_field(const char *name)
{
    static const char *const framing[] = {"host", "connection", "keep-alive", "proxy-connection", "te",
        "trailer", "transfer-encoding", "upgrade", "content-length", "expect", "proxy-authorization"};
    for (size_t i = 0; i < ARRAY_LEN(framing); i++)
        if (strcmp(name, framing[i]) == 0)
            return true;
    return false;
}

const char *load_field_name(struct load *l, const struct ynode *n)
{
    const char *text = load_text(l, n);
    if (!text)
        return NULL;
    if (!is_token(text)) {
        load_error(l, n, "'%.60s' is not a header's name (letters, digits and !#$%%&'*+-.^_`|~)", text);
        return NULL;
    }
    char *s = load_alloc(l, 1, n->len + 1);
    if (!s)
        return NULL;
    for (size_t i = 0; i < n->len; i++)
        s[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + ('a' - 'A') : text[i]);
    if (is_framing_field(s)) {
        load_error(l, n, "'%s' frames the message or names its host; it cannot be used here", s);
        return NULL;
    }
    return s;
}
