/*
 * Going back after a divergence ("on_divergence" in spec/run_spec.h): a copy of the whole
 * run as it was at its last good step is kept in memory, and a run that has retries left
 * goes on from there with its learning rates multiplied by the factor.
 *
 * The copy is taken at the start, and again when ROLLBACK_STEPS steps have passed since,
 * every parameter is finite and the loss is at most ROLLBACK_LOSS times that of the job's
 * first step: an exploded state is no good one, though all its numbers may be finite.
 * Nothing of that depends on time, and a checkpoint holds the copy, so that a resumed run
 * goes back to the very same state. Jobs without retries keep no copy.
 */
#ifndef BACKPROP_TRAINER_ROLLBACK_H
#define BACKPROP_TRAINER_ROLLBACK_H

#include "trainer_divergence.h"
#include "trainer_internal.h"

#define ROLLBACK_STEPS 100
#define ROLLBACK_LOSS 10.0

/* Makes room if the spec has retries; 0 or ERR_NOMEM. */
int trainer_rollback_init(struct trainer *trainer) __attribute__((warn_unused_result));
void trainer_rollback_release(struct trainer *trainer);

/* At the start of a run, after trainer_restore() if that was called. */
void trainer_rollback_begin(struct trainer *trainer);

/* After a step, which is counted, with this finite loss. */
void trainer_rollback_step(struct trainer *trainer, double loss);

/* After a divergence that was reported: goes back if there is a retry left, and says so
 * in *ret_again. Returns 0 or the event hook's error. */
int trainer_rollback(struct trainer *trainer, const struct divergence *divergence,
                     bool *ret_again) __attribute__((warn_unused_result));

/* The learning rate of the next step, and of one that was done. */
double trainer_rate(const struct trainer *trainer, int64_t step);

#endif
