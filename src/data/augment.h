/*
 * Augmentation of one image, drawn by counting.
 *
 * Everything that is drawn for a row comes from the stream (seed, RNG_AUGMENT, epoch), at
 * a place that is the row's and the step's own. So it depends on nothing that was drawn
 * before: any thread may make any row at any time, ahead or again after an interruption,
 * and it comes out the same to the bit.
 */
#ifndef BACKPROP_AUGMENT_H
#define BACKPROP_AUGMENT_H

#include "image.h"
#include "spec/augment_spec.h"

#include <stdint.h>

/* Whose draws: `row` is the number of the row in the dataset's part. */
struct augment_draw {
    uint64_t seed, epoch, row;
};

/* The steps of the list, in place; mixup is not one of them. `room` is another image's
 * worth of numbers. */
void augment_image(const struct augment_spec *augment, const struct image_size *size,
                   const struct augment_draw *draw, float *x, float *room);

/* The share of the row itself when it is mixed with another: from Beta(alpha, alpha). */
double augment_mixup_share(double alpha, const struct augment_draw *draw);

#endif
