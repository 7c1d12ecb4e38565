/*
 * The stepper: one training step over all slices, from a batch to updated parameters.
 *
 *   each slice   fill its rows → forward → loss → backward, own arena, own gradients
 *   barrier
 *   each slice   for its range of the parameters: the sum of the slices' gradients in
 *                fixed order, L2, clipping, update, in blocks that stay in the cache
 *
 * The gradient of a large dense layer is not computed per slice and then summed: it is
 * deferred to the second half, where each thread computes its own rows of it from all
 * slices' activations and feeds them to the optimizer at once. So large gradients are
 * never written to memory. Only clipping by the norm needs them whole.
 *
 * With `accumulation` a step takes several batches of batch_rows rows, one after the
 * other, and makes one update with the mean of their gradients: each batch's loss is its
 * own mean divided by the number of the step's batches, as PyTorch users write it. That
 * number is smaller where the step's rows are fewer, and the last batch may be smaller,
 * too. Running statistics follow every batch. Then no gradient is deferred, because the
 * activations of a batch are gone when the update is due.
 *
 * A stepper owns the parameters, the gradients and the moments. A step allocates nothing.
 * The same calls give the same bits for the same threads and CPU type.
 */
#ifndef BACKPROP_STEPPER_H
#define BACKPROP_STEPPER_H

#include "base/error.h"
#include "graph.h"
#include "loss.h"
#include "optimizer.h"
#include "real.h"
#include "spec/job_spec.h"
#include "tally.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stepper;

struct stepper_options {
    const struct model_spec *model; /* borrowed, must outlive the stepper */
    struct loss_spec loss;          /* its class weights are borrowed as well */
    const struct choice *optimizer; /* read by stepper_new() only */
    double clip_norm, clip_value;   /* 0: off */
    uint64_t seed;
    bool mixes;          /* some sources may be mixed */
    size_t batch_rows;   /* at most so many rows a batch */
    size_t accumulation; /* at most so many batches a step; 0 is 1 */
    int threads; /* at most so many; fewer where a step is too little work to share */
    int64_t slice_flops; /* least work of a slice; 0: as measured to be worth it */
};

/* Compiles the graph, starts the threads, allocates everything, initializes the
 * parameters from the seed. New object. */
int stepper_new(const struct stepper_options *options, struct stepper **ret_stepper,
                struct error *err) __attribute__((warn_unused_result));
void stepper_free(struct stepper *stepper);

/* Numbers of a batch on demand. Called on the slices' threads, several at once, for
 * disjoint ranges of the batch's rows: writes x [count, input_width] and the targets (see
 * loss.h) of rows [first, first + count). Where labels are `mixed` they are struct
 * mixed_label instead: only for training. */
struct batch_source {
    void *context;
    void (*fill)(void *context, size_t first, size_t count, real *ret_x,
                 void *ret_target);
    bool mixed;
};

struct step_result {
    struct loss_sums sums; /* of the data, before the update */
    double l2_loss;        /* sum of l2 * squares; 0 where no layer has l2 */
    double gradient_norm;  /* global norm before clipping; NaN unless clip_norm is on or
                              the step was observed */
};

/*
 * One step on `rows` rows, which are one batch or, with accumulation, several. `step`
 * counts from 0. With `observe` the step also gathers what stepper_layer_report() gives.
 */
void stepper_train(struct stepper *stepper, const struct batch_source *source,
                   size_t rows, int64_t step, double learning_rate, bool observe,
                   struct step_result *ret_result);

/* Adds to *sums the loss of `rows` rows (any number; cut in batches) without training. */
void stepper_evaluate(struct stepper *stepper, const struct batch_source *source,
                      size_t rows, struct loss_sums *sums);

/* The same; if `tally` is not NULL it takes the outputs of the rows, which are `first`
 * and the following ones of its set. */
void stepper_score(struct stepper *stepper, const struct batch_source *source,
                   size_t rows, struct tally *tally, size_t first,
                   struct loss_sums *sums);

/* Of the last observed step. Ratios of 0 / 0 are 0. */
struct layer_report {
    const struct layer *layer;  /* the user's layer: its own activation is counted in */
    const struct layer *output; /* whose output it is: that activation, or `layer` */
    bool has_parameters;        /* trained ones; else the next two are 0 */
    double gradient_norm;       /* before clipping, L2 included */
    double update_ratio;        /* |change| / |parameters before| */
    /* of the layer's (activated) output, in the step's last batch */
    double activation_mean, activation_std;
    double dead_fraction; /* units whose output was 0 for all rows of the batch */
};
int stepper_layer_count(const struct stepper *stepper);
void stepper_layer_report(const struct stepper *stepper, int which,
                          struct layer_report *ret_report);

/* Sum over layers of l2 * squares of decaying parameters, as in step_result. */
double stepper_l2_loss(const struct stepper *stepper);

const struct graph *stepper_graph(const struct stepper *stepper);
const struct optimizer *stepper_optimizer(const struct stepper *stepper);

/* graph_size() reals; may be written between steps (restoring, best weights). */
real *stepper_parameters(struct stepper *stepper);

/* optimizer->moments * graph_size() reals, one moment buffer after the other. */
real *stepper_moments(struct stepper *stepper);

#endif
