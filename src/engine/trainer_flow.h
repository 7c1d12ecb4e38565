/*
 * The events "vanishing_gradient", "exploding_gradient", "dead_units" and "plateau": what
 * the flow detector finds in a training, in words and with advice.
 *
 * It looks at the steps whose layers are observed for the metrics anyway, at a few more
 * that are appointed (16, 32, 64, …), and at those after a loss that has risen. Without a
 * metrics hook nothing is looked at.
 */
#ifndef BACKPROP_TRAINER_FLOW_H
#define BACKPROP_TRAINER_FLOW_H

#include "trainer_internal.h"

int trainer_flow_init(struct trainer *trainer) __attribute__((warn_unused_result));
void trainer_flow_release(struct trainer *trainer);

/* At the start of a run, after trainer_restore() if that was called. */
void trainer_flow_begin(struct trainer *trainer);

/* Is the next step to be observed for the detector's sake? */
bool trainer_flow_wants(const struct trainer *trainer);

/* After a step with a finite loss. Returns 0 or the error of the event hook, as the next
 * one does. */
int trainer_flow_step(struct trainer *trainer, double loss, size_t rows, bool observed)
    __attribute__((warn_unused_result));

/* After an epoch with this mean loss. */
int trainer_flow_epoch(struct trainer *trainer, double loss)
    __attribute__((warn_unused_result));

#endif
