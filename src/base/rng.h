/*
 * Random numbers by counting: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011).
 *
 * A stream is named by (seed, purpose, index); the n-th block of a stream is computed
 * straight from n. So any position is reached without replay, a resumed job draws what
 * an uninterrupted one would have drawn, and threads need no shared state.
 */
#ifndef BACKPROP_RNG_H
#define BACKPROP_RNG_H

#include <stdint.h>

/* What a stream is for; part of its name, so the values are never renumbered. */
enum rng_purpose {
    RNG_SPLIT = 1,
    RNG_SHUFFLE = 2,
    RNG_INITIALIZER = 3,
    RNG_DROPOUT = 4,
    RNG_AUGMENT = 5,
    RNG_SAMPLE = 6,
    RNG_WINDOW = 7 /* where the windows of a text begin */
};

struct rng {
    uint32_t key[2];
    uint32_t counter[4]; /* [0..1] block number, [2..3] purpose and index */
    uint32_t block[4];
    int used; /* values of `block` already given out; 4 when empty */
};

/* The stream (seed, purpose, index), at its start. index < 2^48. */
void rng_init(struct rng *rng, uint64_t seed, enum rng_purpose purpose, uint64_t index);

/* Goes to the first value of block `block` (4 values a block). */
void rng_seek(struct rng *rng, uint64_t block);

/* The next 32 random bits. */
uint32_t rng_next(struct rng *rng);

/* Uniform in [0, bound) without bias; bound > 0. May draw more than one value. */
uint32_t rng_below(struct rng *rng, uint32_t bound);

/* Uniform in [0, 1), 24 bits. */
float rng_uniform(struct rng *rng);

/* Standard normal by Box and Muller; draws two values. */
double rng_normal(struct rng *rng);

/* One Philox block: the building stone, for kernels that fill arrays and for the
 * published test vectors. */
void rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t ret_block[4]);

#endif
