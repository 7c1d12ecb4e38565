/*
 * The guarded changes of a job's state that the scheduler makes. Each is one write, so
 * that what belongs together (the end of a job, its model, its event) is seen together.
 */
#ifndef BACKPROP_SCHED_TRAINING_WRITES_H
#define BACKPROP_SCHED_TRAINING_WRITES_H

#include "training.h"

/* Takes the job out of the queue under a new lease. training_started() hears of it.
 * ERR_NOMEM. */
int training_write_start(struct training *training, struct error *err)
    __attribute__((warn_unused_result));

/* A checkpoint that was received whole: seals the upload, which is taken over. */
int training_write_checkpoint(struct training *training, struct blob_upload *upload,
                              struct error *err) __attribute__((warn_unused_result));

/*
 * The last writes. All set the state ENDING and are tried again as long as the store
 * fails for reasons of its own (a full disk) and the daemon is not going. A job that the
 * user has cancelled in the meantime ends cancelled, whatever else it was to be.
 */

/* Ended with the model that was received: it and the end become visible together.
 * `metrics` is JSON text, taken over. */
void training_write_success(struct training *training, const char *stop_reason,
                            char *metrics);

/* `error_json` is {"code", "message", "detail"}, taken over; NULL
 * stands for no memory. */
void training_write_failure(struct training *training, const char *stop_reason,
                            char *error_json);

/* Back to the queue, where it waits so long before it is tried again; or paused, or
 * cancelled, where the user asked for that. */
void training_write_release(struct training *training, bool count_attempt,
                            int64_t wait_us);

/* {"code", "message", "detail"} as a new text; `violations` (an array) is added as
 * "errors" and may be NULL. NULL without memory. */
char *training_error_json(const char *code, const char *message, const char *detail,
                          json_t *violations);

#endif
