/*
 * Kernels over vectors that more than one module needs: plain loops that become vector
 * code, in a version for each instruction set (base/multiversion.h).
 *
 * Sums run in LANES partial sums that are added in a fixed order: vectorisable without
 * reassociation by the compiler, and the same bits at any vector width. `real_lanes` is
 * that many numbers as one value, for loops in which gcc picks the wrong loop to
 * vectorise.
 */
#ifndef BACKPROP_KERNELS_H
#define BACKPROP_KERNELS_H

#include "base/multiversion.h"
#include "real.h"

#include <stddef.h>

/* Before a loop whose iterations touch only their own elements, though its pointers may
 * be equal: without it the compiler falls back to scalar code for work in place. */
#if defined(__GNUC__) && !defined(__clang__)
#define ELEMENTWISE _Pragma("GCC ivdep")
#else
#define ELEMENTWISE
#endif

#define LANES 16
typedef real real_lanes
    __attribute__((vector_size(LANES * sizeof(real)), aligned(sizeof(real)), may_alias));

/* The sum of the lanes: halves are added until one number is left, in registers. */
static inline __attribute__((always_inline)) real lanes_sum(const real_lanes *x)
{
    typedef real eight __attribute__((vector_size(8 * sizeof(real))));
    typedef real four __attribute__((vector_size(4 * sizeof(real))));
    real_lanes v = *x;
    eight a = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
              __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
    four b = __builtin_shufflevector(a, a, 0, 1, 2, 3) +
             __builtin_shufflevector(a, a, 4, 5, 6, 7);
    return (b[0] + b[2]) + (b[1] + b[3]);
}

/* y[i] += x[i] */
void vector_add(real *restrict y, const real *restrict x, size_t count);

/* y[i] *= factor */
void vector_scale(real *y, real factor, size_t count);

/* y[i] = min(max(y[i], -limit), limit); NaN stays NaN. */
void vector_clamp(real *y, real limit, size_t count);

/* Sums in double: of x[i], of |x[i]|, of x[i]². */
double vector_sum(const real *x, size_t count);
double vector_absolute_sum(const real *x, size_t count);
double vector_square_sum(const real *x, size_t count);

/* Sum of x[i] * y[i]. */
real vector_dot(const real *x, const real *y, size_t count);

/* The largest x[i], count > 0. Where there are NaN, the largest of the others or NaN. */
real vector_max(const real *x, size_t count);

/* y[i] = e^(x[i] - shift), returns their sum. y may be x. */
real vector_exp(const real *x, real shift, real *y, size_t count);

/* Fills columns [0, width) of y: [rows, width] with the row bias. */
void row_fill(real *restrict y, const real *restrict bias, size_t rows, size_t width);

/* out[j] = sum over r of x[r, j]; x: [rows, width]. */
void column_sum(const real *restrict x, size_t rows, size_t width, real *restrict out);

#endif
