/* A dataset as the API shows it: its identity and its facts. */
#ifndef BACKPROP_HTTP_DATASET_VIEW_H
#define BACKPROP_HTTP_DATASET_VIEW_H

#include "base/buffer.h"
#include "store/datasets.h"

#include <jansson.h>

#define DATASET_VIEW_MAX_BYTES ((size_t)64 << 20)
#define DATASET_VIEW_MAX_VALUES 50 /* of a column, in lists */

/* Appends the object. `in_list`: columns' lists of values are cut to their first
 * DATASET_VIEW_MAX_VALUES; "categories" still says how many there are. */
int dataset_view(struct buffer *buffer, const struct dataset_row *row, bool in_list,
                 struct error *err) __attribute__((warn_unused_result));

/* Facts as text: doubles with 15 digits, so that 0.42 stays 0.42. New; NULL without
 * memory. */
char *dataset_dump(const json_t *json);

#endif
