/* See layer_pool.h. */
#include "layer_pool.h"

#include "base/error.h"
#include "layer_families.h"

#include <stddef.h>

#define POOL_KEYS(dimensions)                                                            \
    {"pool_size",         KEY_INTEGERS, AT_LEAST(1),                                     \
     AT_MOST(WINDOW_MAX), DEFAULT("2"), .list_length = (dimensions)},                    \
        {"strides",           KEY_INTEGERS,    AT_LEAST(1),                              \
         AT_MOST(WINDOW_MAX), DEFAULT("null"), .list_length = (dimensions)},             \
    {                                                                                    \
        "padding", KEY_INTEGERS, AT_LEAST(0), AT_MOST(WINDOW_MAX), DEFAULT("\"valid\""), \
            .choices = window_paddings, .list_length = (dimensions)                      \
    }

#define COUNTS_PADDING                                                                   \
    {                                                                                    \
        "count_include_pad", KEY_BOOLEAN, DEFAULT("true")                                \
    }

const struct key max_pool1d_keys[] = {POOL_KEYS(1), {0}};
const struct key max_pool2d_keys[] = {POOL_KEYS(2), {0}};
const struct key average_pool1d_keys[] = {POOL_KEYS(1), COUNTS_PADDING, {0}};
const struct key average_pool2d_keys[] = {POOL_KEYS(2), COUNTS_PADDING, {0}};
const struct key upsample2d_keys[] = {
    {"size", KEY_INTEGERS, AT_LEAST(1), AT_MOST(WINDOW_MAX), DEFAULT("2"),
     .list_length = 2},
    {0},
};

const struct window_keys pool1d_window = {1, "pool_size", NULL, 2};
const struct window_keys pool2d_window = {2, "pool_size", NULL, 2};

static int pool_infer(const struct window_keys *keys, const struct model_spec *model,
                      int index, struct layer *layer, struct violations *violations)
{
    struct window window;
    int rc = window_infer(keys, model_input_shape(model, index, 0), layer, &window,
                          violations);
    if (rc != 0)
        return rc;
    layer->output = window_output(&window, (int64_t)window.channels);
    double flops = (double)shape_elements(&layer->output) * (double)window.rows.size *
                   (double)window.columns.size;
    layer->flops = flops < 1e15 ? (int64_t)flops : (int64_t)1e15;
    return layer_check_output(layer, violations);
}

int pool1d_infer(const struct model_spec *model, int index, struct layer *layer,
                 struct violations *violations)
{
    return pool_infer(&pool1d_window, model, index, layer, violations);
}

int pool2d_infer(const struct model_spec *model, int index, struct layer *layer,
                 struct violations *violations)
{
    return pool_infer(&pool2d_window, model, index, layer, violations);
}

/* ---- all positions at once, or each several times ---- */

struct positions positions_of(const struct shape *input, int dimensions)
{
    struct positions positions = {1, (size_t)input->dims[dimensions - 1], 1};
    if (dimensions > 1)
        positions.rows = (size_t)input->dims[0];
    if (input->rank > dimensions)
        positions.channels = (size_t)input->dims[dimensions];
    return positions;
}

static int check_rank(const struct shape *input, int dimensions,
                      const struct layer *layer, struct violations *violations)
{
    if (input->rank == dimensions || input->rank == dimensions + 1)
        return 0;
    char text[SHAPE_TEXT_SIZE];
    return violations_add(violations, layer->pointer,
                          "expected an input of the shape %s, found %s",
                          window_shapes(dimensions), shape_format(input, text));
}

static int global_infer(int dimensions, const struct model_spec *model, int index,
                        struct layer *layer, struct violations *violations)
{
    const struct shape *input = model_input_shape(model, index, 0);
    int rc = check_rank(input, dimensions, layer, violations);
    if (rc != 0)
        return rc;
    struct positions positions = positions_of(input, dimensions);
    layer->output = (struct shape){.rank = 1, .dims = {(int64_t)positions.channels}};
    layer->flops = shape_elements(input);
    return layer_check_output(layer, violations);
}

int global_pool1d_infer(const struct model_spec *model, int index, struct layer *layer,
                        struct violations *violations)
{
    return global_infer(1, model, index, layer, violations);
}

int global_pool2d_infer(const struct model_spec *model, int index, struct layer *layer,
                        struct violations *violations)
{
    return global_infer(2, model, index, layer, violations);
}

int upsample2d_infer(const struct model_spec *model, int index, struct layer *layer,
                     struct violations *violations)
{
    const struct shape *input = model_input_shape(model, index, 0);
    int rc = check_rank(input, 2, layer, violations);
    if (rc != 0)
        return rc;
    const struct attr *size = attrs_find(&layer->attrs, "size");
    struct positions positions = positions_of(input, 2);
    layer->output = (struct shape){.rank = 3,
                                   .dims = {input->dims[0] * size->list[0],
                                            input->dims[1] * size->list[1],
                                            (int64_t)positions.channels}};
    rc = layer_check_output(layer, violations);
    if (rc == 0)
        layer->flops = shape_elements(&layer->output);
    return rc;
}
