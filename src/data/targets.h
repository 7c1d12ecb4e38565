/* The target column of one part of a dataset, as numbers or labels of its own. */
#ifndef BACKPROP_TARGETS_H
#define BACKPROP_TARGETS_H

#include "columns.h"

struct targets {
    enum target_type type;
    size_t width; /* TARGET_NUMBER: numbers of a row; 0: the input is the target */
    /* TARGET_CATEGORY: [rows], MISSING_CODE where there is none; owned. */
    int32_t *labels;
    /* TARGET_NUMBER: [rows, width] before normalization, NaN where there is none; also
     * owned. */
    float *numbers;
};

/* Reads a part that columns_check() has passed. ERR_CORRUPT when a number is none of the
 * values that the facts list, ERR_INVALID when two of those are the same as float32. To
 * be released. */
int targets_read(const struct dataset_view *view, enum dataset_part part,
                 struct targets *ret_targets, struct error *err)
    __attribute__((warn_unused_result));
void targets_release(struct targets *targets);

/* True if the row has a whole target. */
bool targets_has(const struct targets *targets, size_t row);

#endif
