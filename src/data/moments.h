/*
 * Mean and standard deviation of a stream of numbers, in one pass and without losing
 * digits.
 *
 * Numbers are gathered in blocks. Within a block, sums of differences from its first
 * number are taken, which are exact for integers; blocks are merged by the formula of
 * Chan, Golub and LeVeque ("Updating formulae and a pairwise algorithm for computing
 * sample variances", COMPSTAT 1982), and their sums are added with Neumaier's
 * compensation.
 */
#ifndef BACKPROP_MOMENTS_H
#define BACKPROP_MOMENTS_H

#include <stdint.h>

#define MOMENTS_BLOCK 256

struct moments {
    uint64_t count;       /* of the merged blocks */
    double sum, lost;     /* their sum is sum + lost */
    double m2;            /* their squared differences from the mean */
    uint32_t block_count; /* of the open block */
    double shift;         /* its first number */
    double block_sum;     /* of x - shift */
    double block_squares; /* of (x - shift)^2 */
};

/* Merges the open block; called by moments_add. */
void moments_merge(struct moments *moments);

/* A zeroed struct is an empty one. */
static inline void moments_add(struct moments *moments, double x)
{
    if (moments->block_count == 0)
        moments->shift = x;
    double difference = x - moments->shift;
    moments->block_sum += difference;
    moments->block_squares += difference * difference;
    if (++moments->block_count == MOMENTS_BLOCK)
        moments_merge(moments);
}

static inline uint64_t moments_count(const struct moments *moments)
{
    return moments->count + moments->block_count;
}

/* Both are 0 while there is no number; `std` is the population's. */
void moments_finish(const struct moments *moments, double *ret_mean, double *ret_std);

#endif
