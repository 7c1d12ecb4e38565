/* A job, a model or a checkpoint as the API shows it, from its row. */
#ifndef BACKPROP_HTTP_JOB_VIEW_H
#define BACKPROP_HTTP_JOB_VIEW_H

#include "base/buffer.h"
#include "store/checkpoints.h"
#include "store/events.h"
#include "store/jobs.h"
#include "store/models.h"

#define VIEW_MAX_BYTES ((size_t)64 << 20) /* of one reply that is built in memory */

/* `queue_position` 0 gives null. A row without spec (in lists) has no "spec" member. */
void job_view(struct buffer *buffer, const struct job_row *row, int64_t queue_position);

void model_view(struct buffer *buffer, const struct model_row *row);

void checkpoint_view(struct buffer *buffer, const struct checkpoint_row *row);

void event_view(struct buffer *buffer, const struct event_row *row);

/* Reads the job and its queue position and appends the view. ERR_NOT_FOUND. */
int job_view_read(struct buffer *buffer, struct db *db, const char *id,
                  struct error *err);

#endif
