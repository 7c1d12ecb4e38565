/*
 * The types of layers: for each the keys of its JSON, and how its output shape,
 * parameters and cost follow from its inputs. A new layer is a row here, and an op of the
 * same name in the engine; one that does not keep its input's shape, or has parameters,
 * also an infer function in its family's file.
 */
#include "layer_families.h"

#include <stddef.h>
#include <string.h>

const char *const activation_names[] = {"linear",   "relu",    "leaky_relu", "elu",
                                        "gelu",     "silu",    "sigmoid",    "tanh",
                                        "softplus", "softmax", NULL};

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

const struct layer_type layer_table[] = {
    {.name = "dense",
     .op = "dense",
     .keys = dense_keys,
     .takes_activation = true,
     .may_share = true,
     .infer = dense_infer},
    {.name = "activation", .op = NULL, .infer = same_infer},
    {.name = "dropout", .op = "dropout", .keys = dropout_keys, .infer = dropout_infer},
    {.name = "flatten", .op = "flatten", .infer = flatten_infer},
    {.name = "reshape", .op = "reshape", .keys = reshape_keys, .infer = reshape_infer},
    {.name = "conv1d",
     .op = "conv1d",
     .keys = conv1d_keys,
     .takes_activation = true,
     .slides = true,
     .infer = conv1d_infer},
    {.name = "conv2d",
     .op = "conv2d",
     .keys = conv2d_keys,
     .takes_activation = true,
     .slides = true,
     .infer = conv2d_infer},
    {.name = "max_pool1d",
     .op = "max_pool1d",
     .keys = max_pool1d_keys,
     .slides = true,
     .infer = pool1d_infer},
    {.name = "max_pool2d",
     .op = "max_pool2d",
     .keys = max_pool2d_keys,
     .slides = true,
     .infer = pool2d_infer},
    {.name = "average_pool1d",
     .op = "average_pool1d",
     .keys = average_pool1d_keys,
     .slides = true,
     .infer = pool1d_infer},
    {.name = "average_pool2d",
     .op = "average_pool2d",
     .keys = average_pool2d_keys,
     .slides = true,
     .infer = pool2d_infer},
    {.name = "global_average_pool1d",
     .op = "global_average_pool1d",
     .slides = true,
     .infer = global_pool1d_infer},
    {.name = "global_average_pool2d",
     .op = "global_average_pool2d",
     .slides = true,
     .infer = global_pool2d_infer},
    {.name = "upsample2d",
     .op = "upsample2d",
     .keys = upsample2d_keys,
     .slides = true,
     .infer = upsample2d_infer},
    {.name = "add", .op = "add", .joins = true, .infer = join_infer},
    {.name = "multiply", .op = "multiply", .joins = true, .infer = join_infer},
    {.name = "concat", .op = "concat", .joins = true, .infer = concat_infer},
    {.name = "layer_norm",
     .op = "layer_norm",
     .keys = norm_keys,
     .infer = layer_norm_infer},
    {.name = "rms_norm", .op = "rms_norm", .keys = norm_keys, .infer = rms_norm_infer},
    {.name = "batch_norm",
     .op = "batch_norm",
     .keys = batch_norm_keys,
     .infer = batch_norm_infer},
    {.name = "embedding",
     .op = "embedding",
     .keys = embedding_keys,
     .infer = embedding_infer},
    {.name = "position_embedding",
     .op = "position_embedding",
     .keys = position_embedding_keys,
     .infer = position_embedding_infer},
    {.name = "sinusoidal_positions",
     .op = "sinusoidal_positions",
     .infer = sinusoidal_infer},
    {.name = "multi_head_attention",
     .op = "multi_head_attention",
     .keys = multi_head_attention_keys,
     .infer = multi_head_attention_infer},
    {.name = "group_norm",
     .op = "group_norm",
     .keys = group_norm_keys,
     .infer = group_norm_infer},
    {.name = "transformer_block",
     .op = "add",
     .keys = transformer_block_keys,
     .takes_activation = true,
     .expand = transformer_block_expand},
    {.name = "lstm",
     .op = "lstm",
     .keys = lstm_keys,
     .auto_bias = "unit_forget",
     .infer = lstm_infer},
    {.name = "gru", .op = "gru", .keys = gru_keys, .infer = gru_infer},
    {.name = "residual",
     .op = "add",
     .keys = residual_keys,
     .takes_activation = true,
     .nests = true,
     .infer = join_infer},
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
