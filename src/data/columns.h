/*
 * The arrays of a dataset file that a job needs, checked against the facts before
 * anything reads them: present, of the element type and dimensions that the facts imply,
 * and without codes that no value stands for. What passes can be read without further
 * checks.
 */
#ifndef BACKPROP_COLUMNS_H
#define BACKPROP_COLUMNS_H

#include "base/error.h"
#include "dataset_file.h"
#include "spec/job_spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A dataset seen through a spec; everything is borrowed. */
struct dataset_view {
    const struct dataset_file *file;
    const struct dataset_facts *facts;
    const struct job_spec *spec;
};

/* Rows of a part, as the facts say. */
size_t columns_part_rows(const struct dataset_view *view, enum dataset_part part);

/* True if the spec uses that part: the test part only with SPLIT_FIXED. */
bool columns_part_is_used(const struct dataset_view *view, enum dataset_part part);

/* ERR_INVALID if the spec's columns do not fit the facts; ERR_CORRUPT if the used parts
 * of the file do not. */
int columns_check(const struct dataset_view *view, struct error *err)
    __attribute__((warn_unused_result));

/* True if the stored target is int32 codes, false if it is float32 numbers. */
bool columns_target_is_coded(const struct dataset_facts *facts,
                             const struct column_facts *column);

/* After columns_check(): the elements of a number column, a coded column, the samples. */
const float *columns_numbers(const struct dataset_view *view, enum dataset_part part,
                             int column);
const int32_t *columns_codes(const struct dataset_view *view, enum dataset_part part,
                             int column);
const struct dataset_array *columns_samples(const struct dataset_view *view,
                                            enum dataset_part part);

#endif
