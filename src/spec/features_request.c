/* See features_request.h. */
#include "features_request.h"

#include "attrs.h"
#include "base/error.h"
#include "base/memory.h"
#include "job_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const normalization_names[] = {"none", "zscore", "minmax", "bytes", NULL};
const char *const missing_rule_names[] = {"mean", "median",    "zero",
                                          "drop", "indicator", NULL};
const char *const target_type_names[] = {"category", "number", NULL};
const char *const tokenizer_names[] = {"char", "byte", NULL};

/* Of column_type; texts cannot be inputs. */
static const char *const input_type_names[] = {"number", "category", NULL};

/* Of target_type, and the network's own input. */
static const char *const target_request_names[] = {"category", "number", "input", NULL};
enum { TARGET_REQUEST_INPUT = 2 };

#define OR_AUTO .word = "auto", DEFAULT("\"auto\"")
#define NORMALIZATION "normalization", KEY_CHOICE, .choices = normalization_names, OR_AUTO

static const struct key features_keys[] = {
    {NORMALIZATION},
    {"input_shape", KEY_INTEGERS, AT_LEAST(1), AT_MOST((double)SHAPE_MAX_ELEMENTS),
     DEFAULT("null")},
    {"tokenizer", KEY_CHOICE, .choices = tokenizer_names, OR_AUTO},
    {"context_length", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_CONTEXT),
     DEFAULT("null")},
    {"vocabulary", KEY_INTEGER, AT_LEAST(2), AT_MOST(FACTS_MAX_ALPHABET), OR_AUTO},
    {0},
};
static const struct key input_keys[] = {
    {"type", KEY_CHOICE, .choices = input_type_names, OR_AUTO},
    {NORMALIZATION},
    {"missing", KEY_CHOICE, .choices = missing_rule_names, OR_AUTO},
    {0},
};
static const struct key target_keys[] = {
    {"type", KEY_CHOICE, .choices = target_request_names, OR_AUTO},
    {NORMALIZATION},
    {0},
};

static int choice_index(const struct attrs *attrs, const char *name)
{
    if (!attrs_has(attrs, name) || attrs_find(attrs, name)->is_word)
        return CHOICE_AUTO;
    return (int)attrs_integer(attrs, name);
}

static int64_t integer_or_zero(const struct attrs *attrs, const char *name)
{
    const struct attr *attr = attrs_has(attrs, name) ? attrs_find(attrs, name) : NULL;
    return attr && !attr->is_word && !attr->is_null ? attr->integer : 0;
}

/* A column is a name, or an object with a name and `keys`. */
static int read_column(const json_t *json, const struct key *keys,
                       struct column_request *column, struct violations *violations)
{
    static const char *const others[] = {"name", NULL};
    column->type = column->normalization = column->missing = CHOICE_AUTO;
    snprintf(column->name_pointer, sizeof(column->name_pointer), "%s", column->pointer);
    if (json_is_string(json)) {
        column->name = json_string_value(json);
        return 0;
    }
    char found[FOUND_SIZE];
    if (!json_is_object(json))
        return violations_add(
            violations, column->pointer,
            "expected the name of a column or an object with a \"name\", "
            "found %s",
            found_text(json, found));
    struct attrs attrs;
    int rc = attrs_read(json, column->pointer, keys, others, &attrs, NULL, violations);
    column->type = choice_index(&attrs, "type");
    column->normalization = choice_index(&attrs, "normalization");
    column->missing = choice_index(&attrs, "missing");
    pointer_key(column->name_pointer, column->pointer, "name");
    const json_t *name = json_object_get(json, "name");
    column->name = json_string_value(name);
    if (name && !column->name)
        rc = violations_add(violations, column->name_pointer,
                            "expected the name of a column, found %s",
                            found_text(name, found));
    return rc;
}

static int read_inputs(const json_t *json, struct features_request *request,
                       struct violations *violations)
{
    char found[FOUND_SIZE];
    size_t count = json_array_size(json);
    request->has_inputs = json != NULL;
    request->inputs_auto =
        !json || (json_is_string(json) && strcmp(json_string_value(json), "auto") == 0);
    if (request->inputs_auto)
        return 0;
    if (!json_is_array(json) || count < 1 || count > FACTS_MAX_COLUMNS)
        return violations_add(violations, "/features/inputs",
                              "expected \"auto\" or a list of 1 to %d columns, found %s",
                              FACTS_MAX_COLUMNS, found_text(json, found));
    request->inputs = mem_alloc_array(count, sizeof(*request->inputs));
    if (!request->inputs) {
        violations->status = ERR_NOMEM;
        return ERR_NOMEM;
    }
    request->input_count = count;
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        struct column_request *column = &request->inputs[i];
        const json_t *item = json_array_get(json, i);
        pointer_index(column->pointer, "/features/inputs", i);
        if (read_column(item, input_keys, column, violations) != 0)
            rc = ERR_INVALID;
        else if (!column->name)
            rc = violations_add(violations, column->name_pointer,
                                "expected the name of a column, found nothing");
    }
    return rc;
}

static int read_input_shape(const struct attrs *attrs, struct shape *ret_shape,
                            struct violations *violations)
{
    const struct attr *dims = attrs_find(attrs, "input_shape");
    struct shape shape = {.rank = dims->list_count};
    for (int i = 0; i < dims->list_count && i < SHAPE_MAX_RANK; i++)
        shape.dims[i] = dims->list[i];
    if (dims->list_count > 0 && !shape_fits(&shape))
        return violations_add(
            violations, "/features/input_shape",
            "expected 1 to %d dimensions with a product of at most %lld", SHAPE_MAX_RANK,
            (long long)SHAPE_MAX_ELEMENTS);
    *ret_shape = shape;
    return 0;
}

int features_request_read(const json_t *json, struct features_request *ret_request,
                          struct violations *violations)
{
    static const char *const others[] = {"inputs", "target", NULL};
    *ret_request =
        (struct features_request){.inputs_auto = true,
                                  .normalization = CHOICE_AUTO,
                                  .tokenizer = CHOICE_AUTO,
                                  .target = {.type = CHOICE_AUTO,
                                             .normalization = CHOICE_AUTO,
                                             .missing = CHOICE_AUTO,
                                             .pointer = "/features/target",
                                             .name_pointer = "/features/target"}};
    char found[FOUND_SIZE];
    if (!json)
        return 0;
    if (!json_is_object(json))
        return violations_add(
            violations, "/features",
            "expected an object such as {\"inputs\": \"auto\", \"target\": "
            "\"price\"}, found %s",
            found_text(json, found));
    struct attrs attrs;
    int rc =
        attrs_read(json, "/features", features_keys, others, &attrs, NULL, violations);
    ret_request->normalization = choice_index(&attrs, "normalization");
    ret_request->tokenizer = choice_index(&attrs, "tokenizer");
    ret_request->context_length = integer_or_zero(&attrs, "context_length");
    ret_request->vocabulary = integer_or_zero(&attrs, "vocabulary");
    if (read_input_shape(&attrs, &ret_request->input_shape, violations) != 0)
        rc = ERR_INVALID;
    if (read_inputs(json_object_get(json, "inputs"), ret_request, violations) != 0)
        rc = ERR_INVALID;
    const json_t *target = json_object_get(json, "target");
    ret_request->has_target = target != NULL;
    if (target && read_column(target, target_keys, &ret_request->target, violations) != 0)
        rc = ERR_INVALID;
    if (ret_request->target.type == TARGET_REQUEST_INPUT) {
        ret_request->target.type = CHOICE_AUTO;
        ret_request->target_is_input = true;
    }
    return rc;
}

void features_request_release(struct features_request *request)
{
    free(request->inputs);
    *request = (struct features_request){0};
}
