/*
 * Where the batches of the training rows come from: as the pipeline has them, filled on
 * the slices' own threads, or augmented, made ahead by a prefetcher. Which row is in
 * which batch is the same in both cases: the order of the epoch, cut in batches. Here a
 * batch is what one step takes, accumulated batches and all.
 */
#ifndef BACKPROP_TRAINER_BATCHES_H
#define BACKPROP_TRAINER_BATCHES_H

#include "trainer_internal.h"

/* A batch, until the next one is asked for. */
struct batch {
    struct batch_source source;
    size_t first, rows; /* in trainer->order */
};

int trainer_batches_init(struct trainer *trainer, struct error *err)
    __attribute__((warn_unused_result));
void trainer_batches_release(struct trainer *trainer);

/* Draws the order of the epoch under way, and makes ready to go on in it. */
void trainer_batches_begin(struct trainer *trainer);

/* The batch of the next step. */
void trainer_batches_next(struct trainer *trainer, struct batch *ret_batch);

/* No more of this epoch. */
void trainer_batches_end(struct trainer *trainer);

#endif
