/** \file
 * What may be asked of a front connection whatever codec serves it.
 */
#include "appliance/http/codec.h"

void http_front_drain(struct http_front *f)
{
    if (f->codec)
        f->ops->drain(f);
}

void http_front_close(struct http_front *f)
{
    if (f->codec)
        f->ops->close(f);
}
