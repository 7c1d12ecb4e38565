/* Layers that keep their input's shape, or change nothing but the shape. See
 * layer_families.h. */
#include "base/error.h"
#include "layer_families.h"
#include "report.h"

#include <stddef.h>

int layer_check_output(const struct layer *layer, struct violations *violations)
{
    if (shape_fits(&layer->output))
        return 0;
    char text[SHAPE_TEXT_SIZE];
    return violations_add(
        violations, layer->pointer,
        "expected an output of at most %lld numbers a sample, found the shape %s",
        (long long)SHAPE_MAX_ELEMENTS, shape_format(&layer->output, text));
}

int same_infer(const struct model_spec *model, int index, struct layer *layer,
               struct violations *violations)
{
    layer->output = *model_input_shape(model, index, 0);
    layer->flops = shape_elements(&layer->output);
    return layer_check_output(layer, violations);
}

int dropout_infer(const struct model_spec *model, int index, struct layer *layer,
                  struct violations *violations)
{
    int rc = same_infer(model, index, layer, violations);
    layer->kept = shape_elements(&layer->output) / 4 + 1; /* a byte for each */
    return rc;
}

/*
 * flatten: [a, b, c] -> [a * b * c]; the numbers stay where they are. But what
 * convolutions and poolings give has PyTorch's channels before the positions, so that
 * there flatten puts the channels first, and weights behind it are those of PyTorch's.
 */

/* Only the last dimension may differ: a layer that works on channels. */
static bool keeps_positions(const struct shape *from, const struct shape *to)
{
    struct shape wide = *from;
    wide.dims[from->rank - 1] = to->dims[from->rank - 1];
    return from->rank == to->rank && shape_equal(&wide, to);
}

static bool comes_from_windows(const struct model_spec *model, int index)
{
    for (int at = model->layers[index].inputs[0]; at != MODEL_INPUT;
         at = model->layers[at].inputs[0]) {
        const struct layer *layer = &model->layers[at];
        if (layer->type->slides)
            return true;
        if (!keeps_positions(model_input_shape(model, at, 0), &layer->output))
            return false;
    }
    return false;
}

int flatten_infer(const struct model_spec *model, int index, struct layer *layer,
                  struct violations *violations)
{
    const struct shape *input = model_input_shape(model, index, 0);
    layer->output = (struct shape){.rank = 1, .dims = {shape_elements(input)}};
    layer->channels_first = comes_from_windows(model, index);
    return layer_check_output(layer, violations);
}

/* reshape: the numbers stay where they are; one dimension may be -1, what is left. */

const struct key reshape_keys[] = {
    {"shape", KEY_INTEGERS, AT_LEAST(-1), AT_MOST(SHAPE_MAX_ELEMENTS)},
    {0},
};

int reshape_infer(const struct model_spec *model, int index, struct layer *layer,
                  struct violations *violations)
{
    const struct shape *input = model_input_shape(model, index, 0);
    const struct attr *wanted = attrs_find(&layer->attrs, "shape");
    int64_t elements = shape_elements(input), known = 1;
    int rank = wanted->list_count, open = -1;
    bool fits = rank <= SHAPE_MAX_RANK;
    for (int i = 0; i < rank && fits; i++) {
        int64_t dim = wanted->list[i];
        layer->output.dims[i] = dim;
        if (dim == -1 && open < 0) {
            open = i;
        } else {
            fits = dim >= 1 && known <= elements / dim;
            known *= fits ? dim : 1;
        }
    }
    layer->output.rank = rank;
    if (fits && open >= 0) {
        layer->output.dims[open] = elements / known;
        known *= elements / known;
    }
    if (fits && known == elements)
        return layer_check_output(layer, violations);
    char at[POINTER_SIZE], shape[SHAPE_TEXT_SIZE];
    return violations_add(violations, pointer_key(at, layer->pointer, "shape"),
                          "expected 1 to %d dimensions of %lld numbers in all, as the "
                          "input has, whose shape is %s; one of them may be -1",
                          SHAPE_MAX_RANK, (long long)elements,
                          shape_format(input, shape));
}
