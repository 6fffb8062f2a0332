/** \file
 * Audit lines for people: which to show, and how. Pure but for memory.
 *
 * Much in a line was chosen by the agent or an upstream; what is shown is printable, so that it cannot drive
 * a terminal.
 */
#ifndef EGRESS_HOSTCTL_AUDIT_VIEW_H
#define EGRESS_HOSTCTL_AUDIT_VIEW_H

#include <stdbool.h>
#include <stddef.h>

struct audit_filter {
    bool denied; /* only verdict deny */
    const char *event; /* only this; NULL: all */
};

#define AUDIT_ROW_MAX 512

/** Is the line (without its newline) shown? If so `row` gets its table form. False also for what is no JSON
 * object. */
bool audit_view(const struct audit_filter *f, const char *line, size_t len, char row[static AUDIT_ROW_MAX]);

/** The head of the table. */
extern const char audit_view_head[];

#endif
