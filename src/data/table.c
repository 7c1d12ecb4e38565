/*
 * See table.h. The file holds columns, the network wants rows: the matrix is turned in
 * blocks of rows that stay in the cache while column after column is put into them.
 */
#include "table.h"

#include "base/memory.h"
#include "preprocess_internal.h"

#define BLOCK_ROWS 64

/* x: the column's first feature in the block's first row, of rows `stride` apart. */
static void put_column(const struct dataset_view *view, enum dataset_part part, int index,
                       const struct preprocess_column *column, const uint32_t *rows,
                       size_t count, float *x, size_t stride)
{
    if (column->type == COLUMN_NUMBER) {
        const float *numbers = columns_numbers(view, part, index);
        for (size_t i = 0; i < count; i++)
            preprocess_put_number(column, (double)numbers[rows[i]], x + i * stride);
    } else {
        const int32_t *codes = columns_codes(view, part, index);
        for (size_t i = 0; i < count; i++)
            preprocess_put_category(column, codes[rows[i]], x + i * stride);
    }
}

int table_lay_out(const struct dataset_view *view, const struct preprocess *preprocess,
                  enum dataset_part part, const uint32_t *rows, size_t count,
                  float **ret_x)
{
    size_t stride = (size_t)preprocess->feature_count, elements;
    float *x = mem_multiply(count, stride, &elements)
                   ? mem_alloc_aligned(elements, sizeof(*x))
                   : NULL;
    if (!x)
        return ERR_NOMEM;
    const struct features_spec *features = &view->spec->features;
    for (size_t first = 0; first < count; first += BLOCK_ROWS) {
        size_t length = count - first < BLOCK_ROWS ? count - first : BLOCK_ROWS;
        float *at = x + first * stride;
        for (int c = 0; c < preprocess->input_count; c++) {
            const struct preprocess_column *column = &preprocess->inputs[c];
            put_column(view, part, features->inputs[c].column, column, rows + first,
                       length, at, stride);
            at += preprocess_column_features(column);
        }
    }
    *ret_x = x;
    return 0;
}
