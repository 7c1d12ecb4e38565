/*
 * Learning rate schedules: the rate of a step is a pure function of the step's number
 * and, for reduce_on_plateau alone, of a small state that a checkpoint holds.
 *
 *   constant           r
 *   step               r gamma^floor(epoch / step_epochs)
 *   multi_step         r gamma^(how many milestones are <= epoch)
 *   exponential        r gamma^epoch, of whole epochs
 *   cosine             min + (r - min) (1 + cos(pi t)) / 2, where t goes from 0 at the
 *                      end of the warm-up to 1 after the last step
 *   cosine_restarts    the same over a period, then over the next, which is
 *                      period_multiplier times as long
 *   polynomial         min + (r - min) (1 - t)^power
 *   one_cycle          from r / div_factor up to r, then down to r / div_factor /
 *                      final_div_factor at the last step, along cosines
 *   reduce_on_plateau  max(min, r factor^reductions)
 *
 * `warmup_steps` before any of them: step s < warmup_steps has (s + 1) / warmup_steps of
 * what the schedule gives.
 */
#ifndef BACKPROP_SCHEDULE_H
#define BACKPROP_SCHEDULE_H

#include "base/error.h"
#include "spec/job_spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct schedule_type;

struct schedule {
    const struct schedule_type *type;
    double learning_rate; /* the optimizer's */
    double gamma, minimum, factor, min_delta;
    double power, rising_share, final_factor;
    int64_t warmup_steps, step_epochs, patience;
    int64_t period_epochs, period_multiplier;
    int64_t milestones[ATTR_LIST_MAX]; /* epochs */
    int milestone_count;
    int64_t steps_per_epoch, steps; /* steps: of the whole job */
    char monitor[ATTR_STRING_SIZE]; /* reduce_on_plateau; "" for the others */
};

/* State of reduce_on_plateau; starts as {0}. Plain data, for the checkpoint. */
struct plateau {
    double best;
    bool has_best;
    int64_t bad_epochs;
    int64_t reductions;
};

/* ERR_INVALID when the type is unknown. */
int schedule_init(struct schedule *schedule, const struct choice *choice,
                  double learning_rate, int64_t steps_per_epoch, int64_t steps,
                  struct error *err) __attribute__((warn_unused_result));

/* The rate of a step, counted from 0. `plateau` may be NULL where monitor is "". */
double schedule_rate(const struct schedule *schedule, int64_t step,
                     const struct plateau *plateau);

/*
 * At the end of an epoch: tells reduce_on_plateau the monitored metric.
 * `higher_is_better` for accuracies and r2. After more than `patience` epochs without an
 * improvement of more than min_delta the rate is reduced: then returns true. A NaN is no
 * improvement.
 */
bool schedule_observe(const struct schedule *schedule, struct plateau *plateau,
                      double value, bool higher_is_better);

/* Names in the table, NULL after the last; for the test that spec agrees. */
const char *schedule_name(size_t which);

#endif
