/*
 * Joins of several inputs x_0 … x_{n-1}.
 *
 *   add       y = x_0 + x_1 + …      dx_i = dy
 *   multiply  y = x_0 x_1 …          dx_i = dy times the product of the others
 *   concat    y = [x_0, x_1, …] in the last axis; dx_i is its part of dy
 *
 * Sums and products run over the inputs in their order, so the bits do not depend on
 * where the graph puts them.
 */
#include "kernels.h"
#include "op.h"

#include <string.h>

MULTIVERSION static void multiply_by(real *restrict y, const real *restrict x,
                                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] *= x[i];
}

/* y may be a or b. */
MULTIVERSION static void add_two(real *y, const real *a, const real *b, size_t count)
{
    ELEMENTWISE
    for (size_t i = 0; i < count; i++)
        y[i] = a[i] + b[i];
}

static void copy_numbers(real *to, const real *from, size_t count)
{
    memcpy(to, from, count * sizeof(real));
}

static void add_forward(const struct node *node, const struct op_call *call)
{
    size_t count = call->rows * node->width;
    add_two(call->y, call->x[0], call->x[1], count);
    for (int i = 2; i < node->input_count; i++)
        vector_add(call->y, call->x[i], count);
}

static void add_backward(const struct node *node, const struct op_call *call)
{
    for (int i = 0; i < node->input_count; i++) {
        if (call->dx[i] && call->dx[i] != call->dy)
            copy_numbers(call->dx[i], call->dy, call->rows * node->width);
    }
}

static void multiply_forward(const struct node *node, const struct op_call *call)
{
    size_t count = call->rows * node->width;
    copy_numbers(call->y, call->x[0], count);
    for (int i = 1; i < node->input_count; i++)
        multiply_by(call->y, call->x[i], count);
}

static void multiply_backward(const struct node *node, const struct op_call *call)
{
    size_t count = call->rows * node->width;
    for (int i = 0; i < node->input_count; i++) {
        if (!call->dx[i])
            continue;
        copy_numbers(call->dx[i], call->dy, count);
        for (int other = 0; other < node->input_count; other++) {
            if (other != i)
                multiply_by(call->dx[i], call->x[other], count);
        }
    }
}

static size_t last_axis(const struct shape *shape)
{
    return (size_t)shape->dims[shape->rank - 1];
}

static void concat_forward(const struct node *node, const struct op_call *call)
{
    size_t wide = last_axis(&node->layer->output);
    size_t positions = call->rows * (node->width / wide);
    real *y = call->y;
    for (int i = 0; i < node->input_count; i++) {
        size_t width = last_axis(node->input_shapes[i]);
        for (size_t p = 0; p < positions; p++)
            copy_numbers(y + p * wide, call->x[i] + p * width, width);
        y += width;
    }
}

static void concat_backward(const struct node *node, const struct op_call *call)
{
    size_t wide = last_axis(&node->layer->output);
    size_t positions = call->rows * (node->width / wide);
    const real *dy = call->dy;
    for (int i = 0; i < node->input_count; i++) {
        size_t width = last_axis(node->input_shapes[i]);
        for (size_t p = 0; call->dx[i] && p < positions; p++)
            copy_numbers(call->dx[i] + p * width, dy + p * wide, width);
        dy += width;
    }
}

const struct op OP_SYMBOL(add) = {
    .name = "add",
    .flags = OP_SUM,
    .forward = add_forward,
    .backward = add_backward,
};

const struct op OP_SYMBOL(multiply) = {
    .name = "multiply",
    .flags = OP_NEEDS_INPUT,
    .forward = multiply_forward,
    .backward = multiply_backward,
};

const struct op OP_SYMBOL(concat) = {
    .name = "concat",
    .forward = concat_forward,
    .backward = concat_backward,
};
