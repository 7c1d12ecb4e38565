/*
 * Figures of the training rows that transforms are fitted with. Sums run in double and in
 * the order of the rows, so the same rows give the same bits.
 */
#ifndef BACKPROP_STATISTICS_H
#define BACKPROP_STATISTICS_H

#include "preprocess.h"
#include "spec/job_spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct statistics {
    size_t count; /* values that are there; the rest is 0 when there is none */
    double minimum, maximum;
    double mean, std; /* of the population; std is exactly 0 where all values are equal */
    double median;    /* of an even count: the mean of the middle two */
};

/* Of values[rows[0 … count)]; what is not finite is missing. The median is 0 unless asked
 * for. ERR_NOMEM is the only error. */
int statistics_of_column(const float *values, const uint32_t *rows, size_t count,
                         bool with_median, struct statistics *ret_statistics)
    __attribute__((warn_unused_result));

/* Of all the elements of some samples: elements is [all rows, width]. No median. */
void statistics_of_samples(enum element_type element, const void *elements, size_t width,
                           const uint32_t *rows, size_t count,
                           struct statistics *ret_statistics);

/* Shift and scale of a normalization; a scale is never 0. The fill is 0. */
struct number_transform statistics_transform(const struct statistics *statistics,
                                             enum normalization normalization);

#endif
