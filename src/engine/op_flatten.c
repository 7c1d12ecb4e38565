/*
 * flatten, reshape and linear: the same numbers, for the first two in another shape. The
 * graph lets the output share the input's buffer wherever it can, and then there is
 * nothing to do.
 *
 * But behind convolutions flatten puts the channels first, because PyTorch's images are
 * [channels, height, width]: then the weight of the dense layer behind it is the one of
 * torch.nn.Linear behind torch.nn.Flatten.
 *
 *   x: [rows, positions, channels]   y: [rows, channels, positions]
 */
#include "gemm_kernel.h"
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

struct flatten_config {
    size_t channels; /* 0: they stay last */
};

static int flatten_plan(struct node *node, size_t max_rows, struct error *err)
{
    (void)max_rows;
    (void)err;
    struct flatten_config *config = node->config;
    const struct shape *input = node->input_shapes[0];
    size_t channels = (size_t)input->dims[input->rank - 1];
    if (!node->layer->channels_first || channels == 1 || channels == node->width)
        return 0;
    config->channels = channels;
    node->flags = 0;
    return 0;
}

/* to: [rows, width, length] from [rows, length, width] */
static void transpose(size_t rows, size_t length, size_t width, const real *from,
                      real *to)
{
    for (size_t r = 0; r < rows; r++)
        gemm_pack(from + r * length * width, width, 1, length, width, length,
                  to + r * length * width);
}

static void flatten_forward(const struct node *node, const struct op_call *call)
{
    const struct flatten_config *config = node->config;
    if (config->channels > 0)
        transpose(call->rows, node->width / config->channels, config->channels,
                  call->x[0], call->y);
    else
        identity_forward(node, call);
}

static void flatten_backward(const struct node *node, const struct op_call *call)
{
    const struct flatten_config *config = node->config;
    if (config->channels > 0)
        transpose(call->rows, config->channels, node->width / config->channels, call->dy,
                  call->dx[0]);
    else
        identity_backward(node, call);
}

const struct op OP_SYMBOL(flatten) = {
    .name = "flatten",
    .flags = OP_IN_PLACE | OP_IDENTITY,
    .config_size = sizeof(struct flatten_config),
    .plan = flatten_plan,
    .forward = flatten_forward,
    .backward = flatten_backward,
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
