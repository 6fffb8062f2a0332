#include "lib/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>

#include "lib/base.h"

/* A match that needs more than this is a runaway: some milliseconds at most, where honest patterns take
 * microseconds. */
#define MATCH_LIMIT 50000
#define DEPTH_LIMIT 5000 /* without JIT only */
#define HEAP_LIMIT_KIB 4096 /* without JIT only */
#define JIT_STACK_MIN KIB(32)
#define JIT_STACK_MAX KIB(512)

struct regex {
    struct regex *next;
    struct regex_set *set;
    pcre2_code *code;
};

struct regex_set {
    struct regex *first;
    pcre2_compile_context *compile;
    pcre2_match_context *match;
    pcre2_match_data *data; /* one result at a time, never looked at */
    pcre2_jit_stack *stack;
};

struct regex_set *regex_set_new(void)
{
    struct regex_set *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->compile = pcre2_compile_context_create(NULL);
    s->match = pcre2_match_context_create(NULL);
    s->data = pcre2_match_data_create(1, NULL);
    /* Without JIT in this build of the library there is no stack either, and none is needed. */
    s->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    if (!s->compile || !s->match || !s->data) {
        regex_set_free(s);
        return NULL;
    }
    pcre2_set_max_pattern_length(s->compile, REGEX_PATTERN_MAX);
    pcre2_set_parens_nest_limit(s->compile, 32);
    pcre2_set_match_limit(s->match, MATCH_LIMIT);
    pcre2_set_depth_limit(s->match, DEPTH_LIMIT);
    pcre2_set_heap_limit(s->match, HEAP_LIMIT_KIB);
    pcre2_jit_stack_assign(s->match, NULL, s->stack);
    return s;
}

void regex_set_free(struct regex_set *s)
{
    if (!s)
        return;
    for (struct regex *r = s->first, *next; r; r = next) {
        next = r->next;
        pcre2_code_free(r->code);
        free(r);
    }
    pcre2_jit_stack_free(s->stack);
    pcre2_match_data_free(s->data);
    pcre2_match_context_free(s->match);
    pcre2_compile_context_free(s->compile);
    free(s);
}

const struct regex *regex_compile(
    struct regex_set *s, const char *pattern, size_t len, char *err, size_t errlen, size_t *offset)
{
    /* DOLLAR_ENDONLY: `$` must not let a trailing newline through. */
    const uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF |
                             PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C;
    int code = 0;
    *offset = 0;
    struct regex *r = calloc(1, sizeof *r);
    if (!r) {
        (void)snprintf(err, errlen, "out of memory");
        return NULL;
    }
    r->code = pcre2_compile((PCRE2_SPTR)pattern, len, options, &code, offset, s->compile);
    if (!r->code) {
        PCRE2_UCHAR text[160] = {0};
        (void)pcre2_get_error_message(code, text, sizeof text);
        (void)snprintf(err, errlen, "%s", (const char *)text);
        free(r);
        return NULL;
    }
    /* Where JIT is not to be had the interpreter does the same, slower and within the same limits. */
    (void)pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE);
    r->set = s;
    r->next = s->first;
    s->first = r;
    return r;
}

enum regex_result regex_match(const struct regex *re, const char *subject, size_t len)
{
    int rc = pcre2_match(re->code, (PCRE2_SPTR)subject, len, 0, 0, re->set->data, re->set->match);
    if (rc >= 0)
        return REGEX_YES;
    return rc == PCRE2_ERROR_NOMATCH ? REGEX_NO : REGEX_LIMIT;
}
