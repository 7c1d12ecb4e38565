/* The event "diverged": where numbers stopped being numbers, and what may help. */
#ifndef BACKPROP_TRAINER_DIVERGENCE_H
#define BACKPROP_TRAINER_DIVERGENCE_H

#include "trainer_batches.h"

#define DIVERGENCE_MAX_ROWS 256 /* of the batch, named in the event */

struct divergence {
    double loss;          /* not finite, or finite when parameters were found not to be */
    double learning_rate; /* of the step */
    int64_t step;         /* from 1 */
    const struct batch *batch; /* NULL: no batch is to blame */
};

/* Finds the first layer (in order of computation) whose parameters or outputs are not
 * finite, and sends the event. */
int divergence_report(const struct trainer *trainer, const struct divergence *divergence)
    __attribute__((warn_unused_result));

/* True if every parameter is finite. */
bool divergence_parameters_are_finite(const struct trainer *trainer);

#endif
