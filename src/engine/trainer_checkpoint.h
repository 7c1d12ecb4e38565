/*
 * When a trainer gives checkpoints to its hook. trainer_restore() is here as well.
 *
 * A LATEST checkpoint comes every checkpoint_every_seconds, at first sooner, and on a
 * pause. A BEST one comes after a new best epoch, but not within BEST_CHECKPOINT_SECONDS
 * of the one before. Neither comes while that would cost too much (checkpoint_pace.h),
 * but for that of a pause. Both hold the whole run as it is when they are
 * made, the parameters of the best epoch among it, so that a run can go on from either;
 * the epoch, step and metrics that go with a BEST one are the best epoch's.
 */
#ifndef BACKPROP_TRAINER_CHECKPOINT_H
#define BACKPROP_TRAINER_CHECKPOINT_H

#include "checkpoint.h"
#include "trainer_internal.h"

#define BEST_CHECKPOINT_SECONDS 5

/* A number for what shapes the course of a run: two runs with the same one can go on from
 * each other's checkpoints. Name, priority, metadata and resources are left out. */
int trainer_identity(const struct trainer *trainer, uint64_t *ret_identity)
    __attribute__((warn_unused_result));

/* Gives a whole checkpoint to the hook; returns 0 or the hook's error. */
int trainer_checkpoint(struct trainer *trainer, enum checkpoint_kind kind)
    __attribute__((warn_unused_result));

/* The run begins, or goes on from a checkpoint. */
void trainer_checkpoint_begin(struct trainer *trainer);

/* The ones whose time has come. */
int trainer_checkpoint_if_due(struct trainer *trainer)
    __attribute__((warn_unused_result));

/* The inside of a checkpoint but for the last good state: all that a run is. */
void trainer_walk(struct checkpoint_cursor *cursor, struct trainer *trainer);

/* The bytes of that, with or without the parameters of a best epoch. */
size_t trainer_run_bytes(struct trainer *trainer, bool has_best);

#endif
