/* Audit lines as people see them. */
#include <criterion/criterion.h>
#include <string.h>

#include "hostctl/audit_view.h"

static char row[AUDIT_ROW_MAX];

static bool view(const struct audit_filter *f, const char *line)
{
    return audit_view(f, line, strlen(line), row);
}

static const char dns[] =
    "{\"ts\":\"2026-01-02T03:04:05.678901Z\",\"w\":\"resolver0-a\",\"seq\":1,\"prev\":\"0\",\"event\":"
    "\"dns\","
    "\"verdict\":\"deny\",\"reason\":\"no_route\",\"host\":\"evil.example\",\"qtype\":\"A\",\"rcode\":"
    "\"NXDOMAIN\",\"answers\":[],\"ms\":0.25}";
static const char http[] =
    "{\"ts\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"http\",\"verdict\":\"allow\",\"host\":\"a.example\","
    "\"method\":\"GET\",\"path\":\"/x\",\"status\":200,\"ms\":12}";

Test(audit_view, one_row_says_who_what_and_why)
{
    const struct audit_filter all = {0};
    cr_assert(view(&all, dns));
    cr_assert(strstr(row, "2026-01-02T03:04:05  deny    dns   evil.example"), "%s", row);
    cr_assert(strstr(row, "A NXDOMAIN 0.25ms no_route"), "%s", row);
    cr_assert(view(&all, http));
    cr_assert(strstr(row, "GET /x 200 12ms"), "%s", row);
}

Test(audit_view, filters)
{
    cr_assert(view(&(struct audit_filter){.denied = true}, dns));
    cr_assert_not(view(&(struct audit_filter){.denied = true}, http));
    cr_assert(view(&(struct audit_filter){.event = "http"}, http));
    cr_assert_not(view(&(struct audit_filter){.event = "http"}, dns));
    cr_assert_not(view(&(struct audit_filter){.event = "http", .denied = true}, http));
}

Test(audit_view, what_is_no_line_of_a_log_is_not_shown)
{
    const struct audit_filter all = {0};
    cr_assert_not(view(&all, ""));
    cr_assert_not(view(&all, "garbage"));
    cr_assert_not(view(&all, "[1,2]"));
    cr_assert_not(view(&all, "{\"event\":7}"));
}

/* The agent chooses paths and names; they must not drive the operator's terminal. */
Test(audit_view, control_octets_become_question_marks)
{
    const struct audit_filter all = {0};
    cr_assert(view(&all,
        "{\"event\":\"http\",\"host\":\"a\\u001b[2J\",\"path\":\"/\\u009b1m\\u007f\\n\\u00e4\\u202e\"}"));
    cr_assert_null(strstr(row, "\xe2\x80\xae"));
    for (const char *p = row; *p; p++)
        cr_assert((unsigned char)*p >= 0x20 && *p != 0x7f, "%s", row);
    cr_assert(strstr(row, "a?[2J"), "%s", row);
    cr_assert(strstr(row, "/?1m??\xc3\xa4"), "%s", row);
}

Test(audit_view, a_long_line_is_cut)
{
    char line[4096] = "{\"event\":\"http\",\"host\":\"";
    memset(line + strlen(line), 'x', 3000);
    memcpy(line + 3030, "\"}", 3);
    for (size_t i = 0; i < 3030; i++)
        if (!line[i])
            line[i] = 'x';
    cr_assert(view(&(struct audit_filter){0}, line));
    cr_assert_lt(strlen(row), (size_t)AUDIT_ROW_MAX);
}
