/*
 * Training: from a resolved spec and an open pipeline to weights.
 *
 * Life of a trainer: new, optionally restore, run, then model parts and results, free.
 *
 *   1. trainer_new()      compiles the graph, allocates everything
 *   2. trainer_restore()  continues from a checkpoint instead of from step 0
 *   3. trainer_run()      trains, calling the hooks from the calling thread
 *   4. trainer_network()  the kept network, for export
 *   5. trainer_free()
 *
 * Same spec, data, build, CPU type and threads: the same bits, restored or not.
 *
 * Metrics. `loss`, `accuracy` (classes) and `mae` (numbers; in the target's own units)
 * are those of one step's batch, before its update. `val_loss`, `val_accuracy`, `val_r2`,
 * `val_mae` come at the end of each epoch, from the whole validation split, without
 * dropout; `r2` comes with them, from the epoch's training batches. Every loss is the
 * mean data loss plus the L2 penalty, as Keras reports it. Early stopping and
 * reduce_on_plateau read `loss`, `accuracy`, `mae` and `r2` as means over the epoch.
 *
 * Which weights are kept: the best epoch's (by early stopping's monitor, otherwise by
 * val_loss where there is a validation split) when early stopping restores them, and
 * whenever the run was cut short by a stop, a time limit or divergence; otherwise the
 * last ones.
 */
#ifndef BACKPROP_TRAINER_H
#define BACKPROP_TRAINER_H

#include "base/error.h"
#include "data/pipeline.h"
#include "network.h"
#include "spec/job_spec.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METRIC_NAME_SIZE 160

/* Metrics of one moment: all names share step, epoch and time. */
struct metric_point {
    int64_t step;  /* optimizer steps done, from 1 */
    double epoch;  /* epochs done, with fraction */
    int64_t retry; /* so often the run went back after a divergence */
    int count;
    const char *const *names; /* "loss", "gradient_norm/layers.0"; borrowed */
    const double *values;     /* may be NaN or infinite */
};

struct train_progress {
    int64_t epoch, epochs; /* epoch: the one under way, from 1 */
    int64_t step, steps;
    double samples_per_second; /* over the last second or so */
    double seconds;            /* spent training, earlier attempts included */
};

enum train_command { TRAIN_GO_ON, TRAIN_CANCEL, TRAIN_STOP, TRAIN_PAUSE };

enum checkpoint_kind { CHECKPOINT_LATEST, CHECKPOINT_BEST };

/* Called by trainer_run() on its own thread. Any may be NULL. A negative return of a hook
 * ends the training with that error. */
struct train_hooks {
    void *context;
    /* Asked after every step: what to do next. Must be cheap. */
    enum train_command (*poll)(void *context);
    int (*metrics)(void *context, const struct metric_point *point);
    /* At most about ten times a second. */
    int (*progress)(void *context, const struct train_progress *progress);
    /* type: "epoch", "learning_rate_reduced", "early_stopped", "rows_dropped",
     * "diverged", "retried", "vanishing_gradient" …; `data` is a JSON object, borrowed.
     */
    int (*event)(void *context, const char *type, const char *message,
                 const json_t *data);
    /* One whole checkpoint; `bytes` is borrowed. `metrics` is a JSON object, borrowed. */
    int (*checkpoint)(void *context, enum checkpoint_kind kind, int64_t step,
                      double epoch, const json_t *metrics, const void *bytes,
                      size_t length);
};

enum train_end {
    TRAIN_COMPLETED,
    TRAIN_EARLY_STOPPED,
    TRAIN_USER_STOPPED,
    TRAIN_TIME_LIMIT,
    TRAIN_DIVERGED,
    TRAIN_CANCELLED,
    TRAIN_PAUSED /* a LATEST checkpoint was given to the hook */
};

struct trainer;

/* Borrows spec and pipeline. New object. */
int trainer_new(const struct job_spec *spec, const struct pipeline *pipeline,
                struct trainer **ret_trainer, struct error *err)
    __attribute__((warn_unused_result));

/* ERR_CORRUPT or ERR_INVALID when the checkpoint is damaged or of another spec; the
 * trainer is then as before. */
int trainer_restore(struct trainer *trainer, const void *bytes, size_t length,
                    struct error *err) __attribute__((warn_unused_result));

/* Returns 0 with the reason of the end, also for TRAIN_DIVERGED; an error when it could
 * not train at all or a hook failed. */
int trainer_run(struct trainer *trainer, const struct train_hooks *hooks,
                enum train_end *ret_end, struct error *err)
    __attribute__((warn_unused_result));

/* After the run: {"latest": {"loss": …}, "best": {"epoch": 3, "val_loss": …},
 * "test": {"loss": …, "accuracy": …}}; test is null without a test split. New reference.
 */
json_t *trainer_results(const struct trainer *trainer);

/* The network with the kept weights (the best ones where the spec asks so). Borrowed. */
const struct network *trainer_network(const struct trainer *trainer);

void trainer_free(struct trainer *trainer);

#endif
