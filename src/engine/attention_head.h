/*
 * One head of multi_head_attention for one row of the batch; op_attention.c has the
 * formulas and what goes on around the heads.
 */
#ifndef BACKPROP_ATTENTION_HEAD_H
#define BACKPROP_ATTENTION_HEAD_H

#include "op.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct attention_config {
    size_t positions, units, heads, depth, width;
    bool causal, bias, drops;
    real scale;         /* 1 / sqrt(depth) */
    uint32_t threshold; /* of dropout */
    real keep_scale;
    size_t piece; /* rows of the batch */
};

/*
 * A head's columns of Q, K, V, whose rows are 3 width apart, and of C, whose rows are
 * width apart. `room` is scratch of attention_head_reals().
 */
struct attention_head {
    const struct node *node; /* whose config is a struct attention_config */
    const struct op_call *call;
    size_t row, which; /* of the slice; of the heads */
    real *q, *k, *v;
    real *context;
    real *log_sum; /* [positions]: log of the sum of the exponentials of a row of P */
    real *room;
};

size_t attention_head_reals(const struct attention_config *config);

/* Q, K, V -> C and the logarithms. */
void attention_head_forward(const struct attention_head *head);

/* From dC (rows as C's) and what forward left: Q, K and V become their gradients. */
void attention_head_backward(const struct attention_head *head, const real *dcontext);

#endif
