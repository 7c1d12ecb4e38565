/*
 * Watching one metric over the epochs: which epoch was best, and when to give up.
 *
 * The best epoch is the one with the best value, by any margin. Patience is counted
 * against a reference that moves only on an improvement of more than min_delta, as Keras'
 * EarlyStopping does, so that many tiny steps in the right direction add up to an
 * improvement but noise does not. A value that is not a number is never an improvement.
 */
#ifndef BACKPROP_EARLY_STOPPING_H
#define BACKPROP_EARLY_STOPPING_H

#include "figures.h"
#include "spec/job_spec.h"

#include <stdbool.h>
#include <stdint.h>

struct early_stopping {
    enum figure figure; /* the monitored one; FIGURE_COUNT: nothing is watched */
    bool stops;         /* false: only the best epoch is kept in mind */
    int64_t patience;   /* epochs */
    double min_delta;

    /* State, part of a checkpoint. */
    int64_t best_epoch; /* from 1; 0: none yet */
    double best;        /* of best_epoch */
    double reference;   /* what patience is counted against */
    bool has_reference;
    int64_t waited; /* epochs since the reference moved */
};

/* Watches the spec's monitor, or, without early stopping, val_loss where there is a
 * validation split (nothing where there is none). */
void early_stopping_init(struct early_stopping *stopping, const struct job_spec *spec,
                         bool has_validation);

struct early_stopping_verdict {
    bool is_best; /* this epoch is the best so far: keep its weights */
    bool stop;    /* patience is used up */
};

/* The value of the monitored metric after epoch `epoch` (from 1). With patience 0 the
 * first epoch that does not improve stops. */
struct early_stopping_verdict early_stopping_observe(struct early_stopping *stopping,
                                                     int64_t epoch, double value);

#endif
