/* From the layers that were read to shapes, parameters and costs. See model_spec.h. */
#include "base/error.h"
#include "base/memory.h"
#include "canonical.h"
#include "job_spec.h"
#include "model_spec.h"
#include "report.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Some twenty seconds: an lstm of 2,048 units, a dense layer of 3,200 by 3,200. */
#define MAX_ORTHOGONAL_WORK (INT64_C(1) << 35)

/* The canonical JSON of the layer with that pointer, "/model/layers/1/layers/0". */
static json_t *canonical_layer(json_t *canonical, const char *pointer)
{
    json_t *at = canonical;
    for (const char *list = strstr(pointer, "/layers/"); list;
         list = strstr(list + 1, "/layers/")) {
        size_t index = strtoul(list + strlen("/layers/"), NULL, 10);
        at = json_array_get(json_object_get(at, "layers"), index);
    }
    return at;
}

/* The target's width, for "units": "auto"; an autoencoder's may be wider than a layer. */
static void resolve_units(struct layer *layer, json_t *canonical, int64_t auto_units,
                          struct violations *violations)
{
    char at[POINTER_SIZE];
    if (auto_units <= SPEC_MAX_UNITS)
        attrs_resolve(&layer->attrs, "units", json_integer(auto_units), canonical,
                      violations);
    else
        violations_add(violations, pointer_key(at, layer->pointer, "units"),
                       "expected a number up to %d, because the target has %lld, found "
                       "\"auto\"",
                       SPEC_MAX_UNITS, (long long)auto_units);
}

/* What "auto" stands for, in the attributes and in the canonical JSON. */
static void resolve_words(struct layer *layer, json_t *canonical, int64_t vocabulary,
                          int64_t auto_units, struct violations *violations)
{
    struct attrs *attrs = &layer->attrs;
    if (attrs_has(attrs, "input_dim") && attrs_find(attrs, "input_dim")->is_word &&
        vocabulary > 0)
        attrs_resolve(attrs, "input_dim", json_integer(vocabulary), canonical,
                      violations);
    if (attrs_has(attrs, "units") && attrs_find(attrs, "units")->is_word &&
        layer->widening == 0)
        resolve_units(layer, canonical, auto_units, violations);
    if (attrs_has(attrs, "bias_initializer") &&
        attrs_find(attrs, "bias_initializer")->is_word) {
        bool pytorch = strcmp(attrs_string(attrs, "kernel_initializer"), "pytorch") == 0;
        const char *other = layer->type->auto_bias ? layer->type->auto_bias : "zeros";
        attrs_resolve(attrs, "bias_initializer", json_string(pytorch ? "pytorch" : other),
                      canonical, violations);
    }
}

/* Every layer but the last is read by another; as all come after their inputs, all lead
 * to the last one. */
static int check_all_are_read(const struct model_spec *model,
                              struct violations *violations)
{
    size_t count = (size_t)model->layer_count;
    bool *read = mem_alloc_array(count, sizeof(*read));
    if (!read) {
        violations->status = ERR_NOMEM;
        return ERR_NOMEM;
    }
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        const struct layer *layer = &model->layers[i];
        for (int k = 0; k < layer->input_count; k++) {
            if (layer->inputs[k] != MODEL_INPUT)
                read[layer->inputs[k]] = true;
        }
    }
    for (size_t i = 0; i + 1 < count; i++) {
        const struct layer *layer = &model->layers[i];
        if (!read[i])
            rc = violations_add(
                violations, layer->pointer,
                "expected every layer to lead to the last one, found that no other has "
                "\"%s\" among its \"inputs\"",
                layer->name);
    }
    free(read);
    return rc;
}

static void fold_output(struct model_spec *model, const char *folded)
{
    int last = model->layer_count - 1;
    if (folded && last > 0 && strcmp(model->layers[last].op, folded) == 0)
        model->layer_count--;
    model->output = model->layer_count - 1;
}

/* The stride that makes `to` positions of `from`, 0 if none does. */
static int64_t stride_between(int64_t from, int64_t to)
{
    int64_t stride = (from + to - 1) / to;
    return (from + stride - 1) / stride == to ? stride : 0;
}

/*
 * What leads from one shape to the other: of images a 1 x 1 convolution, of sequences
 * that change their length one, too, otherwise a dense layer. NULL where none does; with
 * its attributes in *ret_json (NULL: no memory).
 */
static const char *choose_projection(const struct shape *from, const struct shape *to,
                                     json_t **ret_json)
{
    json_int_t units = (json_int_t)to->dims[to->rank - 1];
    struct shape wide = *from;
    wide.dims[from->rank - 1] = units;
    bool is_image = to->rank == 3 && (from->rank == 3 || from->rank == 2);
    if (!is_image && shape_equal(&wide, to)) {
        *ret_json = json_pack("{s:I}", "units", units);
        return "dense";
    }
    int64_t first = stride_between(from->dims[0], to->dims[0]);
    if (is_image) {
        int64_t second = stride_between(from->dims[1], to->dims[1]);
        *ret_json = json_pack("{s:I, s:i, s:[I, I]}", "filters", units, "kernel_size", 1,
                              "strides", (json_int_t)first, (json_int_t)second);
        return first > 0 && second > 0 ? "conv2d" : NULL;
    }
    *ret_json = json_pack("{s:I, s:i, s:I}", "filters", units, "kernel_size", 1,
                          "strides", (json_int_t)first);
    return to->rank == 2 && from->rank == 2 && first > 0 ? "conv1d" : NULL;
}

/*
 * The projection of a residual block, which stands before the block's sum: not needed
 * where the block keeps its input's shape; else it has the shape of what it is added to.
 */
static int resolve_projection(struct model_spec *model, int index,
                              struct violations *violations)
{
    struct layer *layer = &model->layers[index];
    struct layer *block = &model->layers[index + 1];
    assert(block->inputs[1] == index);
    const struct shape *from = model_input_shape(model, index, 0);
    const struct shape *to = model_input_shape(model, index + 1, 0);
    if (shape_equal(from, to)) {
        block->inputs[1] = layer->inputs[0];
        layer->op = NULL;
        return 0;
    }
    json_t *json = NULL;
    const char *type = choose_projection(from, to, &json);
    int rc = 0;
    if (!type) {
        char input[SHAPE_TEXT_SIZE], output[SHAPE_TEXT_SIZE];
        rc = violations_add(violations, block->pointer,
                            "expected layers that keep their input's shape %s but for "
                            "the last dimension, or take every n-th position of an image "
                            "or a sequence, found %s",
                            shape_format(from, input), shape_format(to, output));
    } else if (!json ||
               json_object_set_new(json, "bias_initializer", json_string("zeros")) != 0) {
        rc = violations->status = ERR_NOMEM;
    } else {
        layer->type = layer_type_find(type);
        layer->op = layer->type->op;
        rc = attrs_read(json, block->pointer, layer->type->keys, NULL, &layer->attrs,
                        NULL, violations);
    }
    json_decref(json);
    return rc;
}

/* A layer of an expanded block as wide as the block's input, times its widening. What
 * attention takes has so few units that it cannot pass the key's maximum. */
static int resolve_widening(const struct model_spec *model, struct layer *layer,
                            struct violations *violations)
{
    const struct shape *from = layer->sized_by == MODEL_INPUT
                                   ? &model->input
                                   : &model->layers[layer->sized_by].output;
    int64_t units = from->dims[from->rank - 1] * layer->widening;
    attrs_resolve(&layer->attrs, "units", json_integer(units), NULL, violations);
    return violations->status;
}

/* Takes the projections that are not needed out of the array. */
static int drop_unneeded(struct model_spec *model)
{
    int *moved = mem_alloc_array((size_t)model->layer_count, sizeof(*moved));
    if (!moved)
        return ERR_NOMEM;
    int kept = 0;
    for (int i = 0; i < model->layer_count; i++) {
        struct layer *layer = &model->layers[i];
        moved[i] = kept;
        if (!layer->op)
            continue;
        for (int k = 0; k < layer->input_count; k++) {
            if (layer->inputs[k] != MODEL_INPUT)
                layer->inputs[k] = moved[layer->inputs[k]];
        }
        if (layer->shares)
            layer->owner = moved[layer->owner];
        if (kept != i)
            model->layers[kept] = *layer;
        kept++;
    }
    model->layer_count = kept;
    model->output = kept - 1;
    free(moved);
    return 0;
}

/* The work of making a matrix orthogonal grows with the square of its shorter side. */
static int check_initializer(const struct layer *layer, const struct param_spec *param,
                             struct violations *violations)
{
    if (param->initializer != INIT_ORTHOGONAL)
        return 0;
    int64_t rows = param->shape.dims[0], rest = shape_elements(&param->shape) / rows;
    int64_t shorter = rows < rest ? rows : rest;
    if (rows * rest <= MAX_ORTHOGONAL_WORK / shorter)
        return 0;
    return violations_add(violations, layer->pointer,
                          "expected at most %lld numbers in a matrix to be made "
                          "orthogonal whose shorter side is %lld, found %lld",
                          (long long)(MAX_ORTHOGONAL_WORK / shorter), (long long)shorter,
                          (long long)(rows * rest));
}

/* Checks the sums against the limit that each layer alone may have kept. */
static int add_costs(struct model_spec *model, const struct layer *layer,
                     struct violations *violations)
{
    for (int i = 0; i < layer->param_count; i++) {
        if (layer->params[i].trainable && !layer->params[i].shared)
            model->parameter_count += shape_elements(&layer->params[i].shape);
        if (check_initializer(layer, &layer->params[i], violations) != 0)
            return ERR_INVALID;
    }
    model->flops += layer->flops;
    if (model->parameter_count > SPEC_MAX_PARAMETERS)
        return violations_add(
            violations, layer->pointer,
            "expected a network of at most %lld parameters, found %lld up "
            "to this layer",
            (long long)SPEC_MAX_PARAMETERS, (long long)model->parameter_count);
    return 0;
}

int model_spec_resolve(struct model_spec *model, json_t *canonical,
                       const struct shape *input, int64_t vocabulary, int64_t auto_units,
                       const char *folded, struct violations *violations)
{
    size_t before = violations->total;
    model->vocabulary = vocabulary;
    for (int i = 0; i < model->layer_count; i++)
        resolve_words(&model->layers[i],
                      canonical_layer(canonical, model->layers[i].pointer), vocabulary,
                      auto_units, violations);
    if (violations->status != 0)
        return violations->status;
    if (violations->total > before)
        return ERR_INVALID;
    int rc = check_all_are_read(model, violations);
    if (rc != 0)
        return rc;
    fold_output(model, folded);
    model->input = *input;
    if (input->rank > 1 && strcmp(model->layers[0].op, "dense") == 0)
        model->input = (struct shape){.rank = 1, .dims = {shape_elements(input)}};
    for (int i = 0; i < model->layer_count; i++) {
        struct layer *layer = &model->layers[i];
        rc = layer->is_projection ? resolve_projection(model, i, violations) : 0;
        if (layer->widening > 0)
            rc = resolve_widening(model, layer, violations);
        if (rc == 0 && layer->op)
            rc = layer->type->infer(model, i, layer, violations);
        if (rc == 0)
            rc = add_costs(model, layer, violations);
        if (rc != 0)
            return rc;
    }
    rc = drop_unneeded(model);
    if (rc != 0) {
        violations->status = rc;
        return rc;
    }
    if (model->parameter_count == 0)
        return violations_add(
            violations, "/model/layers",
            "expected at least one layer with parameters to train, such "
            "as dense");
    return 0;
}
