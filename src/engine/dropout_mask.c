/* See dropout_mask.h. */
#include "dropout_mask.h"
#include "kernels.h"

#include "base/rng.h"

#include <string.h>

/* LANES blocks are made at a time. */
#define BLOCK 4 /* random words of one */
#define CHUNK (LANES * BLOCK)

uint32_t dropout_threshold(double rate)
{
    return (uint32_t)(rate * 0x1p32); /* a word below it drops */
}

/*
 * The same as rng_philox() for counters c0, c0 + 1, …, c0 + LANES - 1, written so that
 * the lanes become vectors: words[w * LANES + lane] is word w of block `lane`.
 */
MULTIVERSION static void philox_lanes(const uint32_t counter[4], const uint32_t key[2],
                                      uint32_t words[CHUNK])
{
    uint32_t *c0 = words, *c1 = words + LANES, *c2 = words + 2 * LANES;
    uint32_t *c3 = words + 3 * LANES;
    for (uint32_t lane = 0; lane < LANES; lane++) {
        c0[lane] = counter[0] + lane;
        c1[lane] = counter[1];
        c2[lane] = counter[2];
        c3[lane] = counter[3];
    }
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        ELEMENTWISE
        for (size_t lane = 0; lane < LANES; lane++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0[lane];
            uint64_t p1 = (uint64_t)0xCD9E8D57u * c2[lane];
            c0[lane] = (uint32_t)(p1 >> 32) ^ c1[lane] ^ k0;
            c1[lane] = (uint32_t)p1;
            c2[lane] = (uint32_t)(p0 >> 32) ^ c3[lane] ^ k1;
            c3[lane] = (uint32_t)p0;
        }
    }
}

/* Layers are fewer than 2^11, rows of a batch at most 2^16. Number j looks at word
 * j / LANES % BLOCK of block j % LANES in its chunk. */
void dropout_mask(const struct node *node, const struct op_call *call, size_t row,
                  size_t which, uint32_t threshold, size_t count, unsigned char *ret_keep)
{
    struct rng rng;
    rng_init(&rng, call->seed, RNG_DROPOUT, call->step);
    uint32_t counter[4];
    memcpy(counter, rng.counter, sizeof(counter));
    counter[0] = (uint32_t)(which * ((count + CHUNK - 1) / CHUNK) * LANES);
    counter[1] = (uint32_t)node->index << 20 | (uint32_t)(call->first_row + row);
    for (size_t j = 0; j < count; j += CHUNK, counter[0] += LANES) {
        uint32_t words[CHUNK] __attribute__((aligned(64)));
        philox_lanes(counter, rng.key, words);
        size_t part = count - j < CHUNK ? count - j : CHUNK;
        for (size_t i = 0; i < part; i++)
            ret_keep[j + i] = words[i] >= threshold;
    }
}
