/* See features_spec.h. This file decides; features_target.c does it for the target,
 * features_text.c for a text. */
#include "features_spec.h"

#include "base/error.h"
#include "base/memory.h"
#include "canonical.h"
#include "features_request.h"
#include "features_target.h"
#include "features_text.h"

#include <stdlib.h>
#include <string.h>

static uint64_t all_rows(const struct dataset_facts *facts)
{
    return facts->train_rows + facts->test_rows;
}

/* A column that has the same value everywhere teaches nothing. */
static bool is_constant(const struct column_facts *column, uint64_t rows)
{
    if (column->type == COLUMN_CATEGORY)
        return column->value_count < 2;
    return column->missing >= rows || column->minimum >= column->maximum;
}

static bool is_taken_by_auto(const struct column_facts *column, uint64_t rows)
{
    if (column->type == COLUMN_TEXT || column->row_id || is_constant(column, rows))
        return false;
    return column->type == COLUMN_NUMBER ||
           (column->value_count <= SPEC_MAX_ONE_HOT && 2 * column->value_count <= rows);
}

/* ---- one input column of a table ---- */

static int check_number(const struct column_request *request,
                        const struct column_facts *column, uint64_t rows,
                        struct violations *violations)
{
    char at[POINTER_SIZE], name[FOUND_SIZE];
    found_string(column->name, name);
    if (column->missing >= rows)
        return violations_add(violations, request->name_pointer,
                              "expected a column with values, found %s, which is empty",
                              name);
    if (request->normalization == NORMALIZE_BYTES)
        return violations_add(
            violations, pointer_key(at, request->pointer, "normalization"),
            "expected \"zscore\", \"minmax\" or \"none\" for a column of a "
            "table, found \"bytes\"");
    return 0;
}

static int check_category(const struct column_request *request,
                          const struct column_facts *column,
                          struct violations *violations)
{
    char at[POINTER_SIZE], name[FOUND_SIZE];
    found_string(column->name, name);
    int rc = 0;
    if (column->value_count == 0)
        rc = violations_add(
            violations, request->name_pointer,
            "expected a column with 1 to %d different %s to be a category, "
            "found %s, which has none or more",
            FACTS_MAX_CATEGORIES, column->type == COLUMN_NUMBER ? "integers" : "values",
            name);
    if (request->normalization > NORMALIZE_NONE)
        rc = violations_add(
            violations, pointer_key(at, request->pointer, "normalization"),
            "expected no normalization, because %s is a category, found \"%s\"", name,
            normalization_names[request->normalization]);
    if (request->missing == MISSING_MEAN || request->missing == MISSING_MEDIAN)
        rc = violations_add(
            violations, pointer_key(at, request->pointer, "missing"),
            "expected \"zero\", \"drop\" or \"indicator\", because %s is a "
            "category, found \"%s\"",
            name, missing_rule_names[request->missing]);
    return rc;
}

/* Fills in what the user left open; `index` is the column's. */
static int resolve_input(const struct column_request *request,
                         const struct dataset_facts *facts, int index, int normalization,
                         struct input_column *input, struct violations *violations)
{
    const struct column_facts *column = &facts->columns[index];
    char name[FOUND_SIZE], at[POINTER_SIZE];
    if (column->type == COLUMN_TEXT)
        return violations_add(violations, request->name_pointer,
                              "expected a number or category column, found %s, %s",
                              found_string(column->name, name),
                              text_column_fault(facts, column));
    if (request->type == COLUMN_NUMBER && column->type == COLUMN_CATEGORY)
        return violations_add(
            violations, pointer_key(at, request->pointer, "type"),
            "expected \"category\", because %s holds values that are no "
            "numbers, found \"number\"",
            found_string(column->name, name));
    bool category = column->type == COLUMN_CATEGORY || request->type == COLUMN_CATEGORY;
    int rc = category ? check_category(request, column, violations)
                      : check_number(request, column, all_rows(facts), violations);
    if (rc != 0)
        return rc;
    *input = (struct input_column){.column = index, .feature_count = 1};
    if (category) {
        input->type = COLUMN_CATEGORY;
        input->missing = MISSING_ZERO;
        input->feature_count = (int)column->value_count;
    } else {
        int chosen = request->normalization == CHOICE_AUTO ? normalization
                                                           : request->normalization;
        input->type = COLUMN_NUMBER;
        input->normalization =
            chosen == CHOICE_AUTO ? NORMALIZE_ZSCORE : (enum normalization)chosen;
        input->missing = MISSING_MEAN;
    }
    if (request->missing != CHOICE_AUTO)
        input->missing = (enum missing_rule)request->missing;
    if (input->missing == MISSING_INDICATOR)
        input->feature_count++;
    return 0;
}

/* ---- the inputs of a table ---- */

static int take_auto(const struct features_request *request,
                     const struct dataset_facts *facts, struct features_spec *features,
                     struct violations *violations)
{
    const struct column_request open = {
        .type = CHOICE_AUTO, .normalization = CHOICE_AUTO, .missing = CHOICE_AUTO};
    for (size_t i = 0; i < facts->column_count; i++) {
        const struct column_facts *column = &facts->columns[i];
        if ((int)i == features->target_column ||
            !is_taken_by_auto(column, all_rows(facts)) ||
            (features->reconstructs && column->type != COLUMN_NUMBER))
            continue;
        int rc = resolve_input(&open, facts, (int)i, request->normalization,
                               &features->inputs[features->input_count++], violations);
        if (rc != 0)
            return rc;
    }
    if (features->input_count > 0)
        return 0;
    return violations_add(
        violations, "/features/inputs",
        "expected a dataset with at least one usable input, found none: "
        "\"auto\" passes over the target, texts, row numbers, constant "
        "columns and categories with more than %d values",
        SPEC_MAX_ONE_HOT);
}

/* `used[i]` is set for each column that the list has named. */
static int take_named(const struct column_request *request, int normalization,
                      const struct dataset_facts *facts, bool *used,
                      struct features_spec *features, struct violations *violations)
{
    int index = facts_find_column(facts, request->name);
    if (index < 0)
        return report_unknown_column(facts, request, violations);
    char name[FOUND_SIZE];
    if (index == features->target_column)
        return violations_add(violations, request->name_pointer,
                              "expected a column other than the target, found %s",
                              found_string(request->name, name));
    if (used[index])
        return violations_add(violations, request->name_pointer,
                              "expected each column once, found %s again",
                              found_string(request->name, name));
    used[index] = true;
    int rc = resolve_input(request, facts, index, normalization,
                           &features->inputs[features->input_count], violations);
    if (rc == 0)
        features->input_count++;
    return rc;
}

static int resolve_inputs(const struct features_request *request,
                          const struct dataset_facts *facts,
                          struct features_spec *features, struct violations *violations)
{
    bool used[FACTS_MAX_COLUMNS] = {false};
    size_t room = request->inputs_auto ? facts->column_count : request->input_count;
    int rc = 0;
    if (request->normalization == NORMALIZE_BYTES)
        rc = violations_add(
            violations, "/features/normalization",
            "expected \"zscore\", \"minmax\" or \"none\" for a table, found "
            "\"bytes\"");
    features->inputs = mem_alloc_array(room, sizeof(*features->inputs));
    if (!features->inputs) {
        violations->status = ERR_NOMEM;
        return ERR_NOMEM;
    }
    if (request->inputs_auto) {
        int taken = take_auto(request, facts, features, violations);
        return rc != 0 ? rc : taken;
    }
    for (size_t i = 0; i < request->input_count; i++) {
        if (take_named(&request->inputs[i], request->normalization, facts, used, features,
                       violations) != 0)
            rc = ERR_INVALID;
    }
    return rc;
}

/* ---- the samples of arrays ---- */

static int resolve_samples(const struct features_request *request,
                           const struct dataset_facts *facts,
                           struct features_spec *features, struct violations *violations)
{
    bool bytes = facts->element == ELEMENT_UINT8;
    int rc = 0;
    if (!request->inputs_auto)
        rc = violations_add(
            violations, "/features/inputs",
            "expected no list of columns, because the dataset is arrays: its "
            "samples are the input");
    int chosen = request->normalization;
    if (chosen == CHOICE_AUTO)
        chosen = bytes ? NORMALIZE_BYTES : NORMALIZE_NONE;
    if (chosen == NORMALIZE_MINMAX)
        rc =
            violations_add(violations, "/features/normalization",
                           "expected \"bytes\", \"zscore\" or \"none\" for arrays, found "
                           "\"minmax\"");
    if (chosen == NORMALIZE_BYTES && !bytes)
        rc =
            violations_add(violations, "/features/normalization",
                           "expected \"zscore\" or \"none\", because the samples are %s, "
                           "found \"bytes\", which is for uint8",
                           element_type_name(facts->element));
    features->array_normalization = (enum normalization)chosen;
    return rc;
}

/* ---- shape, canonical JSON, and the whole ---- */

static int resolve_shape(const struct features_request *request,
                         const struct dataset_facts *facts,
                         struct features_spec *features, struct violations *violations)
{
    features->input_shape = facts->sample_shape;
    if (facts->kind == DATASET_TABLE) {
        int64_t count = 0;
        for (int i = 0; i < features->input_count; i++)
            count += features->inputs[i].feature_count;
        features->input_shape = (struct shape){.rank = 1, .dims = {count}};
    }
    if (request->input_shape.rank == 0)
        return 0;
    int64_t count = shape_elements(&features->input_shape);
    if (shape_elements(&request->input_shape) != count) {
        char text[SHAPE_TEXT_SIZE];
        return violations_add(
            violations, "/features/input_shape",
            "expected dimensions with the product %lld, the number of input "
            "features, found %s",
            (long long)count, shape_format(&request->input_shape, text));
    }
    features->input_shape = request->input_shape;
    return 0;
}

static json_t *input_json(const struct input_column *input,
                          const struct dataset_facts *facts,
                          struct violations *violations)
{
    json_t *json = json_object();
    canonical_set(json, "name", json_string(facts->columns[input->column].name),
                  violations);
    canonical_set(json, "type", json_string(column_type_name(input->type)), violations);
    if (input->type == COLUMN_NUMBER)
        canonical_set(json, "normalization",
                      json_string(normalization_names[input->normalization]), violations);
    canonical_set(json, "missing", json_string(missing_rule_names[input->missing]),
                  violations);
    return json;
}

static json_t *features_json(const struct features_request *request,
                             const struct dataset_facts *facts,
                             const struct features_spec *features,
                             struct violations *violations)
{
    if (facts->kind == DATASET_TEXT)
        return features_text_json(features, violations);
    json_t *json = json_object();
    if (facts->kind == DATASET_TABLE) {
        json_t *inputs = json_array();
        for (int i = 0; i < features->input_count; i++)
            canonical_append(inputs, input_json(&features->inputs[i], facts, violations),
                             violations);
        canonical_set(json, "inputs", inputs, violations);
    } else {
        canonical_set(json, "normalization",
                      json_string(normalization_names[features->array_normalization]),
                      violations);
    }
    canonical_set(json, "target", features_target_json(features, facts, violations),
                  violations);
    canonical_set(json, "input_shape",
                  request->input_shape.rank > 0 ? canonical_shape(&request->input_shape)
                                                : json_null(),
                  violations);
    return json;
}

/* The target comes first: "auto" must know which column not to take. */
static int resolve(const struct features_request *request,
                   const struct dataset_facts *facts, struct features_spec *features,
                   struct violations *violations)
{
    features->target_column = -1;
    if (facts->kind == DATASET_TEXT)
        return features_text_resolve(request, facts, features, violations);
    int rc = features_text_refuse_keys(request, violations);
    features->reconstructs = features_target_is_input(request, facts);
    if (!features->reconstructs &&
        features_target_resolve(request, facts, features, violations) != 0)
        rc = ERR_INVALID;
    /* Without a target column "auto" would take it for an input. */
    if (features->target_column < 0 && !features->reconstructs && request->inputs_auto)
        return rc;
    int inputs = facts->kind == DATASET_TABLE
                     ? resolve_inputs(request, facts, features, violations)
                     : resolve_samples(request, facts, features, violations);
    if (inputs == 0)
        inputs = resolve_shape(request, facts, features, violations);
    if (inputs == 0 && features->reconstructs)
        inputs = features_target_input(request, facts, features, violations);
    return rc != 0 ? rc : inputs;
}

int features_spec_read(const json_t *json, const struct dataset_facts *facts,
                       struct features_spec *ret_features, json_t **ret_canonical,
                       struct violations *violations)
{
    *ret_features = (struct features_spec){0};
    struct features_request request;
    int rc = features_request_read(json, &request, violations);
    if (rc != 0 || violations->status != 0)
        goto out;
    if (!facts) {
        *ret_canonical = json ? json_deep_copy(json) : json_object();
        goto out;
    }
    rc = resolve(&request, facts, ret_features, violations);
    if (rc == 0)
        *ret_canonical = features_json(&request, facts, ret_features, violations);
out:
    features_request_release(&request);
    return rc;
}

void features_spec_release(struct features_spec *features)
{
    free(features->inputs);
    *features = (struct features_spec){0};
}
