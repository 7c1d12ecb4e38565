/*
 * What augmentation does to one image: small pure functions over float32
 * [height, width, channels], row-major. Which of them, and how far, is drawn in
 * augment.h.
 */
#ifndef BACKPROP_IMAGE_H
#define BACKPROP_IMAGE_H

#include "spec/augment_spec.h"

#include <stdbool.h>
#include <stddef.h>

struct image_size {
    size_t height, width, channels;
};

/* Left becomes right, in place. */
void image_flip_horizontally(float *x, const struct image_size *size);

/* Top becomes bottom, in place. */
void image_flip_vertically(float *x, const struct image_size *size);

/* ret_x[row][column] = x[row - down][column - right]; what lies outside is as `fill`
 * says. `ret_x` is not `x`. */
void image_shift(const float *x, const struct image_size *size, ptrdiff_t down,
                 ptrdiff_t right, const struct augment_fill *fill, float *ret_x);

/* Turned counter-clockwise about its centre. Each pixel is looked up where it comes from:
 * the nearest pixel there, or the four around it in proportion, each of them as `fill`
 * says where it lies outside. `ret_x` is not `x`. */
void image_rotate(const float *x, const struct image_size *size, double degrees,
                  bool bilinear, const struct augment_fill *fill, float *ret_x);

/* Rows [row - side / 2, row - side / 2 + side) and the same columns, as far as there are
 * such, become `value`. */
void image_cut_out(float *x, const struct image_size *size, size_t row, size_t column,
                   size_t side, float value);

#endif
