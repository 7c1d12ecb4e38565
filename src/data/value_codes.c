/* See value_codes.h. */
#include "value_codes.h"

#include "base/memory.h"
#include "number.h"
#include "preprocess_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int value_codes_init(const struct column_facts *column, struct value_codes *ret_codes,
                     struct error *err)
{
    float *values = mem_alloc_array(column->value_count, sizeof(*values));
    if (!values)
        return error_set(err, ERR_NOMEM, "no memory for the values of %s", column->name);
    for (size_t i = 0; i < column->value_count; i++) {
        const char *text = column->values[i];
        double number = 0.0;
        int rc = 0;
        if (number_parse(text, strlen(text), &number) != NUMBER_FINITE)
            rc = error_set(err, ERR_CORRUPT, "the value %s of the number %s is none",
                           text, column->name);
        else if (i > 0 && !((float)number > values[i - 1]))
            rc = error_set(err, ERR_INVALID,
                           "%s has the values %s and %s, which cannot be told apart as "
                           "float32 or are out of order",
                           column->name, column->values[i - 1], text);
        if (rc != 0) {
            free(values);
            return rc;
        }
        values[i] = (float)number;
    }
    *ret_codes = (struct value_codes){.count = column->value_count, .values = values};
    return 0;
}

void value_codes_release(struct value_codes *codes)
{
    free(codes->values);
    *codes = (struct value_codes){0};
}

int32_t value_codes_find(const struct value_codes *codes, float number)
{
    size_t low = 0, high = codes->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (codes->values[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < codes->count && codes->values[low] == number ? (int32_t)low
                                                              : MISSING_CODE;
}

int value_codes_check(const struct value_codes *codes, const struct column_facts *column,
                      const float *numbers, size_t rows, struct error *err)
{
    for (size_t row = 0; row < rows; row++)
        if (!isnan(numbers[row]) && value_codes_find(codes, numbers[row]) == MISSING_CODE)
            return error_set(err, ERR_CORRUPT,
                             "row %zu of %s is %g, which is none of the %zu values", row,
                             column->name, (double)numbers[row], codes->count);
    return 0;
}
