/*
 * What a trainer tells its hooks, and how often. All functions that call a hook return 0
 * or the hook's error.
 *
 *   metric points    every log_every_steps steps, at the first and last step of the job,
 *                    and at the end of each epoch
 *   layers' series   in the points of observed steps: as many as take at most 3 % of the
 *                    time
 *   progress         ten times a second at most
 *   "epoch" events   once a second, or at each percent where that is more often
 */
#ifndef BACKPROP_TRAINER_REPORT_H
#define BACKPROP_TRAINER_REPORT_H

#include "trainer_internal.h"

int layer_series_init(struct layer_series *series, const struct stepper *stepper)
    __attribute__((warn_unused_result));
void layer_series_release(struct layer_series *series);

/* Sets the clocks at the start of a run. */
void report_begin(struct trainer *trainer);

/* Reads the clock and adds what has passed to the time spent training. Returns it. */
int64_t report_tick(struct trainer *trainer);

/* Time that was not spent on steps does not count as slow steps. */
void report_skip(struct trainer *trainer, int64_t ns);

/* Is a metric point due at this step (from 1); may it be observed? */
bool report_wants_point(const struct trainer *trainer, int64_t step);
bool report_wants_layers(const struct trainer *trainer);

/* After a step of `rows` rows: moves the clocks on. */
void report_step_done(struct trainer *trainer, size_t rows, bool observed);

/* Sends the metric point of the step that was just done. */
int report_step(struct trainer *trainer, const struct step_result *result,
                double learning_rate, bool observed) __attribute__((warn_unused_result));

/* Sends figures as one metric point. */
int report_figures(struct trainer *trainer, const struct figures *figures)
    __attribute__((warn_unused_result));

/* Calls the progress hook if its time has come, or at once with `at_once`. */
int report_progress(struct trainer *trainer, bool at_once)
    __attribute__((warn_unused_result));

/* Sends an event. Takes `data`; ERR_NOMEM if it is NULL. */
int report_event(const struct trainer *trainer, const char *type, const char *message,
                 json_t *data) __attribute__((warn_unused_result));

/* Sends the event "epoch" with the epoch's figures, unless one was sent a moment ago. */
int report_epoch(struct trainer *trainer, const struct figures *figures)
    __attribute__((warn_unused_result));

#endif
