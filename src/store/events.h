/* Events of a job, in order; a sequence number of its own for each job, from 1. */
#ifndef BACKPROP_STORE_EVENTS_H
#define BACKPROP_STORE_EVENTS_H

#include "store.h"

#include <stdbool.h>
#include <stddef.h>

struct event_row {
    int64_t sequence;
    int64_t time_us;
    char *type;    /* "status", "epoch", "early_stopped", "worker_crashed" … */
    char *message; /* for people */
    char *data;    /* JSON text, an object */
};

void event_row_release(struct event_row *row);

/* ERR_NOT_FOUND when the job does not exist. */
int events_append(struct db *db, const char *job_id, int64_t time_us, const char *type,
                  const char *message, const char *data, int64_t *ret_sequence,
                  struct error *err);

/* Writes into the job's newest event which request it came from: {…, "request_id"}. In
 * the same write as the event. */
int events_name_request(struct db *db, const char *job_id, const char *request_id,
                        struct error *err) __attribute__((warn_unused_result));

/* Events with sequence > after, oldest first, at most `limit`. */
int events_list(struct db *db, const char *job_id, int64_t after, int limit,
                struct event_row **ret_rows, size_t *ret_count, bool *ret_has_more,
                struct error *err);

#endif
