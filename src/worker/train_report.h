/* The hooks of a training: what the trainer tells, as frames. */
#ifndef BACKPROP_WORKER_TRAIN_REPORT_H
#define BACKPROP_WORKER_TRAIN_REPORT_H

#include "base/buffer.h"
#include "channel.h"
#include "engine/trainer.h"

/* What the hooks need; their context. */
struct train_report {
    struct channel *channel;
    const struct trainer *trainer;
    struct buffer text;         /* the point or progress being put together */
    char *divergence;           /* message of the event "diverged"; owned */
    struct train_progress last; /* what was told last */
    struct error err;           /* why a hook failed */
};

void train_report_init(struct train_report *report, struct channel *channel,
                       const struct trainer *trainer);
void train_report_release(struct train_report *report);

/* The hooks, with `report` as their context. */
struct train_hooks train_report_hooks(struct train_report *report);

/* Tells the progress of a training that came to its end: however many of its steps it
 * took, nothing is left to do. */
int train_report_end(struct train_report *report) __attribute__((warn_unused_result));

#endif
