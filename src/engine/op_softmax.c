/*
 * softmax over the last axis: y_j = e^(x_j - max) / sum. As a layer in the middle of a
 * network; at the end cross-entropy takes logits and does this itself.
 *
 *   dx_j = y_j (dy_j - sum_i dy_i y_i)
 */
#include "kernels.h"
#include "op.h"

static size_t last_axis(const struct node *node)
{
    const struct shape *shape = &node->layer->output;
    return (size_t)shape->dims[shape->rank - 1];
}

/* dx_j = y_j (dy_j - product) */
MULTIVERSION static void softmax_gradient(const real *y, const real *dy, real product,
                                          real *dx, size_t width)
{
    ELEMENTWISE
    for (size_t j = 0; j < width; j++)
        dx[j] = y[j] * (dy[j] - product);
}

static void softmax_forward(const struct node *node, const struct op_call *call)
{
    size_t width = last_axis(node), count = call->rows * node->width;
    for (size_t i = 0; i < count; i += width) {
        const real *x = call->x[0] + i;
        real *y = call->y + i;
        real sum = vector_exp(x, vector_max(x, width), y, width);
        vector_scale(y, 1 / sum, width);
    }
}

static void softmax_backward(const struct node *node, const struct op_call *call)
{
    size_t width = last_axis(node), count = call->rows * node->width;
    for (size_t i = 0; i < count; i += width) {
        real product = vector_dot(call->dy + i, call->y + i, width);
        softmax_gradient(call->y + i, call->dy + i, product, call->dx[0] + i, width);
    }
}

const struct op OP_SYMBOL(softmax) = {
    .name = "softmax",
    .flags = OP_NEEDS_OUTPUT | OP_IN_PLACE,
    .forward = softmax_forward,
    .backward = softmax_backward,
};
