/* See onnx_ops.h. */
#include "onnx_ops.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SQRT_HALF 0.70710678118654752440

const struct shape *onnx_input_shape(const struct onnx_layer *layer, int which)
{
    return model_input_shape(layer->model, layer->index, which);
}

/* ---- dense ---- */

struct onnx_value onnx_linear(struct onnx_graph *graph, const struct onnx_value *x,
                              int rank, const struct onnx_value *weight,
                              const struct onnx_value *bias)
{
    static const int64_t swapped[] = {1, 0};
    if (rank == 2) {
        onnx_begin(graph, "Gemm");
        onnx_input(graph, x);
        onnx_input(graph, weight);
        if (bias)
            onnx_input(graph, bias);
        onnx_attr_integer(graph, "transB", 1);
        return onnx_end(graph);
    }
    struct onnx_value turned = onnx_transpose(graph, weight, swapped, 2);
    struct onnx_value y = onnx_binary(graph, "MatMul", x, &turned);
    return bias ? onnx_binary(graph, "Add", &y, bias) : y;
}

static struct onnx_value emit_dense(struct onnx_graph *graph,
                                    const struct onnx_layer *layer)
{
    return onnx_linear(graph, &layer->inputs[0], onnx_input_shape(layer, 0)->rank + 1,
                       &layer->params[0],
                       layer->layer->param_count > 1 ? &layer->params[1] : NULL);
}

/* ---- shapes and joins ---- */

/* Nothing happens outside of training. */
static struct onnx_value emit_identity(struct onnx_graph *graph,
                                       const struct onnx_layer *layer)
{
    (void)graph;
    return layer->inputs[0];
}

static struct onnx_value emit_reshape(struct onnx_graph *graph,
                                      const struct onnx_layer *layer)
{
    const struct shape *output = &layer->layer->output;
    return onnx_reshape(graph, &layer->inputs[0], output->dims, (size_t)output->rank);
}

/* Behind convolutions channels come first, as in PyTorch: see op_flatten.c. */
static struct onnx_value emit_flatten(struct onnx_graph *graph,
                                      const struct onnx_layer *layer)
{
    const struct shape *output = &layer->layer->output;
    struct onnx_value x = layer->inputs[0];
    if (layer->layer->channels_first)
        x = onnx_channels_first(graph, &x, onnx_input_shape(layer, 0)->rank + 1);
    return onnx_reshape(graph, &x, output->dims, (size_t)output->rank);
}

static struct onnx_value emit_join(struct onnx_graph *graph,
                                   const struct onnx_layer *layer, const char *type)
{
    struct onnx_value joined = layer->inputs[0];
    for (int i = 1; i < layer->input_count; i++)
        joined = onnx_binary(graph, type, &joined, &layer->inputs[i]);
    return joined;
}

static struct onnx_value emit_add(struct onnx_graph *graph,
                                  const struct onnx_layer *layer)
{
    return emit_join(graph, layer, "Add");
}

static struct onnx_value emit_multiply(struct onnx_graph *graph,
                                       const struct onnx_layer *layer)
{
    return emit_join(graph, layer, "Mul");
}

static struct onnx_value emit_concat(struct onnx_graph *graph,
                                     const struct onnx_layer *layer)
{
    onnx_begin(graph, "Concat");
    for (int i = 0; i < layer->input_count; i++)
        onnx_input(graph, &layer->inputs[i]);
    onnx_attr_integer(graph, "axis", -1);
    return onnx_end(graph);
}

struct onnx_value onnx_channels_first(struct onnx_graph *graph,
                                      const struct onnx_value *x, int rank)
{
    int64_t axes[SHAPE_MAX_RANK + 1] = {0, rank - 1};
    for (int i = 2; i < rank; i++)
        axes[i] = i - 1;
    return rank > 2 ? onnx_transpose(graph, x, axes, (size_t)rank) : *x;
}

struct onnx_value onnx_channels_last(struct onnx_graph *graph, const struct onnx_value *x,
                                     int rank)
{
    int64_t axes[SHAPE_MAX_RANK + 1] = {0};
    for (int i = 1; i < rank; i++)
        axes[i] = i < rank - 1 ? i + 1 : 1;
    return rank > 2 ? onnx_transpose(graph, x, axes, (size_t)rank) : *x;
}

/* ---- normalization ---- */

static double epsilon_of(const struct onnx_layer *layer)
{
    return attrs_number(&layer->layer->attrs, "epsilon");
}

static struct onnx_value emit_layer_norm(struct onnx_graph *graph,
                                         const struct onnx_layer *layer)
{
    onnx_begin(graph, "LayerNormalization");
    onnx_input(graph, &layer->inputs[0]);
    onnx_input(graph, &layer->params[0]);
    onnx_input(graph, &layer->params[1]);
    onnx_attr_integer(graph, "axis", -1);
    onnx_attr_float(graph, "epsilon", epsilon_of(layer));
    return onnx_end(graph);
}

static struct onnx_value emit_rms_norm(struct onnx_graph *graph,
                                       const struct onnx_layer *layer)
{
    static const int64_t last[] = {-1};
    const struct onnx_value *x = &layer->inputs[0];
    struct onnx_value epsilon = onnx_constant_float(graph, epsilon_of(layer));
    struct onnx_value square = onnx_binary(graph, "Mul", x, x);
    onnx_begin(graph, "ReduceMean");
    onnx_input(graph, &square);
    onnx_attr_integers(graph, "axes", last, 1);
    onnx_attr_integer(graph, "keepdims", 1);
    struct onnx_value mean = onnx_end(graph);
    struct onnx_value sum = onnx_binary(graph, "Add", &mean, &epsilon);
    struct onnx_value root = onnx_unary(graph, "Sqrt", &sum);
    struct onnx_value z = onnx_binary(graph, "Div", x, &root);
    return onnx_binary(graph, "Mul", &z, &layer->params[0]);
}

/* By the running statistics. */
static struct onnx_value emit_batch_norm(struct onnx_graph *graph,
                                         const struct onnx_layer *layer)
{
    int rank = onnx_input_shape(layer, 0)->rank + 1;
    struct onnx_value x = onnx_channels_first(graph, &layer->inputs[0], rank);
    onnx_begin(graph, "BatchNormalization");
    onnx_input(graph, &x);
    for (int i = 0; i < layer->layer->param_count; i++)
        onnx_input(graph, &layer->params[i]);
    onnx_attr_float(graph, "epsilon", epsilon_of(layer));
    struct onnx_value y = onnx_end(graph);
    return onnx_channels_last(graph, &y, rank);
}

/* A constant vector of one number. */
static struct onnx_value per_group(struct onnx_graph *graph, int64_t groups, double value)
{
    struct onnx_value number = onnx_constant_float(graph, value);
    struct onnx_value count = onnx_constant_integers(graph, &groups, 1);
    return onnx_binary(graph, "Expand", &number, &count);
}

/* The numbers of a group as the positions of one channel; opset 18 has an operator. */
static struct onnx_value emit_group_norm(struct onnx_graph *graph,
                                         const struct onnx_layer *layer)
{
    const struct shape *shape = onnx_input_shape(layer, 0);
    int rank = shape->rank + 1;
    int64_t groups = attrs_integer(&layer->layer->attrs, "groups");
    int64_t grouped[] = {groups, shape_elements(shape) / groups}, apart[SHAPE_MAX_RANK];
    apart[0] = shape->dims[shape->rank - 1];
    for (int i = 1; i < shape->rank; i++)
        apart[i] = shape->dims[i - 1];
    struct onnx_value x = onnx_channels_first(graph, &layer->inputs[0], rank);
    x = onnx_reshape(graph, &x, grouped, 2);
    struct onnx_value one = per_group(graph, groups, 1),
                      zero = per_group(graph, groups, 0);
    onnx_begin(graph, "InstanceNormalization");
    onnx_input(graph, &x);
    onnx_input(graph, &one);
    onnx_input(graph, &zero);
    onnx_attr_float(graph, "epsilon", epsilon_of(layer));
    struct onnx_value z = onnx_end(graph);
    z = onnx_reshape(graph, &z, apart, (size_t)shape->rank);
    z = onnx_channels_last(graph, &z, rank);
    struct onnx_value scaled = onnx_binary(graph, "Mul", &z, &layer->params[0]);
    return onnx_binary(graph, "Add", &scaled, &layer->params[1]);
}

/* ---- sequences ---- */

static struct onnx_value emit_embedding(struct onnx_graph *graph,
                                        const struct onnx_layer *layer)
{
    struct onnx_value tokens = onnx_cast(graph, &layer->inputs[0], ONNX_INT64);
    return onnx_binary(graph, "Gather", &layer->params[0], &tokens);
}

static struct onnx_value emit_position_embedding(struct onnx_graph *graph,
                                                 const struct onnx_layer *layer)
{
    return onnx_binary(graph, "Add", &layer->inputs[0], &layer->params[0]);
}

/* The table that the op computes: see op_embedding.c. */
static struct onnx_value emit_sinusoidal_positions(struct onnx_graph *graph,
                                                   const struct onnx_layer *layer)
{
    const struct shape *shape = &layer->layer->output;
    size_t positions = (size_t)shape->dims[0], width = (size_t)shape->dims[1];
    float *table = mem_alloc_array(positions, width * sizeof(*table));
    if (!table) {
        graph->constants.status = ERR_NOMEM;
        return layer->inputs[0];
    }
    for (size_t i = 0; i < positions * width; i++) {
        size_t position = i / width, j = i % width;
        double angle =
            (double)position * pow(10000, -(double)(j - j % 2) / (double)width);
        table[i] = (float)(j % 2 == 0 ? sin(angle) : cos(angle));
    }
    struct onnx_value constant = onnx_constant(graph, ONNX_FLOAT, shape->dims, 2, table,
                                               positions * width * sizeof(*table));
    free(table);
    return onnx_binary(graph, "Add", &layer->inputs[0], &constant);
}

/* ---- activations ---- */

static struct onnx_value emit_relu(struct onnx_graph *graph,
                                   const struct onnx_layer *layer)
{
    return onnx_unary(graph, "Relu", &layer->inputs[0]);
}

static struct onnx_value emit_sigmoid(struct onnx_graph *graph,
                                      const struct onnx_layer *layer)
{
    return onnx_unary(graph, "Sigmoid", &layer->inputs[0]);
}

static struct onnx_value emit_tanh(struct onnx_graph *graph,
                                   const struct onnx_layer *layer)
{
    return onnx_unary(graph, "Tanh", &layer->inputs[0]);
}

static struct onnx_value emit_softplus(struct onnx_graph *graph,
                                       const struct onnx_layer *layer)
{
    return onnx_unary(graph, "Softplus", &layer->inputs[0]);
}

static struct onnx_value emit_with_alpha(struct onnx_graph *graph,
                                         const struct onnx_layer *layer, const char *type)
{
    onnx_begin(graph, type);
    onnx_input(graph, &layer->inputs[0]);
    onnx_attr_float(graph, "alpha", attrs_number(&layer->layer->attrs, "alpha"));
    return onnx_end(graph);
}

static struct onnx_value emit_leaky_relu(struct onnx_graph *graph,
                                         const struct onnx_layer *layer)
{
    return emit_with_alpha(graph, layer, "LeakyRelu");
}

static struct onnx_value emit_elu(struct onnx_graph *graph,
                                  const struct onnx_layer *layer)
{
    return emit_with_alpha(graph, layer, "Elu");
}

static struct onnx_value emit_silu(struct onnx_graph *graph,
                                   const struct onnx_layer *layer)
{
    struct onnx_value gate = onnx_unary(graph, "Sigmoid", &layer->inputs[0]);
    return onnx_binary(graph, "Mul", &layer->inputs[0], &gate);
}

/* x (1 + erf(x / sqrt(2))) / 2; opset 20 has it as one operator. */
static struct onnx_value emit_gelu(struct onnx_graph *graph,
                                   const struct onnx_layer *layer)
{
    struct onnx_value root = onnx_constant_float(graph, SQRT_HALF);
    struct onnx_value one = onnx_constant_float(graph, 1);
    struct onnx_value half = onnx_constant_float(graph, 0.5);
    struct onnx_value scaled = onnx_binary(graph, "Mul", &layer->inputs[0], &root);
    struct onnx_value error = onnx_unary(graph, "Erf", &scaled);
    struct onnx_value share = onnx_binary(graph, "Add", &error, &one);
    struct onnx_value halved = onnx_binary(graph, "Mul", &layer->inputs[0], &half);
    return onnx_binary(graph, "Mul", &halved, &share);
}

static struct onnx_value emit_softmax(struct onnx_graph *graph,
                                      const struct onnx_layer *layer)
{
    onnx_begin(graph, "Softmax");
    onnx_input(graph, &layer->inputs[0]);
    onnx_attr_integer(graph, "axis", -1);
    return onnx_end(graph);
}

/* ---- the table ---- */

static const struct onnx_op table[] = {
    {"dense", emit_dense},
    {"conv1d", onnx_emit_conv1d},
    {"conv2d", onnx_emit_conv2d},
    {"max_pool1d", onnx_emit_max_pool1d},
    {"max_pool2d", onnx_emit_max_pool2d},
    {"average_pool1d", onnx_emit_average_pool1d},
    {"average_pool2d", onnx_emit_average_pool2d},
    {"global_average_pool1d", onnx_emit_global1d},
    {"global_average_pool2d", onnx_emit_global2d},
    {"upsample2d", onnx_emit_upsample2d},
    {"dropout", emit_identity},
    {"flatten", emit_flatten},
    {"reshape", emit_reshape},
    {"add", emit_add},
    {"multiply", emit_multiply},
    {"concat", emit_concat},
    {"layer_norm", emit_layer_norm},
    {"rms_norm", emit_rms_norm},
    {"batch_norm", emit_batch_norm},
    {"group_norm", emit_group_norm},
    {"embedding", emit_embedding},
    {"position_embedding", emit_position_embedding},
    {"sinusoidal_positions", emit_sinusoidal_positions},
    {"multi_head_attention", onnx_emit_attention},
    {"lstm", onnx_emit_lstm},
    {"gru", onnx_emit_gru},
    {"linear", emit_identity},
    {"relu", emit_relu},
    {"leaky_relu", emit_leaky_relu},
    {"elu", emit_elu},
    {"gelu", emit_gelu},
    {"silu", emit_silu},
    {"sigmoid", emit_sigmoid},
    {"tanh", emit_tanh},
    {"softplus", emit_softplus},
    {"softmax", emit_softmax},
};

const struct onnx_op *onnx_op_find(const char *name)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    return NULL;
}
