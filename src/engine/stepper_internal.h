/*
 * The inside of a stepper: stepper.c owns it and runs the slices, stepper_update.c
 * updates the parameters, stepper_report.c says what an observed step saw.
 */
#ifndef BACKPROP_STEPPER_INTERNAL_H
#define BACKPROP_STEPPER_INTERNAL_H

#include "slices.h"
#include "stepper.h"

/* A tensor seen from the update: what to do with its range of the flat buffers. */
struct segment {
    const struct tensor *tensor;
    size_t offset, count;
    bool trained; /* false: state, whose "gradient" is a slice's share of its new value */
    bool decays;
    double l2;
    const struct node *deferred; /* the node whose gradient_rows() gives the gradient */
    size_t grain;                /* cuts are at multiples of it: a row, a cache line */
};

/* Sums of squares over one thread's part of a segment, in an observed step. */
struct segment_squares {
    double gradient, change, parameter;
};

/* Reals of a cache line, at whose multiples threads share a tensor. */
#define GRAPH_LINE (64 / sizeof(real))

/* What one slice owns. On cache lines of its own. */
struct slice_state {
    _Alignas(64) struct run *run;
    real *gradients; /* graph_size() */
    real *fresh;     /* the same, of one batch of several; NULL without accumulation */
    void *target;
    real *mixing; /* for loss_compute_mixed(); NULL: nothing is mixed */
    real *block;  /* BLOCK_REALS: gradients on their way into the optimizer */
    struct loss_sums sums;
    double weights[2]; /* of its rows in the loss, of an even and an odd batch */
    double l2_loss;
    struct segment_squares *squares; /* one for each segment */
    size_t first, rows;              /* of the present step and batch */
};

struct stepper {
    struct loss_spec loss;
    struct loss_layout layout;
    double clip_norm, clip_value;
    size_t batch_rows, accumulation;
    struct graph *graph;
    struct slices *slices;
    int slice_count;
    struct slice_state *states;
    struct optimizer optimizer;
    real *parameters, *moments;
    int segment_count;
    struct segment *segments;
    bool has_l2;
    int report_count;
    struct report_row *reports;
    bool *observed_nodes; /* by node: an output of a report */
    bool observed;        /* the last step was: reports are valid */
};

/* A user's layer in the reports: the node of its parameters and the one of its output. */
struct report_row {
    int node, output;
};

/* A step as the slices see it. */
struct step {
    struct stepper *stepper;
    const struct batch_source *source;
    size_t rows;
    size_t batches;
    int active;      /* slices with rows in the first batch: they have gradients */
    int last_active; /* and in the last one */
    int64_t number;
    struct optimizer_step update;
    double clip_scale; /* of the gradients, by their norm; below 1 where it clips */
    bool observe;
    struct tally *tally; /* NULL: none; rows of the tally before those of the step */
    size_t tallied;
};

/* The slice's share of the states' update after a batch that is not the last one and of
 * which `active` slices had rows; all slices call it after its backwards are done. */
void stepper_update_states(struct step *step, int slice, int active);

/* The slice's share of the update; all slices call it after all backwards are done. */
void stepper_update_slice(struct step *step, int slice);

/* The global gradient norm of a step for which it was gathered. */
double stepper_gradient_norm(const struct stepper *stepper);

/* Fills stepper->segments. */
int stepper_plan_update(struct stepper *stepper, struct error *err)
    __attribute__((warn_unused_result));

/* Fills stepper->reports. */
int stepper_plan_reports(struct stepper *stepper, struct error *err)
    __attribute__((warn_unused_result));

/* Reals of slice_state.block. */
size_t stepper_block_reals(const struct stepper *stepper);

#endif
