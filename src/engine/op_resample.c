/*
 * Positions taken together, or repeated, each channel on its own:
 *
 *   global_average_pool  y[c] = mean over all positions of x[p, c]; dx = dy / positions
 *   upsample2d           y[i, j, c] = x[i / size_h, j / size_w, c] (nearest neighbour);
 *                        dx = the sum of dy over what became of x
 */
#include "kernels.h"
#include "op.h"
#include "spec/layer_pool.h"

#include <string.h>

struct resample_config {
    struct positions positions; /* of the input */
    size_t height, width; /* upsample2d: how often a row and a column are repeated */
};

/* ---- global averages ---- */

static int global_plan(struct node *node, int dimensions)
{
    struct resample_config *config = node->config;
    config->positions = positions_of(node->input_shapes[0], dimensions);
    return 0;
}

static int global1d_plan(struct node *node, size_t max_rows, struct error *err)
{
    (void)max_rows;
    (void)err;
    return global_plan(node, 1);
}

static int global2d_plan(struct node *node, size_t max_rows, struct error *err)
{
    (void)max_rows;
    (void)err;
    return global_plan(node, 2);
}

static void global_forward(const struct node *node, const struct op_call *call)
{
    const struct resample_config *config = node->config;
    size_t count = config->positions.rows * config->positions.columns;
    for (size_t r = 0; r < call->rows; r++) {
        real *y = call->y + r * node->width;
        column_sum(call->x[0] + r * node->input_widths[0], count, node->width, y);
        vector_scale(y, (real)(1.0 / (double)count), node->width);
    }
}

static void global_backward(const struct node *node, const struct op_call *call)
{
    const struct resample_config *config = node->config;
    size_t count = config->positions.rows * config->positions.columns;
    for (size_t r = 0; r < call->rows; r++) {
        real *dx = call->dx[0] + r * node->input_widths[0];
        row_fill(dx, call->dy + r * node->width, count, node->width);
        vector_scale(dx, (real)(1.0 / (double)count), node->input_widths[0]);
    }
}

/* ---- upsampling ---- */

static int upsample_plan(struct node *node, size_t max_rows, struct error *err)
{
    (void)max_rows;
    (void)err;
    struct resample_config *config = node->config;
    const struct attr *size = attrs_find(&node->layer->attrs, "size");
    config->positions = positions_of(node->input_shapes[0], 2);
    config->height = (size_t)size->list[0];
    config->width = (size_t)size->list[1];
    return 0;
}

static void upsample_forward(const struct node *node, const struct op_call *call)
{
    const struct resample_config *config = node->config;
    size_t channels = config->positions.channels, columns = config->positions.columns;
    size_t wide = columns * config->width * channels;
    const real *x = call->x[0];
    real *y = call->y;
    for (size_t row = 0; row < call->rows * config->positions.rows; row++) {
        for (size_t j = 0; j < columns; j++, x += channels)
            row_fill(y + j * config->width * channels, x, config->width, channels);
        for (size_t i = 1; i < config->height; i++)
            memcpy(y + i * wide, y, wide * sizeof(real));
        y += config->height * wide;
    }
}

static void upsample_backward(const struct node *node, const struct op_call *call)
{
    const struct resample_config *config = node->config;
    size_t channels = config->positions.channels, columns = config->positions.columns;
    const real *dy = call->dy;
    real *dx = call->dx[0];
    memset(dx, 0, call->rows * node->input_widths[0] * sizeof(real));
    for (size_t row = 0; row < call->rows * config->positions.rows; row++) {
        for (size_t i = 0; i < config->height; i++) {
            for (size_t j = 0; j < columns * config->width; j++, dy += channels)
                vector_add(dx + j / config->width * channels, dy, channels);
        }
        dx += columns * channels;
    }
}

const struct op OP_SYMBOL(global_average_pool1d) = {
    .name = "global_average_pool1d",
    .config_size = sizeof(struct resample_config),
    .plan = global1d_plan,
    .forward = global_forward,
    .backward = global_backward,
};

const struct op OP_SYMBOL(global_average_pool2d) = {
    .name = "global_average_pool2d",
    .config_size = sizeof(struct resample_config),
    .plan = global2d_plan,
    .forward = global_forward,
    .backward = global_backward,
};

const struct op OP_SYMBOL(upsample2d) = {
    .name = "upsample2d",
    .config_size = sizeof(struct resample_config),
    .plan = upsample_plan,
    .forward = upsample_forward,
    .backward = upsample_backward,
};
