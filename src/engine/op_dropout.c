/*
 * dropout: in training each number is zero with probability `rate`, and the others are
 * scaled by 1 / (1 - rate) (Srivastava et al. 2014, "inverted"); otherwise the identity.
 *
 * The mask is that of dropout_mask.h.
 */
#include "dropout_mask.h"
#include "kernels.h"
#include "op.h"

#include <string.h>

struct dropout_config {
    uint32_t threshold; /* a word below it drops */
    real scale;
};

static int dropout_plan(struct node *node, size_t max_rows, struct error *err)
{
    (void)max_rows;
    (void)err;
    struct dropout_config *config = node->config;
    double rate = attrs_number(&node->layer->attrs, "rate");
    config->threshold = dropout_threshold(rate);
    config->scale = (real)(1.0 / (1.0 - rate));
    node->saved_width = (node->width + sizeof(real) - 1) / sizeof(real); /* a byte each */
    return 0;
}

MULTIVERSION static void apply_mask(const unsigned char *keep, real scale, const real *x,
                                    real *y, size_t count)
{
    ELEMENTWISE
    for (size_t i = 0; i < count; i++)
        y[i] = keep[i] ? x[i] * scale : 0;
}

static unsigned char *mask_row(const struct node *node, const struct op_call *call,
                               size_t row)
{
    return (unsigned char *)(call->saved + row * node->saved_width);
}

static void dropout_forward(const struct node *node, const struct op_call *call)
{
    const struct dropout_config *config = node->config;
    size_t width = node->width;
    if (!call->training) {
        if (call->y != call->x[0])
            memcpy(call->y, call->x[0], call->rows * width * sizeof(real));
        return;
    }
    for (size_t r = 0; r < call->rows; r++) {
        unsigned char *keep = mask_row(node, call, r);
        dropout_mask(node, call, r, 0, config->threshold, width, keep);
        apply_mask(keep, config->scale, call->x[0] + r * width, call->y + r * width,
                   width);
    }
}

static void dropout_backward(const struct node *node, const struct op_call *call)
{
    const struct dropout_config *config = node->config;
    size_t width = node->width;
    for (size_t r = 0; r < call->rows; r++)
        apply_mask(mask_row(node, call, r), config->scale, call->dy + r * width,
                   call->dx[0] + r * width, width);
}

const struct op OP_SYMBOL(dropout) = {
    .name = "dropout",
    .flags = OP_IN_PLACE,
    .config_size = sizeof(struct dropout_config),
    .plan = dropout_plan,
    .forward = dropout_forward,
    .backward = dropout_backward,
};
