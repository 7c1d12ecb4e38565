/*
 * The inside of a trainer, shared by the modules that it is made of:
 *
 *   trainer             its life, and the loop over epochs and steps
 *   trainer_batches     where the rows of a step come from
 *   trainer_average     the moving average of the weights
 *   trainer_epoch       validation, the best epoch, the weights that are kept
 *   trainer_flow        events of gradients, units and losses in trouble
 *   trainer_report      metric points, progress and events on their way to the hooks
 *   trainer_checkpoint  the state to bytes and back
 *   trainer_divergence  what to say when numbers stop being numbers
 *   trainer_rollback    back to the last good state, with a smaller learning rate
 */
#ifndef BACKPROP_TRAINER_INTERNAL_H
#define BACKPROP_TRAINER_INTERNAL_H

#include "checkpoint_pace.h"
#include "data/augmented.h"
#include "early_stopping.h"
#include "figures.h"
#include "flow_detector.h"
#include "prefetcher.h"
#include "schedule.h"
#include "stepper.h"
#include "trainer.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What a checkpoint holds besides parameters, moments and the best parameters. Plain
 * data. Between two steps: step == epoch * steps_per_epoch + batch. `batch` may be
 * steps_per_epoch: then the epoch's steps are done, but its validation is not.
 */
struct train_state {
    int64_t epoch;         /* finished */
    int64_t batch;         /* done in the epoch under way */
    int64_t step;          /* done in all */
    int64_t elapsed_ns;    /* spent training, earlier attempts included */
    struct loss_sums sums; /* of the epoch under way */
    double l2_sum;         /* of its steps' L2 losses */
    struct plateau plateau;
    struct early_stopping stopping;
    struct figures latest; /* as sent to the hook */
    struct figures best;   /* of epoch stopping.best_epoch */
    int64_t retries;       /* after divergences, so far */
    double rate_factor;    /* of the learning rates, of these retries */
    double first_loss;     /* of the first step */
};

/* The run as it was at its last good step. */
struct last_good {
    unsigned char *bytes; /* owned; NULL: none is kept */
    size_t capacity, length;
    int64_t step;
};

/* Rows per second over the last second or so. */
struct speedometer {
    int64_t since_ns;
    int64_t rows; /* since then */
    double rate;  /* of the second before; 0: none yet */
};

/* When what was last sent. Nothing here has an influence on the weights. */
struct report_clock {
    int64_t now_ns; /* clock_monotonic_ns() when it was last read */
    struct speedometer speed;
    int64_t progress_ns;   /* last call of the progress hook */
    int64_t epoch_ns;      /* last "epoch" event */
    int64_t epoch_percent; /* of the run, at that event */
    struct checkpoint_pace pace;
    int64_t best_ns;     /* last BEST checkpoint; 0: none yet */
    bool best_is_due;    /* the best epoch is not in a BEST checkpoint yet */
    double step_ns;      /* usual length of a step that is not observed */
    double observing_ns; /* extra time spent on the layers' series */
};

/* One metric point with room for the layers' series, whose names are made when they are
 * first needed. */
struct layer_series {
    int capacity;       /* of names and values */
    const char **names; /* owned, as the next two */
    double *values;
    char (*texts)[METRIC_NAME_SIZE];
};

/* What the flow detector looks at. Nothing here has an influence on the weights. */
struct trainer_flow {
    struct flow_detector detector;
    struct flow_layer *layers; /* owned, as the next; one for each report */
    const char **names;        /* borrowed from the spec; set by the first observation */
    double learning_rate;      /* of the last step */
    bool wants;                /* the next step is to be observed */
};

/* Rows of a split as the stepper asks for them. */
struct split_rows {
    const struct pipeline *pipeline;
    enum split split;
    const uint32_t *order; /* NULL: the split's own order */
    size_t first;
};

/* The training rows on their way to a step. */
struct trainer_batches {
    struct split_rows plain;         /* of the present batch, without augmentation */
    struct augmented_rows augmented; /* its room is owned */
    struct prefetcher *prefetcher;   /* NULL: rows are used as they are */
};

struct trainer {
    const struct job_spec *spec;     /* borrowed */
    const struct pipeline *pipeline; /* borrowed */
    const struct train_hooks *hooks; /* borrowed, during trainer_run() only */
    struct stepper *stepper;         /* owned, as the next three */
    struct network *network;         /* gets the kept weights at the end of a run */
    uint32_t *order;                 /* training rows of the epoch under way */
    real *best_parameters;           /* NULL: no epoch is watched for being best */
    real *average;                   /* of the weights; NULL: none */
    double *class_weights;           /* balanced ones; NULL: those of the spec, if any */
    struct tally tally;              /* of a split being scored; classes 0: none */
    uint64_t identity;               /* of spec and data, for checkpoints */
    int64_t steps_per_epoch, steps;
    struct schedule schedule;
    struct figure_scale scale;
    struct train_state state;
    struct last_good good;
    struct report_clock clock;
    struct layer_series series;
    struct trainer_flow flow;
    struct trainer_batches batches;
    bool has_test;
    struct figures test; /* known after the run where there is a test split */
};

/* A batch source over `rows`, which it borrows. */
struct batch_source split_source(struct split_rows *rows);

/* Asks the poll hook. */
enum train_command trainer_poll(const struct trainer *trainer);

#endif
