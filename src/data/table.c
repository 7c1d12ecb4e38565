/*
 * See table.h. The file holds columns, the network wants rows: the matrix is turned in
 * blocks of rows that stay in the cache while column after column is put into them.
 */
#include "table.h"

#include "base/memory.h"
#include "preprocess_internal.h"
#include "value_codes.h"

#include <stdlib.h>

#define BLOCK_ROWS 64

/* Where a column's values come from. */
struct source {
    const float *numbers;      /* a number, also where it is used as a category */
    const int32_t *codes;      /* a category of the dataset */
    struct value_codes listed; /* of numbers that are used as a category; owned */
};

static int open_source(const struct dataset_view *view, enum dataset_part part, int index,
                       const struct preprocess_column *column, struct source *ret_source)
{
    const struct column_facts *facts = &view->facts->columns[index];
    if (facts->type == COLUMN_CATEGORY) {
        ret_source->codes = columns_codes(view, part, index);
        return 0;
    }
    ret_source->numbers = columns_numbers(view, part, index);
    if (column->type == COLUMN_NUMBER)
        return 0;
    return value_codes_init(facts, &ret_source->listed, NULL);
}

/* x: the column's first feature in the block's first row, of rows `stride` apart. */
static void put_column(const struct preprocess_column *column,
                       const struct source *source, const uint32_t *rows, size_t count,
                       float *x, size_t stride)
{
    if (column->type == COLUMN_NUMBER) {
        for (size_t i = 0; i < count; i++)
            preprocess_put_number(column, (double)source->numbers[rows[i]],
                                  x + i * stride);
    } else if (source->codes) {
        for (size_t i = 0; i < count; i++)
            preprocess_put_category(column, source->codes[rows[i]], x + i * stride);
    } else {
        for (size_t i = 0; i < count; i++)
            preprocess_put_category(
                column, value_codes_find(&source->listed, source->numbers[rows[i]]),
                x + i * stride);
    }
}

static void fill(const struct preprocess *preprocess, const struct source *sources,
                 const uint32_t *rows, size_t count, float *x)
{
    size_t stride = (size_t)preprocess->feature_count;
    for (size_t first = 0; first < count; first += BLOCK_ROWS) {
        size_t length = count - first < BLOCK_ROWS ? count - first : BLOCK_ROWS;
        float *at = x + first * stride;
        for (int c = 0; c < preprocess->input_count; c++) {
            const struct preprocess_column *column = &preprocess->inputs[c];
            put_column(column, &sources[c], rows + first, length, at, stride);
            at += preprocess_column_features(column);
        }
    }
}

int table_lay_out(const struct dataset_view *view, const struct preprocess *preprocess,
                  enum dataset_part part, const uint32_t *rows, size_t count,
                  float **ret_x)
{
    size_t stride = (size_t)preprocess->feature_count, elements;
    size_t inputs = (size_t)preprocess->input_count;
    float *x = mem_multiply(count, stride, &elements)
                   ? mem_alloc_aligned(elements, sizeof(*x))
                   : NULL;
    struct source *sources = mem_alloc_array(inputs, sizeof(*sources));
    int rc = x && sources ? 0 : ERR_NOMEM;
    const struct features_spec *features = &view->spec->features;
    for (size_t c = 0; c < inputs && rc == 0; c++)
        rc = open_source(view, part, features->inputs[c].column, &preprocess->inputs[c],
                         &sources[c]);
    if (rc == 0) {
        fill(preprocess, sources, rows, count, x);
        *ret_x = x;
        x = NULL;
    }
    for (size_t c = 0; sources && c < inputs; c++)
        value_codes_release(&sources[c].listed);
    free(sources);
    free(x);
    return rc;
}
