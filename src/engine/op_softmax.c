/*
 * softmax over the last axis: y_j = e^(x_j - max) / sum. As a layer in the middle of a
 * network; at the end cross-entropy takes logits and does this itself.
 *
 *   dx_j = y_j (dy_j - sum_i dy_i y_i)
 */
#include "kernels.h"
#include "op_internal.h"
#include "vector_math.h"

static size_t last_axis(const struct node *node)
{
    const struct shape *shape = &node->layer->output;
    return (size_t)shape->dims[shape->rank - 1];
}

/* x, y: [rows, width] */
KERNEL static void softmax_rows(const real *x, real *y, size_t rows, size_t width)
{
    for (size_t r = 0; r < rows; r++, x += width, y += width) {
        real largest = x[0];
        for (size_t j = 1; j < width; j++)
            largest = x[j] > largest ? x[j] : largest;
        ELEMENTWISE
        for (size_t j = 0; j < width; j++)
            y[j] = real_exp(x[j] - largest);
        real sum = 0;
        for (size_t j = 0; j < width; j++)
            sum += y[j];
        real scale = 1 / sum;
        for (size_t j = 0; j < width; j++)
            y[j] *= scale;
    }
}

KERNEL static void softmax_gradient_rows(const real *y, const real *dy, real *dx,
                                         size_t rows, size_t width)
{
    for (size_t r = 0; r < rows; r++, y += width, dy += width, dx += width) {
        real product = 0;
        for (size_t j = 0; j < width; j++)
            product += dy[j] * y[j];
        ELEMENTWISE
        for (size_t j = 0; j < width; j++)
            dx[j] = y[j] * (dy[j] - product);
    }
}

static void softmax_forward(const struct node *node, const struct op_call *call)
{
    size_t width = last_axis(node);
    softmax_rows(call->x[0], call->y, call->rows * (node->width / width), width);
}

static void softmax_backward(const struct node *node, const struct op_call *call)
{
    size_t width = last_axis(node);
    softmax_gradient_rows(call->y, call->dy, call->dx[0],
                          call->rows * (node->width / width), width);
}

const struct op op_softmax = {
    .name = "softmax",
    .flags = OP_NEEDS_OUTPUT | OP_IN_PLACE,
    .forward = softmax_forward,
    .backward = softmax_backward,
};
