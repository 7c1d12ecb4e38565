/*
 * A column of numbers meant as a category: from each number to its index among the values
 * that the facts list. The values are read as float32, because that is how a table's file
 * holds the numbers.
 */
#ifndef BACKPROP_VALUE_CODES_H
#define BACKPROP_VALUE_CODES_H

#include "base/error.h"
#include "spec/facts.h"

#include <stddef.h>
#include <stdint.h>

struct value_codes {
    size_t count;
    float *values; /* strictly ascending; owned */
};

/* ERR_CORRUPT when a value is no number, ERR_INVALID when two of them are the same as
 * float32. To be released. */
int value_codes_init(const struct column_facts *column, struct value_codes *ret_codes,
                     struct error *err) __attribute__((warn_unused_result));
void value_codes_release(struct value_codes *codes);

/* The index of a number, or -1 where it is NaN or none of the values. */
int32_t value_codes_find(const struct value_codes *codes, float number);

/* ERR_CORRUPT if one of a column's numbers, NaN aside, is none of its values. */
int value_codes_check(const struct value_codes *codes, const struct column_facts *column,
                      const float *numbers, size_t rows, struct error *err)
    __attribute__((warn_unused_result));

#endif
