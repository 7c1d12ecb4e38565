/*
 * The types of layers: for each the keys of its JSON, and how its output shape,
 * parameters and cost follow from its inputs. A new layer is a row here, its keys, its
 * infer function, and an op of the same name in the engine.
 */
#include "base/error.h"
#include "initializer.h"
#include "job_spec.h"
#include "model_spec.h"

#include <stddef.h>
#include <string.h>

const char *const activation_names[] = {"linear",   "relu",    "leaky_relu", "elu",
                                        "gelu",     "silu",    "sigmoid",    "tanh",
                                        "softplus", "softmax", NULL};

/* Refuses an output that no machine should be asked for. */
static int check_output(const struct layer *layer, struct violations *violations)
{
    if (shape_fits(&layer->output))
        return 0;
    char text[SHAPE_TEXT_SIZE];
    return violations_add(
        violations, layer->pointer,
        "expected an output of at most %lld numbers a sample, found the shape %s",
        (long long)SHAPE_MAX_ELEMENTS, shape_format(&layer->output, text));
}

/* dense: y = x W' + b over the last dimension; any dimensions before it are kept. */

static const struct key dense_keys[] = {
    {"units", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_UNITS), .word = "auto"},
    {"activation", KEY_CHOICE, .choices = activation_names, DEFAULT("\"linear\"")},
    {"use_bias", KEY_BOOLEAN, DEFAULT("true")},
    {"kernel_initializer", KEY_CHOICE, .choices = kernel_initializer_names,
     DEFAULT("\"glorot_uniform\"")},
    {"bias_initializer", KEY_CHOICE, .choices = bias_initializer_names, .word = "auto",
     DEFAULT("\"auto\"")},
    {"l2", KEY_NUMBER, AT_LEAST(0), AT_MOST(1000), DEFAULT("0")},
    {0},
};

static int dense_infer(const struct model_spec *model, int index, struct layer *layer,
                       struct violations *violations)
{
    const struct shape *input = model_input_shape(model, index, 0);
    int64_t in = input->dims[input->rank - 1];
    int64_t out = attrs_integer(&layer->attrs, "units");
    if (out > SPEC_MAX_PARAMETERS / in)
        return violations_add(violations, layer->pointer,
                              "expected at most %lld parameters, found %lld inputs times "
                              "%lld units",
                              (long long)SPEC_MAX_PARAMETERS, (long long)in,
                              (long long)out);
    layer->output = *input;
    layer->output.dims[input->rank - 1] = out;
    int rc = check_output(layer, violations);
    if (rc != 0)
        return rc;
    int64_t rows = shape_elements(input) / in;
    layer->l2 = attrs_number(&layer->attrs, "l2");
    layer->flops = 2 * rows * in * out;
    struct param_spec *weight = &layer->params[layer->param_count++];
    *weight = (struct param_spec){.name = "weight",
                                  .shape = {.rank = 2, .dims = {out, in}},
                                  .trainable = true,
                                  .decays = true};
    initializer_resolve(attrs_string(&layer->attrs, "kernel_initializer"), in, out,
                        weight);
    if (attrs_boolean(&layer->attrs, "use_bias")) {
        struct param_spec *bias = &layer->params[layer->param_count++];
        *bias = (struct param_spec){
            .name = "bias", .shape = {.rank = 1, .dims = {out}}, .trainable = true};
        initializer_resolve(attrs_string(&layer->attrs, "bias_initializer"), in, out,
                            bias);
        layer->flops += rows * out;
    }
    return 0;
}

/* Layers that keep their input's shape. */

static int same_infer(const struct model_spec *model, int index, struct layer *layer,
                      struct violations *violations)
{
    layer->output = *model_input_shape(model, index, 0);
    layer->flops = shape_elements(&layer->output);
    return check_output(layer, violations);
}

static const struct key dropout_keys[] = {
    {"rate", KEY_NUMBER, AT_LEAST(0), BELOW(1)},
    {0},
};

/* Two activations have an attribute; its default is PyTorch's. */
static const struct key leaky_relu_keys[] = {
    {"alpha", KEY_NUMBER, AT_LEAST(0), AT_MOST(1000), DEFAULT("0.01")},
    {0},
};
static const struct key elu_keys[] = {
    {"alpha", KEY_NUMBER, AT_LEAST(0), AT_MOST(1000), DEFAULT("1")},
    {0},
};

/* flatten: [a, b, c] -> [a * b * c]; the numbers stay where they are. */

static int flatten_infer(const struct model_spec *model, int index, struct layer *layer,
                         struct violations *violations)
{
    const struct shape *input = model_input_shape(model, index, 0);
    layer->output = (struct shape){.rank = 1, .dims = {shape_elements(input)}};
    return check_output(layer, violations);
}

const struct layer_type layer_table[] = {
    {.name = "dense",
     .op = "dense",
     .keys = dense_keys,
     .takes_activation = true,
     .infer = dense_infer},
    {.name = "activation", .op = NULL, .infer = same_infer},
    {.name = "dropout", .op = "dropout", .keys = dropout_keys, .infer = same_infer},
    {.name = "flatten", .op = "flatten", .infer = flatten_infer},
    {.name = "linear", .op = "linear", .infer = same_infer},
    {.name = "relu", .op = "relu", .infer = same_infer},
    {.name = "leaky_relu",
     .op = "leaky_relu",
     .keys = leaky_relu_keys,
     .infer = same_infer},
    {.name = "elu", .op = "elu", .keys = elu_keys, .infer = same_infer},
    {.name = "gelu", .op = "gelu", .infer = same_infer},
    {.name = "silu", .op = "silu", .infer = same_infer},
    {.name = "sigmoid", .op = "sigmoid", .infer = same_infer},
    {.name = "tanh", .op = "tanh", .infer = same_infer},
    {.name = "softplus", .op = "softplus", .infer = same_infer},
    {.name = "softmax", .op = "softmax", .infer = same_infer},
    {0},
};

const struct layer_type *layer_type_find(const char *name)
{
    for (const struct layer_type *type = layer_table; type->name; type++) {
        if (strcmp(type->name, name) == 0)
            return type;
    }
    return NULL;
}
