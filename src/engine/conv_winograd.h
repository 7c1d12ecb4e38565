/*
 * Convolutions by minimal filtering (Winograd; Lavin and Gray, arXiv:1509.09308) along
 * the columns: of r taps in a row, 7 - r neighbouring outputs take 6 products instead of
 * r * (7 - r), so that 3 taps take half of the products, 5 taps 60 %. The rows of the
 * kernel stay what they are, segments of one product (conv_kernel.h).
 *
 * With x a row of 6 input pixels, w of r taps, y of 7 - r outputs, each product `*` a sum
 * over the channels, and the points 0, 1, -1, 1/2, -2, infinity of Toom and Cook:
 *
 *   y = A' [(G w) * (B' x)]     dw = G' [(B' x) * (A dy)]
 *
 * and the gradient of the data is a convolution of dy. Exact but for rounding, whose mean
 * is 1.4 to 2 times that of the plain sum. These points round least among those of 6:
 * with 2, -2 the largest errors are nearly twice as large.
 */
#ifndef BACKPROP_CONV_WINOGRAD_H
#define BACKPROP_CONV_WINOGRAD_H

#include "conv.h"

/* Whether all three functions may be used for this convolution, and pay. */
bool winograd_suits(const struct conv *conv);

/* Reals of scratch; a multiple of 16. */
size_t winograd_scratch(const struct conv *conv);

/* As in conv.h. */
void winograd_forward(const struct conv *conv, size_t images, const real *x,
                      const real *w, const real *bias, real *y, real *scratch);
void winograd_backward_data(const struct conv *conv, size_t images, const real *dy,
                            const real *w, bool add, real *dx, real *scratch);
void winograd_backward_weights(const struct conv *conv, size_t images, const real *x,
                               const real *dy, real *dw, real *scratch);

#endif
