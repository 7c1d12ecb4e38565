/* Joins of several inputs. See layer_families.h. */
#include "base/error.h"
#include "layer_families.h"

#include <stddef.h>

const struct key residual_keys[] = {
    {"activation", KEY_CHOICE, .choices = activation_names, DEFAULT("\"linear\"")},
    {0},
};

static int add_mismatch(const struct model_spec *model, int index, int which,
                        const char *rule, struct violations *violations)
{
    char first[SHAPE_TEXT_SIZE], other[SHAPE_TEXT_SIZE];
    return violations_add(violations, model->layers[index].pointer,
                          "expected inputs %s, found %s and %s", rule,
                          shape_format(model_input_shape(model, index, 0), first),
                          shape_format(model_input_shape(model, index, which), other));
}

int join_infer(const struct model_spec *model, int index, struct layer *layer,
               struct violations *violations)
{
    const struct shape *first = model_input_shape(model, index, 0);
    for (int i = 1; i < layer->input_count; i++) {
        if (!shape_equal(first, model_input_shape(model, index, i)))
            return add_mismatch(model, index, i, "of one shape", violations);
    }
    layer->output = *first;
    layer->flops = (layer->input_count - 1) * shape_elements(first);
    return layer_check_output(layer, violations);
}

int concat_infer(const struct model_spec *model, int index, struct layer *layer,
                 struct violations *violations)
{
    layer->output = *model_input_shape(model, index, 0);
    int last = layer->output.rank - 1;
    for (int i = 1; i < layer->input_count; i++) {
        struct shape other = *model_input_shape(model, index, i);
        int64_t units = other.rank == last + 1 ? other.dims[last] : 0;
        other.dims[last] = layer->output.dims[last];
        if (!shape_equal(&layer->output, &other))
            return add_mismatch(model, index, i,
                                "that differ in the last dimension at most", violations);
        layer->output.dims[last] += units;
    }
    return layer_check_output(layer, violations);
}
