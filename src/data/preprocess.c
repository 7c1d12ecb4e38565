/* See preprocess.h and preprocess_internal.h. The JSON is in preprocess_json.c, requests
 * are in preprocess_request.c, and fit.c makes the transforms. */
#include "preprocess.h"

#include "elements.h"
#include "preprocess_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void free_strings(char **strings, size_t count)
{
    for (size_t i = 0; strings && i < count; i++)
        free(strings[i]);
    free(strings);
}

void preprocess_free(struct preprocess *preprocess)
{
    if (!preprocess)
        return;
    for (int i = 0; preprocess->inputs && i < preprocess->input_count; i++) {
        struct preprocess_column *column = &preprocess->inputs[i];
        free(column->name);
        free_strings(column->values, column->value_count);
    }
    free(preprocess->inputs);
    free_strings(preprocess->ignored, preprocess->ignored_count);
    tokenizer_release(&preprocess->tokenizer);
    free(preprocess->target_name);
    free_strings(preprocess->classes, preprocess->class_count);
    free(preprocess);
}

void preprocess_reconstruct(struct preprocess *preprocess)
{
    preprocess->reconstructs = true;
    preprocess->target = TARGET_NUMBER;
    preprocess->target_width = preprocess->feature_count;
    preprocess->target_number = preprocess->array; /* 0 and 1 for a table */
}

int64_t preprocess_column_features(const struct preprocess_column *column)
{
    int64_t features = column->type == COLUMN_CATEGORY ? (int64_t)column->value_count : 1;
    return features + (column->indicator ? 1 : 0);
}

void preprocess_put_number(const struct preprocess_column *column, double x,
                           float *ret_features)
{
    bool missing = !isfinite(x);
    ret_features[0] =
        elements_feature(&column->number, missing ? column->number.fill : x);
    if (column->indicator)
        ret_features[1] = missing ? 1.0F : 0.0F;
}

void preprocess_put_category(const struct preprocess_column *column, int32_t code,
                             float *ret_features)
{
    memset(ret_features, 0,
           (size_t)preprocess_column_features(column) * sizeof(*ret_features));
    if (code >= 0)
        ret_features[code] = 1.0F;
    else if (column->indicator)
        ret_features[column->value_count] = 1.0F;
}
