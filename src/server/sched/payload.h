/*
 * What is in the frames of a worker, read with the distrust it deserves: each function
 * checks every type and bound and says what was wrong (ERR_PROTOCOL).
 */
#ifndef BACKPROP_SCHED_PAYLOAD_H
#define BACKPROP_SCHED_PAYLOAD_H

#include "base/error.h"
#include "store/metrics.h"
#include "wire/frame.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_MAX_METRIC_NAME 200
#define PAYLOAD_MAX_TYPE 64
#define PAYLOAD_MAX_MESSAGE 4096

/* The one JSON object of a frame. New reference. */
int payload_object(const struct frame *frame, json_t **ret_object, struct error *err)
    __attribute__((warn_unused_result));

/* A member; its text is borrowed from `object`. Strings have at most `longest` bytes and
 * are not empty. */
int payload_string(const json_t *object, const char *key, size_t longest,
                   const char **ret_text, struct error *err)
    __attribute__((warn_unused_result));
int payload_integer(const json_t *object, const char *key, int64_t minimum,
                    int64_t maximum, int64_t *ret_value, struct error *err)
    __attribute__((warn_unused_result));
int payload_number(const json_t *object, const char *key, double *ret_value,
                   struct error *err) __attribute__((warn_unused_result));

/* A member that is an object (or, if `optional`, missing or null), as compact JSON text:
 * a new string, "{}" where it is missing. */
int payload_object_text(const json_t *object, const char *key, bool optional,
                        char **ret_text, struct error *err)
    __attribute__((warn_unused_result));

/* JSON as compact text; NULL without memory. */
char *payload_dump(const json_t *json);

/* The known numbers of a PROGRESS as JSON text: a new string, NULL when there is none of
 * them (a mere heartbeat). */
int payload_progress(const json_t *object, char **ret_text, struct error *err)
    __attribute__((warn_unused_result));

/* The points of a METRICS frame. */
struct metric_batch {
    json_t *json; /* owns the names */
    struct metric_row *rows;
    size_t count;
    const char **names; /* of all rows, one after the other */
    double *values;
    struct metric_batch *next;
};

/* Keeps a reference to `object`. New object. */
int payload_metrics(json_t *object, struct metric_batch **ret_batch, struct error *err)
    __attribute__((warn_unused_result));
void metric_batch_free(struct metric_batch *batch);

#endif
