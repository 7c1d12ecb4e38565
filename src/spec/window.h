/*
 * Windows that slide over the positions of a sample, as convolutions and poolings have
 * them: from the attributes of a layer and the shape of its input to where each window
 * lies. The spec infers shapes with it, the engine plans its loops.
 *
 * In two dimensions samples are [height, width, channels], or [height, width], which is
 * one channel. In one they are [length, channels] or [length]; they are seen as rows of a
 * height of 1, so that there is one case.
 *
 * Output position p along an axis sees the positions p * stride - before + k * dilation
 * of the input, k < size; those that the input does not have are padding.
 */
#ifndef BACKPROP_WINDOW_H
#define BACKPROP_WINDOW_H

#include "attrs.h"
#include "base/violations.h"
#include "model_spec.h"
#include "shape.h"

#include <stddef.h>

#define WINDOW_MAX 4096 /* of size, stride, dilation and padding */

struct window_axis {
    size_t in, out, size, stride, dilation;
    size_t before, after; /* padding; positions that no window reaches do not count */
};

struct window {
    int dimensions; /* 1 or 2 */
    struct window_axis rows, columns;
    size_t channels; /* of the input */
};

/* The names of the keys, which differ between convolutions and poolings. */
struct window_keys {
    int dimensions;
    const char *size;
    const char *dilation; /* NULL: 1 */
    /* Padding on each side is at most this share of the window (less one): 1, or 2 for
     * half of it, so that no window lies in the padding alone. */
    size_t padding_share;
};

/* "padding": "valid", "same" (output ceil(in / stride), the odd one of the padding comes
 * after), or a number for each side of each axis. */
extern const char *const window_paddings[];

/* What an input may be, in words: "[height, width, channels] or …". */
const char *window_shapes(int dimensions);

/* Fills in *ret_window from the attributes (strides, padding and those named); with
 * violations at the layer, or at its keys, ERR_INVALID. */
int window_infer(const struct window_keys *keys, const struct shape *input,
                 const struct layer *layer, struct window *ret_window,
                 struct violations *violations);

/* The same for a layer that window_infer() has accepted. */
struct window window_of(const struct window_keys *keys, const struct shape *input,
                        const struct layer *layer);

/* The shape of the output with so many channels. */
struct shape window_output(const struct window *window, int64_t channels);

#endif
