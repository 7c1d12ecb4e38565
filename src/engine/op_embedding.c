/*
 * Vectors for tokens and for positions.
 *
 *   embedding             x: [rows, tokens] ids -> y: [rows, tokens, width], y_t = W[x_t]
 *                         W: [vocabulary, width], as torch.nn.Embedding
 *   position_embedding    y = x + W, W: [positions, width]
 *   sinusoidal_positions  y = x + P, P[p, 2i] = sin(p / 10000^(2i / width)) and
 *                         P[p, 2i + 1] the cosine (Vaswani et al. 2017, section 3.5)
 *
 * `spec` lets an embedding read tokens of a text only, which are below its vocabulary.
 * Should a number be no such id all the same, its vector is zero: nothing is ever read
 * out of bounds.
 */
#include "kernels.h"
#include "op.h"

#include <math.h>
#include <string.h>

enum { WEIGHT };

struct embedding_config {
    size_t vocabulary, width;
};

static int embedding_plan(struct node *node, size_t max_rows, struct error *err)
{
    (void)max_rows;
    (void)err;
    struct embedding_config *config = node->config;
    const struct shape *weight = &node->params[WEIGHT].spec->shape;
    config->vocabulary = (size_t)weight->dims[0];
    config->width = (size_t)weight->dims[1];
    return 0;
}

/* The nearest id, or the vocabulary's size where there is none. */
static size_t token(const struct embedding_config *config, real x)
{
    bool is_id = x > (real)-0.5 && x < (real)config->vocabulary - (real)0.5;
    return is_id ? (size_t)(x + (real)0.5) : config->vocabulary;
}

static void embedding_forward(const struct node *node, const struct op_call *call)
{
    const struct embedding_config *config = node->config;
    size_t width = config->width;
    for (size_t i = 0; i < call->rows * node->input_widths[0]; i++) {
        size_t id = token(config, call->x[0][i]);
        if (id < config->vocabulary)
            memcpy(call->y + i * width, call->params[WEIGHT] + id * width,
                   width * sizeof(real));
        else
            memset(call->y + i * width, 0, width * sizeof(real));
    }
}

/* Vectors are added in the order of the tokens; the ids themselves have no gradient. */
static void embedding_backward(const struct node *node, const struct op_call *call)
{
    const struct embedding_config *config = node->config;
    size_t width = config->width, tokens = call->rows * node->input_widths[0];
    real *dw = call->gradients[WEIGHT];
    memset(dw, 0, config->vocabulary * width * sizeof(real));
    for (size_t i = 0; i < tokens; i++) {
        size_t id = token(config, call->x[0][i]);
        if (id < config->vocabulary)
            vector_add(dw + id * width, call->dy + i * width, width);
    }
    if (call->dx[0])
        memset(call->dx[0], 0, tokens * sizeof(real));
}

/* ---- positions ---- */

static void copy_numbers(real *to, const real *from, size_t count)
{
    if (to != from)
        memcpy(to, from, count * sizeof(real));
}

static void position_forward(const struct node *node, const struct op_call *call)
{
    copy_numbers(call->y, call->x[0], call->rows * node->width);
    for (size_t r = 0; r < call->rows; r++)
        vector_add(call->y + r * node->width, call->params[WEIGHT], node->width);
}

static void position_backward(const struct node *node, const struct op_call *call)
{
    column_sum(call->dy, call->rows, node->width, call->gradients[WEIGHT]);
    if (call->dx[0])
        copy_numbers(call->dx[0], call->dy, call->rows * node->width);
}

static void sinusoidal_forward(const struct node *node, const struct op_call *call)
{
    const struct shape *shape = &node->layer->output;
    size_t positions = (size_t)shape->dims[0], width = (size_t)shape->dims[1];
    copy_numbers(call->y, call->x[0], call->rows * node->width);
    for (size_t j = 0; j < width; j++) {
        double frequency = pow(10000, -(double)(j - j % 2) / (double)width);
        for (size_t p = 0; p < positions; p++) {
            double angle = (double)p * frequency;
            real value = (real)(j % 2 == 0 ? sin(angle) : cos(angle));
            for (size_t r = 0; r < call->rows; r++)
                call->y[(r * positions + p) * width + j] += value;
        }
    }
}

static void sinusoidal_backward(const struct node *node, const struct op_call *call)
{
    copy_numbers(call->dx[0], call->dy, call->rows * node->width);
}

const struct op OP_SYMBOL(embedding) = {
    .name = "embedding",
    .flags = OP_NEEDS_INPUT,
    .config_size = sizeof(struct embedding_config),
    .plan = embedding_plan,
    .forward = embedding_forward,
    .backward = embedding_backward,
};

const struct op OP_SYMBOL(position_embedding) = {
    .name = "position_embedding",
    .flags = OP_IN_PLACE,
    .forward = position_forward,
    .backward = position_backward,
};

const struct op OP_SYMBOL(sinusoidal_positions) = {
    .name = "sinusoidal_positions",
    .flags = OP_IN_PLACE,
    .forward = sinusoidal_forward,
    .backward = sinusoidal_backward,
};
