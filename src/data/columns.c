/* See columns.h. The figures in the messages are for the log of a job that failed: facts
 * and file were made together, so a mismatch means a damaged store. */
#include "columns.h"

#include "value_codes.h"

#include <stdbool.h>

#define FEATURES_NAME "the samples"

static const char *part_name(enum dataset_part part)
{
    return part == PART_TRAIN ? "train" : "test";
}

size_t columns_part_rows(const struct dataset_view *view, enum dataset_part part)
{
    return (size_t)(part == PART_TRAIN ? view->facts->train_rows
                                       : view->facts->test_rows);
}

bool columns_part_is_used(const struct dataset_view *view, enum dataset_part part)
{
    return part == PART_TRAIN || view->spec->split.type == SPLIT_FIXED;
}

bool columns_target_is_coded(const struct dataset_facts *facts,
                             const struct column_facts *column)
{
    return facts->kind == DATASET_ARRAYS ? column->value_count > 0
                                         : column->type == COLUMN_CATEGORY;
}

static const void *find_data(const struct dataset_view *view, enum dataset_part part,
                             int column)
{
    const struct dataset_array *array = dataset_file_find(view->file, part, column);
    return array ? array->data : NULL;
}

const float *columns_numbers(const struct dataset_view *view, enum dataset_part part,
                             int column)
{
    return find_data(view, part, column);
}

const int32_t *columns_codes(const struct dataset_view *view, enum dataset_part part,
                             int column)
{
    return find_data(view, part, column);
}

const struct dataset_array *columns_samples(const struct dataset_view *view,
                                            enum dataset_part part)
{
    return dataset_file_find(view->file, part, DATASET_FEATURES);
}

/* Elements of one row; dataset_file_open() has checked that the product does not
 * overflow. */
static int64_t row_elements(const struct dataset_array *array)
{
    int64_t elements = 1;
    for (int i = 1; i < array->rank; i++)
        elements *= array->dims[i];
    return elements;
}

static int check_array(const struct dataset_view *view, enum dataset_part part,
                       int column, const char *name, enum element_type element,
                       int64_t width, struct error *err)
{
    const struct dataset_array *array = dataset_file_find(view->file, part, column);
    if (!array)
        return error_set(err, ERR_CORRUPT, "the dataset file has no %s array of %s",
                         part_name(part), name);
    size_t rows = columns_part_rows(view, part);
    if (array->dims[0] != (int64_t)rows || row_elements(array) != width)
        return error_set(err, ERR_CORRUPT,
                         "the %s array of %s has %lld rows of %lld; the facts say %zu of "
                         "%lld",
                         part_name(part), name, (long long)array->dims[0],
                         (long long)row_elements(array), rows, (long long)width);
    if (array->element != element)
        return error_set(err, ERR_CORRUPT, "the %s array of %s is %s; the facts say %s",
                         part_name(part), name, element_type_name(array->element),
                         element_type_name(element));
    return 0;
}

static int check_codes(const struct dataset_view *view, enum dataset_part part, int index,
                       struct error *err)
{
    const struct column_facts *column = &view->facts->columns[index];
    int rc = check_array(view, part, index, column->name, ELEMENT_INT32, 1, err);
    if (rc != 0)
        return rc;
    const int32_t *codes = columns_codes(view, part, index);
    size_t rows = columns_part_rows(view, part);
    for (size_t row = 0; row < rows; row++)
        if (codes[row] < -1 || codes[row] >= (int64_t)column->value_count)
            return error_set(err, ERR_CORRUPT,
                             "row %zu of %s has the code %d, but there are %zu values",
                             row, column->name, (int)codes[row], column->value_count);
    return 0;
}

static int check_column(const struct dataset_view *view, enum dataset_part part,
                        int index, bool is_coded, struct error *err)
{
    const struct column_facts *column = &view->facts->columns[index];
    if (is_coded)
        return check_codes(view, part, index, err);
    return check_array(view, part, index, column->name, ELEMENT_FLOAT32, column->width,
                       err);
}

/* A number that is used as a category: each must be one of the values. */
static int check_listed_numbers(const struct dataset_view *view, enum dataset_part part,
                                int index, struct error *err)
{
    const struct column_facts *column = &view->facts->columns[index];
    struct value_codes codes;
    int rc = value_codes_init(column, &codes, err);
    if (rc != 0)
        return rc;
    rc = value_codes_check(&codes, column, columns_numbers(view, part, index),
                           columns_part_rows(view, part), err);
    value_codes_release(&codes);
    return rc;
}

static int check_inputs(const struct dataset_view *view, enum dataset_part part,
                        struct error *err)
{
    if (view->facts->kind == DATASET_ARRAYS)
        return check_array(view, part, DATASET_FEATURES, FEATURES_NAME,
                           view->facts->element,
                           shape_elements(&view->facts->sample_shape), err);
    const struct features_spec *features = &view->spec->features;
    int rc = 0;
    for (int i = 0; i < features->input_count && rc == 0; i++) {
        int index = features->inputs[i].column;
        bool is_coded = view->facts->columns[index].type == COLUMN_CATEGORY;
        rc = check_column(view, part, index, is_coded, err);
        if (rc == 0 && features->inputs[i].type == COLUMN_CATEGORY && !is_coded)
            rc = check_listed_numbers(view, part, index, err);
    }
    return rc;
}

/* ---- the spec against the facts ---- */

static int check_input_spec(const struct dataset_facts *facts,
                            const struct input_column *input, struct error *err)
{
    if (input->column < 0 || (size_t)input->column >= facts->column_count)
        return error_set(err, ERR_INVALID, "an input is column %d of %zu", input->column,
                         facts->column_count);
    const struct column_facts *column = &facts->columns[input->column];
    if (column->type == COLUMN_TEXT || column->width != 1)
        return error_set(err, ERR_INVALID, "the column %s cannot be an input",
                         column->name);
    if (column->type == COLUMN_CATEGORY && input->type != COLUMN_CATEGORY)
        return error_set(err, ERR_INVALID, "the category %s cannot be a number",
                         column->name);
    if (input->type == COLUMN_CATEGORY && column->value_count == 0)
        return error_set(err, ERR_INVALID, "the category %s has no value in any row",
                         column->name);
    return 0;
}

static int check_target_spec(const struct dataset_view *view, struct error *err)
{
    const struct features_spec *features = &view->spec->features;
    const struct dataset_facts *facts = view->facts;
    if (features->reconstructs)
        return 0;
    if (features->target_column < 0 ||
        (size_t)features->target_column >= facts->column_count)
        return error_set(err, ERR_INVALID, "the target is column %d of %zu",
                         features->target_column, facts->column_count);
    const struct column_facts *column = &facts->columns[features->target_column];
    bool is_category = features->target == TARGET_CATEGORY;
    if (column->type == COLUMN_TEXT ||
        (is_category ? column->value_count == 0 : column->type != COLUMN_NUMBER))
        return error_set(err, ERR_INVALID, "the column %s cannot be a target of type %s",
                         column->name, is_category ? "category" : "number");
    int64_t width = is_category ? (int64_t)column->value_count : column->width;
    if (width != features->target_width)
        return error_set(err, ERR_INVALID,
                         "the target %s is %lld wide; the spec says %lld", column->name,
                         (long long)width, (long long)features->target_width);
    return 0;
}

static int check_spec(const struct dataset_view *view, struct error *err)
{
    const struct dataset_facts *facts = view->facts;
    const struct features_spec *features = &view->spec->features;
    if (facts->kind == DATASET_TEXT)
        return error_set(err, ERR_INVALID,
                         "a dataset of text has no rows; a table or arrays are needed");
    if (facts->train_rows > FACTS_MAX_ROWS || facts->test_rows > FACTS_MAX_ROWS)
        return error_set(err, ERR_INVALID, "a part of a dataset has at most %u rows",
                         FACTS_MAX_ROWS);
    if (facts->kind == DATASET_TABLE && features->input_count < 1)
        return error_set(err, ERR_INVALID, "a table needs at least one input column");
    int rc = 0;
    for (int i = 0; i < features->input_count && rc == 0; i++)
        rc = check_input_spec(facts, &features->inputs[i], err);
    return rc == 0 ? check_target_spec(view, err) : rc;
}

static int check_target(const struct dataset_view *view, enum dataset_part part,
                        struct error *err)
{
    int target = view->spec->features.target_column;
    bool is_coded = columns_target_is_coded(view->facts, &view->facts->columns[target]);
    return check_column(view, part, target, is_coded, err);
}

int columns_check(const struct dataset_view *view, struct error *err)
{
    int rc = check_spec(view, err);
    for (int p = PART_TRAIN; p < PART_COUNT && rc == 0; p++) {
        enum dataset_part part = (enum dataset_part)p;
        if (!columns_part_is_used(view, part))
            continue;
        rc = check_inputs(view, part, err);
        if (rc == 0 && !view->spec->features.reconstructs)
            rc = check_target(view, part, err);
    }
    return rc;
}
