/* See features_target.h. */
#include "features_target.h"

#include "base/error.h"
#include "canonical.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TABLE_AUTO_CLASSES 20 /* more integers than that are rather a quantity */
#define COLUMN_LIST_SIZE 300
#define NEAR_UNIT_MEAN 1.0      /* a target with |mean| up to this … */
#define NEAR_UNIT_STD_LOW 0.1   /* … and a std from this … */
#define NEAR_UNIT_STD_HIGH 10.0 /* … to this trains as it is */

/* `"Age", "Sex", …`, as many as fit. */
static const char *list_columns(const struct dataset_facts *facts,
                                char text[COLUMN_LIST_SIZE])
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < facts->column_count; i++) {
        char name[FOUND_SIZE];
        found_string(facts->columns[i].name, name);
        size_t length = strlen(name) + (i > 0 ? 2 : 0);
        if (used + length + sizeof(", …") > COLUMN_LIST_SIZE) {
            snprintf(text + used, COLUMN_LIST_SIZE - used, ", …");
            break;
        }
        snprintf(text + used, COLUMN_LIST_SIZE - used, "%s%s", i > 0 ? ", " : "", name);
        used += length;
    }
    return text;
}

int report_unknown_column(const struct dataset_facts *facts,
                          const struct column_request *request,
                          struct violations *violations)
{
    struct nearest nearest;
    nearest_init(&nearest, request->name);
    if (violations->count < VIOLATIONS_MAX) {
        for (size_t i = 0; i < facts->column_count; i++)
            nearest_offer(&nearest, facts->columns[i].name);
    }
    char columns[COLUMN_LIST_SIZE], found[FOUND_SIZE], hint[HINT_SIZE];
    return violations_add(
        violations, request->name_pointer,
        "expected a column of the dataset (%s), found %s%s", list_columns(facts, columns),
        found_string(request->name, found), nearest_hint(&nearest, hint));
}

const char *text_column_fault(const struct dataset_facts *facts,
                              const struct column_facts *column)
{
    if (column->missing >= facts->train_rows + facts->test_rows)
        return "which has no values";
    return "which holds text: too many different values, or too long ones, to tell "
           "categories apart";
}

/* The column that is the target, or a violation. */
static int find_table_target(const struct features_request *request,
                             const struct dataset_facts *facts, int *ret_column,
                             struct violations *violations)
{
    const struct column_request *target = &request->target;
    char columns[COLUMN_LIST_SIZE];
    if (!request->has_target || !target->name)
        return violations_add(
            violations, target->name_pointer,
            "expected the name of the column to predict, one of %s, or \"input\", which "
            "makes an autoencoder; found nothing",
            list_columns(facts, columns));
    int column = facts_find_column(facts, target->name);
    if (column < 0)
        return report_unknown_column(facts, target, violations);
    *ret_column = column;
    return 0;
}

static int find_label_target(const struct features_request *request,
                             const struct dataset_facts *facts, int *ret_column,
                             struct violations *violations)
{
    if (facts->column_count == 0)
        return violations_add(
            violations, "/dataset",
            "expected a dataset with labels to learn, found arrays without "
            "labels; upload it with a part train.labels, or make the \"input\" the "
            "target of an autoencoder");
    *ret_column = 0;
    char name[FOUND_SIZE], found[FOUND_SIZE];
    if (request->target.name && strcmp(request->target.name, facts->columns[0].name) != 0)
        return violations_add(violations, request->target.name_pointer,
                              "expected %s, the labels of the arrays, found %s",
                              found_string(facts->columns[0].name, name),
                              found_string(request->target.name, found));
    return 0;
}

static enum target_type choose_type(const struct column_facts *column,
                                    enum dataset_kind kind)
{
    if (column->type == COLUMN_CATEGORY)
        return TARGET_CATEGORY;
    size_t limit = kind == DATASET_TABLE ? TABLE_AUTO_CLASSES : FACTS_MAX_CATEGORIES;
    if (column->minimum < 0)
        limit = TABLE_AUTO_CLASSES; /* not class numbers, but -1 and 1 may be meant */
    bool few = column->value_count > 0 && column->value_count <= limit;
    return column->integer && few && column->width == 1 ? TARGET_CATEGORY : TARGET_NUMBER;
}

static int resolve_category(const struct column_request *request,
                            const struct column_facts *column,
                            struct features_spec *features, struct violations *violations)
{
    char at[POINTER_SIZE], name[FOUND_SIZE];
    found_string(column->name, name);
    int rc = 0;
    if (column->value_count < 2)
        rc = violations_add(
            violations, request->pointer,
            "expected a category with 2 to %d classes, found %s, which has %s",
            FACTS_MAX_CATEGORIES, name,
            column->value_count == 1        ? "1"
            : column->type == COLUMN_NUMBER ? "fractions, or too many or too large values"
                                            : "too many or none");
    if (request->normalization > NORMALIZE_NONE)
        rc =
            violations_add(violations, pointer_key(at, request->pointer, "normalization"),
                           "expected no normalization, because the target is a category, "
                           "found \"%s\"",
                           normalization_names[request->normalization]);
    features->target_width = (int64_t)column->value_count;
    return rc;
}

static int resolve_number(const struct column_request *request,
                          const struct column_facts *column, uint64_t rows,
                          struct features_spec *features, struct violations *violations)
{
    char at[POINTER_SIZE], name[FOUND_SIZE];
    found_string(column->name, name);
    int rc = 0;
    if (column->type == COLUMN_CATEGORY)
        rc = violations_add(violations, pointer_key(at, request->pointer, "type"),
                            "expected \"category\", because %s holds values that are no "
                            "numbers, found \"number\"",
                            name);
    else if (column->missing >= rows)
        rc = violations_add(violations, request->pointer,
                            "expected a target with values, found %s, which is empty",
                            name);
    int chosen = request->normalization;
    if (chosen == NORMALIZE_MINMAX || chosen == NORMALIZE_BYTES)
        rc =
            violations_add(violations, pointer_key(at, request->pointer, "normalization"),
                           "expected \"zscore\" or \"none\" for a target, found \"%s\"",
                           normalization_names[chosen]);
    bool near_unit = fabs(column->mean) <= NEAR_UNIT_MEAN &&
                     column->std >= NEAR_UNIT_STD_LOW &&
                     column->std <= NEAR_UNIT_STD_HIGH;
    if (chosen == CHOICE_AUTO)
        chosen = near_unit ? NORMALIZE_NONE : NORMALIZE_ZSCORE;
    features->target_normalization = (enum normalization)chosen;
    features->target_width = column->width;
    return rc;
}

int features_target_resolve(const struct features_request *request,
                            const struct dataset_facts *facts,
                            struct features_spec *features, struct violations *violations)
{
    const struct column_request *target = &request->target;
    int rc =
        facts->kind == DATASET_TABLE
            ? find_table_target(request, facts, &features->target_column, violations)
            : find_label_target(request, facts, &features->target_column, violations);
    if (rc != 0)
        return rc;
    const struct column_facts *column = &facts->columns[features->target_column];
    char name[FOUND_SIZE];
    if (column->type == COLUMN_TEXT)
        return violations_add(violations, target->pointer,
                              "expected a number or category column, found %s, %s",
                              found_string(column->name, name),
                              text_column_fault(facts, column));
    features->target = target->type == CHOICE_AUTO ? choose_type(column, facts->kind)
                                                   : (enum target_type)target->type;
    if (features->target == TARGET_CATEGORY)
        return resolve_category(target, column, features, violations);
    return resolve_number(target, column, facts->train_rows + facts->test_rows, features,
                          violations);
}

bool features_target_is_input(const struct features_request *request,
                              const struct dataset_facts *facts)
{
    const char *name = request->target.name;
    bool is_named = name && strcmp(name, "input") == 0;
    return request->target_is_input || (is_named && facts_find_column(facts, name) < 0);
}

/* A network learns numbers; which of a one-hot category's features go together it would
 * not know, and an indicator is in no column. */
static int check_reconstructed_columns(const struct dataset_facts *facts,
                                       const struct features_spec *features,
                                       struct violations *violations)
{
    int rc = 0;
    for (int i = 0; i < features->input_count; i++) {
        const struct input_column *input = &features->inputs[i];
        char name[FOUND_SIZE];
        found_string(facts->columns[input->column].name, name);
        if (input->type == COLUMN_CATEGORY)
            rc = violations_add(violations, "/features/inputs",
                                "expected columns of numbers, because the target is the "
                                "input, found %s, a category",
                                name);
        else if (input->missing == MISSING_INDICATOR)
            rc = violations_add(violations, "/features/inputs",
                                "expected no \"missing\": \"indicator\", because the "
                                "target is the input, found it for %s",
                                name);
    }
    return rc;
}

int features_target_input(const struct features_request *request,
                          const struct dataset_facts *facts,
                          struct features_spec *features, struct violations *violations)
{
    const struct column_request *target = &request->target;
    char at[POINTER_SIZE];
    int rc = check_reconstructed_columns(facts, features, violations);
    if (request->target_is_input && target->name)
        rc = violations_add(violations, target->name_pointer,
                            "expected no name, because the target is the input");
    if (target->normalization != CHOICE_AUTO)
        rc = violations_add(
            violations, pointer_key(at, target->pointer, "normalization"),
            "expected no normalization, because the target is the input as it is "
            "normalized, found \"%s\"",
            normalization_names[target->normalization]);
    features->target = TARGET_NUMBER;
    features->target_normalization = NORMALIZE_NONE;
    features->target_width = shape_elements(&features->input_shape);
    return rc;
}

json_t *features_target_json(const struct features_spec *features,
                             const struct dataset_facts *facts,
                             struct violations *violations)
{
    json_t *json = json_object();
    if (features->reconstructs) {
        canonical_set(json, "type", json_string("input"), violations);
        return json;
    }
    canonical_set(json, "name", json_string(facts->columns[features->target_column].name),
                  violations);
    canonical_set(json, "type", json_string(target_type_names[features->target]),
                  violations);
    if (features->target == TARGET_NUMBER)
        canonical_set(json, "normalization",
                      json_string(normalization_names[features->target_normalization]),
                      violations);
    return json;
}
