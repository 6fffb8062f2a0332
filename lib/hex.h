/** \file
 * Hexadecimal digits.
 */
#ifndef EGRESS_LIB_HEX_H
#define EGRESS_LIB_HEX_H

/** The value of a digit, -1 where `c` is none. Either case. */
static inline int hex_value(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

#endif
