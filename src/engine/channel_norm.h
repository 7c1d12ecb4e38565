/*
 * The passes over memory that batch_norm and group_norm are made of: x is [rows, units],
 * and each unit is treated by itself. Blocks of rows that fit in the first-level cache
 * are read several times while they are there, so each of these is one pass.
 */
#ifndef BACKPROP_CHANNEL_NORM_H
#define BACKPROP_CHANNEL_NORM_H

#include "real.h"

#include <stddef.h>

/* y = (x - mean) factor + offset, each [units] */
struct channel_affine {
    const real *mean, *factor, *offset;
};

/*
 * mean[u] and the sum of (x - mean)² of each unit. Blocks are joined as in Chan, Golub,
 * LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances"
 * (1979), so that no precision is lost as with sums of squares. `scratch`: 2 * units.
 */
void channel_moments(const real *x, size_t rows, size_t units, real *mean,
                     real *ret_deviations, real *scratch);

void channel_normalize(const real *x, size_t rows, size_t units,
                       const struct channel_affine *affine, real *y);

/* sum[u] = the sum of dy, product[u] = the sum of dy (x - mean). */
void channel_products(const real *x, const real *dy, size_t rows, size_t units,
                      const real *mean, real *ret_sum, real *ret_product);

/* dx = a dy - b - (x - mean) c, each [units]. dx may be dy. */
struct channel_slopes {
    const real *a, *b, *c;
};

void channel_gradient(const real *x, const real *dy, size_t rows, size_t units,
                      const real *mean, const struct channel_slopes *slopes, real *dx);

#endif
