/*
 * See channel_norm.h. Each loop runs over LANES units at a time, whose numbers stay in
 * registers while the rows of a block go by, then over the units that are left.
 */
#include "channel_norm.h"
#include "kernels.h"

#include <string.h>

#define BLOCK_REALS 4096 /* of x: a part of the first-level cache */
#define CHAINS 4         /* sums at once, so that one does not wait for the last */

/* Macros, because a function must not return vectors that the baseline does not have. */
#define AT(x) (*(const real_lanes *)(x))
#define PUT(x, value) (*(real_lanes *)(x) = (value))

/* Rows of a block: few where they are long, and at least some. */
static size_t block_rows(size_t units, size_t left)
{
    size_t rows = BLOCK_REALS / units;
    rows = rows < CHAINS ? CHAINS : rows;
    return rows < left ? rows : left;
}

/* sum[u] = sum over the rows of x, or of (x - mean)². */
static inline __attribute__((always_inline)) void
sum_block(const real *x, size_t rows, size_t units, const real *mean, real *sum)
{
    size_t u = 0;
    for (; u + LANES <= units; u += LANES) {
        real_lanes sums[CHAINS] = {{0}}, middle = {0};
        if (mean)
            middle = AT(mean + u);
        size_t r = 0;
        for (; r + CHAINS <= rows; r += CHAINS) {
#pragma GCC unroll 4
            for (size_t chain = 0; chain < CHAINS; chain++) {
                real_lanes d = AT(x + (r + chain) * units + u) - middle;
                if (mean)
                    d *= d;
                sums[chain] += d;
            }
        }
        for (; r < rows; r++) {
            real_lanes d = AT(x + r * units + u) - middle;
            if (mean)
                d *= d;
            sums[0] += d;
        }
        PUT(sum + u, (sums[0] + sums[1]) + (sums[2] + sums[3]));
    }
    for (; u < units; u++) {
        real total = 0, middle = mean ? mean[u] : 0;
        for (size_t r = 0; r < rows; r++) {
            real d = x[r * units + u] - middle;
            total += mean ? d * d : d;
        }
        sum[u] = total;
    }
}

MULTIVERSION static void sum_rows(const real *x, size_t rows, size_t units, real *sum)
{
    sum_block(x, rows, units, NULL, sum);
}

MULTIVERSION static void sum_squares(const real *x, size_t rows, size_t units,
                                     const real *mean, real *sum)
{
    sum_block(x, rows, units, mean, sum);
}

/* Adds a block of `count` rows with its own moments to those of `before` rows. */
MULTIVERSION static void join_moments(size_t units, size_t before, size_t count,
                                      const real *block_mean,
                                      const real *block_deviations, real *mean,
                                      real *deviations)
{
    double all = (double)(before + count);
    real step = (real)((double)count / all);
    real weight = (real)((double)before * (double)count / all);
    for (size_t u = 0; u < units; u++) {
        real delta = block_mean[u] - mean[u];
        mean[u] += delta * step;
        deviations[u] += block_deviations[u] + delta * delta * weight;
    }
}

void channel_moments(const real *x, size_t rows, size_t units, real *mean,
                     real *ret_deviations, real *scratch)
{
    real *block_mean = scratch, *block_deviations = scratch + units;
    memset(mean, 0, units * sizeof(real));
    memset(ret_deviations, 0, units * sizeof(real));
    for (size_t done = 0, count; done < rows; done += count) {
        count = block_rows(units, rows - done);
        const real *block = x + done * units;
        sum_rows(block, count, units, block_mean);
        vector_scale(block_mean, (real)(1.0 / (double)count), units);
        sum_squares(block, count, units, block_mean, block_deviations);
        join_moments(units, done, count, block_mean, block_deviations, mean,
                     ret_deviations);
    }
}

/* ---- y ---- */

static inline __attribute__((always_inline)) void
normalize_block(const real *x, size_t rows, size_t units,
                const struct channel_affine *affine, real *y)
{
    size_t u = 0;
    for (; u + LANES <= units; u += LANES) {
        real_lanes mean = AT(affine->mean + u), factor = AT(affine->factor + u);
        real_lanes offset = AT(affine->offset + u);
        for (size_t r = 0; r < rows; r++) {
            real_lanes value = (AT(x + r * units + u) - mean) * factor + offset;
            PUT(y + r * units + u, value);
        }
    }
    for (; u < units; u++) {
        for (size_t r = 0; r < rows; r++) {
            real value = (x[r * units + u] - affine->mean[u]) * affine->factor[u] +
                         affine->offset[u];
            y[r * units + u] = value;
        }
    }
}

MULTIVERSION static void normalize_rows(const real *x, size_t rows, size_t units,
                                        const struct channel_affine *affine, real *y)
{
    normalize_block(x, rows, units, affine, y);
}

void channel_normalize(const real *x, size_t rows, size_t units,
                       const struct channel_affine *affine, real *y)
{
    for (size_t done = 0, count; done < rows; done += count) {
        count = block_rows(units, rows - done);
        normalize_rows(x + done * units, count, units, affine, y + done * units);
    }
}

/* ---- gradients ---- */

static inline __attribute__((always_inline)) void
products_block(const real *x, const real *dy, size_t rows, size_t units, const real *mean,
               real *sum, real *product)
{
    size_t u = 0;
    for (; u + LANES <= units; u += LANES) {
        real_lanes sums[CHAINS] = {{0}}, products[CHAINS] = {{0}};
        real_lanes middle = AT(mean + u);
        size_t r = 0;
        for (; r + CHAINS <= rows; r += CHAINS) {
#pragma GCC unroll 4
            for (size_t chain = 0; chain < CHAINS; chain++) {
                size_t from = (r + chain) * units + u;
                real_lanes d = AT(x + from) - middle, g = AT(dy + from);
                sums[chain] += g;
                products[chain] += g * d;
            }
        }
        for (; r < rows; r++) {
            real_lanes d = AT(x + r * units + u) - middle, g = AT(dy + r * units + u);
            sums[0] += g;
            products[0] += g * d;
        }
        PUT(sum + u, AT(sum + u) + ((sums[0] + sums[1]) + (sums[2] + sums[3])));
        PUT(product + u, AT(product + u) +
                             ((products[0] + products[1]) + (products[2] + products[3])));
    }
    for (; u < units; u++) {
        real total = 0, weighted = 0;
        for (size_t r = 0; r < rows; r++) {
            real d = x[r * units + u] - mean[u], g = dy[r * units + u];
            total += g;
            weighted += g * d;
        }
        sum[u] += total;
        product[u] += weighted;
    }
}

MULTIVERSION static void products_rows(const real *x, const real *dy, size_t rows,
                                       size_t units, const real *mean, real *sum,
                                       real *product)
{
    products_block(x, dy, rows, units, mean, sum, product);
}

void channel_products(const real *x, const real *dy, size_t rows, size_t units,
                      const real *mean, real *ret_sum, real *ret_product)
{
    memset(ret_sum, 0, units * sizeof(real));
    memset(ret_product, 0, units * sizeof(real));
    for (size_t done = 0, count; done < rows; done += count) {
        count = block_rows(units, rows - done);
        products_rows(x + done * units, dy + done * units, count, units, mean, ret_sum,
                      ret_product);
    }
}

static inline __attribute__((always_inline)) void
gradient_block(const real *x, const real *dy, size_t rows, size_t units, const real *mean,
               const struct channel_slopes *slopes, real *dx)
{
    size_t u = 0;
    for (; u + LANES <= units; u += LANES) {
        real_lanes middle = AT(mean + u);
        real_lanes a = AT(slopes->a + u), b = AT(slopes->b + u), c = AT(slopes->c + u);
        for (size_t r = 0; r < rows; r++) {
            size_t from = r * units + u;
            real_lanes d = AT(x + from) - middle, g = AT(dy + from);
            PUT(dx + from, a * g - b - d * c);
        }
    }
    for (; u < units; u++) {
        for (size_t from = u; from < rows * units; from += units) {
            real d = x[from] - mean[u], g = dy[from];
            dx[from] = slopes->a[u] * g - slopes->b[u] - d * slopes->c[u];
        }
    }
}

MULTIVERSION static void gradient_rows(const real *x, const real *dy, size_t rows,
                                       size_t units, const real *mean,
                                       const struct channel_slopes *slopes, real *dx)
{
    gradient_block(x, dy, rows, units, mean, slopes, dx);
}

void channel_gradient(const real *x, const real *dy, size_t rows, size_t units,
                      const real *mean, const struct channel_slopes *slopes, real *dx)
{
    for (size_t done = 0, count; done < rows; done += count) {
        count = block_rows(units, rows - done);
        gradient_rows(x + done * units, dy + done * units, count, units, mean, slopes,
                      dx + done * units);
    }
}
