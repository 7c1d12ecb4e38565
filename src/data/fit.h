/* Fitting: the transforms of a job's columns from the rows of its training split. */
#ifndef BACKPROP_FIT_H
#define BACKPROP_FIT_H

#include "columns.h"
#include "preprocess.h"
#include "targets.h"

/*
 * `rows` are the training split's rows of PART_TRAIN, in ascending order; `targets` is
 * that part's. The view has passed columns_check(). A number's shift, scale and fill come
 * from the rows that have a value; a column without any is filled with 0, and one whose
 * values are all equal has the scale 1. ERR_INVALID when the features are not those that
 * the spec counted. New object.
 */
int fit_preprocess(const struct dataset_view *view, const struct targets *targets,
                   const uint32_t *rows, size_t count, struct preprocess **ret_preprocess,
                   struct error *err) __attribute__((warn_unused_result));

/* What a text needs, which depends on no row. New object. */
int fit_text(const struct dataset_view *view, struct preprocess **ret_preprocess,
             struct error *err) __attribute__((warn_unused_result));

#endif
