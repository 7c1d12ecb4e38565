/*
 * The pipeline: a dataset seen through a job spec, as splits of numeric rows.
 *
 * Opening it splits the rows, drops those without a target, fits the preprocessing to the
 * training split alone, and (for tables) lays the features out as one float matrix;
 * images stay mapped as bytes and are scaled while a batch is gathered. The samples of a
 * text are windows of its tokens (text_windows.h). Filling a batch
 * is pure: any thread may fill any range at any time, and the same arguments give the
 * same bits.
 */
#ifndef BACKPROP_PIPELINE_H
#define BACKPROP_PIPELINE_H

#include "base/error.h"
#include "dataset_file.h"
#include "preprocess.h"
#include "spec/job_spec.h"
#include "split.h"

#include <stddef.h>
#include <stdint.h>

struct pipeline;

/*
 * Borrows all three, which must outlive the pipeline. New object.
 *   ERR_INVALID  the spec does not fit the data, or a split that it asks for comes out
 *                empty (with the figures)
 *   ERR_CORRUPT  the file is not what the facts say: an array is missing, has other rows
 *                or holds a code that no value stands for
 */
int pipeline_open(const struct dataset_file *file, const struct dataset_facts *facts,
                  const struct job_spec *spec, struct pipeline **ret_pipeline,
                  struct error *err) __attribute__((warn_unused_result));
/* The same with transforms that were fitted before, to other rows: *preprocess, which is
 * taken (and set to NULL). ERR_INVALID when they give other numbers than the spec says.
 */
int pipeline_open_fitted(const struct dataset_file *file,
                         const struct dataset_facts *facts, const struct job_spec *spec,
                         struct preprocess **preprocess, struct pipeline **ret_pipeline,
                         struct error *err) __attribute__((warn_unused_result));
void pipeline_close(struct pipeline *pipeline);

/* Rows of a split. */
size_t pipeline_rows(const struct pipeline *pipeline, enum split split);

/* Rows dropped because the target (or a "drop" column) had no value. */
size_t pipeline_dropped_rows(const struct pipeline *pipeline);

/* Weights under which the classes of the training split count the same, for a
 * TARGET_CATEGORY: rows / (classes * rows of the class), a class without rows as if it
 * had one. ret_weights: [classes]. */
void pipeline_balance_classes(const struct pipeline *pipeline, size_t classes,
                              double *ret_weights);

/* The transforms fitted to the training split; borrowed. */
const struct preprocess *pipeline_preprocess(const struct pipeline *pipeline);

/*
 * The order of the training rows in an epoch: a permutation from (seed, RNG_SHUFFLE,
 * epoch) alone. `order` has room for pipeline_rows(IN_TRAIN) entries. Epochs count from
 * 0. For a text, whose windows lie elsewhere in each epoch, an entry is not the number of
 * a row but the token at which the window begins.
 */
void pipeline_shuffle(const struct pipeline *pipeline, uint64_t epoch,
                      uint32_t *ret_order);

/*
 * Fills `count` rows of a split: those at `order[0 … count)`, or, when order is NULL,
 * rows first … first + count.
 *
 *   ret_x       [count, features], row-major float32
 *   ret_target  TARGET_CATEGORY: labels as int32 [count]
 *               of a text: [count, spec->positions]
 *               TARGET_NUMBER: normalized values as float32 [count, target_width]; a
 *               copy of ret_x where the input is the target
 */
void pipeline_fill(const struct pipeline *pipeline, enum split split,
                   const uint32_t *order, size_t first, size_t count, float *ret_x,
                   void *ret_target);

/* Original row numbers (0-based, in the dataset's part; tokens where a text's windows
 * begin) of the same rows, for messages. */
void pipeline_source_rows(const struct pipeline *pipeline, enum split split,
                          const uint32_t *order, size_t first, size_t count,
                          uint64_t *ret_rows);

#endif
