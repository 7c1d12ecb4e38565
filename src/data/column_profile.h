/*
 * What the first pass over a table finds out about its columns, in bounded memory: how
 * many cells are missing, numbers or other text, the numbers' statistics, and the
 * distinct values as long as there are few. From that follow the type of each column and
 * its facts.
 *
 * A column is a number when all its values are numbers; a category when it has at most
 * FACTS_MAX_CATEGORIES distinct values and they repeat (at most 20 of them, or at most
 * half as many as values); otherwise it is text, which is not learnt from. A column
 * without any value is text.
 */
#ifndef BACKPROP_COLUMN_PROFILE_H
#define BACKPROP_COLUMN_PROFILE_H

#include "base/error.h"
#include "base/utf8.h"
#include "moments.h"
#include "spec/facts.h"
#include "value_set.h"

#include <stdbool.h>
#include <stdint.h>

/* Memory for the distinct values of all columns together. When it is used up, the column
 * that holds most gives its values up. */
#define COLUMN_PROFILES_VALUE_BYTES ((size_t)16 << 20)

/* Integers below this are noticed without a look-up; see `small_seen`. */
#define COLUMN_PROFILE_SMALL 1000

/* A cell worth telling the user of. */
struct cell_excerpt {
    uint64_t row, line; /* 1-based; row 0: there is none */
    char text[UTF8_EXCERPT_SIZE];
};

struct column_profile {
    uint64_t missing;
    uint64_t texts;      /* values that are no numbers */
    uint64_t not_finite; /* infinite, or beyond the range of float32 */
    struct cell_excerpt first_text, first_not_finite;
    struct moments moments; /* of the finite numbers */
    double minimum, maximum;
    bool integer;  /* all numbers are integers … */
    bool counting; /* … each one more than the one before it */
    double last;
    bool many_values; /* more than FACTS_MAX_CATEGORIES, or too long to list */
    bool gave_up;     /* … but only for want of memory */
    struct value_set values;
    /* Bit n: the text of n, written the usual way, is among the values. Tables of pixels
     * and counts hold little else. */
    uint64_t small_seen[(COLUMN_PROFILE_SMALL + 63) / 64];
};

struct column_profiles {
    int count;
    size_t value_bytes;
    struct column_profile *items;
};

/* `ret_profiles` is empty before; ERR_NOMEM is the only failure. */
int column_profiles_init(struct column_profiles *profiles, int count)
    __attribute__((warn_unused_result));
void column_profiles_release(struct column_profiles *profiles);

void column_profiles_add_missing(struct column_profiles *profiles, int column);

/* Adds a value that is not missing; no blanks around it. ERR_NOMEM
 * is the only failure. */
int column_profiles_add(struct column_profiles *profiles, int column, const char *text,
                        size_t length, uint64_t row, uint64_t line)
    __attribute__((warn_unused_result));

enum column_type column_profile_type(const struct column_profile *profile);

/* True if numbers and only numbers are there, but one at least is not finite. */
bool column_profile_is_spoiled(const struct column_profile *profile);

/* True if nearly all values are numbers, so that the few others look like mistakes. */
bool column_profile_is_nearly_number(const struct column_profile *profile);

/*
 * Fills in all but the name. The `values` of a category are in the order of their bytes,
 * and profile->values gets their places as codes; those of a number are its distinct
 * integers, listed only where float32 holds them exactly. ERR_NOMEM is the only failure.
 */
int column_profile_facts(struct column_profile *profile, struct column_facts *ret_facts)
    __attribute__((warn_unused_result));

#endif
