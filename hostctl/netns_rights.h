/** \file
 * Is this the root that the netns backend needs (Linux)? In a container or a user namespace it may not be,
 * and what it cannot do would show late, as something else.
 */
#ifndef EGRESS_HOSTCTL_NETNS_RIGHTS_H
#define EGRESS_HOSTCTL_NETNS_RIGHTS_H

/** 0, or -EPERM after a message. */
int rights_check(void);

#endif
