/*
 * What is known of a dataset once it was ingested: the JSON that POST /v1/datasets
 * answers with (minus identity), and the same as a struct.
 *
 * An ingest worker makes the facts, the daemon stores them as text and shows them, the
 * spec is validated against them, and a training worker gets them with its task.
 *
 *   {"kind": "table", "rows": {"train": 891, "test": 0},
 *    "columns": [{"name": "Age", "type": "number", "missing": 177, "min": 0.42,
 *                 "max": 80, "mean": 29.7, "std": 14.5, "integer": false,
 *                 "row_id": false},
 *                {"name": "Sex", "type": "category", "missing": 0, "categories": 2,
 *                 "values": ["female", "male"]},
 *                {"name": "Name", "type": "text", "missing": 0}]}
 *   {"kind": "arrays", "rows": {"train": 60000, "test": 10000}, "element": "uint8",
 *    "sample_shape": [28, 28],
 *    "columns": [{"name": "label", "type": "number", "integer": true, "categories": 10,
 *                 "values": ["0", …, "9"], …}]}
 *   {"kind": "text", "rows": {"train": 1115394, "test": 0}, "columns": [],
 *    "text": {"characters": 1115394, "lines": 40000, "distinct_characters": 65,
 *             "alphabet": "\n !$&',-.3:;?ABC…"}}
 *
 * The rows of a text are its bytes. `alphabet` is its different characters in order of
 * code point; there is none when they are more than FACTS_MAX_ALPHABET.
 *
 * A column of integers with at most FACTS_MAX_CATEGORIES distinct values carries both the
 * numbers' statistics and `values` (in ascending order), because it may be meant as
 * either. A category column's `values` are in order of their bytes. `std` is the
 * population's. For arrays the label column is the only column, and there is none without
 * labels; labels of rank 2 ([rows, width], regression) have "width": n and no values.
 */
#ifndef BACKPROP_FACTS_H
#define BACKPROP_FACTS_H

#include "base/error.h"
#include "shape.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FACTS_MAX_ROWS UINT32_MAX /* of a part: a shuffled order has 32-bit entries */
#define FACTS_MAX_COLUMNS 4096
#define FACTS_MAX_CATEGORIES 1000
#define FACTS_MAX_NAME_BYTES 256
#define FACTS_MAX_ALPHABET 16384

enum dataset_kind { DATASET_TABLE, DATASET_ARRAYS, DATASET_TEXT };
enum column_type { COLUMN_NUMBER, COLUMN_CATEGORY, COLUMN_TEXT };

/* Element types of arrays, as in IDX and NPY. */
enum element_type {
    ELEMENT_UINT8,
    ELEMENT_INT8,
    ELEMENT_INT16,
    ELEMENT_INT32,
    ELEMENT_FLOAT32,
    ELEMENT_FLOAT64
};

struct column_facts {
    char *name; /* owned, like everything below */
    enum column_type type;
    uint64_t missing;                   /* rows without a value */
    double minimum, maximum, mean, std; /* COLUMN_NUMBER with at least one value */
    bool integer;                       /* COLUMN_NUMBER: every value is an integer */
    bool row_id; /* COLUMN_NUMBER: counts the rows, so it carries nothing to learn */
    size_t value_count; /* of `values`; 0 when there are too many to list */
    char **values;      /* the distinct ones */
    int64_t width;      /* 1, but for labels of rank 2 */
};

struct text_facts {
    uint64_t characters, lines;
    uint64_t distinct_characters;
    size_t alphabet_count; /* 0: there are too many to list */
    uint32_t *alphabet;    /* code points, ascending; owned */
};

struct dataset_facts {
    enum dataset_kind kind;
    uint64_t train_rows;
    uint64_t test_rows; /* 0 where the dataset has no test part */
    size_t column_count;
    struct column_facts *columns;
    enum element_type element; /* DATASET_ARRAYS */
    struct shape sample_shape; /* DATASET_ARRAYS */
    struct text_facts text;    /* DATASET_TEXT; zero if it was ingested long ago */
};

/* Parses facts; checks every bound, because a worker made them. Other keys are passed
 * over. New object. */
int facts_parse(const json_t *json, struct dataset_facts **ret_facts, struct error *err)
    __attribute__((warn_unused_result));
void facts_free(struct dataset_facts *facts);

/* New reference, or NULL without memory. */
json_t *facts_to_json(const struct dataset_facts *facts);

/* Index of a column, or -1. */
int facts_find_column(const struct dataset_facts *facts, const char *name);

const char *dataset_kind_name(enum dataset_kind kind);
const char *column_type_name(enum column_type type);
const char *element_type_name(enum element_type type);
size_t element_type_bytes(enum element_type type);

#endif
