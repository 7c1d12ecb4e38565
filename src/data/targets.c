/*
 * See targets.h. A column can be stored as codes or as numbers and be wanted as labels or
 * as numbers: four small conversions. The facts' `values`, read as numbers, translate.
 */
#include "targets.h"

#include "base/memory.h"
#include "preprocess_internal.h"
#include "value_codes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int labels_of_numbers(const struct column_facts *column, const float *numbers,
                             size_t rows, int32_t *ret_labels, struct error *err)
{
    struct value_codes codes;
    int rc = value_codes_init(column, &codes, err);
    if (rc != 0)
        return rc;
    rc = value_codes_check(&codes, column, numbers, rows, err);
    for (size_t row = 0; row < rows && rc == 0; row++)
        ret_labels[row] = value_codes_find(&codes, numbers[row]);
    value_codes_release(&codes);
    return rc;
}

static int numbers_of_codes(const struct column_facts *column, const int32_t *codes,
                            size_t rows, float *ret_numbers, struct error *err)
{
    struct value_codes values;
    int rc = value_codes_init(column, &values, err);
    if (rc != 0)
        return rc;
    for (size_t row = 0; row < rows; row++)
        ret_numbers[row] = codes[row] < 0 ? NAN : values.values[codes[row]];
    value_codes_release(&values);
    return 0;
}

static int fill(const struct dataset_view *view, enum dataset_part part,
                struct targets *targets, struct error *err)
{
    int index = view->spec->features.target_column;
    const struct column_facts *column = &view->facts->columns[index];
    size_t rows = columns_part_rows(view, part);
    bool is_coded = columns_target_is_coded(view->facts, column);
    if (targets->type == TARGET_CATEGORY) {
        if (!is_coded)
            return labels_of_numbers(column, columns_numbers(view, part, index), rows,
                                     targets->labels, err);
        memcpy(targets->labels, columns_codes(view, part, index),
               rows * sizeof(*targets->labels));
        return 0;
    }
    if (is_coded)
        return numbers_of_codes(column, columns_codes(view, part, index), rows,
                                targets->numbers, err);
    memcpy(targets->numbers, columns_numbers(view, part, index),
           rows * targets->width * sizeof(*targets->numbers));
    return 0;
}

int targets_read(const struct dataset_view *view, enum dataset_part part,
                 struct targets *ret_targets, struct error *err)
{
    const struct features_spec *features = &view->spec->features;
    size_t rows = columns_part_rows(view, part), elements;
    struct targets targets = {.type = features->target, .width = 1};
    if (features->reconstructs) {
        *ret_targets = (struct targets){.type = TARGET_NUMBER};
        return 0;
    }
    if (targets.type == TARGET_CATEGORY) {
        targets.labels = mem_alloc_array(rows, sizeof(*targets.labels));
    } else {
        targets.width = (size_t)features->target_width;
        if (mem_multiply(rows, targets.width, &elements))
            targets.numbers = mem_alloc_array(elements, sizeof(*targets.numbers));
    }
    if (!targets.labels && !targets.numbers)
        return error_set(err, ERR_NOMEM, "no memory for the target of %zu rows", rows);
    int rc = fill(view, part, &targets, err);
    if (rc != 0) {
        targets_release(&targets);
        return rc;
    }
    *ret_targets = targets;
    return 0;
}

void targets_release(struct targets *targets)
{
    free(targets->labels);
    free(targets->numbers);
    *targets = (struct targets){0};
}

bool targets_has(const struct targets *targets, size_t row)
{
    if (targets->type == TARGET_CATEGORY)
        return targets->labels[row] != MISSING_CODE;
    for (size_t i = 0; i < targets->width; i++)
        if (!isfinite(targets->numbers[row * targets->width + i]))
            return false;
    return true;
}
