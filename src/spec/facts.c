/*
 * See facts.h. Facts come from an ingest worker, which read a stranger's bytes: every
 * count and text is checked before it is believed. Keys that are not facts (a preview,
 * notes) are passed over.
 */
#include "facts.h"

#include "base/memory.h"
#include "canonical.h"
#include "text_facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {"table", "arrays", "text", NULL};
static const char *const column_type_names[] = {"number", "category", "text", NULL};

static const struct {
    const char *name;
    size_t bytes;
} elements[] = {
    [ELEMENT_UINT8] = {"uint8", 1},     [ELEMENT_INT8] = {"int8", 1},
    [ELEMENT_INT16] = {"int16", 2},     [ELEMENT_INT32] = {"int32", 4},
    [ELEMENT_FLOAT32] = {"float32", 4}, [ELEMENT_FLOAT64] = {"float64", 8},
};
#define ELEMENT_COUNT (sizeof(elements) / sizeof(elements[0]))

const char *dataset_kind_name(enum dataset_kind kind)
{
    return kind_names[kind];
}

const char *column_type_name(enum column_type type)
{
    return column_type_names[type];
}

const char *element_type_name(enum element_type type)
{
    return elements[type].name;
}

size_t element_type_bytes(enum element_type type)
{
    return elements[type].bytes;
}

/* Index of a string value in a table of names, or -1. */
static int read_name(const json_t *object, const char *key, const char *const *names)
{
    const char *value = json_string_value(json_object_get(object, key));
    for (int i = 0; value && names[i]; i++) {
        if (strcmp(names[i], value) == 0)
            return i;
    }
    return -1;
}

static int read_element(const json_t *object, enum element_type *ret_element)
{
    const char *value = json_string_value(json_object_get(object, "element"));
    for (size_t i = 0; value && i < ELEMENT_COUNT; i++) {
        if (strcmp(elements[i].name, value) == 0) {
            *ret_element = (enum element_type)i;
            return 0;
        }
    }
    return ERR_INVALID;
}

/* A count from 0 to `maximum`; an absent one is 0. */
static int read_count(const json_t *object, const char *key, uint64_t maximum,
                      uint64_t *ret_count, struct error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        return 0;
    json_int_t count = json_integer_value(value);
    if (!json_is_integer(value) || count < 0 || (uint64_t)count > maximum)
        return error_set(err, ERR_INVALID, "facts: \"%s\" is not a count up to %llu", key,
                         (unsigned long long)maximum);
    *ret_count = (uint64_t)count;
    return 0;
}

static int read_statistic(const json_t *object, const char *key, double *ret_number,
                          struct error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_number(value) || !isfinite(json_number_value(value)))
        return error_set(err, ERR_INVALID, "facts: \"%s\" is not a number", key);
    *ret_number = json_number_value(value);
    return 0;
}

static char *copy_text(const json_t *value, struct error *err, int *ret_rc)
{
    if (!json_is_string(value) || json_string_length(value) > FACTS_MAX_NAME_BYTES) {
        *ret_rc = error_set(err, ERR_INVALID,
                            "facts: a name or value is not a string of at "
                            "most %d bytes",
                            FACTS_MAX_NAME_BYTES);
        return NULL;
    }
    char *copy = mem_strdup(json_string_value(value));
    if (!copy)
        *ret_rc = error_set(err, ERR_NOMEM, "no memory for the facts of a dataset");
    return copy;
}

static int read_values(const json_t *json, struct column_facts *column, struct error *err)
{
    const json_t *values = json_object_get(json, "values");
    if (!values)
        return 0;
    size_t count = json_array_size(values);
    if (!json_is_array(values) || count > FACTS_MAX_CATEGORIES)
        return error_set(err, ERR_INVALID,
                         "facts: \"values\" is not a list of at most %d",
                         FACTS_MAX_CATEGORIES);
    column->values = mem_alloc_array(count, sizeof(*column->values));
    if (!column->values)
        return error_set(err, ERR_NOMEM, "no memory for the facts of a dataset");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        column->values[i] = copy_text(json_array_get(values, i), err, &rc);
        column->value_count = i + 1;
    }
    return rc;
}

static int read_width(const json_t *json, int64_t *ret_width, struct error *err)
{
    uint64_t width = 1;
    int rc = read_count(json, "width", FACTS_MAX_COLUMNS, &width, err);
    if (rc == 0 && width < 1)
        rc = error_set(err, ERR_INVALID, "facts: a column has the width 0");
    if (rc == 0)
        *ret_width = (int64_t)width;
    return rc;
}

static int read_column(const json_t *json, uint64_t rows, struct column_facts *column,
                       struct error *err)
{
    int rc = 0;
    column->name = copy_text(json_object_get(json, "name"), err, &rc);
    if (rc != 0)
        return rc;
    int type = read_name(json, "type", column_type_names);
    if (type < 0)
        return error_set(err, ERR_INVALID, "facts: a column has no known type");
    column->type = (enum column_type)type;
    column->integer = json_is_true(json_object_get(json, "integer"));
    column->row_id = json_is_true(json_object_get(json, "row_id"));
    rc = read_count(json, "missing", rows, &column->missing, err);
    if (rc == 0)
        rc = read_statistic(json, "min", &column->minimum, err);
    if (rc == 0)
        rc = read_statistic(json, "max", &column->maximum, err);
    if (rc == 0)
        rc = read_statistic(json, "mean", &column->mean, err);
    if (rc == 0)
        rc = read_statistic(json, "std", &column->std, err);
    if (rc == 0)
        rc = read_width(json, &column->width, err);
    if (rc == 0)
        rc = read_values(json, column, err);
    return rc;
}

/* Two columns of one name could not be told apart; a hash set finds
 * them in linear time. */
static int check_names(const struct dataset_facts *facts, struct error *err)
{
    json_t *seen = json_object();
    int rc = seen ? 0 : error_set(err, ERR_NOMEM, "no memory for the facts of a dataset");
    for (size_t i = 0; rc == 0 && i < facts->column_count; i++) {
        const char *name = facts->columns[i].name;
        if (json_object_get(seen, name))
            rc = error_set(err, ERR_INVALID, "facts: two columns have the same name");
        else if (json_object_set_new(seen, name, json_true()) != 0)
            rc = error_set(err, ERR_NOMEM, "no memory for the facts of a dataset");
    }
    json_decref(seen);
    return rc;
}

static int read_columns(const json_t *json, struct dataset_facts *facts,
                        struct error *err)
{
    const json_t *columns = json_object_get(json, "columns");
    if (!columns)
        return 0;
    size_t count = json_array_size(columns);
    if (!json_is_array(columns) || count > FACTS_MAX_COLUMNS)
        return error_set(err, ERR_INVALID,
                         "facts: \"columns\" is not a list of at most %d",
                         FACTS_MAX_COLUMNS);
    facts->columns = mem_alloc_array(count, sizeof(*facts->columns));
    if (!facts->columns)
        return error_set(err, ERR_NOMEM, "no memory for the facts of a dataset");
    for (size_t i = 0; i < count; i++) {
        facts->column_count = i + 1; /* so that what is half read is freed */
        facts->columns[i].width = 1;
        int rc =
            read_column(json_array_get(columns, i), facts->train_rows + facts->test_rows,
                        &facts->columns[i], err);
        if (rc != 0)
            return rc;
    }
    return check_names(facts, err);
}

static int read_sample(const json_t *json, struct dataset_facts *facts, struct error *err)
{
    if (read_element(json, &facts->element) != 0)
        return error_set(err, ERR_INVALID, "facts: arrays have no known element type");
    const json_t *dims = json_object_get(json, "sample_shape");
    size_t rank = json_array_size(dims);
    if (rank > SHAPE_MAX_RANK)
        return error_set(err, ERR_INVALID, "facts: samples have more than %d dimensions",
                         SHAPE_MAX_RANK);
    struct shape shape = {.rank = (int)rank};
    for (size_t i = 0; i < rank; i++)
        shape.dims[i] = json_integer_value(json_array_get(dims, i));
    if (!shape_fits(&shape))
        return error_set(err, ERR_INVALID, "facts: \"sample_shape\" is no shape");
    facts->sample_shape = shape;
    return 0;
}

static int read_facts(const json_t *json, struct dataset_facts *facts, struct error *err)
{
    int kind = read_name(json, "kind", kind_names);
    if (kind < 0)
        return error_set(err, ERR_INVALID, "facts: a dataset has no known kind");
    facts->kind = (enum dataset_kind)kind;
    const json_t *rows = json_object_get(json, "rows");
    int rc = read_count(rows, "train", FACTS_MAX_ROWS, &facts->train_rows, err);
    if (rc == 0)
        rc = read_count(rows, "test", FACTS_MAX_ROWS, &facts->test_rows, err);
    if (rc == 0)
        rc = read_columns(json, facts, err);
    if (rc == 0 && facts->kind == DATASET_ARRAYS)
        rc = read_sample(json, facts, err);
    if (rc == 0 && facts->kind == DATASET_TEXT)
        rc = text_facts_read(json_object_get(json, "text"), facts->train_rows,
                             &facts->text, err);
    return rc;
}

int facts_parse(const json_t *json, struct dataset_facts **ret_facts, struct error *err)
{
    struct dataset_facts *facts = mem_alloc(sizeof(*facts));
    if (!facts)
        return error_set(err, ERR_NOMEM, "no memory for the facts of a dataset");
    int rc = read_facts(json, facts, err);
    if (rc != 0) {
        facts_free(facts);
        return rc;
    }
    *ret_facts = facts;
    return 0;
}

void facts_free(struct dataset_facts *facts)
{
    if (!facts)
        return;
    for (size_t i = 0; i < facts->column_count; i++) {
        struct column_facts *column = &facts->columns[i];
        for (size_t v = 0; v < column->value_count; v++)
            free(column->values[v]);
        free(column->values);
        free(column->name);
    }
    free(facts->columns);
    free(facts->text.alphabet);
    free(facts);
}

static json_t *strings_json(char *const *values, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(list, json_string(values[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* Statistics go in only where there was a value to work them out from. */
static int put_number(json_t *json, const struct column_facts *column, uint64_t rows)
{
    int failed = 0;
    if (column->missing < rows) {
        failed |= json_object_set_new(json, "min", json_real(column->minimum));
        failed |= json_object_set_new(json, "max", json_real(column->maximum));
        failed |= json_object_set_new(json, "mean", json_real(column->mean));
        failed |= json_object_set_new(json, "std", json_real(column->std));
    }
    failed |= json_object_set_new(json, "integer", json_boolean(column->integer));
    failed |= json_object_set_new(json, "row_id", json_boolean(column->row_id));
    return failed;
}

static json_t *column_json(const struct column_facts *column, uint64_t rows)
{
    json_t *json = json_object();
    int failed = json_object_set_new(json, "name", json_string(column->name));
    failed |=
        json_object_set_new(json, "type", json_string(column_type_name(column->type)));
    failed |=
        json_object_set_new(json, "missing", json_integer((json_int_t)column->missing));
    if (column->type == COLUMN_NUMBER)
        failed |= put_number(json, column, rows);
    if (column->width != 1)
        failed |= json_object_set_new(json, "width", json_integer(column->width));
    if (column->value_count > 0) {
        failed |= json_object_set_new(json, "categories",
                                      json_integer((json_int_t)column->value_count));
        failed |= json_object_set_new(json, "values",
                                      strings_json(column->values, column->value_count));
    }
    if (failed) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static json_t *columns_json(const struct dataset_facts *facts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < facts->column_count; i++) {
        json_t *column =
            column_json(&facts->columns[i], facts->train_rows + facts->test_rows);
        if (json_array_append_new(list, column) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *rows_json(const struct dataset_facts *facts)
{
    return json_pack("{s:I, s:I}", "train", (json_int_t)facts->train_rows, "test",
                     (json_int_t)facts->test_rows);
}

json_t *facts_to_json(const struct dataset_facts *facts)
{
    json_t *json = json_object();
    int failed =
        json_object_set_new(json, "kind", json_string(dataset_kind_name(facts->kind)));
    failed |= json_object_set_new(json, "rows", rows_json(facts));
    if (facts->kind == DATASET_ARRAYS) {
        failed |= json_object_set_new(json, "element",
                                      json_string(element_type_name(facts->element)));
        failed |= json_object_set_new(json, "sample_shape",
                                      canonical_shape(&facts->sample_shape));
    }
    if (facts->kind == DATASET_TEXT)
        failed |= json_object_set_new(json, "text", text_facts_json(&facts->text));
    failed |= json_object_set_new(json, "columns", columns_json(facts));
    if (failed) {
        json_decref(json);
        return NULL;
    }
    return json;
}

int facts_find_column(const struct dataset_facts *facts, const char *name)
{
    for (size_t i = 0; i < facts->column_count; i++) {
        if (strcmp(facts->columns[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}
