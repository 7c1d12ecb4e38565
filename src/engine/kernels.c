/* See kernels.h. */
#include "kernels.h"
#include "vector_math.h"

MULTIVERSION void vector_add(real *restrict y, const real *restrict x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] += x[i];
}

MULTIVERSION void vector_scale(real *y, real factor, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] *= factor;
}

MULTIVERSION void vector_clamp(real *y, real limit, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        real low = y[i] < -limit ? -limit : y[i];
        y[i] = low > limit ? limit : low;
    }
}

#define DOUBLE_SUM(name, term)                                                           \
    MULTIVERSION double name(const real *x, size_t count)                                \
    {                                                                                    \
        double sums[LANES] = {0};                                                        \
        size_t i = 0;                                                                    \
        for (; i + LANES <= count; i += LANES) {                                         \
            for (size_t lane = 0; lane < LANES; lane++) {                                \
                double value = (double)x[i + lane];                                      \
                sums[lane] += (term);                                                    \
            }                                                                            \
        }                                                                                \
        for (size_t lane = 0; i < count; i++, lane++) {                                  \
            double value = (double)x[i];                                                 \
            sums[lane] += (term);                                                        \
        }                                                                                \
        for (size_t half = LANES / 2; half > 0; half /= 2) {                             \
            for (size_t lane = 0; lane < half; lane++)                                   \
                sums[lane] += sums[lane + half];                                         \
        }                                                                                \
        return sums[0];                                                                  \
    }

DOUBLE_SUM(vector_sum, value)
DOUBLE_SUM(vector_absolute_sum, value < 0 ? -value : value)
DOUBLE_SUM(vector_square_sum, value *value)

MULTIVERSION real vector_dot(const real *x, const real *y, size_t count)
{
    real_lanes sums = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        sums += *(const real_lanes *)(x + i) * *(const real_lanes *)(y + i);
    real sum = lanes_sum(&sums);
    for (; i < count; i++)
        sum += x[i] * y[i];
    return sum;
}

/* What comparing lanes gives: all bits set where it is true. */
typedef __typeof__((real_lanes){0} > (real_lanes){0}) lanes_mask;

MULTIVERSION real vector_max(const real *x, size_t count)
{
    real largest = x[0];
    size_t i = 0;
    if (count >= LANES) {
        real_lanes most = *(const real_lanes *)x;
        for (i = LANES; i + LANES <= count; i += LANES) {
            real_lanes part = *(const real_lanes *)(x + i);
            lanes_mask above = part > most;
            most = (real_lanes)((above & (lanes_mask)part) | (~above & (lanes_mask)most));
        }
        largest = most[0];
        for (size_t lane = 1; lane < LANES; lane++)
            largest = most[lane] > largest ? most[lane] : largest;
    }
    for (; i < count; i++)
        largest = x[i] > largest ? x[i] : largest;
    return largest;
}

MULTIVERSION real vector_exp(const real *x, real shift, real *y, size_t count)
{
    ELEMENTWISE
    for (size_t i = 0; i < count; i++)
        y[i] = real_exp(x[i] - shift);
    real_lanes sums = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        sums += *(const real_lanes *)(y + i);
    real sum = lanes_sum(&sums);
    for (; i < count; i++)
        sum += y[i];
    return sum;
}

MULTIVERSION void column_sum(const real *restrict x, size_t rows, size_t width,
                             real *restrict out)
{
    for (size_t j = 0; j < width; j++)
        out[j] = 0;
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < width; j++)
            out[j] += x[r * width + j];
    }
}

MULTIVERSION void row_fill(real *restrict y, const real *restrict bias, size_t rows,
                           size_t width)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < width; j++)
            y[r * width + j] = bias[j];
    }
}
