/* See model_spec.h. */
#include "model_spec.h"

#include "base/error.h"
#include "base/memory.h"
#include "canonical.h"
#include "job_spec.h"
#include "report.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAYER_NAME_MAX_BYTES 100 /* leaves room for ".activation" */

const struct shape *model_input_shape(const struct model_spec *model, int index,
                                      int which)
{
    int input = model->layers[index].inputs[which];
    return input == MODEL_INPUT ? &model->input : &model->layers[input].output;
}

void model_spec_release(struct model_spec *model)
{
    free(model->layers);
    *model = (struct model_spec){0};
}

/* ---- step 1: types, names, attributes ---- */

struct layer_reader {
    struct model_spec *model; /* its array has room for every layer and its activation */
    json_t *canonical;        /* the list */
    struct violations *violations;
};

static bool is_activation(const char *name)
{
    for (int i = 0; activation_names[i]; i++) {
        if (strcmp(activation_names[i], name) == 0)
            return true;
    }
    return false;
}

/* The row of the table that `name`, found in `json` under `key`, stands for; or NULL with
 * a violation. */
static const struct layer_type *find_type(const json_t *json, const char *pointer,
                                          const char *key, bool activations_only,
                                          struct violations *violations)
{
    const json_t *value = json_object_get(json, key);
    const char *name = json_string_value(value);
    const struct layer_type *type = name ? layer_type_find(name) : NULL;
    if (type && (!activations_only || is_activation(name)))
        return type;
    struct nearest nearest;
    nearest_init(&nearest, name ? name : "");
    char expected[256] = "";
    for (type = layer_table; type->name; type++) {
        if (activations_only && !is_activation(type->name))
            continue;
        nearest_offer(&nearest, type->name);
        size_t used = strlen(expected);
        snprintf(expected + used, sizeof(expected) - used, "%s\"%s\"",
                 used > 0 ? ", " : "", type->name);
    }
    char at[POINTER_SIZE], found[FOUND_SIZE], hint[HINT_SIZE];
    violations_add(violations, pointer_key(at, pointer, key),
                   "expected one of %s, found %s%s", expected, found_text(value, found),
                   nearest_hint(&nearest, hint));
    return NULL;
}

static bool name_is_valid(const char *name)
{
    size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789_.-");
    return length >= 1 && length <= LAYER_NAME_MAX_BYTES && name[length] == '\0';
}

/* The user's name, or "layers.<index>". */
static int read_name(const json_t *json, struct layer *layer,
                     struct violations *violations)
{
    const json_t *value = json_object_get(json, "name");
    if (!value) {
        snprintf(layer->name, sizeof(layer->name), "layers.%d", layer->source);
        return 0;
    }
    if (json_is_string(value) && name_is_valid(json_string_value(value))) {
        snprintf(layer->name, sizeof(layer->name), "%s", json_string_value(value));
        return 0;
    }
    char at[POINTER_SIZE], found[FOUND_SIZE];
    return violations_add(
        violations, pointer_key(at, layer->pointer, "name"),
        "expected a name of 1 to %d letters, digits, _ . or -, found %s",
        LAYER_NAME_MAX_BYTES, found_text(value, found));
}

/* Names become keys of the downloaded weights, so no two layers may share one. */
static int check_name_is_free(const struct layer_reader *reader,
                              const struct layer *layer)
{
    for (int i = 0; i < reader->model->layer_count; i++) {
        const struct layer *other = &reader->model->layers[i];
        if (strcmp(other->name, layer->name) == 0) {
            char at[POINTER_SIZE];
            return violations_add(reader->violations,
                                  pointer_key(at, layer->pointer, "name"),
                                  "expected a name that no other layer has, found "
                                  "\"%s\", which %s has, too",
                                  layer->name, other->pointer);
        }
    }
    return 0;
}

/* Puts a layer at the end of the chain. */
static int add_layer(struct layer_reader *reader, struct layer *layer)
{
    int rc = check_name_is_free(reader, layer);
    layer->input_count = 1;
    layer->inputs[0] = reader->model->layer_count - 1;
    static_assert(MODEL_INPUT == -1, "the first layer of a chain reads the input");
    reader->model->layers[reader->model->layer_count++] = *layer;
    return rc;
}

/* "activation": "relu" of a layer becomes a layer of its own, with default attributes. */
static int add_activation(struct layer_reader *reader, const struct layer *owner)
{
    const char *function = attrs_string(&owner->attrs, "activation");
    if (function[0] == '\0' || strcmp(function, "linear") == 0)
        return 0;
    struct layer layer = {.type = layer_type_find(function), .source = owner->source};
    assert(layer.type);
    layer.op = layer.type->op;
    snprintf(layer.pointer, sizeof(layer.pointer), "%s", owner->pointer);
    snprintf(layer.name, sizeof(layer.name), "%.*s.activation", LAYER_NAME_MAX_BYTES,
             owner->name);
    int rc = attrs_read(NULL, layer.pointer, layer.type->keys, NULL, &layer.attrs, NULL,
                        reader->violations);
    return rc != 0 ? rc : add_layer(reader, &layer);
}

/* The layer's type, attributes and canonical JSON, once the type's row is known. */
static int read_attributes(struct layer_reader *reader, const json_t *json,
                           struct layer *layer, bool long_form, json_t *canonical)
{
    static const char *const plain_keys[] = {"type", "name", NULL};
    static const char *const activation_keys[] = {"type", "name", "function", NULL};
    struct violations *violations = reader->violations;
    bool activation = is_activation(layer->type->name);
    canonical_set(canonical, "type",
                  json_string(activation ? "activation" : layer->type->name), violations);
    if (json_object_get(json, "name"))
        canonical_set(canonical, "name", json_string(layer->name), violations);
    if (activation)
        canonical_set(canonical, "function", json_string(layer->type->name), violations);
    return attrs_read(json, layer->pointer, layer->type->keys,
                      long_form ? activation_keys : plain_keys, &layer->attrs, canonical,
                      violations);
}

static int read_layer(struct layer_reader *reader, const json_t *json, int index,
                      json_t *canonical)
{
    struct violations *violations = reader->violations;
    struct layer layer = {.source = index};
    snprintf(layer.pointer, sizeof(layer.pointer), "/model/layers/%d", index);
    if (!json_is_object(json)) {
        char found[FOUND_SIZE];
        return violations_add(
            violations, layer.pointer,
            "expected a layer such as {\"type\": \"dense\", \"units\": 64}, "
            "found %s",
            found_text(json, found));
    }
    layer.type = find_type(json, layer.pointer, "type", false, violations);
    bool long_form = layer.type && !layer.type->op;
    if (long_form)
        layer.type = find_type(json, layer.pointer, "function", true, violations);
    int rc = read_name(json, &layer, violations);
    if (!layer.type)
        return ERR_INVALID;
    layer.op = layer.type->op;
    if (read_attributes(reader, json, &layer, long_form, canonical) != 0)
        rc = ERR_INVALID;
    if (rc == 0)
        rc = add_layer(reader, &layer);
    if (rc == 0 && layer.type->takes_activation)
        rc = add_activation(reader, &layer);
    return rc;
}

/* The list of layers, or NULL with a violation. */
static const json_t *find_layers(const json_t *json, struct violations *violations)
{
    static const char *const keys[] = {"layers", NULL};
    char found[FOUND_SIZE];
    if (!json_is_object(json)) {
        violations_add(violations, "/model",
                       "expected an object {\"layers\": [...]}, found %s",
                       found_text(json, found));
        return NULL;
    }
    bool known = report_unknown_keys(json, "/model", keys, NULL, violations) == 0;
    const json_t *layers = json_object_get(json, "layers");
    size_t count = json_array_size(layers);
    if (json_is_array(layers) && count >= 1 && count <= MODEL_MAX_LAYERS)
        return known ? layers : NULL;
    if (count > MODEL_MAX_LAYERS)
        violations_add(violations, "/model/layers",
                       "expected at most %d layers, found %zu", MODEL_MAX_LAYERS, count);
    else
        violations_add(violations, "/model/layers",
                       "expected a list of at least one layer, found %s",
                       found_text(layers, found));
    return NULL;
}

static int read_layers(struct layer_reader *reader, const json_t *layers)
{
    int rc = 0;
    for (size_t i = 0; i < json_array_size(layers); i++) {
        json_t *layer = json_object();
        if (layer && read_layer(reader, json_array_get(layers, i), (int)i, layer) != 0)
            rc = ERR_INVALID;
        canonical_append(reader->canonical, layer, reader->violations);
    }
    if (rc == 0 && reader->model->layer_count > MODEL_MAX_LAYERS)
        rc = violations_add(
            reader->violations, "/model/layers",
            "expected at most %d layers, their activations included, found %d",
            MODEL_MAX_LAYERS, reader->model->layer_count);
    return rc;
}

int model_spec_read(const json_t *json, struct model_spec *ret_model,
                    json_t **ret_canonical, struct violations *violations)
{
    *ret_model = (struct model_spec){0};
    struct layer_reader reader = {ret_model, json_array(), violations};
    json_t *canonical = json_object();
    *ret_canonical = canonical;
    if (json_object_set(canonical, "layers", reader.canonical) != 0)
        violations->status = ERR_NOMEM;
    int rc = ERR_INVALID;
    const json_t *layers = find_layers(json, violations);
    if (!layers || violations->status != 0)
        goto out;
    ret_model->layers =
        mem_alloc_array(2 * json_array_size(layers), sizeof(*ret_model->layers));
    if (!ret_model->layers) {
        violations->status = ERR_NOMEM;
        goto out;
    }
    rc = read_layers(&reader, layers);
out:
    json_decref(reader.canonical);
    return rc;
}

/* ---- step 2: shapes ---- */

/* What "auto" stands for, in the attributes and in the canonical JSON. */
static void resolve_words(struct layer *layer, json_t *canonical, int64_t auto_units,
                          struct violations *violations)
{
    struct attrs *attrs = &layer->attrs;
    if (attrs_has(attrs, "units") && attrs_find(attrs, "units")->is_word)
        attrs_resolve(attrs, "units", json_integer(auto_units), canonical, violations);
    if (attrs_has(attrs, "bias_initializer") &&
        attrs_find(attrs, "bias_initializer")->is_word) {
        bool pytorch = strcmp(attrs_string(attrs, "kernel_initializer"), "pytorch") == 0;
        attrs_resolve(attrs, "bias_initializer",
                      json_string(pytorch ? "pytorch" : "zeros"), canonical, violations);
    }
}

static void fold_output(struct model_spec *model, const char *folded)
{
    int last = model->layer_count - 1;
    if (folded && last > 0 && strcmp(model->layers[last].op, folded) == 0)
        model->layer_count--;
    model->output = model->layer_count - 1;
}

/* Checks the sums against the limit that each layer alone may have kept. */
static int add_costs(struct model_spec *model, const struct layer *layer,
                     struct violations *violations)
{
    for (int i = 0; i < layer->param_count; i++) {
        if (layer->params[i].trainable)
            model->parameter_count += shape_elements(&layer->params[i].shape);
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
                       const struct shape *input, int64_t auto_units, const char *folded,
                       struct violations *violations)
{
    json_t *layers = json_object_get(canonical, "layers");
    for (int i = 0; i < model->layer_count; i++)
        resolve_words(&model->layers[i],
                      json_array_get(layers, (size_t)model->layers[i].source), auto_units,
                      violations);
    if (violations->status != 0)
        return violations->status;
    fold_output(model, folded);
    model->input = *input;
    if (input->rank > 1 && strcmp(model->layers[0].op, "dense") == 0)
        model->input = (struct shape){.rank = 1, .dims = {shape_elements(input)}};
    for (int i = 0; i < model->layer_count; i++) {
        struct layer *layer = &model->layers[i];
        int rc = layer->type->infer(model, i, layer, violations);
        if (rc == 0)
            rc = add_costs(model, layer, violations);
        if (rc != 0)
            return rc;
    }
    if (model->parameter_count == 0)
        return violations_add(
            violations, "/model/layers",
            "expected at least one layer with parameters to train, such "
            "as dense");
    return 0;
}
