/*
 * Poolings: max_pool2d, average_pool2d and their kin over one dimension; global averages;
 * upsample2d. No parameters, channels keep to themselves. See layer_families.h.
 */
#ifndef BACKPROP_LAYER_POOL_H
#define BACKPROP_LAYER_POOL_H

#include "window.h"

/* For window_of(). */
extern const struct window_keys pool1d_window, pool2d_window;

/* Positions of one or two dimensions before the channels, of a sample that has been
 * accepted: rows and columns (1 row in one dimension), and the channels. */
struct positions {
    size_t rows, columns, channels;
};

struct positions positions_of(const struct shape *input, int dimensions);

#endif
