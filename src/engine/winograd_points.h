/*
 * The transforms of minimal filtering (conv_winograd.h): rows of pixels, and kernels, to
 * their numbers at the points 0, 1, -1, 1/2, -2 and infinity, and back. A pixel is so
 * many channels that lie together; numbers of one point lie together, those of the next
 * `point` further on.
 */
#ifndef BACKPROP_WINOGRAD_POINTS_H
#define BACKPROP_WINOGRAD_POINTS_H

#include "real.h"

#include <stddef.h>

#define WINOGRAD_POINTS 6
#define WINOGRAD_MIN_TAPS 2
#define WINOGRAD_MAX_TAPS 5

/* A row of pixels, and its tiles. */
struct tile_row {
    size_t channels, pixels, tiles;
    size_t step;        /* outputs of a tile: 7 - taps */
    size_t before;      /* pixels of padding before the first tile; of inputs only */
    size_t tile, point; /* distances at the points */
    const real *zeros;  /* a pixel */
};

/* B' x: v[point, tile] from the 6 pixels of each tile. */
void winograd_input_row(const struct tile_row *row, const real *pixels, real *v);

/* A' m: start + the outputs of m[point, tile]; `start` lies at `start_pixel` a pixel, 0:
 * one for all; may be `to`. */
void winograd_output_row(const struct tile_row *row, const real *m, const real *start,
                         size_t start_pixel, real *to);

/* A dy: m[point, tile] from the gradients of the outputs of each tile. */
void winograd_gradient_row(const struct tile_row *row, const real *pixels, real *m);

/* G's factor of a tap at a point. */
real winograd_factor(size_t point, size_t tap, size_t taps);

/* raw = the sum over the taps of factors[tap] w[tap, count]. */
void winograd_kernel(const real *w, size_t count, size_t taps, const real *factors,
                     real *raw);

/* dw = the sum over the points of factors[point] du[point, count]. */
void winograd_kernel_gradient(const real *du, size_t point, size_t count,
                              const real *factors, real *dw);

#endif
