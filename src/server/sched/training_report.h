/*
 * What a training worker says as it goes (metrics, progress, events), gathered for a
 * moment and written at once: a commit costs the same for one point as for a thousand.
 */
#ifndef BACKPROP_SCHED_TRAINING_REPORT_H
#define BACKPROP_SCHED_TRAINING_REPORT_H

#include "payload.h"
#include "training.h"

/* Each adds to the training's report, which is submitted at the latest after
 * REPORT_DELAY_NS. `bytes` is the frame's size. Without memory ERR_NOMEM. */
int training_report_metrics(struct training *training, json_t *object, size_t bytes,
                            struct error *err) __attribute__((warn_unused_result));
int training_report_progress(struct training *training, const json_t *object,
                             size_t bytes, struct error *err)
    __attribute__((warn_unused_result));

/* `data` is JSON text. */
int training_report_event(struct training *training, const char *type,
                          const char *message, const char *data, struct error *err)
    __attribute__((warn_unused_result));

/* Submits what was gathered: before any write that is to come after it. */
void training_report_flush(struct training *training);

/* Forgets what was gathered. */
void training_report_drop(struct training *training);

#endif
