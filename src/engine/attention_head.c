/* See attention_head.h. */
#include "attention_head.h"
#include "dropout_mask.h"
#include "gemm.h"
#include "gemm_kernel.h"
#include "kernels.h"
#include "vector_math.h"

#include <math.h>
#include <string.h>

/* Queries of a head that are worked on at a time. */
#define BLOCK 32

/* Parts of a head's scratch. */
struct head_room {
    real *keys, *values;    /* transposed: [depth, positions] */
    real *scores, *dscores; /* [BLOCK, positions] */
    real *dkeys, *dvalues;  /* [positions, depth] */
    unsigned char *keep;    /* [positions] */
};

/* A head with what is needed at every turn. */
struct head {
    const struct attention_head *of;
    const struct attention_config *config;
    struct head_room room;
};

size_t attention_head_reals(const struct attention_config *config)
{
    size_t mask = (config->positions + sizeof(real) - 1) / sizeof(real);
    return (4 * config->depth + 2 * BLOCK) * config->positions + mask;
}

static struct head_room head_room(const struct attention_config *config, real *from)
{
    size_t vectors = config->depth * config->positions, block = BLOCK * config->positions;
    real *scores = from + 4 * vectors;
    return (struct head_room){.keys = from,
                              .values = from + vectors,
                              .dkeys = from + 2 * vectors,
                              .dvalues = from + 3 * vectors,
                              .scores = scores,
                              .dscores = scores + block,
                              .keep = (unsigned char *)(scores + 2 * block)};
}

static struct head open_head(const struct attention_head *of)
{
    const struct attention_config *config = of->node->config;
    return (struct head){of, config, head_room(config, of->room)};
}

/* A head's columns of K or V as [depth, positions]. */
static void transpose(const struct attention_config *config, const real *x, real *out)
{
    gemm_pack(x, 3 * config->width, 1, config->positions, config->depth,
              config->positions, out);
}

/* Queries of a block, and keys that one of them sees at least. */
struct query_block {
    size_t first, count, keys;
};

static struct query_block query_block(const struct attention_config *config, size_t first)
{
    size_t left = config->positions - first, count = left < BLOCK ? left : BLOCK;
    return (struct query_block){first, count,
                                config->causal ? first + count : config->positions};
}

/* Keys that query `i` of the block sees. */
static size_t seen(const struct attention_config *config, const struct query_block *block,
                   size_t i)
{
    return config->causal ? block->first + i + 1 : config->positions;
}

static void make_scores(const struct head *head, const struct query_block *block)
{
    const struct attention_config *config = head->config;
    gemm_nn(&(struct gemm){
        .m = block->count,
        .n = block->keys,
        .k = config->depth,
        .a = head->of->q + block->first * 3 * config->width,
        .lda = 3 * config->width,
        .b = head->room.keys,
        .ldb = config->positions,
        .c = head->room.scores,
        .ldc = config->positions,
    });
}

/* The mask of query `i` of the block, or NULL where nothing is dropped. */
static const unsigned char *make_mask(const struct head *head,
                                      const struct query_block *block, size_t i)
{
    const struct attention_config *config = head->config;
    if (!config->drops || !head->of->call->training)
        return NULL;
    dropout_mask(head->of->node, head->of->call, head->of->row,
                 head->of->which * config->positions + block->first + i,
                 config->threshold, config->positions, head->room.keep);
    return head->room.keep;
}

MULTIVERSION static void drop(real *p, const unsigned char *keep, real scale,
                              size_t count)
{
    for (size_t j = 0; j < count; j++)
        p[j] = keep[j] ? p[j] * scale : 0;
}

static void zero(real *x, size_t count)
{
    memset(x, 0, count * sizeof(real));
}

/* x = e^(scale x - shift), returns their sum. */
MULTIVERSION static real scaled_exp(real *x, real scale, real shift, size_t count)
{
    ELEMENTWISE
    for (size_t i = 0; i < count; i++)
        x[i] = real_exp(scale * x[i] - shift);
    real_lanes sums = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        sums += *(const real_lanes *)(x + i);
    real sum = lanes_sum(&sums);
    for (; i < count; i++)
        sum += x[i];
    return sum;
}

/* Scores of the block to exponentials; their sums divide C, which is smaller than P. */
static void exponentials(const struct head *head, const struct query_block *block,
                         real ret_sums[BLOCK])
{
    const struct attention_config *config = head->config;
    for (size_t i = 0; i < block->count; i++) {
        real *row = head->room.scores + i * config->positions;
        size_t count = seen(config, block, i);
        real largest = config->scale * vector_max(row, count);
        ret_sums[i] = scaled_exp(row, config->scale, largest, count);
        zero(row + count, block->keys - count);
        head->of->log_sum[block->first + i] = largest + (real)log((double)ret_sums[i]);
        const unsigned char *keep = make_mask(head, block, i);
        if (keep)
            drop(row, keep, config->keep_scale, count);
    }
}

void attention_head_forward(const struct attention_head *outside)
{
    const struct head inside = open_head(outside), *head = &inside;
    const struct attention_config *config = head->config;
    size_t width = config->width, depth = config->depth;
    transpose(config, head->of->k, head->room.keys);
    for (size_t first = 0; first < config->positions; first += BLOCK) {
        struct query_block block = query_block(config, first);
        real sums[BLOCK];
        make_scores(head, &block);
        exponentials(head, &block, sums);
        real *context = head->of->context + first * width;
        gemm_nn(&(struct gemm){
            .m = block.count,
            .n = depth,
            .k = block.keys,
            .a = head->room.scores,
            .lda = config->positions,
            .b = head->of->v,
            .ldb = 3 * width,
            .c = context,
            .ldc = width,
        });
        for (size_t i = 0; i < block.count; i++)
            vector_scale(context + i * width, 1 / sums[i], depth);
    }
}

/* p: a row of P; dp: of dP, becomes dS. p is left as dropout made it. */
MULTIVERSION static void score_gradient(real *restrict p, real *restrict dp, real product,
                                        real scale, size_t count)
{
    for (size_t j = 0; j < count; j++)
        dp[j] = p[j] * (dp[j] - product) * scale;
}

/* From the block's scores and dP to P, as it met V, and dS. */
static void block_gradients(const struct head *head, const struct query_block *block,
                            const real *dcontext)
{
    const struct attention_config *config = head->config;
    for (size_t i = 0; i < block->count; i++) {
        real *p = head->room.scores + i * config->positions;
        real *dp = head->room.dscores + i * config->positions;
        size_t query = block->first + i, count = seen(config, block, i);
        real product = vector_dot(head->of->context + query * config->width,
                                  dcontext + query * config->width, config->depth);
        scaled_exp(p, config->scale, head->of->log_sum[query], count);
        const unsigned char *keep = make_mask(head, block, i);
        if (keep)
            drop(dp, keep, config->keep_scale, count);
        score_gradient(p, dp, product, config->scale, count);
        if (keep)
            drop(p, keep, config->keep_scale, count);
        zero(p + count, block->keys - count);
        zero(dp + count, block->keys - count);
    }
}

/* sum += aᵀ b for a block: a [queries, keys] by b [queries, depth]. */
static void add_key_gradients(const struct head *head, const struct query_block *block,
                              const real *a, const real *b, size_t b_row, real *sum)
{
    gemm_tn(&(struct gemm){
        .m = block->keys,
        .n = head->config->depth,
        .k = block->count,
        .a = a,
        .lda = head->config->positions,
        .b = b,
        .ldb = b_row,
        .beta = 1,
        .c = sum,
        .ldc = head->config->depth,
    });
}

static void block_backward(const struct head *head, const struct query_block *block,
                           const real *dcontext)
{
    const struct attention_config *config = head->config;
    const struct head_room *room = &head->room;
    size_t width = config->width, depth = config->depth;
    make_scores(head, block);
    gemm_nn(&(struct gemm){
        .m = block->count,
        .n = block->keys,
        .k = depth,
        .a = dcontext + block->first * width,
        .lda = width,
        .b = room->values,
        .ldb = config->positions,
        .c = room->dscores,
        .ldc = config->positions,
    });
    block_gradients(head, block, dcontext);
    real *q = head->of->q + block->first * 3 * width;
    add_key_gradients(head, block, room->scores, dcontext + block->first * width, width,
                      room->dvalues);
    add_key_gradients(head, block, room->dscores, q, 3 * width, room->dkeys);
    gemm_nn(&(struct gemm){
        .m = block->count,
        .n = depth,
        .k = block->keys,
        .a = room->dscores,
        .lda = config->positions,
        .b = head->of->k,
        .ldb = 3 * width,
        .c = q, /* no later block needs these queries */
        .ldc = 3 * width,
    });
}

void attention_head_backward(const struct attention_head *outside, const real *dcontext)
{
    const struct head inside = open_head(outside), *head = &inside;
    const struct attention_config *config = head->config;
    const struct head_room *room = &head->room;
    size_t width = config->width, depth = config->depth;
    transpose(config, head->of->k, room->keys);
    transpose(config, head->of->v, room->values);
    zero(room->dkeys, config->positions * depth);
    zero(room->dvalues, config->positions * depth);
    for (size_t first = 0; first < config->positions; first += BLOCK) {
        struct query_block block = query_block(config, first);
        block_backward(head, &block, dcontext);
    }
    for (size_t p = 0; p < config->positions; p++) {
        memcpy(head->of->k + p * 3 * width, room->dkeys + p * depth,
               depth * sizeof(real));
        memcpy(head->of->v + p * 3 * width, room->dvalues + p * depth,
               depth * sizeof(real));
    }
}
