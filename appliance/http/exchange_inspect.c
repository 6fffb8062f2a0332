/** \file
 * Where inspection looks at a request's head.
 */
#include "appliance/http/exchange_internal.h"

enum reason exchange_inspect_head(struct exchange *x)
{
    (void)x;
    return REASON_NONE;
}
