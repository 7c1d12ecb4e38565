/*
 * Text to number, the one grammar of tables: blanks, an optional sign, decimal digits
 * with at most one point (at least one digit in all), an optional exponent, blanks. No
 * hexadecimal, no thousands separators, no locale.
 */
#ifndef BACKPROP_NUMBER_H
#define BACKPROP_NUMBER_H

#include <stddef.h>

enum number_kind {
    NUMBER_NONE,      /* not a number */
    NUMBER_FINITE,    /* *ret_value is set, correctly rounded to double */
    NUMBER_NOT_FINITE /* "inf", "Infinity" (any case), or beyond the range of double */
};

/* Reads text[0 … length); no NUL is needed after it. */
enum number_kind number_parse(const char *text, size_t length, double *ret_value);

#endif
