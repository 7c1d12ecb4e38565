/* See kernels.h. */
#include "kernels.h"

#define LANES 16

KERNEL void vector_add(real *restrict y, const real *restrict x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] += x[i];
}

KERNEL void vector_scale(real *y, real factor, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] *= factor;
}

KERNEL void vector_clamp(real *y, real limit, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        real low = y[i] < -limit ? -limit : y[i];
        y[i] = low > limit ? limit : low;
    }
}

KERNEL double vector_square_sum(const real *x, size_t count)
{
    double sums[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++)
            sums[lane] += (double)x[i + lane] * (double)x[i + lane];
    }
    for (size_t lane = 0; i < count; i++, lane++)
        sums[lane] += (double)x[i] * (double)x[i];
    for (size_t half = LANES / 2; half > 0; half /= 2) {
        for (size_t lane = 0; lane < half; lane++)
            sums[lane] += sums[lane + half];
    }
    return sums[0];
}

KERNEL void column_sum(const real *restrict x, size_t rows, size_t width,
                       real *restrict out)
{
    for (size_t j = 0; j < width; j++)
        out[j] = 0;
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < width; j++)
            out[j] += x[r * width + j];
    }
}

KERNEL void row_fill(real *restrict y, const real *restrict bias, size_t rows,
                     size_t width)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < width; j++)
            y[r * width + j] = bias[j];
    }
}
