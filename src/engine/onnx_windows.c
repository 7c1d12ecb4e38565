/*
 * Layers with windows in ONNX, which wants channels first and padding as a number for
 * each side. See onnx_ops.h.
 */
#include "onnx_ops.h"

#include "spec/layer_conv.h"
#include "spec/layer_pool.h"

/* x as [rows, channels, positions…]; samples may have no axis for their one channel. */
static struct onnx_value windows_input(struct onnx_graph *graph,
                                       const struct onnx_layer *layer,
                                       const struct window *window)
{
    const struct shape *shape = onnx_input_shape(layer, 0);
    if (shape->rank > window->dimensions)
        return onnx_channels_first(graph, &layer->inputs[0], shape->rank + 1);
    int64_t dims[3] = {1, shape->dims[0], shape->dims[1]};
    return onnx_reshape(graph, &layer->inputs[0], dims, (size_t)window->dimensions + 1);
}

/* Back to [rows, positions…, channels]. */
static struct onnx_value windows_output(struct onnx_graph *graph,
                                        const struct window *window,
                                        const struct onnx_value *y)
{
    return onnx_channels_last(graph, y, window->dimensions + 2);
}

/* An attribute with a number for each axis. */
static void axis_attribute(struct onnx_graph *graph, const struct window *window,
                           const char *name, size_t of_rows, size_t of_columns)
{
    int64_t values[] = {(int64_t)of_rows, (int64_t)of_columns};
    size_t count = (size_t)window->dimensions;
    onnx_attr_integers(graph, name, values + 2 - count, count);
}

/* Size, strides and padding of the node under construction. */
static void window_attributes(struct onnx_graph *graph, const struct window *window)
{
    const struct window_axis *rows = &window->rows, *columns = &window->columns;
    axis_attribute(graph, window, "kernel_shape", rows->size, columns->size);
    axis_attribute(graph, window, "strides", rows->stride, columns->stride);
    int64_t sides[] = {(int64_t)rows->before, (int64_t)columns->before,
                       (int64_t)rows->after, (int64_t)columns->after};
    int64_t of_one[] = {(int64_t)columns->before, (int64_t)columns->after};
    bool flat = window->dimensions == 1;
    onnx_attr_integers(graph, "pads", flat ? of_one : sides, flat ? 2 : 4);
}

static struct onnx_value emit_conv(struct onnx_graph *graph,
                                   const struct onnx_layer *layer,
                                   const struct window_keys *keys)
{
    struct window window = window_of(keys, onnx_input_shape(layer, 0), layer->layer);
    struct onnx_value x = windows_input(graph, layer, &window);
    onnx_begin(graph, "Conv");
    onnx_input(graph, &x);
    for (int i = 0; i < layer->layer->param_count; i++)
        onnx_input(graph, &layer->params[i]);
    window_attributes(graph, &window);
    axis_attribute(graph, &window, "dilations", window.rows.dilation,
                   window.columns.dilation);
    onnx_attr_integer(graph, "group", attrs_integer(&layer->layer->attrs, "groups"));
    struct onnx_value y = onnx_end(graph);
    return windows_output(graph, &window, &y);
}

struct onnx_value onnx_emit_conv1d(struct onnx_graph *graph,
                                   const struct onnx_layer *layer)
{
    return emit_conv(graph, layer, &conv1d_window);
}

struct onnx_value onnx_emit_conv2d(struct onnx_graph *graph,
                                   const struct onnx_layer *layer)
{
    return emit_conv(graph, layer, &conv2d_window);
}

/* ---- poolings ---- */

static struct onnx_value emit_pool(struct onnx_graph *graph,
                                   const struct onnx_layer *layer, const char *type,
                                   const struct window_keys *keys)
{
    const struct attrs *attrs = &layer->layer->attrs;
    struct window window = window_of(keys, onnx_input_shape(layer, 0), layer->layer);
    struct onnx_value x = windows_input(graph, layer, &window);
    onnx_begin(graph, type);
    onnx_input(graph, &x);
    window_attributes(graph, &window);
    if (attrs_has(attrs, "count_include_pad"))
        onnx_attr_integer(graph, "count_include_pad",
                          attrs_integer(attrs, "count_include_pad"));
    struct onnx_value y = onnx_end(graph);
    return windows_output(graph, &window, &y);
}

struct onnx_value onnx_emit_max_pool1d(struct onnx_graph *graph,
                                       const struct onnx_layer *layer)
{
    return emit_pool(graph, layer, "MaxPool", &pool1d_window);
}

struct onnx_value onnx_emit_max_pool2d(struct onnx_graph *graph,
                                       const struct onnx_layer *layer)
{
    return emit_pool(graph, layer, "MaxPool", &pool2d_window);
}

struct onnx_value onnx_emit_average_pool1d(struct onnx_graph *graph,
                                           const struct onnx_layer *layer)
{
    return emit_pool(graph, layer, "AveragePool", &pool1d_window);
}

struct onnx_value onnx_emit_average_pool2d(struct onnx_graph *graph,
                                           const struct onnx_layer *layer)
{
    return emit_pool(graph, layer, "AveragePool", &pool2d_window);
}

/* The mean over all axes but the rows and the channels, which a sample may lack. */
static struct onnx_value emit_global(struct onnx_graph *graph,
                                     const struct onnx_layer *layer, int dimensions)
{
    static const int64_t axes[] = {1, 2};
    onnx_begin(graph, "ReduceMean");
    onnx_input(graph, &layer->inputs[0]);
    onnx_attr_integers(graph, "axes", axes, (size_t)dimensions);
    onnx_attr_integer(graph, "keepdims", 0);
    struct onnx_value mean = onnx_end(graph);
    return onnx_reshape(graph, &mean, layer->layer->output.dims, 1);
}

struct onnx_value onnx_emit_global1d(struct onnx_graph *graph,
                                     const struct onnx_layer *layer)
{
    return emit_global(graph, layer, 1);
}

struct onnx_value onnx_emit_global2d(struct onnx_graph *graph,
                                     const struct onnx_layer *layer)
{
    return emit_global(graph, layer, 2);
}

/* Axes of length 1 behind rows and columns are repeated. */
struct onnx_value onnx_emit_upsample2d(struct onnx_graph *graph,
                                       const struct onnx_layer *layer)
{
    const struct attr *size = attrs_find(&layer->layer->attrs, "size");
    struct positions positions = positions_of(onnx_input_shape(layer, 0), 2);
    int64_t apart[] = {(int64_t)positions.rows, 1, (int64_t)positions.columns, 1,
                       (int64_t)positions.channels};
    int64_t repeats[] = {1, 1, size->list[0], 1, size->list[1], 1};
    struct onnx_value x = onnx_reshape(graph, &layer->inputs[0], apart, 5);
    struct onnx_value often = onnx_constant_integers(graph, repeats, 6);
    struct onnx_value y = onnx_binary(graph, "Tile", &x, &often);
    return onnx_reshape(graph, &y, layer->layer->output.dims, 3);
}
