/*
 * Layers with windows in ONNX, which wants channels first and padding as a number for
 * each side. See onnx_ops.h.
 */
#include "onnx_ops.h"

#include "spec/layer_conv.h"

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
