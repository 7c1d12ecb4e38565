/* dense. See layer_families.h. */
#include "base/error.h"
#include "initializer.h"
#include "job_spec.h"
#include "layer_families.h"
#include "report.h"

#include <stddef.h>
#include <string.h>

const struct key dense_keys[] = {
    {"units", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_UNITS), .word = "auto"},
    {"activation", KEY_CHOICE, .choices = activation_names, DEFAULT("\"linear\"")},
    {"use_bias", KEY_BOOLEAN, DEFAULT("true")},
    {"kernel_initializer", INITIALIZER(kernel_initializer_names),
     DEFAULT("\"glorot_uniform\"")},
    {"bias_initializer", INITIALIZER(bias_initializer_names), .word = "auto",
     DEFAULT("\"auto\"")},
    {"l2", KEY_NUMBER, AT_LEAST(0), AT_MOST(1000), DEFAULT("0")},
    {0},
};

/* The weight of another layer, decaying and initialized as that one says. */
static int share_weight(const struct model_spec *model, const struct layer *layer,
                        struct param_spec *weight, struct violations *violations)
{
    const struct layer *owner = &model->layers[layer->owner];
    const struct param_spec *shared = &owner->params[0];
    bool has_weight = strcmp(owner->type->name, "dense") == 0 ||
                      strcmp(owner->type->name, "embedding") == 0;
    char at[POINTER_SIZE], expected[SHAPE_TEXT_SIZE], found[SHAPE_TEXT_SIZE];
    pointer_key(at, layer->pointer, "shared_weights");
    if (!has_weight || owner->param_count == 0)
        return violations_add(violations, at,
                              "expected the name of an embedding or dense layer, found "
                              "\"%s\", which is none",
                              owner->name);
    if (!shape_equal(&shared->shape, &weight->shape))
        return violations_add(violations, at,
                              "expected a layer whose weight has the shape %s, as this "
                              "one's, found \"%s\" with %s",
                              shape_format(&weight->shape, expected), owner->name,
                              shape_format(&shared->shape, found));
    if (layer->l2 > 0)
        return violations_add(violations, pointer_key(at, layer->pointer, "l2"),
                              "expected 0, because the weight is that of \"%s\", found "
                              "%.15g",
                              owner->name, layer->l2);
    *weight = *shared;
    weight->shared = true;
    return 0;
}

int dense_infer(const struct model_spec *model, int index, struct layer *layer,
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
    int rc = layer_check_output(layer, violations);
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
    initializer_resolve(attrs_find(&layer->attrs, "kernel_initializer"), in, out, weight);
    if (layer->shares) {
        rc = share_weight(model, layer, weight, violations);
        if (rc != 0)
            return rc;
    }
    if (attrs_boolean(&layer->attrs, "use_bias")) {
        struct param_spec *bias = &layer->params[layer->param_count++];
        *bias = (struct param_spec){
            .name = "bias", .shape = {.rank = 1, .dims = {out}}, .trainable = true};
        initializer_resolve(attrs_find(&layer->attrs, "bias_initializer"), in, out, bias);
        layer->flops += rows * out;
    }
    return 0;
}
