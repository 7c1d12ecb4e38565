/*
 * multi_head_attention: self-attention over a sequence (Vaswani et al. 2017, section
 * 3.2), with the parameters of torch.nn.MultiheadAttention. For each row of the batch,
 * with T positions of d units, and H heads of depth D, W = H D:
 *
 *   [Q K V] = x Win + bin      x: [T, d]   Win: [d, 3 W]   Q, K, V: [T, W]
 *   P = softmax(Q Kᵀ / sqrt(D))  of each head's columns: [T, T]; causal: row i sees the
 *                              columns up to i
 *   C = P V                    [T, D] a head, side by side: [T, W]
 *   y = C Wout + bout          Wout: [W, d]
 *
 * and backward, with dC = dy Woutᵀ and dP = dC Vᵀ:
 *
 *   dV = Pᵀ dC   dS = P (dP - rows' sums of C dC) / sqrt(D)   dQ = dS K   dK = dSᵀ Q
 *
 * Kept from forward to backward are Q, K, V, C and for each row of P the logarithm of the
 * sum of its exponentials, from which backward makes P again: [T, T] is never kept, and
 * no more than a block of its rows is ever made at a time. What causality hides is left
 * out of the products but for the blocks on the diagonal. Dropout acts on P.
 */
#include "attention_head.h"
#include "dropout_mask.h"
#include "gemm.h"
#include "kernels.h"
#include "op.h"

#include <math.h>
#include <string.h>

/* Positions that a piece of the batch should have: what lies between the products then
 * stays in the second-level cache. */
#define PIECE_POSITIONS 256

enum { IN_WEIGHT, IN_BIAS, OUT_WEIGHT, OUT_BIAS };

/* The index of a parameter: without biases the weights follow each other. */
static int param(const struct attention_config *config, int which)
{
    return config->bias ? which : which / 2;
}

/* The numbers that forward leaves to backward, of all rows or of a piece. */
struct attention_state {
    real *qkv;     /* [rows, positions, 3 width] */
    real *context; /* [rows, positions, width] */
    real *log_sum; /* [rows, heads, positions] */
};

static size_t state_width(const struct attention_config *config)
{
    return config->positions * (4 * config->width + config->heads);
}

static int attention_plan(struct node *node, size_t max_rows, struct error *err)
{
    (void)err;
    struct attention_config *config = node->config;
    const struct attrs *attrs = &node->layer->attrs;
    const struct shape *shape = &node->layer->output;
    double rate = attrs_number(attrs, "dropout");
    config->positions = (size_t)shape->dims[0];
    config->units = (size_t)shape->dims[1];
    config->heads = (size_t)attrs_integer(attrs, "num_heads");
    config->bias = node->param_count > 2;
    config->width = node->params[IN_WEIGHT].count / config->units / 3;
    config->depth = config->width / config->heads;
    config->causal = attrs_boolean(attrs, "causal");
    config->scale = (real)(1 / sqrt((double)config->depth));
    config->drops = rate > 0;
    config->threshold = dropout_threshold(rate);
    config->keep_scale = (real)(1 / (1 - rate));
    size_t piece = PIECE_POSITIONS / config->positions;
    config->piece = piece < 1 ? 1 : piece < max_rows ? piece : max_rows;
    for (int which = IN_WEIGHT; which <= OUT_WEIGHT; which += 2) {
        node->params[param(config, which)].axes[0] = 1;
        node->params[param(config, which)].axes[1] = 0;
    }
    node->saved_width = state_width(config);
    node->scratch =
        config->piece * (state_width(config) + config->positions * config->width) +
        attention_head_reals(config);
    return 0;
}

static struct attention_state state_at(const struct attention_config *config, real *from,
                                       size_t rows)
{
    size_t positions = rows * config->positions;
    real *context = from + positions * 3 * config->width;
    return (struct attention_state){from, context, context + positions * config->width};
}

/* The part of the state for the rows from `row` on. */
static struct attention_state state_of(const struct attention_config *config,
                                       const struct attention_state *state, size_t row)
{
    return (struct attention_state){
        state->qkv + row * config->positions * 3 * config->width,
        state->context + row * config->positions * config->width,
        state->log_sum + row * config->positions * config->heads};
}

static struct attention_head head_of(const struct node *node, const struct op_call *call,
                                     real *room, const struct attention_state *state,
                                     size_t row, size_t which)
{
    const struct attention_config *config = node->config;
    real *q = state->qkv + which * config->depth;
    return (struct attention_head){
        .node = node,
        .call = call,
        .room = room,
        .row = row,
        .which = which,
        .q = q,
        .k = q + config->width,
        .v = q + 2 * config->width,
        .context = state->context + which * config->depth,
        .log_sum = state->log_sum + which * config->positions,
    };
}

/* y = x w + b over `rows` positions; w: [in, out]. */
static void project(const real *x, size_t rows, size_t in, size_t out, const real *w,
                    const real *b, real *y)
{
    gemm_nn(&(struct gemm){.m = rows,
                           .n = out,
                           .k = in,
                           .a = x,
                           .lda = in,
                           .b = w,
                           .ldb = out,
                           .c = y,
                           .ldc = out,
                           .bias = b});
}

/* dx = dy wᵀ */
static void project_back(const real *dy, size_t rows, size_t in, size_t out,
                         const real *w, real *dx)
{
    gemm_nt(&(struct gemm){.m = rows,
                           .n = in,
                           .k = out,
                           .a = dy,
                           .lda = out,
                           .b = w,
                           .ldb = out,
                           .c = dx,
                           .ldc = in});
}

/* dw = xᵀ dy, db = column sums of dy */
static void project_gradients(const real *x, const real *dy, size_t rows, size_t in,
                              size_t out, real *dw, real *db)
{
    gemm_tn(&(struct gemm){.m = in,
                           .n = out,
                           .k = rows,
                           .a = x,
                           .lda = in,
                           .b = dy,
                           .ldb = out,
                           .c = dw,
                           .ldc = out});
    if (db)
        column_sum(dy, rows, out, db);
}

static const real *weight(const struct node *node, const struct op_call *call, int which)
{
    return call->params[param(node->config, which)];
}

static const real *bias(const struct node *node, const struct op_call *call, int which)
{
    const struct attention_config *config = node->config;
    return config->bias ? call->params[which] : NULL;
}

static void attention_forward(const struct node *node, const struct op_call *call)
{
    const struct attention_config *config = node->config;
    size_t state_reals = config->piece * state_width(config);
    real *room =
        call->scratch + state_reals + config->piece * config->positions * config->width;
    struct attention_state all = {0};
    if (call->saved)
        all = state_at(config, call->saved, call->rows);
    for (size_t first = 0; first < call->rows; first += config->piece) {
        size_t left = call->rows - first;
        size_t rows = left < config->piece ? left : config->piece;
        size_t positions = rows * config->positions;
        struct attention_state piece = call->saved
                                           ? state_of(config, &all, first)
                                           : state_at(config, call->scratch, rows);
        project(call->x[0] + first * node->width, positions, config->units,
                3 * config->width, weight(node, call, IN_WEIGHT),
                bias(node, call, IN_BIAS), piece.qkv);
        for (size_t r = 0; r < rows; r++) {
            struct attention_state state = state_of(config, &piece, r);
            for (size_t h = 0; h < config->heads; h++) {
                struct attention_head head =
                    head_of(node, call, room, &state, first + r, h);
                attention_head_forward(&head);
            }
        }
        project(piece.context, positions, config->width, config->units,
                weight(node, call, OUT_WEIGHT), bias(node, call, OUT_BIAS),
                call->y + first * node->width);
    }
}

static void attention_backward(const struct node *node, const struct op_call *call)
{
    const struct attention_config *config = node->config;
    size_t width = config->width, units = config->units, all = config->positions;
    real *dcontext = call->scratch + config->piece * state_width(config);
    real *room = dcontext + config->piece * all * width;
    struct attention_state state = state_at(config, call->saved, call->rows);
    for (size_t first = 0; first < call->rows; first += config->piece) {
        size_t left = call->rows - first;
        size_t rows = left < config->piece ? left : config->piece;
        project_back(call->dy + first * node->width, rows * all, width, units,
                     weight(node, call, OUT_WEIGHT), dcontext);
        for (size_t r = 0; r < rows; r++) {
            struct attention_state one = state_of(config, &state, first + r);
            for (size_t h = 0; h < config->heads; h++) {
                struct attention_head head =
                    head_of(node, call, room, &one, first + r, h);
                attention_head_backward(&head,
                                        dcontext + r * all * width + h * config->depth);
            }
        }
    }
    size_t positions = call->rows * all;
    real *const *gradients = call->gradients;
    project_gradients(state.context, call->dy, positions, width, units,
                      gradients[param(config, OUT_WEIGHT)],
                      config->bias ? gradients[OUT_BIAS] : NULL);
    project_gradients(call->x[0], state.qkv, positions, units, 3 * width,
                      gradients[IN_WEIGHT], config->bias ? gradients[IN_BIAS] : NULL);
    if (call->dx[0])
        project_back(state.qkv, positions, units, 3 * width,
                     weight(node, call, IN_WEIGHT), call->dx[0]);
}

const struct op OP_SYMBOL(multi_head_attention) = {
    .name = "multi_head_attention",
    .flags = OP_NEEDS_INPUT,
    .config_size = sizeof(struct attention_config),
    .plan = attention_plan,
    .forward = attention_forward,
    .backward = attention_backward,
};
