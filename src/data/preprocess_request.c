/*
 * The body of a predict request to the network's numbers (see preprocess.h).
 *
 * Everything that is wrong is reported at once, but no message is worked out that the
 * violations would not keep, so that a hostile body costs no more than a walk over it.
 */
#include "preprocess.h"

#include "base/memory.h"
#include "elements.h"
#include "missing_texts.h"
#include "number.h"
#include "preprocess_internal.h"
#include "spec/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define INTEGER_TEXT_SIZE 24
#define NESTING_MAX (2 * SHAPE_MAX_RANK)

struct request {
    const struct preprocess *preprocess;
    struct violations *violations;
    json_t *columns; /* tables: the names that a row may have, as keys */
    json_t *unknown; /* tables: the unknown names that were reported */
    int status;      /* 0 or ERR_NOMEM */
};

static bool is_worth_saying(const struct request *request)
{
    return request->violations->count < VIOLATIONS_MAX;
}

/* A violation at `parent`/`key` about what was found there. */
static void refuse(struct request *request, const char *parent, const char *key,
                   const json_t *found, const char *expected)
{
    char at[POINTER_SIZE], text[FOUND_SIZE];
    violations_add(request->violations, pointer_key(at, parent, key),
                   "expected %s, found %s", expected, found_text(found, text));
}

/* ---- tables ---- */

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

static bool parse_number(const char *text, double *ret_number)
{
    return number_parse(text, strlen(text), ret_number) == NUMBER_FINITE;
}

/* True if the value says that there is none: null, or a blank text. */
static bool is_missing(const json_t *value)
{
    return !value || json_is_null(value) ||
           (json_is_string(value) && is_blank(json_string_value(value)));
}

/* The same of a number, for which a table may say it by a text such as "NA" too. */
static bool is_missing_number(const json_t *value)
{
    if (!json_is_string(value))
        return is_missing(value);
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    missing_texts_trim(&text, &length);
    return missing_texts_is_usual(text, length) || is_missing(value);
}

static bool read_number(const json_t *value, double *ret_number)
{
    if (json_is_string(value))
        return parse_number(json_string_value(value), ret_number);
    if (!json_is_number(value))
        return false;
    *ret_number = json_number_value(value);
    return true;
}

static bool are_finite(const float *features, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite((double)features[i]))
            return false;
    return true;
}

static void put_number(struct request *request, const struct preprocess_column *column,
                       const char *row_pointer, const json_t *value, float *ret_features)
{
    double x = (double)NAN;
    if (!is_missing_number(value)) {
        if (!read_number(value, &x)) {
            refuse(request, row_pointer, column->name, value, "a number");
            return;
        }
        x = (double)(float)x; /* as in the dataset file */
        if (!isfinite(x)) {
            refuse(request, row_pointer, column->name, value,
                   "a number in the range of float32");
            return;
        }
    }
    preprocess_put_number(column, x, ret_features);
    if (!are_finite(ret_features, preprocess_column_features(column)))
        refuse(request, row_pointer, column->name, value,
               "a number less far from those of the training data");
}

/* The value that is the same number, written in another way ("1" for 1.0). */
static int32_t find_equal_number(const struct preprocess_column *column, double wanted)
{
    for (size_t i = 0; i < column->value_count; i++) {
        double number;
        if (parse_number(column->values[i], &number) && number == wanted)
            return (int32_t)i;
    }
    return MISSING_CODE;
}

typedef int compare_texts(const char *a, const char *b, size_t length);

static int32_t find_text(const struct preprocess_column *column, const char *text,
                         size_t length, compare_texts *compare)
{
    for (size_t i = 0; i < column->value_count; i++)
        if (compare(column->values[i], text, length) == 0 &&
            column->values[i][length] == '\0')
            return (int32_t)i;
    return MISSING_CODE;
}

/* True if the values are those of a number that is used as a category. */
static bool has_only_numbers(const struct preprocess_column *column)
{
    double number;
    for (size_t i = 0; i < column->value_count; i++)
        if (!parse_number(column->values[i], &number))
            return false;
    return true;
}

/* As text, without blanks around it, as in a table; "3.0" is the 3 of a column of
 * numbers. */
static int32_t find_category_text(const struct preprocess_column *column,
                                  const char *text)
{
    double number;
    size_t length = strlen(text);
    missing_texts_trim(&text, &length);
    int32_t code = find_text(column, text, length, strncmp);
    if (code != MISSING_CODE || !parse_number(text, &number) || !has_only_numbers(column))
        return code;
    return find_equal_number(column, number);
}

static int32_t find_boolean(const struct preprocess_column *column, const char *text)
{
    return find_text(column, text, strlen(text), strncasecmp);
}

static int32_t find_category(const struct preprocess_column *column, const json_t *value)
{
    if (json_is_string(value))
        return find_category_text(column, json_string_value(value));
    if (json_is_boolean(value)) /* a CSV may say True or TRUE */
        return find_boolean(column, json_is_true(value) ? "true" : "false");
    if (json_is_integer(value)) {
        char text[INTEGER_TEXT_SIZE];
        snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        int32_t code = find_text(column, text, strlen(text), strncmp);
        if (code != MISSING_CODE)
            return code;
    }
    return find_equal_number(column, json_number_value(value));
}

static void put_category(struct request *request, const struct preprocess_column *column,
                         const char *row_pointer, const json_t *value,
                         float *ret_features)
{
    if (json_is_object(value) || json_is_array(value)) {
        refuse(request, row_pointer, column->name, value, "a text or a number");
        return;
    }
    int32_t code =
        value && !json_is_null(value) ? find_category(column, value) : MISSING_CODE;
    preprocess_put_category(column, code, ret_features);
}

static void report_unknown(struct request *request, const char *row_pointer,
                           const char *name)
{
    const struct preprocess *preprocess = request->preprocess;
    if (json_object_get(request->unknown, name))
        return;
    if (!is_worth_saying(request)) {
        violations_add(request->violations, row_pointer, "unknown column");
        return;
    }
    if (json_object_set_new(request->unknown, name, json_true()) != 0)
        request->status = ERR_NOMEM;
    struct nearest nearest;
    nearest_init(&nearest, name);
    for (int i = 0; i < preprocess->input_count; i++)
        nearest_offer(&nearest, preprocess->inputs[i].name);
    char at[POINTER_SIZE], quoted[FOUND_SIZE], hint[HINT_SIZE];
    violations_add(request->violations, pointer_key(at, row_pointer, name),
                   "the model has no input column %s%s", found_string(name, quoted),
                   nearest_hint(&nearest, hint));
}

static void report_unknown_columns(struct request *request, const char *row_pointer,
                                   const json_t *row)
{
    /* Jansson's iteration takes a pointer to non-const, but changes nothing. */
    json_t *walked = (json_t *)(uintptr_t)row;
    const char *name;
    json_t *value;
    json_object_foreach(walked, name, value) if (!json_object_get(request->columns, name))
        report_unknown(request, row_pointer, name);
}

static void put_row(struct request *request, const char *parent, size_t index,
                    const json_t *row, float *ret_features)
{
    char at[POINTER_SIZE];
    pointer_index(at, parent, index);
    if (!json_is_object(row)) {
        char text[FOUND_SIZE];
        violations_add(request->violations, at,
                       "expected an object of columns and values, found %s",
                       found_text(row, text));
        return;
    }
    report_unknown_columns(request, at, row);
    for (int i = 0; i < request->preprocess->input_count; i++) {
        const struct preprocess_column *column = &request->preprocess->inputs[i];
        const json_t *value = json_object_get(row, column->name);
        bool is_number = column->type == COLUMN_NUMBER;
        if (column->required &&
            (is_number ? is_missing_number(value) : is_missing(value)))
            refuse(request, at, column->name, value, is_number ? "a number" : "a text");
        else if (is_number)
            put_number(request, column, at, value, ret_features);
        else
            put_category(request, column, at, value, ret_features);
        ret_features += preprocess_column_features(column);
    }
}

/* ---- arrays ---- */

/* Dimensions of a nested list, by way of each list's first element. 0: not a list, or
 * nested too deeply. */
static int measure(const json_t *sample, int64_t ret_dims[NESTING_MAX])
{
    int rank = 0;
    while (json_is_array(sample)) {
        if (rank == NESTING_MAX)
            return 0;
        ret_dims[rank++] = (int64_t)json_array_size(sample);
        sample = json_array_get(sample, 0);
    }
    return rank;
}

/* The next dimension that is not 1, or 1 at the end. */
static int64_t next_dimension(const int64_t *dims, int rank, int *at)
{
    while (*at < rank) {
        int64_t dim = dims[(*at)++];
        if (dim != 1)
            return dim;
    }
    return 1;
}

/* True if a sample of these dimensions can be meant: the numbers in a row, or the
 * sample's shape, dimensions of 1 left out or put in. */
static bool is_fitting(const struct preprocess *preprocess, const int64_t *dims, int rank)
{
    if (rank == 1 && dims[0] == preprocess->feature_count)
        return true;
    const struct shape *shape = &preprocess->sample_shape;
    int a = 0, b = 0;
    while (a < rank || b < shape->rank)
        if (next_dimension(dims, rank, &a) !=
            next_dimension(shape->dims, shape->rank, &b))
            return false;
    return rank > 0;
}

static void put_element(struct request *request, const char *pointer, size_t index,
                        const json_t *value, float *ret_feature)
{
    const struct preprocess *preprocess = request->preprocess;
    const char *expected = "a number";
    if (json_is_number(value)) {
        double x = json_number_value(value);
        if (preprocess->element == ELEMENT_FLOAT32)
            x = (double)(float)x;
        *ret_feature = elements_feature(&preprocess->array, x);
        if (isfinite((double)*ret_feature))
            return;
        expected = "a number in the range of float32";
    }
    char at[POINTER_SIZE], text[FOUND_SIZE];
    violations_add(request->violations, pointer_index(at, pointer, index),
                   "expected %s, found %s", expected, found_text(value, text));
}

/* One list of a sample that measures `dims`; moves *features past what it put. Recurses
 * at most NESTING_MAX deep. */
static void put_list(struct request *request, const char *pointer, const json_t *list,
                     const int64_t *dims, int rank, float **features)
{
    if (!json_is_array(list) || json_array_size(list) != (size_t)dims[0]) {
        char text[FOUND_SIZE];
        const char *found = found_text(list, text);
        if (json_is_array(list))
            violations_add(request->violations, pointer,
                           "expected a list of %" PRId64 ", found %zu: %s", dims[0],
                           json_array_size(list), found);
        else
            violations_add(request->violations, pointer,
                           "expected a list of %" PRId64 ", found %s", dims[0], found);
        return;
    }
    for (size_t i = 0; i < (size_t)dims[0]; i++) {
        const json_t *value = json_array_get(list, i);
        if (rank == 1) {
            put_element(request, pointer, i, value, (*features)++);
        } else {
            char at[POINTER_SIZE];
            pointer_index(at, pointer, i);
            put_list(request, at, value, dims + 1, rank - 1, features);
        }
    }
}

static void put_sample(struct request *request, const char *parent, size_t index,
                       const json_t *sample, float *ret_features)
{
    char at[POINTER_SIZE];
    pointer_index(at, parent, index);
    int64_t dims[NESTING_MAX];
    int rank = measure(sample, dims);
    if (!is_fitting(request->preprocess, dims, rank)) {
        char shape[SHAPE_TEXT_SIZE], text[FOUND_SIZE];
        shape_format(&request->preprocess->sample_shape, shape);
        violations_add(request->violations, at,
                       "expected a sample of shape %s, or its %" PRId64
                       " numbers in one list, found %s",
                       shape, request->preprocess->feature_count,
                       found_text(sample, text));
        return;
    }
    put_list(request, at, sample, dims, rank, &ret_features);
}

/* ---- the request ---- */

static int know_column(struct request *request, const char *name)
{
    return json_object_set_new(request->columns, name, json_true()) == 0 ? 0 : ERR_NOMEM;
}

static int index_columns(struct request *request)
{
    request->columns = json_object();
    request->unknown = json_object();
    if (!request->columns || !request->unknown)
        return ERR_NOMEM;
    const struct preprocess *preprocess = request->preprocess;
    int rc = 0;
    for (int i = 0; i < preprocess->input_count && rc == 0; i++)
        rc = know_column(request, preprocess->inputs[i].name);
    for (size_t i = 0; i < preprocess->ignored_count && rc == 0; i++)
        rc = know_column(request, preprocess->ignored[i]);
    if (rc == 0 && preprocess->target_name)
        rc = know_column(request, preprocess->target_name);
    return rc;
}

/* The list of rows, if there is one that can be taken on. */
static const json_t *find_rows(struct request *request, const json_t *body,
                               const char *key, size_t max_rows)
{
    if (!json_is_object(body)) {
        char text[FOUND_SIZE];
        violations_add(request->violations, "", "expected {\"%s\": […]}, found %s", key,
                       found_text(body, text));
        return NULL;
    }
    const char *const known[] = {key, NULL};
    report_unknown_keys(body, "", known, NULL, request->violations);
    const json_t *rows = json_object_get(body, key);
    size_t count = json_array_size(rows);
    if (count == 0) {
        refuse(request, "", key, rows, "a list of at least one");
        return NULL;
    }
    size_t row_bytes = (size_t)request->preprocess->feature_count * sizeof(float);
    size_t fitting = PREPROCESS_MAX_REQUEST_BYTES / row_bytes;
    size_t limit = max_rows < fitting ? max_rows : fitting;
    if (count > limit) {
        char at[POINTER_SIZE];
        violations_add(request->violations, pointer_key(at, "", key),
                       "expected at most %zu at once, found %zu", limit, count);
        return NULL;
    }
    return rows;
}

static int put_rows(struct request *request, const json_t *rows, const char *parent,
                    float *ret_x)
{
    bool is_table = request->preprocess->kind == DATASET_TABLE;
    int rc = is_table ? index_columns(request) : 0;
    for (size_t i = 0; i < json_array_size(rows) && rc == 0; i++) {
        float *features = ret_x + i * (size_t)request->preprocess->feature_count;
        const json_t *row = json_array_get(rows, i);
        if (is_table)
            put_row(request, parent, i, row, features);
        else
            put_sample(request, parent, i, row, features);
        rc = request->status;
    }
    json_decref(request->columns);
    json_decref(request->unknown);
    return rc;
}

int preprocess_request(const struct preprocess *preprocess, const json_t *body,
                       size_t max_rows, float **ret_x, size_t *ret_rows,
                       struct violations *violations)
{
    struct request request = {.preprocess = preprocess, .violations = violations};
    bool is_table = preprocess->kind == DATASET_TABLE;
    size_t before = violations->total;
    const json_t *rows =
        find_rows(&request, body, is_table ? "rows" : "inputs", max_rows);
    if (!rows)
        return ERR_INVALID;
    size_t count = json_array_size(rows);
    float *x = mem_alloc_array(count * (size_t)preprocess->feature_count, sizeof(*x));
    if (!x)
        return ERR_NOMEM;
    int rc = put_rows(&request, rows, is_table ? "/rows" : "/inputs", x);
    if (rc == 0 && violations->total > before)
        rc = violations->status != 0 ? violations->status : ERR_INVALID;
    if (rc != 0) {
        free(x);
        return rc;
    }
    *ret_x = x;
    *ret_rows = count;
    return 0;
}
