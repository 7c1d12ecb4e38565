/* A table's input columns laid out as the rows of one float matrix. */
#ifndef BACKPROP_TABLE_H
#define BACKPROP_TABLE_H

#include "columns.h"
#include "preprocess.h"

/* `rows` of a part, through the fitted transforms, into a new [count, features] matrix,
 * to be freed. The view has passed columns_check(), the transforms were fitted to it.
 * ERR_NOMEM is the only error. */
int table_lay_out(const struct dataset_view *view, const struct preprocess *preprocess,
                  enum dataset_part part, const uint32_t *rows, size_t count,
                  float **ret_x) __attribute__((warn_unused_result));

#endif
