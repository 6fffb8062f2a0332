#include "lib/policy_yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "lib/base.h"

struct builder {
    yaml_parser_t parser;
    struct arena *arena;
    struct policy_error *err;
    struct ynode *stack[YAML_DEPTH_MAX]; /* open collections */
    struct ynode **tail[YAML_DEPTH_MAX]; /* where the next child goes */
    const struct ynode *key[YAML_DEPTH_MAX]; /* a mapping's key whose value comes next */
    size_t depth, n_nodes;
    const struct ynode *root;
};

static bool fail(struct builder *b, const yaml_mark_t *m, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static bool fail(struct builder *b, const yaml_mark_t *m, const char *fmt, ...)
{
    b->err->line = m ? (unsigned)m->line + 1 : 0;
    b->err->col = m ? (unsigned)m->column + 1 : 0;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(b->err->text, sizeof b->err->text, fmt, ap);
    va_end(ap);
    return false;
}

/* Octets of the UTF-8 sequence at `s` (RFC 3629: no overlong forms, no surrogates), 0 if there is none. */
static size_t utf8_len(const unsigned char *s, size_t n)
{
    static const struct {
        unsigned char lead_lo, lead_hi, second_lo, second_hi, len;
    } t[] = {
        {0x01, 0x7f, 0, 0, 1},
        {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3},
        {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        if (s[0] < t[i].lead_lo || s[0] > t[i].lead_hi)
            continue;
        if (t[i].len > n || (t[i].len > 1 && (s[1] < t[i].second_lo || s[1] > t[i].second_hi)))
            return 0;
        for (size_t k = 2; k < t[i].len; k++)
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        return t[i].len;
    }
    return 0;
}

/* libyaml guesses encodings and cuts at NUL; a policy is plain UTF-8, said with a place. */
static bool check_text(struct builder *b, const char *text, size_t len)
{
    if (len > YAML_SIZE_MAX)
        return fail(b, NULL, "the policy is larger than %zu MiB", YAML_SIZE_MAX / MIB(1));
    yaml_mark_t m = {0};
    for (size_t i = 0; i < len;) {
        size_t n = utf8_len((const unsigned char *)text + i, len - i);
        if (n == 0)
            return fail(b, &m,
                text[i] == '\0' ? "a NUL octet; a policy is UTF-8 text"
                                : "not UTF-8; a policy is UTF-8 text");
        m.column++;
        if (text[i] == '\n') {
            m.line++;
            m.column = 0;
        }
        i += n;
    }
    return true;
}

static bool syntax_error(struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    const char *problem = p->problem ? p->problem : "unreadable";
    if (p->error == YAML_MEMORY_ERROR)
        return fail(b, NULL, "out of memory");
    if (p->error == YAML_READER_ERROR)
        return fail(b, &p->mark, "not YAML: %s", problem);
    const char *context = p->context ? p->context : "";
    const char *hint = "";
    if (strstr(context, "alias"))
        hint = "; quote a host that begins with '*'";
    else if (strstr(problem, "cannot start any token"))
        hint = "; indent with spaces, quote what begins with a sign";
    return fail(b, &p->problem_mark, "not YAML: %s%s%s%s", p->context ? p->context : "",
        p->context ? ": " : "", problem, hint);
}

static const struct ynode *find_key(const struct ynode *map, const struct ynode *key)
{
    for (const struct ynode *c = map->first; c; c = c->next)
        if (c->key->len == key->len && memcmp(c->key->text, key->text, key->len) == 0)
            return c->key;
    return NULL;
}

/* Puts `n` where the parser stands: as root, a list's next item, or a mapping's next key or value. */
static bool place(struct builder *b, struct ynode *n, const yaml_mark_t *m)
{
    if (b->depth == 0) {
        b->root = n;
        return true;
    }
    size_t d = b->depth - 1;
    struct ynode *parent = b->stack[d];
    if (parent->kind == YNODE_MAP && !b->key[d]) {
        if (n->kind != YNODE_SCALAR)
            return fail(b, m, "a key must be a plain word, not %s", ynode_type(n));
        const struct ynode *before = find_key(parent, n);
        if (before)
            return fail(
                b, m, "the key '%.60s' is there twice; first in line %u", n->text, (unsigned)before->line);
        if (parent->n == YAML_KEYS_MAX)
            return fail(b, m, "more than %d keys in one mapping", YAML_KEYS_MAX);
        b->key[d] = n;
        return true;
    }
    n->key = b->key[d];
    b->key[d] = NULL;
    *b->tail[d] = n;
    b->tail[d] = &n->next;
    parent->n++;
    return true;
}

static struct ynode *new_node(struct builder *b, enum ynode_kind kind, const yaml_mark_t *m)
{
    if (b->n_nodes++ == YAML_NODES_MAX) {
        fail(b, m, "more than %d values in all", YAML_NODES_MAX);
        return NULL;
    }
    struct ynode *n = arena_alloc(b->arena, sizeof *n);
    if (!n) {
        fail(b, NULL, "out of memory");
        return NULL;
    }
    n->kind = kind;
    n->line = (uint32_t)m->line + 1;
    n->col = (uint32_t)m->column + 1;
    return n;
}

static bool no_frills(
    struct builder *b, const yaml_event_t *e, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor)
        return fail(b, &e->start_mark, "anchors ('&') are not allowed; write things out");
    if (tag)
        return fail(b, &e->start_mark, "tags ('!') are not allowed");
    return true;
}

static bool on_scalar(struct builder *b, const yaml_event_t *e)
{
    if (!no_frills(b, e, e->data.scalar.anchor, e->data.scalar.tag))
        return false;
    const char *text = (const char *)e->data.scalar.value;
    if (memchr(text, '\0', e->data.scalar.length))
        return fail(b, &e->start_mark, "a NUL character is not allowed"); /* "\0" in double quotes */
    struct ynode *n = new_node(b, YNODE_SCALAR, &e->start_mark);
    if (!n)
        return false;
    n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    n->len = e->data.scalar.length;
    n->text = arena_strndup(b->arena, text, n->len);
    if (!n->text)
        return fail(b, NULL, "out of memory");
    return place(b, n, &e->start_mark);
}

static bool on_start(struct builder *b, const yaml_event_t *e, enum ynode_kind kind)
{
    struct ynode *n = new_node(b, kind, &e->start_mark);
    if (!n || !place(b, n, &e->start_mark))
        return false;
    if (b->depth == YAML_DEPTH_MAX)
        return fail(b, &e->start_mark, "nested too deep");
    b->stack[b->depth] = n;
    b->tail[b->depth] = &n->first;
    b->key[b->depth++] = NULL;
    return true;
}

static bool on_event(struct builder *b, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->root)
            return fail(b, &e->start_mark, "a second document; a policy is one document");
        return true;
    case YAML_ALIAS_EVENT:
        return fail(b, &e->start_mark,
            "aliases ('*') are not allowed; quote a host that begins with '*', else write things out");
    case YAML_SCALAR_EVENT: return on_scalar(b, e);
    case YAML_SEQUENCE_START_EVENT:
        return no_frills(b, e, e->data.sequence_start.anchor, e->data.sequence_start.tag) &&
               on_start(b, e, YNODE_SEQ);
    case YAML_MAPPING_START_EVENT:
        return no_frills(b, e, e->data.mapping_start.anchor, e->data.mapping_start.tag) &&
               on_start(b, e, YNODE_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: b->depth--; return true;
    default: return true;
    }
}

static bool build(struct builder *b)
{
    for (;;) {
        yaml_event_t e;
        if (!yaml_parser_parse(&b->parser, &e))
            return syntax_error(b);
        bool end = e.type == YAML_STREAM_END_EVENT;
        bool ok = on_event(b, &e);
        yaml_event_delete(&e);
        if (!ok)
            return false;
        if (end)
            return b->root || fail(b, &(yaml_mark_t){0}, "the policy is empty; the least is 'version: 1'");
    }
}

const struct ynode *yaml_tree(const char *text, size_t len, struct arena *arena, struct policy_error *err)
{
    struct builder b = {.arena = arena, .err = err};
    if (!check_text(&b, text, len))
        return NULL;
    /* A byte order mark, as some editors put it: libyaml takes it for a first column. */
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        len -= 3;
    }
    if (!yaml_parser_initialize(&b.parser)) {
        fail(&b, NULL, "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, len);
    bool ok = build(&b);
    yaml_parser_delete(&b.parser);
    return ok ? b.root : NULL;
}

static bool is_one_of(const char *s, const char *const *list)
{
    for (; *list; list++)
        if (strcasecmp(s, *list) == 0)
            return true;
    return false;
}

/* Decimal, octal, hexadecimal, sexagesimal, floats: whatever some YAML reader takes for a number. */
static bool looks_numeric(const char *s)
{
    if (*s == '+' || *s == '-')
        s++;
    if (is_one_of(s, (const char *const[]){".inf", ".nan", NULL}))
        return true;
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'o') && s[2])
        return s[2 + strspn(s + 2, "0123456789abcdefABCDEF_")] == '\0';
    if (!strchr("0123456789.", *s) || !strpbrk(s, "0123456789") || s[strspn(s, "0123456789_.:eE+-")] != '\0')
        return false;
    /* 1-2 and 10.0.0.1 are strings; 1e-2, 1.5 and 1:30 are not. */
    const char *dot = strchr(s, '.'), *minus = strpbrk(s, "+-");
    return !(dot && strchr(dot + 1, '.')) &&
           !(minus && (minus == s || (minus[-1] != 'e' && minus[-1] != 'E')));
}

const char *ynode_type(const struct ynode *n)
{
    static const char *const booleans[] = {"true", "false", "yes", "no", "on", "off", "y", "n", NULL};
    if (n->kind == YNODE_SEQ)
        return "a list";
    if (n->kind == YNODE_MAP)
        return "a mapping";
    if (!n->plain)
        return "a string";
    if (n->len == 0 || is_one_of(n->text, (const char *const[]){"null", "~", NULL}))
        return "null";
    if (is_one_of(n->text, booleans))
        return "a boolean";
    return looks_numeric(n->text) ? "a number" : "a string";
}

bool ynode_is_string(const struct ynode *n)
{
    return strcmp(ynode_type(n), "a string") == 0;
}
