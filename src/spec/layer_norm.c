/* Normalization. See layer_families.h. */
#include "job_spec.h"
#include "layer_families.h"
#include "report.h"

#include <stddef.h>

/* Defaults are PyTorch's. */
const struct key norm_keys[] = {
    {"epsilon", KEY_NUMBER, ABOVE(0), AT_MOST(1), DEFAULT("1e-5")},
    {0},
};
const struct key batch_norm_keys[] = {
    {"momentum", KEY_NUMBER, AT_LEAST(0), AT_MOST(1), DEFAULT("0.1")},
    {"epsilon", KEY_NUMBER, ABOVE(0), AT_MOST(1), DEFAULT("1e-5")},
    {0},
};

const struct key group_norm_keys[] = {
    {"groups", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_UNITS)},
    {"epsilon", KEY_NUMBER, ABOVE(0), AT_MOST(1), DEFAULT("1e-5")},
    {0},
};

#define NORM_FLOPS 8 /* a number: mean, variance, and y */

/* A vector with one number for each unit of the last dimension. */
static void add_vector(struct layer *layer, const char *name,
                       enum initializer initializer, bool trainable)
{
    const struct shape *output = &layer->output;
    layer->params[layer->param_count++] = (struct param_spec){
        .name = name,
        .shape = {.rank = 1, .dims = {output->dims[output->rank - 1]}},
        .initializer = initializer,
        .trainable = trainable,
    };
}

static int64_t units_of(const struct layer *layer)
{
    return layer->output.dims[layer->output.rank - 1];
}

static int norm_infer(const struct model_spec *model, int index, struct layer *layer,
                      struct violations *violations)
{
    layer->output = *model_input_shape(model, index, 0);
    layer->flops = NORM_FLOPS * shape_elements(&layer->output);
    layer->kept = 2 * (shape_elements(&layer->output) / units_of(layer));
    add_vector(layer, "weight", INIT_ONES, true);
    return layer_check_output(layer, violations);
}

int rms_norm_infer(const struct model_spec *model, int index, struct layer *layer,
                   struct violations *violations)
{
    return norm_infer(model, index, layer, violations);
}

int layer_norm_infer(const struct model_spec *model, int index, struct layer *layer,
                     struct violations *violations)
{
    int rc = norm_infer(model, index, layer, violations);
    add_vector(layer, "bias", INIT_ZEROS, true);
    return rc;
}

int batch_norm_infer(const struct model_spec *model, int index, struct layer *layer,
                     struct violations *violations)
{
    int rc = layer_norm_infer(model, index, layer, violations);
    layer->kept = 1;
    layer->scratch = 7 * units_of(layer); /* 3 of those are kept for a batch */
    add_vector(layer, "running_mean", INIT_ZEROS, false);
    add_vector(layer, "running_var", INIT_ONES, false);
    return rc;
}

int group_norm_infer(const struct model_spec *model, int index, struct layer *layer,
                     struct violations *violations)
{
    const struct shape *input = model_input_shape(model, index, 0);
    int64_t units = input->dims[input->rank - 1];
    int64_t groups = attrs_integer(&layer->attrs, "groups");
    if (units % groups != 0) {
        char at[POINTER_SIZE];
        return violations_add(violations, pointer_key(at, layer->pointer, "groups"),
                              "expected a divisor of the input's %lld units, found %lld",
                              (long long)units, (long long)groups);
    }
    int rc = layer_norm_infer(model, index, layer, violations);
    layer->kept = 2 * groups;
    layer->scratch = 6 * units;
    return rc;
}
