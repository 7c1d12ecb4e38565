/*
 * The exponential moving average of the weights ("weight_averaging" in spec/run_spec.h):
 * after the first step a copy of them, after every later one decay * average +
 * (1 - decay) * weights. Validation and the kept weights use it; training does not.
 */
#ifndef BACKPROP_TRAINER_AVERAGE_H
#define BACKPROP_TRAINER_AVERAGE_H

#include "trainer_internal.h"

/* Makes room if the spec wants an average; 0 or ERR_NOMEM. trainer_free() frees it. */
int trainer_average_init(struct trainer *trainer) __attribute__((warn_unused_result));

/* After a step that is counted in state.step already. */
void trainer_average_step(struct trainer *trainer);

/* Exchanges the stepper's parameters and the average, to score with it; the same again
 * afterwards. Without an average nothing happens. */
void trainer_average_swap(struct trainer *trainer);

/* What a model of the run as it is now would have: the average, or the parameters. */
const real *trainer_average_or_parameters(const struct trainer *trainer);

#endif
