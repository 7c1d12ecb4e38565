/*
 * Transforms as JSON, both ways (see preprocess.h).
 *
 * Parsing believes nothing: the text comes from the store, but a worker wrote it. Every
 * count is bounded before it is allocated, and what parsing lets through keeps the
 * promises that the rest relies on: scales are positive, names are unique, and
 * feature_count is what the columns add up to.
 */
#include "preprocess.h"

#include "base/memory.h"
#include "preprocess_internal.h"
#include "spec/canonical.h"
#include "spec/text_facts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct error *err)
{
    return error_set(err, ERR_NOMEM, "no memory for a model's preprocessing");
}

__attribute__((format(printf, 2, 3))) static int bad(struct error *err,
                                                     const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return error_set(err, ERR_CORRUPT, "a model's preprocessing: %s", text);
}

/* ---- parsing ---- */

static int read_number(const json_t *object, const char *key, double *ret_number,
                       struct error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value) || !isfinite(json_number_value(value)))
        return bad(err, "\"%s\" is not a number", key);
    *ret_number = json_number_value(value);
    return 0;
}

static int read_shift_scale(const json_t *object, struct number_transform *ret_transform,
                            struct error *err)
{
    struct number_transform transform = {0};
    int rc = read_number(object, "shift", &transform.shift, err);
    if (rc == 0)
        rc = read_number(object, "scale", &transform.scale, err);
    if (rc == 0 && transform.scale <= 0.0)
        rc = bad(err, "\"scale\" is %g; it must be above 0", transform.scale);
    if (rc == 0)
        *ret_transform = transform;
    return rc;
}

/* An absent flag is false. */
static int read_flag(const json_t *object, const char *key, bool *ret_flag,
                     struct error *err)
{
    const json_t *value = json_object_get(object, key);
    if (value && !json_is_boolean(value))
        return bad(err, "\"%s\" is not true or false", key);
    *ret_flag = json_is_true(value);
    return 0;
}

static int copy_text(const json_t *value, const char *what, char **ret_text,
                     struct error *err)
{
    if (!json_is_string(value) || json_string_length(value) > FACTS_MAX_NAME_BYTES)
        return bad(err, "%s is not a text of at most %d bytes", what,
                   FACTS_MAX_NAME_BYTES);
    char *text = mem_strdup(json_string_value(value));
    if (!text)
        return no_memory(err);
    *ret_text = text;
    return 0;
}

/* A list of texts. What was read is in *ret_texts even on failure, for the owner to
 * free. */
static int copy_texts(const json_t *list, char ***ret_texts, size_t *ret_count,
                      struct error *err)
{
    size_t count = json_array_size(list);
    char **texts = mem_alloc_array(count, sizeof(*texts));
    if (!texts)
        return no_memory(err);
    *ret_texts = texts;
    *ret_count = count;
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = copy_text(json_array_get(list, i), "a value", &texts[i], err);
    return rc;
}

/* A column's "values": 1 to FACTS_MAX_CATEGORIES texts. */
static int read_values(const json_t *json, char ***ret_texts, size_t *ret_count,
                       struct error *err)
{
    const json_t *list = json_object_get(json, "values");
    size_t count = json_array_size(list);
    if (count < 1 || count > FACTS_MAX_CATEGORIES)
        return bad(err, "\"values\" is not a list of 1 to %d texts",
                   FACTS_MAX_CATEGORIES);
    return copy_texts(list, ret_texts, ret_count, err);
}

static int read_column(const json_t *json, struct preprocess_column *column,
                       struct error *err)
{
    int rc =
        copy_text(json_object_get(json, "name"), "a column's name", &column->name, err);
    if (rc == 0)
        rc = read_flag(json, "indicator", &column->indicator, err);
    if (rc == 0)
        rc = read_flag(json, "required", &column->required, err);
    if (rc != 0)
        return rc;
    const char *type = json_string_value(json_object_get(json, "type"));
    if (type && strcmp(type, "category") == 0) {
        column->type = COLUMN_CATEGORY;
        column->number.scale = 1.0;
        return read_values(json, &column->values, &column->value_count, err);
    }
    if (!type || strcmp(type, "number") != 0)
        return bad(err, "a column is neither a number nor a category");
    column->type = COLUMN_NUMBER;
    rc = read_shift_scale(json, &column->number, err);
    if (rc == 0)
        rc = read_number(json, "fill", &column->number.fill, err);
    return rc;
}

/* Two columns of one name could not be told apart in a request. */
static int check_names(const struct preprocess *preprocess, struct error *err)
{
    json_t *seen = json_object();
    int rc = seen ? 0 : no_memory(err);
    for (int i = 0; i < preprocess->input_count && rc == 0; i++) {
        const char *name = preprocess->inputs[i].name;
        if (json_object_get(seen, name))
            rc = bad(err, "two columns have the same name");
        else if (json_object_set_new(seen, name, json_true()) != 0)
            rc = no_memory(err);
    }
    json_decref(seen);
    return rc;
}

/* An absent list is an empty one. */
static int read_ignored(const json_t *json, struct preprocess *preprocess,
                        struct error *err)
{
    const json_t *list = json_object_get(json, "ignored");
    if (!list)
        return 0;
    if (!json_is_array(list) || json_array_size(list) > FACTS_MAX_COLUMNS)
        return bad(err, "\"ignored\" is not a list of at most %d columns",
                   FACTS_MAX_COLUMNS);
    return copy_texts(list, &preprocess->ignored, &preprocess->ignored_count, err);
}

static int read_table(const json_t *json, struct preprocess *preprocess,
                      struct error *err)
{
    const json_t *inputs = json_object_get(json, "inputs");
    size_t count = json_array_size(inputs);
    if (count < 1 || count > FACTS_MAX_COLUMNS)
        return bad(err, "\"inputs\" is not a list of 1 to %d columns", FACTS_MAX_COLUMNS);
    preprocess->inputs = mem_alloc_array(count, sizeof(*preprocess->inputs));
    if (!preprocess->inputs)
        return no_memory(err);
    preprocess->input_count = (int)count;
    for (size_t i = 0; i < count; i++) {
        int rc = read_column(json_array_get(inputs, i), &preprocess->inputs[i], err);
        if (rc != 0)
            return rc;
        preprocess->feature_count += preprocess_column_features(&preprocess->inputs[i]);
    }
    if (preprocess->feature_count > PREPROCESS_MAX_FEATURES)
        return bad(err, "the columns give more than %lld features",
                   (long long)PREPROCESS_MAX_FEATURES);
    int rc = check_names(preprocess, err);
    return rc != 0 ? rc : read_ignored(json, preprocess, err);
}

static int read_element(const json_t *json, enum element_type *ret_element,
                        struct error *err)
{
    const json_t *value = json_object_get(json, "element");
    if (!value) {
        *ret_element = ELEMENT_FLOAT32;
        return 0;
    }
    const char *name = json_string_value(value);
    for (int i = ELEMENT_UINT8; name && i <= ELEMENT_FLOAT64; i++) {
        if (strcmp(name, element_type_name((enum element_type)i)) == 0) {
            *ret_element = (enum element_type)i;
            return 0;
        }
    }
    return bad(err, "\"element\" is no known type");
}

static int read_arrays(const json_t *json, struct preprocess *preprocess,
                       struct error *err)
{
    const json_t *dims = json_object_get(json, "sample_shape");
    size_t rank = json_array_size(dims);
    if (rank < 1 || rank > SHAPE_MAX_RANK)
        return bad(err, "\"sample_shape\" is not a list of 1 to %d numbers",
                   SHAPE_MAX_RANK);
    struct shape shape = {.rank = (int)rank};
    for (size_t i = 0; i < rank; i++)
        shape.dims[i] = json_integer_value(json_array_get(dims, i));
    if (!shape_fits(&shape))
        return bad(err, "\"sample_shape\" is no shape");
    preprocess->sample_shape = shape;
    preprocess->feature_count = shape_elements(&shape);
    int rc = read_element(json, &preprocess->element, err);
    if (rc == 0)
        rc = read_shift_scale(json_object_get(json, "input"), &preprocess->array, err);
    return rc;
}

static int read_reconstruction(struct preprocess *preprocess, struct error *err)
{
    for (int i = 0; i < preprocess->input_count; i++) {
        const struct preprocess_column *column = &preprocess->inputs[i];
        if (column->type != COLUMN_NUMBER || column->indicator)
            return bad(err, "the target is the input, which has not numbers alone");
    }
    preprocess_reconstruct(preprocess);
    return 0;
}

static int read_target(const json_t *json, struct preprocess *preprocess,
                       struct error *err)
{
    const char *type = json_string_value(json_object_get(json, "type"));
    if (type && strcmp(type, "input") == 0)
        return read_reconstruction(preprocess, err);
    int rc = copy_text(json_object_get(json, "name"), "the target's name",
                       &preprocess->target_name, err);
    if (rc != 0)
        return rc;
    preprocess->target_number.scale = 1.0;
    if (type && strcmp(type, "category") == 0) {
        preprocess->target = TARGET_CATEGORY;
        rc = read_values(json, &preprocess->classes, &preprocess->class_count, err);
        preprocess->target_width = (int64_t)preprocess->class_count;
        return rc;
    }
    if (!type || strcmp(type, "number") != 0)
        return bad(err, "the target is neither a number nor a category");
    preprocess->target = TARGET_NUMBER;
    const json_t *width = json_object_get(json, "width");
    preprocess->target_width = json_integer_value(width);
    if (preprocess->target_width < 1 || preprocess->target_width > FACTS_MAX_COLUMNS)
        return bad(err, "the target's \"width\" is not a whole number from 1 to %d",
                   FACTS_MAX_COLUMNS);
    return read_shift_scale(json, &preprocess->target_number, err);
}

static int read_alphabet(const json_t *json, struct tokenizer *tokenizer,
                         struct error *err)
{
    uint32_t *alphabet = NULL;
    size_t count = 0;
    int rc = alphabet_read(json_object_get(json, "alphabet"), &alphabet, &count);
    if (rc == ERR_INVALID)
        return bad(err, "\"alphabet\" is not a text of different characters in order");
    if (rc == 0)
        rc = tokenizer_init(tokenizer, TOKENIZE_CHARACTERS, alphabet, count);
    free(alphabet);
    return rc == 0 ? 0 : no_memory(err);
}

static int read_text(const json_t *json, struct preprocess *preprocess, struct error *err)
{
    const char *type = json_string_value(json_object_get(json, "tokenizer"));
    preprocess->feature_count =
        json_integer_value(json_object_get(json, "context_length"));
    if (preprocess->feature_count < 1 || preprocess->feature_count > SPEC_MAX_CONTEXT)
        return bad(err, "\"context_length\" is not a whole number from 1 to %d",
                   SPEC_MAX_CONTEXT);
    int rc;
    if (type && strcmp(type, tokenizer_names[TOKENIZE_BYTES]) == 0)
        rc = tokenizer_init(&preprocess->tokenizer, TOKENIZE_BYTES, NULL, 0);
    else if (type && strcmp(type, tokenizer_names[TOKENIZE_CHARACTERS]) == 0)
        rc = read_alphabet(json, &preprocess->tokenizer, err);
    else
        return bad(err, "\"tokenizer\" is neither char nor byte");
    preprocess->kind = DATASET_TEXT;
    preprocess->target = TARGET_CATEGORY;
    preprocess->target_number.scale = 1.0;
    preprocess->target_width = (int64_t)preprocess->tokenizer.vocabulary;
    return rc;
}

static int read_preprocess(const json_t *json, struct preprocess *preprocess,
                           struct error *err)
{
    const char *kind = json_string_value(json_object_get(json, "kind"));
    int rc;
    if (kind && strcmp(kind, dataset_kind_name(DATASET_TEXT)) == 0)
        return read_text(json, preprocess, err);
    if (kind && strcmp(kind, dataset_kind_name(DATASET_TABLE)) == 0) {
        preprocess->kind = DATASET_TABLE;
        preprocess->array.scale = 1.0;
        rc = read_table(json, preprocess, err);
    } else if (kind && strcmp(kind, dataset_kind_name(DATASET_ARRAYS)) == 0) {
        preprocess->kind = DATASET_ARRAYS;
        rc = read_arrays(json, preprocess, err);
    } else {
        return bad(err, "\"kind\" is none of table, arrays and text");
    }
    if (rc == 0)
        rc = read_target(json_object_get(json, "target"), preprocess, err);
    return rc;
}

int preprocess_parse(const json_t *json, struct preprocess **ret_preprocess,
                     struct error *err)
{
    struct preprocess *preprocess = mem_alloc(sizeof(*preprocess));
    if (!preprocess)
        return no_memory(err);
    int rc = read_preprocess(json, preprocess, err);
    if (rc != 0) {
        preprocess_free(preprocess);
        return rc;
    }
    *ret_preprocess = preprocess;
    return 0;
}

/* ---- writing ---- */

/* Jansson refuses a NULL value, so a failed allocation shows at the last step. */
static json_t *texts_json(char *const *texts, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(list, json_string(texts[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *column_json(const struct preprocess_column *column)
{
    const char *type = column_type_name(column->type);
    if (column->type == COLUMN_CATEGORY)
        return json_pack("{s:s, s:s, s:o, s:b, s:b}", "name", column->name, "type", type,
                         "values", texts_json(column->values, column->value_count),
                         "indicator", column->indicator, "required", column->required);
    return json_pack("{s:s, s:s, s:f, s:f, s:f, s:b, s:b}", "name", column->name, "type",
                     type, "fill", column->number.fill, "shift", column->number.shift,
                     "scale", column->number.scale, "indicator", column->indicator,
                     "required", column->required);
}

static json_t *columns_json(const struct preprocess *preprocess)
{
    json_t *list = json_array();
    for (int i = 0; i < preprocess->input_count; i++) {
        if (json_array_append_new(list, column_json(&preprocess->inputs[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *target_json(const struct preprocess *preprocess)
{
    if (preprocess->reconstructs)
        return json_pack("{s:s}", "type", "input");
    if (preprocess->target == TARGET_CATEGORY)
        return json_pack("{s:s, s:s, s:o}", "name", preprocess->target_name, "type",
                         "category", "values",
                         texts_json(preprocess->classes, preprocess->class_count));
    return json_pack("{s:s, s:s, s:f, s:f, s:I}", "name", preprocess->target_name, "type",
                     "number", "shift", preprocess->target_number.shift, "scale",
                     preprocess->target_number.scale, "width",
                     (json_int_t)preprocess->target_width);
}

static json_t *text_json(const struct preprocess *preprocess)
{
    const struct tokenizer *tokenizer = &preprocess->tokenizer;
    json_t *json = json_pack("{s:s, s:s, s:I}", "kind", dataset_kind_name(DATASET_TEXT),
                             "tokenizer", tokenizer_names[tokenizer->type],
                             "context_length", (json_int_t)preprocess->feature_count);
    if (json && tokenizer->alphabet &&
        json_object_set_new(json, "alphabet",
                            alphabet_json(tokenizer->alphabet, tokenizer->vocabulary)) !=
            0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

json_t *preprocess_to_json(const struct preprocess *preprocess)
{
    const char *kind = dataset_kind_name(preprocess->kind);
    if (preprocess->kind == DATASET_TEXT)
        return text_json(preprocess);
    if (preprocess->kind == DATASET_TABLE)
        return json_pack("{s:s, s:o, s:o, s:o}", "kind", kind, "inputs",
                         columns_json(preprocess), "ignored",
                         texts_json(preprocess->ignored, preprocess->ignored_count),
                         "target", target_json(preprocess));
    return json_pack("{s:s, s:o, s:s, s:{s:f, s:f}, s:o}", "kind", kind, "sample_shape",
                     canonical_shape(&preprocess->sample_shape), "element",
                     element_type_name(preprocess->element), "input", "shift",
                     preprocess->array.shift, "scale", preprocess->array.scale, "target",
                     target_json(preprocess));
}
