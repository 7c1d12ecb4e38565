/*
 * lstm and gru in ONNX, whose gates come in another order than PyTorch's and whose
 * weights have an axis for directions; time comes first. See onnx_ops.h.
 */
#include "onnx_ops.h"

#define MOST_GATES 4

struct recurrent_form {
    const char *type;
    int64_t gates;
    int order[MOST_GATES]; /* ONNX's gates by PyTorch's numbers */
    bool resets_product;   /* gru: the reset gate acts after the product */
};

/* A weight or bias [gates units, …] with its gates in ONNX's order. */
static struct onnx_value reordered(struct onnx_graph *graph,
                                   const struct recurrent_form *form,
                                   const struct onnx_value *x)
{
    struct onnx_value gates[MOST_GATES];
    onnx_begin(graph, "Split");
    onnx_input(graph, x);
    onnx_attr_integer(graph, "axis", 0);
    for (int64_t g = 0; g < form->gates; g++)
        gates[g] = g + 1 < form->gates ? onnx_output(graph) : onnx_end(graph);
    onnx_begin(graph, "Concat");
    for (int64_t g = 0; g < form->gates; g++)
        onnx_input(graph, &gates[form->order[g]]);
    onnx_attr_integer(graph, "axis", 0);
    return onnx_end(graph);
}

/* [1, gates units, in] */
static struct onnx_value weight_of(struct onnx_graph *graph,
                                   const struct recurrent_form *form,
                                   const struct onnx_layer *layer, int which)
{
    struct onnx_value weight = reordered(graph, form, &layer->params[which]);
    return onnx_reshape(graph, &weight, layer->layer->params[which].shape.dims, 2);
}

/* Both biases: [1, 2 gates units] */
static struct onnx_value bias_of(struct onnx_graph *graph,
                                 const struct recurrent_form *form,
                                 const struct onnx_layer *layer, int first)
{
    int64_t dims[] = {2 * layer->layer->params[first].shape.dims[0]};
    struct onnx_value of_input = reordered(graph, form, &layer->params[first]);
    struct onnx_value of_state = reordered(graph, form, &layer->params[first + 1]);
    onnx_begin(graph, "Concat");
    onnx_input(graph, &of_input);
    onnx_input(graph, &of_state);
    onnx_attr_integer(graph, "axis", 0);
    struct onnx_value both = onnx_end(graph);
    return onnx_reshape(graph, &both, dims, 1);
}

static struct onnx_value emit_recurrent(struct onnx_graph *graph,
                                        const struct onnx_layer *layer,
                                        const struct recurrent_form *form)
{
    static const int64_t time_first[] = {1, 0, 2};
    const struct layer *of = layer->layer;
    int64_t steps = onnx_input_shape(layer, 0)->dims[0];
    int64_t units = attrs_integer(&of->attrs, "units");
    struct onnx_value x = onnx_transpose(graph, &layer->inputs[0], time_first, 3);
    struct onnx_value w = weight_of(graph, form, layer, 0);
    struct onnx_value r = weight_of(graph, form, layer, 1);
    bool biased = of->param_count > 2;
    struct onnx_value bias = biased ? bias_of(graph, form, layer, 2) : w;
    onnx_begin(graph, form->type);
    onnx_input(graph, &x);
    onnx_input(graph, &w);
    onnx_input(graph, &r);
    if (biased)
        onnx_input(graph, &bias);
    onnx_attr_integer(graph, "hidden_size", units);
    if (form->resets_product)
        onnx_attr_integer(graph, "linear_before_reset", 1);
    struct onnx_value all = onnx_output(graph); /* [steps, 1, rows, units] */
    struct onnx_value last = onnx_end(graph);   /* [1, rows, units] */
    if (!attrs_boolean(&of->attrs, "return_sequences"))
        return onnx_reshape(graph, &last, &units, 1);
    static const int64_t rows_first[] = {2, 0, 1, 3};
    int64_t dims[] = {steps, units};
    all = onnx_transpose(graph, &all, rows_first, 4);
    return onnx_reshape(graph, &all, dims, 2);
}

struct onnx_value onnx_emit_lstm(struct onnx_graph *graph, const struct onnx_layer *layer)
{
    /* i, f, g, o to i, o, f, g */
    static const struct recurrent_form form = {"LSTM", 4, {0, 3, 1, 2}, false};
    return emit_recurrent(graph, layer, &form);
}

struct onnx_value onnx_emit_gru(struct onnx_graph *graph, const struct onnx_layer *layer)
{
    /* r, z, n to z, r, n */
    static const struct recurrent_form form = {"GRU", 3, {1, 0, 2}, true};
    return emit_recurrent(graph, layer, &form);
}
