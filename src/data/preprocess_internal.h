/*
 * What fitting, laying out and predicting share: how one value of a column becomes its
 * features.
 */
#ifndef BACKPROP_PREPROCESS_INTERNAL_H
#define BACKPROP_PREPROCESS_INTERNAL_H

#include "preprocess.h"

#include <stdint.h>

#define MISSING_CODE (-1)

/* Makes the input, of known transforms, the target: from what the network gives back to
 * the input's own units is the samples' transform, or for a table each column's. */
void preprocess_reconstruct(struct preprocess *preprocess);

/* How many features the column gives: the number or one for each value, and the
 * indicator. */
int64_t preprocess_column_features(const struct preprocess_column *column);

/* Features of a number; one that is not finite is missing. */
void preprocess_put_number(const struct preprocess_column *column, double x,
                           float *ret_features);

/* Features of a category: its index into `values`, or MISSING_CODE. */
void preprocess_put_category(const struct preprocess_column *column, int32_t code,
                             float *ret_features);

#endif
