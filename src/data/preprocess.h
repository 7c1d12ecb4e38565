/*
 * Preprocessing: the fitted transforms between a dataset's columns and a network's
 * numbers. They are fitted once to the training split, kept with the model as JSON, and
 * applied again when the model predicts.
 *
 *   {"kind": "table", "inputs": [
 *      {"name": "Age", "type": "number", "fill": 29.7, "shift": 29.7, "scale": 14.5,
 *       "indicator": false},
 *      {"name": "Sex", "type": "category", "values": ["female", "male"],
 *       "indicator": false}],
 *    "ignored": ["PassengerId", "Name"],
 *    "target": {"name": "Survived", "type": "category", "values": ["0", "1"]}}
 *   {"kind": "arrays", "sample_shape": [28, 28], "element": "uint8",
 *    "input": {"shift": 0, "scale": 255},
 *    "target": {"name": "label", "type": "category", "values": ["0", …]}}
 *   {"kind": "text", "tokenizer": "char", "context_length": 128, "alphabet": "\n !$&…"}
 *   the input as target: {"type": "input"}
 *   a number target: {"name", "type": "number", "shift": 206855.8, "scale": 115395.6,
 *                     "width": 1}
 *
 * A number becomes (x - shift) / scale; a scale of a constant column is 1. Columns that a
 * row must have a value of carry "required": true. "ignored" are the dataset's columns
 * that are neither input nor target: a row may have them, so that rows can be sent as
 * they stood in the file. The alphabet of a text is its characters in order of their
 * numbers; bytes have none. Parsing fills in an absent "element" (float32), "ignored"
 * (none), "indicator" and "required" (false).
 */
#ifndef BACKPROP_PREPROCESS_H
#define BACKPROP_PREPROCESS_H

#include "base/error.h"
#include "base/violations.h"
#include "spec/job_spec.h"
#include "tokenizer.h"

#include <jansson.h>
#include <stddef.h>

struct number_transform {
    double fill; /* for a missing value, before shift and scale */
    double shift, scale;
};

struct preprocess_column {
    char *name;
    enum column_type type; /* NUMBER or CATEGORY */
    struct number_transform number;
    size_t value_count;
    char **values; /* CATEGORY, in the order of the one-hot features */
    bool indicator;
    bool required; /* "missing": "drop": predict refuses a row without it */
};

struct preprocess {
    enum dataset_kind kind;
    struct shape sample_shape;     /* arrays: what one input looks like */
    enum element_type element;     /* arrays: what they were trained on */
    struct number_transform array; /* arrays */
    int input_count;               /* tables */
    struct preprocess_column *inputs;
    size_t ignored_count; /* tables */
    char **ignored;
    struct tokenizer tokenizer; /* texts */
    int64_t feature_count; /* numbers of one sample; of a text: the context's length */
    char *target_name;     /* NULL: no column is the target */
    bool reconstructs;     /* the input is the target, of type TARGET_NUMBER */
    enum target_type target;
    size_t class_count; /* TARGET_CATEGORY */
    char **classes;
    /* Of a table that is reconstructed each column has its own: shift 0, scale 1. */
    struct number_transform target_number;
    int64_t target_width; /* of a text: the vocabulary */
};

int preprocess_parse(const json_t *json, struct preprocess **ret_preprocess,
                     struct error *err) __attribute__((warn_unused_result));
/* New reference; NULL without memory. */
json_t *preprocess_to_json(const struct preprocess *preprocess);
void preprocess_free(struct preprocess *preprocess);

/* Most features of one sample, and most bytes of the numbers of one request. */
#define PREPROCESS_MAX_FEATURES SHAPE_MAX_ELEMENTS
#define PREPROCESS_MAX_REQUEST_BYTES ((size_t)1 << 30)

/*
 * The body of a predict request to numbers, for tables and arrays: {"rows": [{column:
 * value}]} for a table,
 * {"inputs": [nested lists or flat list]} for arrays (dimensions of 1 may be left out or
 * put in). Numbers may come as strings; a blank one and the usual texts for a missing
 * value ("NA", see missing_texts.h) are missing, as null and an absent column are. Blanks
 * around a text are passed over, as in a table. An unknown category is treated as
 * missing; an unknown column is a violation, the target's and the ignored ones are passed
 * over. At most `max_rows`. A number is taken as precisely as training took it: by way of
 * float32 for a table and for float32 arrays. On success *ret_x is [rows, feature_count],
 * to be freed by the caller; otherwise ERR_INVALID with every violation, or ERR_NOMEM.
 */
int preprocess_request(const struct preprocess *preprocess, const json_t *body,
                       size_t max_rows, float **ret_x, size_t *ret_rows,
                       struct violations *violations) __attribute__((warn_unused_result));

#endif
