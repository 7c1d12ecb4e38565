/*
 * Convolutions: conv2d over [height, width, channels], conv1d over [length, channels].
 * The weight is [filters, channels / groups, kernel…], as in PyTorch. See
 * layer_families.h.
 */
#ifndef BACKPROP_LAYER_CONV_H
#define BACKPROP_LAYER_CONV_H

#include "window.h"

/* For window_of(); the engine's plan reads a layer as the spec does. */
extern const struct window_keys conv1d_window, conv2d_window;

#endif
