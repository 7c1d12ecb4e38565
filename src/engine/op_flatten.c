/* flatten, reshape and linear: the same numbers, for the first two in another shape. The
 * graph lets the output share the input's buffer wherever it can, and then there is
 * nothing to do. */
#include "op.h"

#include <string.h>

static void copy(real *to, const real *from, size_t count)
{
    if (to != from)
        memcpy(to, from, count * sizeof(real));
}

static void identity_forward(const struct node *node, const struct op_call *call)
{
    copy(call->y, call->x[0], call->rows * node->width);
}

static void identity_backward(const struct node *node, const struct op_call *call)
{
    copy(call->dx[0], call->dy, call->rows * node->width);
}

const struct op OP_SYMBOL(flatten) = {
    .name = "flatten",
    .flags = OP_IN_PLACE | OP_IDENTITY,
    .forward = identity_forward,
    .backward = identity_backward,
};

const struct op OP_SYMBOL(linear) = {
    .name = "linear",
    .flags = OP_IN_PLACE | OP_IDENTITY,
    .forward = identity_forward,
    .backward = identity_backward,
};

const struct op OP_SYMBOL(reshape) = {
    .name = "reshape",
    .flags = OP_IN_PLACE | OP_IDENTITY,
    .forward = identity_forward,
    .backward = identity_backward,
};
