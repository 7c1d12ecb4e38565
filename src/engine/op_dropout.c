/*
 * dropout: in training each number is zero with probability `rate`, and the others are
 * scaled by 1 / (1 - rate) (Srivastava et al. 2014, "inverted"); otherwise the identity.
 *
 * The mask of a row depends on (seed, layer, step, row of the batch) alone, so that
 * neither the cut in slices nor an interruption changes it. Its bits come from Philox
 * blocks:
 *
 *   key      seed
 *   counter  block in the row | layer, row | step and purpose as in rng.h
 */
#include "base/rng.h"
#include "kernels.h"
#include "op.h"

#include <string.h>

/* LANES blocks are made at a time. */
#define BLOCK 4 /* random words of one */
#define CHUNK (LANES * BLOCK)

struct dropout_config {
    uint32_t threshold; /* a word below it drops */
    real scale;
};

static int dropout_plan(struct node *node, size_t max_rows, struct error *err)
{
    (void)max_rows;
    (void)err;
    struct dropout_config *config = node->config;
    double rate = attrs_number(&node->layer->attrs, "rate");
    config->threshold = (uint32_t)(rate * 0x1p32);
    config->scale = (real)(1.0 / (1.0 - rate));
    node->saved_width = (node->width + sizeof(real) - 1) / sizeof(real); /* a byte each */
    return 0;
}

/* The first block of a row: layers are fewer than 2^11, rows of a batch at most 2^16. */
static void row_counter(const struct node *node, const struct op_call *call, size_t row,
                        uint32_t ret_counter[4], uint32_t ret_key[2])
{
    struct rng rng;
    rng_init(&rng, call->seed, RNG_DROPOUT, call->step);
    memcpy(ret_counter, rng.counter, sizeof(rng.counter));
    memcpy(ret_key, rng.key, sizeof(rng.key));
    ret_counter[0] = 0;
    ret_counter[1] = (uint32_t)node->index << 20 | (uint32_t)row;
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

/* keep[j] = 1 where a number of the row is kept: number j looks at word j / LANES % BLOCK
 * of block j % LANES in its chunk. */
static void fill_mask(uint32_t threshold, uint32_t counter[4], const uint32_t key[2],
                      size_t width, unsigned char *keep)
{
    for (size_t j = 0; j < width; j += CHUNK, counter[0] += LANES) {
        uint32_t words[CHUNK] __attribute__((aligned(64)));
        philox_lanes(counter, key, words);
        size_t count = width - j < CHUNK ? width - j : CHUNK;
        for (size_t i = 0; i < count; i++)
            keep[j + i] = words[i] >= threshold;
    }
}

MULTIVERSION static void apply_mask(const unsigned char *keep, real scale, const real *x,
                                    real *y, size_t count)
{
    ELEMENTWISE
    for (size_t i = 0; i < count; i++)
        y[i] = keep[i] ? x[i] * scale : 0;
}

static unsigned char *mask_row(const struct node *node, const struct op_call *call,
                               size_t row)
{
    return (unsigned char *)(call->saved + row * node->saved_width);
}

static void dropout_forward(const struct node *node, const struct op_call *call)
{
    const struct dropout_config *config = node->config;
    size_t width = node->width;
    if (!call->training) {
        if (call->y != call->x[0])
            memcpy(call->y, call->x[0], call->rows * width * sizeof(real));
        return;
    }
    for (size_t r = 0; r < call->rows; r++) {
        uint32_t counter[4], key[2];
        row_counter(node, call, call->first_row + r, counter, key);
        unsigned char *keep = mask_row(node, call, r);
        fill_mask(config->threshold, counter, key, width, keep);
        apply_mask(keep, config->scale, call->x[0] + r * width, call->y + r * width,
                   width);
    }
}

static void dropout_backward(const struct node *node, const struct op_call *call)
{
    const struct dropout_config *config = node->config;
    size_t width = node->width;
    for (size_t r = 0; r < call->rows; r++)
        apply_mask(mask_row(node, call, r), config->scale, call->dy + r * width,
                   call->dx[0] + r * width, width);
}

const struct op OP_SYMBOL(dropout) = {
    .name = "dropout",
    .flags = OP_IN_PLACE,
    .config_size = sizeof(struct dropout_config),
    .plan = dropout_plan,
    .forward = dropout_forward,
    .backward = dropout_backward,
};
