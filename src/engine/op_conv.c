/*
 * conv1d and conv2d; see conv.h for the arithmetic. PyTorch has the weight as [out, in /
 * groups, kernel…]; here the channels come last, the filters innermost, which is how the
 * kernels read it.
 *
 *   x: [rows, h, w, in]   W: [kh, kw, in / groups, out]   b: [out]
 *   y: [rows, h', w', out]   db = sum of dy over rows and positions
 */
#include "conv.h"
#include "kernels.h"
#include "op.h"
#include "spec/layer_conv.h"

enum { WEIGHT, BIAS };

static int conv_plan(struct node *node, const struct window_keys *keys)
{
    struct conv *conv = node->config;
    const struct attrs *attrs = &node->layer->attrs;
    struct window window = window_of(keys, node->input_shapes[0], node->layer);
    *conv = conv_make(&window, (size_t)attrs_integer(attrs, "filters"),
                      (size_t)attrs_integer(attrs, "groups"));
    node->scratch = conv_scratch(conv);
    int rank = keys->dimensions + 2;
    for (int axis = 0; axis < keys->dimensions; axis++)
        node->params[WEIGHT].axes[axis] = axis + 2;
    node->params[WEIGHT].axes[rank - 2] = 1;
    node->params[WEIGHT].axes[rank - 1] = 0;
    return 0;
}

static int conv1d_plan(struct node *node, size_t max_rows, struct error *err)
{
    (void)max_rows;
    (void)err;
    return conv_plan(node, &conv1d_window);
}

static int conv2d_plan(struct node *node, size_t max_rows, struct error *err)
{
    (void)max_rows;
    (void)err;
    return conv_plan(node, &conv2d_window);
}

static void forward(const struct node *node, const struct op_call *call)
{
    conv_forward(node->config, call->rows, call->x[0], call->params[WEIGHT],
                 node->param_count > BIAS ? call->params[BIAS] : NULL, call->y,
                 call->scratch);
}

static void backward(const struct node *node, const struct op_call *call)
{
    const struct conv *conv = node->config;
    conv_backward_weights(conv, call->rows, call->x[0], call->dy, call->gradients[WEIGHT],
                          call->scratch);
    if (node->param_count > BIAS)
        column_sum(call->dy, call->rows * (node->width / conv->filters), conv->filters,
                   call->gradients[BIAS]);
    if (call->dx[0])
        conv_backward_data(conv, call->rows, call->dy, call->params[WEIGHT],
                           call->dx_adds[0], call->dx[0], call->scratch);
}

const struct op OP_SYMBOL(conv1d) = {
    .name = "conv1d",
    .flags = OP_NEEDS_INPUT | OP_ADDS_GRADIENT,
    .config_size = sizeof(struct conv),
    .plan = conv1d_plan,
    .forward = forward,
    .backward = backward,
};

const struct op OP_SYMBOL(conv2d) = {
    .name = "conv2d",
    .flags = OP_NEEDS_INPUT | OP_ADDS_GRADIENT,
    .config_size = sizeof(struct conv),
    .plan = conv2d_plan,
    .forward = forward,
    .backward = backward,
};
