/*
 * The segmented product, from which convolutions are made: as a matrix product, but that
 * k runs over several segments of a and b that lie apart,
 *
 *   c[m, n] = start[m, n] + sum over segments (y, x) of a_yx[m, k] @ b_yx[k, n]
 *
 * and the sums stay in registers over all of them. For a convolution a row of output is
 * such a product in the image itself: the rows of a are overlapping windows, a segment is
 * a row of the kernel. So nothing is copied to columns first (im2col), which would write
 * and read the input kernel_h * kernel_w times.
 */
#ifndef BACKPROP_CONV_KERNEL_H
#define BACKPROP_CONV_KERNEL_H

#include "gemm_kernel.h"
#include "real.h"

#include <stdbool.h>
#include <stddef.h>

/* Segment (y, x) begins a_outer * y + a_inner * x behind a, b likewise. */
struct segments {
    size_t m, k;
    size_t outer, inner; /* segments: outer * inner; none are allowed */
    /* Element [i, j] of a segment of a: at i * a_row + j, or, `turned`, at
     * i + j * a_step. */
    const real *a;
    size_t a_row, a_step, a_outer, a_inner;
    bool turned;
    const real *b; /* rows of a whole panel, see below */
    size_t b_row, b_outer, b_inner;
    const real *start; /* rows likewise; start_row 0: one row for all; may be c */
    size_t start_row;
    real *c;
    size_t c_row;
};

/* Reals of a vector. Columns of c come in panels of two vectors or one. */
size_t conv_kernel_width(enum gemm_isa isa);

/* Columns of the next panel where `left` are left: a vector at least, though fewer
 * columns may be left. b and start must have a whole panel; c has only `left` columns. */
size_t conv_kernel_panel(enum gemm_isa isa, size_t left);

/* One panel, of conv_kernel_panel(isa, left) columns. `start` may be c itself even where
 * c has fewer columns. Needs 8 KiB of stack. */
void conv_kernel(enum gemm_isa isa, const struct segments *segments, size_t left);

#endif
