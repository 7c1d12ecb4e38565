/*
 * Convolutions of samples [height, width, channels], channels last:
 *
 *   y[p, o] = bias[o] + sum over taps k, channels c of x[p * stride - before + k *
 *             dilation, c] w[k, c, o]
 *
 * where p and k are pairs (row, column), and c runs over the channels of o's group. The
 * weight is [kernel_h, kernel_w, channels / groups, filters] here.
 *
 * Direct convolutions: for each row of output a segmented product (conv_kernel.h) in the
 * image itself, which is copied once if it needs padding at its sides; rows of padding
 * above and below are left out of the product. Where neighbouring windows overlap, with
 * stride 1 and some channels, minimal filtering (conv_winograd.h) halves the products.
 * With one channel a group (depthwise) there is nothing to multiply matrices with, and
 * plain loops over channels do it.
 */
#ifndef BACKPROP_CONV_H
#define BACKPROP_CONV_H

#include "gemm_kernel.h"
#include "real.h"
#include "spec/window.h"

#include <stdbool.h>
#include <stddef.h>

struct conv {
    struct window_axis rows, columns;
    size_t channels, filters, groups;
    enum gemm_isa isa;
};

/* `window` as the spec has it; for the best instruction set of this CPU. */
struct conv conv_make(const struct window *window, size_t filters, size_t groups);

/* Reals of an image of the input, of the output, and of the weight. */
size_t conv_input_size(const struct conv *conv);
size_t conv_output_size(const struct conv *conv);
size_t conv_weight_size(const struct conv *conv);

/* Reals of scratch for any of the functions; a multiple of 16. */
size_t conv_scratch(const struct conv *conv);

/* y from x, for so many images. `bias` may be NULL. */
void conv_forward(const struct conv *conv, size_t images, const real *x, const real *w,
                  const real *bias, real *y, real *scratch);

/* dx from dy; `add`: dx += that. */
void conv_backward_data(const struct conv *conv, size_t images, const real *dy,
                        const real *w, bool add, real *dx, real *scratch);

/* dw from x and dy, the sum over the images. */
void conv_backward_weights(const struct conv *conv, size_t images, const real *x,
                           const real *dy, real *dw, real *scratch);

/* Plain loops that sum in double; what the tests compare with. */
void conv_forward_reference(const struct conv *conv, size_t images, const real *x,
                            const real *w, const real *bias, real *y);
void conv_backward_data_reference(const struct conv *conv, size_t images, const real *dy,
                                  const real *w, real *dx);
void conv_backward_weights_reference(const struct conv *conv, size_t images,
                                     const real *x, const real *dy, real *dw);

#endif
