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
#define INPUT_NAME "input"
#define SHARED_WEIGHTS "shared_weights"
#define ENTRIES_PER_LAYER 3 /* itself, its activation, its projection */
#define EXPANDED_LAYERS 5   /* so many layers' entries has a type that expands */

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
    struct model_spec *model; /* its array has room for every layer and what it adds */
    json_t *names;            /* of the layers so far -> their index; see add_name() */
    struct violations *violations;
};

/* A list of layers: the network's, or a residual block's. */
struct layer_list {
    const char *pointer; /* of what holds the list under "layers" */
    const char *name;    /* of the block; NULL: the network's */
    int depth;           /* of nesting; 0: the network's */
    int previous;        /* what a layer without "inputs" reads */
    /* Made by a type's expand(): layers have the pointer of what they are made from,
     * which reads `expanded_input`. */
    bool expanded;
    int expanded_input;
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
    char expected[896] = ""; /* leaves room for what was found and the hint */
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

/* The user's name, or "layers.<index>" behind the block's. */
static int read_name(const json_t *json, const struct layer_list *list, size_t index,
                     struct layer *layer, struct violations *violations)
{
    const json_t *value = json_object_get(json, "name");
    const char *name = json_string_value(value);
    if (!value) {
        int length = snprintf(layer->name, sizeof(layer->name), "%s%slayers.%zu",
                              list->name ? list->name : "", list->name ? "." : "", index);
        if (length <= LAYER_NAME_MAX_BYTES)
            return 0;
        return violations_add(violations, layer->pointer,
                              "expected a \"name\", because the one made from the "
                              "block's, \"%s.layers.%zu\", is longer than %d bytes",
                              list->name, index, LAYER_NAME_MAX_BYTES);
    }
    if (name && name_is_valid(name) && strcmp(name, INPUT_NAME) != 0) {
        snprintf(layer->name, sizeof(layer->name), "%s", name);
        return 0;
    }
    char at[POINTER_SIZE], found[FOUND_SIZE];
    return violations_add(
        violations, pointer_key(at, layer->pointer, "name"),
        "expected a name of 1 to %d letters, digits, _ . or -, but not \"" INPUT_NAME
        "\", which is the network's input, found %s",
        LAYER_NAME_MAX_BYTES, found_text(value, found));
}

/* `name` stands for that entry of the array from now on. */
static void add_name(struct layer_reader *reader, const char *name, int index)
{
    canonical_set(reader->names, name, json_integer(index), reader->violations);
}

/* Names become keys of the downloaded weights, so no two layers may share one. */
static int check_name_is_free(const struct layer_reader *reader,
                              const struct layer *layer)
{
    const json_t *taken = json_object_get(reader->names, layer->name);
    if (!taken)
        return 0;
    char at[POINTER_SIZE];
    const struct layer *other = &reader->model->layers[json_integer_value(taken)];
    return violations_add(reader->violations, pointer_key(at, layer->pointer, "name"),
                          "expected a name that no other layer has, found \"%s\", which "
                          "%s has, too",
                          layer->name, other->pointer);
}

/* Puts a layer with its inputs at the end of the array. */
static int add_layer(struct layer_reader *reader, const struct layer *layer)
{
    int rc = check_name_is_free(reader, layer);
    int index = reader->model->layer_count++;
    reader->model->layers[index] = *layer;
    add_name(reader, layer->name, index);
    return rc;
}

/* ---- inputs ---- */

/* The entry that one name of "inputs" means; false with a violation. */
static bool find_input(const struct layer_reader *reader, const json_t *value,
                       const char *pointer, size_t which, int *ret_index)
{
    const char *name = json_string_value(value);
    if (name && strcmp(name, INPUT_NAME) == 0) {
        *ret_index = MODEL_INPUT;
        return true;
    }
    const json_t *index = name ? json_object_get(reader->names, name) : NULL;
    if (index && !reader->model->layers[json_integer_value(index)].is_projection) {
        *ret_index = (int)json_integer_value(index);
        return true;
    }
    char list[POINTER_SIZE], at[POINTER_SIZE], found[FOUND_SIZE];
    pointer_key(list, pointer, "inputs");
    violations_add(reader->violations, pointer_index(at, list, which),
                   "expected \"" INPUT_NAME "\" or the name of a layer that comes before "
                   "this one, found %s",
                   found_text(value, found));
    return false;
}

/* "inputs", or the layer before. */
static int read_inputs(const struct layer_reader *reader, const json_t *json,
                       const struct layer_list *list, struct layer *layer)
{
    const json_t *inputs = json_object_get(json, "inputs");
    size_t count = json_array_size(inputs);
    size_t least = layer->type->joins ? 2 : 1;
    size_t most = layer->type->joins ? LAYER_MAX_INPUTS : 1;
    if (!inputs && !layer->type->joins) {
        layer->input_count = 1;
        layer->inputs[0] = list->previous;
        return 0;
    }
    if (!json_is_array(inputs) || count < least || count > most) {
        char at[POINTER_SIZE], found[FOUND_SIZE], expected[64] = "a list of one name";
        if (layer->type->joins)
            snprintf(expected, sizeof(expected), "a list of 2 to %d names of layers",
                     LAYER_MAX_INPUTS);
        return violations_add(
            reader->violations, pointer_key(at, layer->pointer, "inputs"),
            "expected %s, found %s", expected, found_text(inputs, found));
    }
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        if (!find_input(reader, json_array_get(inputs, i), layer->pointer, i,
                        &layer->inputs[i]))
            rc = ERR_INVALID;
    }
    layer->input_count = (int)count;
    return rc;
}

/* The layer that "shared_weights" names; whether its weight fits is seen with the
 * shapes. */
static int read_sharing(const struct layer_reader *reader, const json_t *json,
                        struct layer *layer)
{
    const json_t *value = json_object_get(json, SHARED_WEIGHTS);
    if (!value || !layer->type->may_share)
        return 0;
    const char *name = json_string_value(value);
    const struct model_spec *model = reader->model;
    for (int i = 0; name && i < model->layer_count; i++) {
        if (strcmp(model->layers[i].name, name) != 0)
            continue;
        layer->shares = true;
        layer->owner = model->layers[i].shares ? model->layers[i].owner : i;
        return 0;
    }
    char at[POINTER_SIZE], found[FOUND_SIZE];
    return violations_add(
        reader->violations, pointer_key(at, layer->pointer, SHARED_WEIGHTS),
        "expected the name of an embedding or dense layer that comes before this one, "
        "found %s",
        found_text(value, found));
}

/* ---- layers ---- */

/* "activation": "relu" of a layer becomes a layer of its own, with default attributes. */
static int add_activation(struct layer_reader *reader, const struct layer *owner)
{
    const char *function = attrs_string(&owner->attrs, "activation");
    if (function[0] == '\0' || strcmp(function, "linear") == 0)
        return 0;
    struct layer layer = {.type = layer_type_find(function),
                          .input_count = 1,
                          .inputs = {reader->model->layer_count - 1}};
    assert(layer.type);
    layer.op = layer.type->op;
    snprintf(layer.pointer, sizeof(layer.pointer), "%s", owner->pointer);
    snprintf(layer.name, sizeof(layer.name), "%.*s.activation", LAYER_NAME_MAX_BYTES,
             owner->name);
    int rc = attrs_read(NULL, layer.pointer, layer.type->keys, NULL, &layer.attrs, NULL,
                        reader->violations);
    if (rc == 0)
        rc = add_layer(reader, &layer);
    if (rc == 0)
        add_name(reader, owner->name, reader->model->layer_count - 1);
    return rc;
}

/* The layer's type, attributes and canonical JSON, once the type's row is known. */
static int read_attributes(struct layer_reader *reader, const json_t *json,
                           const struct layer_list *list, struct layer *layer,
                           bool long_form, json_t *canonical)
{
    static const char *const plain_keys[] = {"type", "name", "inputs", NULL};
    static const char *const sharing_keys[] = {"type", "name", "inputs", SHARED_WEIGHTS,
                                               NULL};
    static const char *const activation_keys[] = {"type", "name", "inputs", "function",
                                                  NULL};
    static const char *const block_keys[] = {"type", "name", "inputs", "layers", NULL};
    static const char *const expanded_keys[] = {"type",   "name",         "inputs",
                                                "layers", LAYER_WIDENING, NULL};
    const char *const *others = list->expanded           ? expanded_keys
                                : long_form              ? activation_keys
                                : layer->type->nests     ? block_keys
                                : layer->type->may_share ? sharing_keys
                                                         : plain_keys;
    struct violations *violations = reader->violations;
    bool activation = is_activation(layer->type->name);
    canonical_set(canonical, "type",
                  json_string(activation ? "activation" : layer->type->name), violations);
    if (json_object_get(json, "name"))
        canonical_set(canonical, "name", json_string(layer->name), violations);
    json_t *inputs = json_object_get(json, "inputs");
    if (inputs)
        canonical_set(canonical, "inputs", json_incref(inputs), violations);
    json_t *shared = json_object_get(json, SHARED_WEIGHTS);
    if (shared)
        canonical_set(canonical, SHARED_WEIGHTS, json_incref(shared), violations);
    if (activation)
        canonical_set(canonical, "function", json_string(layer->type->name), violations);
    return attrs_read(json, layer->pointer, layer->type->keys, others, &layer->attrs,
                      canonical, violations);
}

static int read_list(struct layer_reader *reader, const json_t *layers,
                     struct layer_list *list, json_t *canonical);

/*
 * The layers of a residual block, then the projection that its input may need, and what
 * the block's own entry adds: both.
 */
static int read_block(struct layer_reader *reader, const json_t *json,
                      const struct layer_list *outer, struct layer *block,
                      json_t *canonical)
{
    struct violations *violations = reader->violations;
    const json_t *layers = json_object_get(json, "layers");
    char at[POINTER_SIZE], found[FOUND_SIZE];
    pointer_key(at, block->pointer, "layers");
    if (!json_is_array(layers) || json_array_size(layers) == 0)
        return violations_add(violations, at,
                              "expected a list of at least one layer, found %s",
                              found_text(layers, found));
    if (outer->depth >= MODEL_MAX_DEPTH)
        return violations_add(violations, at,
                              "expected blocks in at most %d levels, found one more",
                              MODEL_MAX_DEPTH);
    json_t *nested = json_array();
    canonical_set(canonical, "layers", nested, violations);
    if (!nested)
        return ERR_INVALID;
    struct layer_list list = {block->pointer,
                              block->name,
                              outer->depth + 1,
                              .previous = block->inputs[0],
                              .expanded = outer->expanded,
                              .expanded_input = outer->expanded_input};
    int rc = read_list(reader, layers, &list, nested);
    if (rc != 0)
        return rc;
    struct layer projection = {.type = layer_type_find("dense"),
                               .is_projection = true,
                               .input_count = 1,
                               .inputs = {block->inputs[0]}};
    projection.op = projection.type->op;
    snprintf(projection.pointer, sizeof(projection.pointer), "%s", block->pointer);
    snprintf(projection.name, sizeof(projection.name), "%.*s.projection",
             LAYER_NAME_MAX_BYTES, block->name);
    block->input_count = 2;
    block->inputs[0] = list.previous;
    block->inputs[1] = reader->model->layer_count;
    return add_layer(reader, &projection);
}

/* The layers that `layer`'s type is short for. */
static int read_expansion(struct layer_reader *reader, const struct layer_list *outer,
                          const struct layer *layer)
{
    int rc = check_name_is_free(reader, layer);
    json_t *layers = layer->type->expand(layer), *canonical = json_array();
    if (!layers || !canonical) {
        reader->violations->status = ERR_NOMEM;
        rc = ERR_NOMEM;
    }
    struct layer_list list = {layer->pointer,   layer->name,
                              outer->depth,     .previous = layer->inputs[0],
                              .expanded = true, .expanded_input = layer->inputs[0]};
    if (rc == 0)
        rc = read_list(reader, layers, &list, canonical);
    if (rc == 0)
        add_name(reader, layer->name, reader->model->layer_count - 1);
    json_decref(layers);
    json_decref(canonical);
    return rc;
}

/* Reads what `layer`, with its pointer and name, is, and adds it. */
static int read_layer(struct layer_reader *reader, const json_t *json,
                      const struct layer_list *list, struct layer *layer,
                      json_t *canonical)
{
    struct violations *violations = reader->violations;
    layer->type = find_type(json, layer->pointer, "type", false, violations);
    bool long_form = layer->type && !layer->type->op;
    if (long_form)
        layer->type = find_type(json, layer->pointer, "function", true, violations);
    if (!layer->type)
        return ERR_INVALID;
    layer->op = layer->type->op;
    int rc = read_attributes(reader, json, list, layer, long_form, canonical);
    if (read_inputs(reader, json, list, layer) != 0)
        rc = ERR_INVALID;
    if (read_sharing(reader, json, layer) != 0)
        rc = ERR_INVALID;
    if (list->expanded) {
        layer->widening = (int)json_integer_value(json_object_get(json, LAYER_WIDENING));
        layer->sized_by = list->expanded_input;
    }
    if (rc == 0 && layer->type->expand)
        return read_expansion(reader, list, layer);
    if (rc == 0 && layer->type->nests)
        rc = read_block(reader, json, list, layer, canonical);
    if (rc == 0)
        rc = add_layer(reader, layer);
    if (rc == 0 && layer->type->takes_activation)
        rc = add_activation(reader, layer);
    return rc;
}

static int read_element(struct layer_reader *reader, const json_t *json, size_t index,
                        const struct layer_list *list, json_t *canonical)
{
    struct violations *violations = reader->violations;
    struct layer layer = {0};
    if (list->expanded)
        snprintf(layer.pointer, sizeof(layer.pointer), "%s", list->pointer);
    else
        snprintf(layer.pointer, sizeof(layer.pointer), "%s/layers/%zu", list->pointer,
                 index);
    if (!json_is_object(json)) {
        char found[FOUND_SIZE];
        return violations_add(
            violations, layer.pointer,
            "expected a layer such as {\"type\": \"dense\", \"units\": 64}, "
            "found %s",
            found_text(json, found));
    }
    int named = read_name(json, list, index, &layer, violations);
    int rc = read_layer(reader, json, list, &layer, canonical);
    /* A layer that is wrong keeps its name, so that those that read it are not. */
    if (rc != 0 && !json_object_get(reader->names, layer.name))
        add_name(reader, layer.name, reader->model->layer_count);
    return rc != 0 ? rc : named;
}

static int read_list(struct layer_reader *reader, const json_t *layers,
                     struct layer_list *list, json_t *canonical)
{
    int rc = 0;
    for (size_t i = 0; i < json_array_size(layers); i++) {
        json_t *layer = json_object();
        if (layer && read_element(reader, json_array_get(layers, i), i, list, layer) != 0)
            rc = ERR_INVALID;
        canonical_append(canonical, layer, reader->violations);
        list->previous = reader->model->layer_count - 1;
    }
    return rc;
}

/* Layers of a list and of the blocks in it; what is nested too deep is not read. */
static size_t count_layers(const json_t *layers, int depth)
{
    size_t count = json_array_size(layers);
    for (size_t i = 0; i < json_array_size(layers) && depth < MODEL_MAX_DEPTH; i++) {
        const json_t *layer = json_array_get(layers, i);
        const char *name = json_string_value(json_object_get(layer, "type"));
        const struct layer_type *type = name ? layer_type_find(name) : NULL;
        count += type && type->expand ? EXPANDED_LAYERS - 1 : 0;
        count += count_layers(json_object_get(layer, "layers"), depth + 1);
    }
    return count;
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
    size_t count = count_layers(layers, 0);
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

int model_spec_read(const json_t *json, struct model_spec *ret_model,
                    json_t **ret_canonical, struct violations *violations)
{
    *ret_model = (struct model_spec){0};
    json_t *list = json_array(), *canonical = json_object();
    struct layer_reader reader = {ret_model, json_object(), violations};
    *ret_canonical = canonical;
    if (!reader.names || json_object_set(canonical, "layers", list) != 0)
        violations->status = ERR_NOMEM;
    int rc = ERR_INVALID;
    const json_t *layers = find_layers(json, violations);
    if (!layers || violations->status != 0)
        goto out;
    /* One more: an entry that was not added may still be named. */
    ret_model->layers = mem_alloc_array(ENTRIES_PER_LAYER * count_layers(layers, 0) + 1,
                                        sizeof(*ret_model->layers));
    if (!ret_model->layers) {
        violations->status = ERR_NOMEM;
        goto out;
    }
    rc = read_list(&reader, layers,
                   &(struct layer_list){.pointer = "/model", .previous = MODEL_INPUT},
                   list);
    if (rc == 0 && ret_model->layer_count > MODEL_MAX_LAYERS)
        rc = violations_add(violations, "/model/layers",
                            "expected at most %d layers, their activations included, "
                            "found %d",
                            MODEL_MAX_LAYERS, ret_model->layer_count);
out:
    json_decref(reader.names);
    json_decref(list);
    return rc;
}
