/*
 * The texts that stand for a missing value in a table.
 *
 * The usual ones are those of pandas.read_csv ("", #N/A, #N/A N/A, #NA, -1.#IND,
 * -1.#QNAN, -NaN, -nan, 1.#IND, 1.#QNAN, <NA>, N/A, NA, NULL, NaN, None, n/a, nan, null)
 * and "?" and
 * "-", which the data sets of the UCI repository use. A user's list replaces them, but an
 * empty cell is missing in any case. Cells are compared without blanks around them,
 * whether they are quoted or not.
 */
#ifndef BACKPROP_MISSING_TEXTS_H
#define BACKPROP_MISSING_TEXTS_H

#include "base/error.h"
#include "spec/facts.h"
#include "value_set.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MISSING_TEXTS_MAX 100

struct missing_texts {
    struct value_set set;
    /* For each first byte the lengths of the texts (bit n: n bytes, bit 63: more), so
     * that nearly every cell is passed without a look-up. */
    uint64_t lengths[256];
};

/* `list`: comma-separated, NULL for the usual ones. ERR_INVALID for a list that is too
 * long. */
int missing_texts_init(struct missing_texts *missing, const char *list, struct error *err)
    __attribute__((warn_unused_result));
void missing_texts_release(struct missing_texts *missing);

/* True if a text (without blanks around it) is one of the usual ones, or empty. */
bool missing_texts_is_usual(const char *text, size_t length);

/* True if a text (without blanks around it) means that there is no value. */
static inline bool missing_texts_has(struct missing_texts *missing, const char *text,
                                     size_t length)
{
    if (length == 0)
        return true;
    uint64_t lengths = missing->lengths[(unsigned char)text[0]];
    if ((lengths >> (length < 63 ? length : 63) & 1) == 0)
        return false;
    return value_set_find(&missing->set, text, length) >= 0;
}

/* Takes blanks off both ends of a cell. */
static inline void missing_texts_trim(const char **text, size_t *length)
{
    while (*length > 0 && (**text == ' ' || **text == '\t')) {
        ++*text;
        --*length;
    }
    while (*length > 0 && ((*text)[*length - 1] == ' ' || (*text)[*length - 1] == '\t'))
        --*length;
}

#endif
