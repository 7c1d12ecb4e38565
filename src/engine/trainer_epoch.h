/* The end of an epoch and the end of a run: scores of whole splits, and which weights
 * stay. */
#ifndef BACKPROP_TRAINER_EPOCH_H
#define BACKPROP_TRAINER_EPOCH_H

#include "trainer_internal.h"

struct epoch_verdict {
    enum train_command command; /* other than TRAIN_GO_ON: came during validation, and the
                                   epoch is still unfinished */
    bool diverged;              /* the validation loss is not finite */
    bool early_stopped;
};

/* After the last step of an epoch: validation, best epoch, schedule, points, events. A
 * negative error of a hook is returned. */
int trainer_finish_epoch(struct trainer *trainer, struct epoch_verdict *ret_verdict)
    __attribute__((warn_unused_result));

/* Chooses the weights to keep for this end, gives them to the network and, for an end
 * that gives a model, scores the test split with them. */
int trainer_keep(struct trainer *trainer, enum train_end end)
    __attribute__((warn_unused_result));

#endif
