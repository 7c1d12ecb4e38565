/* multi_head_attention in ONNX; op_attention.c has the formulas. See onnx_ops.h. */
#include "onnx_ops.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

struct attention {
    int64_t positions, units, heads, depth;
    bool bias;
    const struct onnx_value *in_weight, *in_bias, *out_weight, *out_bias;
};

static struct attention read_attention(const struct onnx_layer *layer)
{
    const struct layer *of = layer->layer;
    bool bias = of->param_count > 2;
    int64_t heads = attrs_integer(&of->attrs, "num_heads");
    return (struct attention){
        .positions = of->output.dims[0],
        .units = of->output.dims[1],
        .heads = heads,
        .depth = of->params[0].shape.dims[0] / 3 / heads,
        .bias = bias,
        .in_weight = &layer->params[0],
        .in_bias = bias ? &layer->params[1] : NULL,
        .out_weight = &layer->params[bias ? 2 : 1],
        .out_bias = bias ? &layer->params[3] : NULL,
    };
}

/* [rows, positions, heads * depth] to [rows, heads, …] in the order of `axes`. */
static struct onnx_value heads_of(struct onnx_graph *graph,
                                  const struct attention *attention,
                                  const struct onnx_value *x, const int64_t axes[4])
{
    int64_t dims[] = {attention->positions, attention->heads, attention->depth};
    struct onnx_value apart = onnx_reshape(graph, x, dims, 3);
    return onnx_transpose(graph, &apart, axes, 4);
}

/* 0 … count - 1 in a matrix of one row or one column. */
static struct onnx_value counted(struct onnx_graph *graph, int64_t rows, int64_t columns)
{
    size_t count = (size_t)(rows * columns);
    int64_t *numbers = mem_alloc_array(count, sizeof(*numbers));
    int64_t dims[] = {rows, columns};
    if (!numbers) {
        graph->constants.status = ERR_NOMEM;
        return onnx_named("");
    }
    for (size_t i = 0; i < count; i++)
        numbers[i] = (int64_t)i;
    struct onnx_value constant =
        onnx_constant(graph, ONNX_INT64, dims, 2, numbers, count * sizeof(*numbers));
    free(numbers);
    return constant;
}

/* Keys behind the query get no weight. */
static struct onnx_value hide_later(struct onnx_graph *graph, int64_t positions,
                                    const struct onnx_value *scores)
{
    struct onnx_value keys = counted(graph, 1, positions);
    struct onnx_value queries = counted(graph, positions, 1);
    struct onnx_value later = onnx_binary(graph, "Greater", &keys, &queries);
    struct onnx_value nothing = onnx_constant_float(graph, -(double)INFINITY);
    onnx_begin(graph, "Where");
    onnx_input(graph, &later);
    onnx_input(graph, &nothing);
    onnx_input(graph, scores);
    return onnx_end(graph);
}

struct onnx_value onnx_emit_attention(struct onnx_graph *graph,
                                      const struct onnx_layer *layer)
{
    static const int64_t heads_first[] = {0, 2, 1, 3}, keys_last[] = {0, 2, 3, 1};
    struct attention attention = read_attention(layer);
    struct onnx_value qkv =
        onnx_linear(graph, &layer->inputs[0], 3, attention.in_weight, attention.in_bias);
    onnx_begin(graph, "Split");
    onnx_input(graph, &qkv);
    onnx_attr_integer(graph, "axis", -1);
    struct onnx_value q = onnx_output(graph), k = onnx_output(graph), v = onnx_end(graph);
    q = heads_of(graph, &attention, &q, heads_first);
    k = heads_of(graph, &attention, &k, keys_last);
    v = heads_of(graph, &attention, &v, heads_first);
    struct onnx_value scale =
        onnx_constant_float(graph, 1 / sqrt((double)attention.depth));
    struct onnx_value products = onnx_binary(graph, "MatMul", &q, &k);
    struct onnx_value scores = onnx_binary(graph, "Mul", &products, &scale);
    if (attrs_boolean(&layer->layer->attrs, "causal"))
        scores = hide_later(graph, attention.positions, &scores);
    onnx_begin(graph, "Softmax");
    onnx_input(graph, &scores);
    onnx_attr_integer(graph, "axis", -1);
    struct onnx_value weights = onnx_end(graph);
    struct onnx_value context = onnx_binary(graph, "MatMul", &weights, &v);
    context = onnx_transpose(graph, &context, heads_first, 4);
    int64_t dims[] = {attention.positions, attention.heads * attention.depth};
    context = onnx_reshape(graph, &context, dims, 2);
    return onnx_linear(graph, &context, 3, attention.out_weight, attention.out_bias);
}
