/** \file
 * Memory that is only used while something starts.
 */
#ifndef EGRESS_APPLIANCE_MEMORY_H
#define EGRESS_APPLIANCE_MEMORY_H

/** Gives freed heap back to the kernel: before a fork, so that no child inherits the leftovers. */
void memory_trim(void);
/** Lets go of code that ran once, such as the compiler of patterns, and of its constants: their pages are the
 * files' own, and come back by a minor fault where they are wanted again. */
void memory_forget_code(void);

#endif
