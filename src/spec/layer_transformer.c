/*
 * transformer_block: short for layers that others know. Their names are those of
 * torch.nn.TransformerEncoderLayer's parts, so that load_state_dict works:
 *
 *   norm_first         x + dropout(self_attn(norm1(x)));  x + mlp(norm2(x))
 *   not norm_first     norm1(x + dropout(self_attn(x)));  norm2(x + mlp(x))
 *
 * with mlp(x) = dropout(linear2(dropout(activation(linear1(x))))); linear1 and linear2
 * are dense layers. "Attention is all you need" (Vaswani et al. 2017) has the norms last,
 * GPT-2 first.
 */
#include "initializer.h"
#include "job_spec.h"
#include "layer_families.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

const struct key transformer_block_keys[] = {
    {"num_heads", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_UNITS)},
    {"causal", KEY_BOOLEAN, DEFAULT("false")},
    {"feed_forward_dim", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_UNITS),
     .word = "auto", DEFAULT("\"auto\"")},
    {"activation", KEY_CHOICE, .choices = activation_names, DEFAULT("\"gelu\"")},
    {"norm_first", KEY_BOOLEAN, DEFAULT("true")},
    {"use_bias", KEY_BOOLEAN, DEFAULT("true")},
    {"dropout", KEY_NUMBER, AT_LEAST(0), BELOW(1), DEFAULT("0")},
    {"epsilon", KEY_NUMBER, ABOVE(0), AT_MOST(1), DEFAULT("1e-5")},
    {"kernel_initializer", INITIALIZER(kernel_initializer_names),
     DEFAULT("\"glorot_uniform\"")},
    {0},
};

#define WIDENING 4 /* of linear1, unless "feed_forward_dim" says else */

/* Appends a layer (taken; NULL: no memory) named "<block>.<part>"; false without
 * memory. */
static bool append(json_t *layers, const struct layer *block, const char *part,
                   json_t *layer)
{
    char name[2 * LAYER_NAME_SIZE];
    snprintf(name, sizeof(name), "%s.%s", block->name, part);
    bool named = layer && json_object_set_new(layer, "name", json_string(name)) == 0;
    if (!named)
        json_decref(layer);
    return named && json_array_append_new(layers, layer) == 0;
}

static bool append_norm(json_t *layers, const struct layer *block, const char *part)
{
    return append(layers, block, part,
                  json_pack("{s:s, s:f}", "type", "layer_norm", "epsilon",
                            attrs_number(&block->attrs, "epsilon")));
}

static bool append_dropout(json_t *layers, const struct layer *block, const char *part)
{
    double rate = attrs_number(&block->attrs, "dropout");
    return rate <= 0 || append(layers, block, part,
                               json_pack("{s:s, s:f}", "type", "dropout", "rate", rate));
}

static bool append_attention(json_t *layers, const struct layer *block)
{
    const struct attrs *attrs = &block->attrs;
    return append(layers, block, "self_attn",
                  json_pack("{s:s, s:I, s:b, s:b, s:f, s:o}", "type",
                            "multi_head_attention", "num_heads",
                            (json_int_t)attrs_integer(attrs, "num_heads"), "causal",
                            attrs_boolean(attrs, "causal"), "use_bias",
                            attrs_boolean(attrs, "use_bias"), "dropout",
                            attrs_number(attrs, "dropout"), "kernel_initializer",
                            attrs_json(attrs, "kernel_initializer")));
}

/* A dense layer of `units`, or, where they are 0, `widening` times the block's. */
static bool append_linear(json_t *layers, const struct layer *block, const char *part,
                          int64_t units, int widening, const char *activation)
{
    const struct attrs *attrs = &block->attrs;
    json_t *layer =
        json_pack("{s:s, s:s, s:b, s:o, s:s}", "type", "dense", "activation", activation,
                  "use_bias", attrs_boolean(attrs, "use_bias"), "kernel_initializer",
                  attrs_json(attrs, "kernel_initializer"), "bias_initializer", "zeros");
    bool set =
        units > 0
            ? json_object_set_new(layer, "units", json_integer(units)) == 0
            : json_object_set_new(layer, "units", json_string("auto")) == 0 &&
                  json_object_set_new(layer, LAYER_WIDENING, json_integer(widening)) == 0;
    if (!set) {
        json_decref(layer);
        layer = NULL;
    }
    return append(layers, block, part, layer);
}

static bool append_mlp(json_t *layers, const struct layer *block)
{
    const struct attrs *attrs = &block->attrs;
    return append_linear(layers, block, "linear1",
                         attrs_integer(attrs, "feed_forward_dim"), WIDENING,
                         attrs_string(attrs, "activation")) &&
           append_dropout(layers, block, "dropout") &&
           append_linear(layers, block, "linear2", 0, 1, "linear") &&
           append_dropout(layers, block, "dropout2");
}

/* Takes the layers of a residual block. */
static bool append_residual(json_t *layers, const struct layer *block, const char *part,
                            json_t *nested)
{
    return append(layers, block, part,
                  json_pack("{s:s, s:o}", "type", "residual", "layers", nested));
}

json_t *transformer_block_expand(const struct layer *block)
{
    bool first = attrs_boolean(&block->attrs, "norm_first");
    json_t *layers = json_array(), *attention = json_array(), *mlp = json_array();
    bool made = layers && attention && mlp &&
                (!first || append_norm(attention, block, "norm1")) &&
                append_attention(attention, block) &&
                append_dropout(attention, block, "dropout1") &&
                (!first || append_norm(mlp, block, "norm2")) && append_mlp(mlp, block) &&
                append_residual(layers, block, "attention", json_incref(attention)) &&
                (first || append_norm(layers, block, "norm1")) &&
                append_residual(layers, block, "feed_forward", json_incref(mlp)) &&
                (first || append_norm(layers, block, "norm2"));
    json_decref(attention);
    json_decref(mlp);
    if (!made) {
        json_decref(layers);
        return NULL;
    }
    return layers;
}
