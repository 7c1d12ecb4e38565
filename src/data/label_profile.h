/*
 * What a pass over the labels of an arrays dataset finds out: statistics, and the
 * distinct integers as long as there are few. Labels are class numbers when they are one
 * integer a row, with at most FACTS_MAX_CATEGORIES distinct values; they are then stored
 * as codes, the places in the ascending list of values.
 */
#ifndef BACKPROP_LABEL_PROFILE_H
#define BACKPROP_LABEL_PROFILE_H

#include "base/error.h"
#include "moments.h"
#include "spec/facts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct label_profile {
    int64_t width; /* numbers a row */
    struct moments moments;
    double minimum, maximum;
    bool integer;
    bool listed; /* the distinct values are (still) few integers */
    size_t value_count;
    double *values; /* ascending; room for FACTS_MAX_CATEGORIES */
};

/* ERR_NOMEM is the only failure. */
int label_profile_init(struct label_profile *profile, int64_t width)
    __attribute__((warn_unused_result));
void label_profile_release(struct label_profile *profile);

/* Adds finite numbers [count]. */
void label_profile_add(struct label_profile *profile, const double *numbers,
                       size_t count);

/* The code of a label that was added; only for labels that are listed. -1: unknown. */
int32_t label_profile_code(const struct label_profile *profile, double number);

/* Fills in all but the name. ERR_NOMEM is the only failure. */
int label_profile_facts(const struct label_profile *profile,
                        struct column_facts *ret_facts)
    __attribute__((warn_unused_result));

#endif
