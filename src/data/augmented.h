/*
 * Training rows as a step sees them when the job augments: filled by the pipeline,
 * changed by augment_image(), and mixed if the job says so.
 *
 * With mixup the row at a position of the epoch's order is mixed with the row at the next
 * position (the last with the first), each of them augmented by its own draws. As the
 * order is drawn anew for each epoch, that is a row at random; it does not depend on how
 * the order is cut into batches and slices.
 */
#ifndef BACKPROP_AUGMENTED_H
#define BACKPROP_AUGMENTED_H

#include "pipeline.h"

#include <stddef.h>
#include <stdint.h>

/* The training rows of an epoch; all borrowed. */
struct augmented_rows {
    const struct pipeline *pipeline;
    const struct job_spec *spec;
    uint64_t epoch;
    const uint32_t *order; /* of pipeline_shuffle() */
    float *room;           /* augmented_room() numbers, written by every fill */
};

/* Numbers of room that filling needs. */
size_t augmented_room(const struct job_spec *spec);

/* Bytes of one row's target. */
size_t augmented_target_bytes(const struct job_spec *spec);

/*
 * Fills the rows at positions [first, first + count) of the order, as pipeline_fill()
 * does; labels that are mixed come as struct mixed_label [count], mixed numbers as
 * float32 [count, target_width]. Pure but for `room`.
 */
void augmented_fill(const struct augmented_rows *rows, size_t first, size_t count,
                    float *ret_x, void *ret_target);

#endif
