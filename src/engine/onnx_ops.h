/*
 * The layers in ONNX: for each op of the engine, the nodes that do the same outside of
 * training. Values are as in the engine, [rows, dims…] with channels last; what ONNX
 * wants otherwise is transposed around.
 *
 * An op without a row in the table makes the format unavailable for the models that use
 * it. Only activations may lack one: a test sees to it.
 */
#ifndef BACKPROP_ONNX_OPS_H
#define BACKPROP_ONNX_OPS_H

#include "onnx_graph.h"
#include "spec/model_spec.h"

/* A layer that is being written. */
struct onnx_layer {
    const struct model_spec *model;
    const struct layer *layer;
    int index; /* in the model */
    int input_count;
    struct onnx_value inputs[LAYER_MAX_INPUTS];
    struct onnx_value params[LAYER_MAX_PARAMS]; /* in the order of its param_specs */
};

/* The value of the layer's output. */
typedef struct onnx_value onnx_emit_function(struct onnx_graph *graph,
                                             const struct onnx_layer *layer);

struct onnx_op {
    const char *name; /* of the engine's op */
    onnx_emit_function *emit;
};

/* The row of that op, or NULL. */
const struct onnx_op *onnx_op_find(const char *name);

/* Shape of input `which` without the rows. */
const struct shape *onnx_input_shape(const struct onnx_layer *layer, int which);

/* x W^T + b for W: [out, in]; `bias` NULL: none. `rank` is that of x, rows included. */
struct onnx_value onnx_linear(struct onnx_graph *graph, const struct onnx_value *x,
                              int rank, const struct onnx_value *weight,
                              const struct onnx_value *bias);

/* [rows, dims…, channels] to [rows, channels, dims…] and back; `rank` with the rows. */
struct onnx_value onnx_channels_first(struct onnx_graph *graph,
                                      const struct onnx_value *x, int rank);
struct onnx_value onnx_channels_last(struct onnx_graph *graph, const struct onnx_value *x,
                                     int rank);

/* Emitters of other files. */
onnx_emit_function onnx_emit_attention;
onnx_emit_function onnx_emit_average_pool1d;
onnx_emit_function onnx_emit_average_pool2d;
onnx_emit_function onnx_emit_conv1d;
onnx_emit_function onnx_emit_conv2d;
onnx_emit_function onnx_emit_global1d;
onnx_emit_function onnx_emit_global2d;
onnx_emit_function onnx_emit_gru;
onnx_emit_function onnx_emit_lstm;
onnx_emit_function onnx_emit_max_pool1d;
onnx_emit_function onnx_emit_max_pool2d;
onnx_emit_function onnx_emit_upsample2d;

#endif
