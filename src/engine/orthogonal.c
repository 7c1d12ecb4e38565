/* See orthogonal.h. By Gram and Schmidt, GROUP vectors taken off at a time: for random
 * normal matrices that is as good as reflections, and each vector is read half as often
 * as by the modified method. */
#include "orthogonal.h"

#include "base/multiversion.h"

#include <math.h>
#include <stdbool.h>

#define GROUP 4
#define DOUBLES 8

typedef double doubles __attribute__((vector_size(DOUBLES * sizeof(double)),
                                      aligned(sizeof(double)), may_alias));

MULTIVERSION static double dot(const double *x, const double *y, size_t count)
{
    doubles sums = {0};
    size_t i = 0;
    for (; i + DOUBLES <= count; i += DOUBLES)
        sums += *(const doubles *)(x + i) * *(const doubles *)(y + i);
    double sum = 0;
    for (size_t lane = 0; lane < DOUBLES; lane++)
        sum += sums[lane];
    for (; i < count; i++)
        sum += x[i] * y[i];
    return sum;
}

/* x -= the part of x along each of `vectors` orthonormal vectors q, which lie one after
 * the other. */
MULTIVERSION static void take_off(const double *restrict q, size_t vectors, size_t count,
                                  double *restrict x)
{
    double along[GROUP] = {0};
    for (size_t v = 0; v < vectors; v++)
        along[v] = dot(q + v * count, x, count);
    for (size_t v = 0; v < vectors; v++) {
        const double *restrict vector = q + v * count;
        for (size_t i = 0; i < count; i++)
            x[i] -= along[v] * vector[i];
    }
}

void orthogonal_fill(struct rng *rng, size_t rows, size_t columns, double *scratch,
                     double *ret_matrix)
{
    bool tall = rows >= columns;
    size_t vectors = tall ? columns : rows, count = tall ? rows : columns;
    size_t vector_step = tall ? 1 : columns, step = tall ? columns : 1;
    for (size_t i = 0; i < rows * columns; i++)
        ret_matrix[i] = rng_normal(rng);
    for (size_t v = 0; v < vectors; v++) {
        double *x = scratch + v * count;
        for (size_t i = 0; i < count; i++)
            x[i] = ret_matrix[v * vector_step + i * step];
        for (size_t q = 0; q < v; q += GROUP)
            take_off(scratch + q * count, v - q < GROUP ? v - q : GROUP, count, x);
        double scale = 1 / sqrt(dot(x, x, count));
        for (size_t i = 0; i < count; i++)
            x[i] *= scale;
    }
    for (size_t v = 0; v < vectors; v++) {
        for (size_t i = 0; i < count; i++)
            ret_matrix[v * vector_step + i * step] = scratch[v * count + i];
    }
}
