/** \file
 * Hexadecimal digits.
 */
#ifndef EGRESS_LIB_HEX_H
#define EGRESS_LIB_HEX_H

/** The value of a digit, -1 where `c` is none. Either case. */
static inline int hex_value(int c)
{
    unsigned letter = ((unsigned)c | 0x20u) - 'a';
    if ((unsigned)c - '0' < 10)
        return c - '0';
    return letter < 6 ? (int)letter + 10 : -1;
}

#endif
