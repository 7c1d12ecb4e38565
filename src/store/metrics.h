/*
 * Metrics: points of a job, many names a point (step, epoch, time, values). Nothing is
 * dropped here; thinning happens on read.
 */
#ifndef BACKPROP_STORE_METRICS_H
#define BACKPROP_STORE_METRICS_H

#include "store.h"

#include <stdbool.h>
#include <stddef.h>

#define METRICS_MAX_NAMES 1024

struct metric_row {
    int64_t step;
    double epoch;
    int64_t time_us;
    int64_t
        retry; /* so often the run went back after a divergence and took another way */
    int count;
    const char *const *names; /* borrowed */
    const double *values;     /* borrowed; NaN and infinities are kept */
};

/* Adds points. What is there already of a step stays as it is, because somebody may have
 * read it: a job that resumed says the same again, but for times and speeds. Of a larger
 * `retry` a point replaces all of its step. Guarded by the lease like all that a worker
 * writes. */
int metrics_append(struct db *db, const char *job_id, int64_t lease,
                   const struct metric_row *points, size_t count, struct error *err);

struct metric_series {
    char *name;
    size_t count;
    int64_t *step;
    double *epoch;
    int64_t *time_us;
    double *value;
};

struct metric_query {
    const char *const *names; /* wanted names; a trailing "*" matches any ending */
    size_t name_count;        /* 0: all */
    int64_t since_step;       /* points with step >= since_step */
    size_t max_points;        /* a series; 0: all */
};

struct metric_result {
    struct metric_series *series; /* in order of name */
    size_t count;
    int64_t next_since_step; /* one after the last step seen (since_step when none) */
    bool sampled;            /* some series was thinned */
    uint64_t total;          /* points that matched before thinning */
};

/* Thinning cuts a series into equal buckets of points; each keeps its first, last,
 * smallest and largest value (and any that is not finite counts as an extreme). At least
 * 4 points. ERR_TOO_LARGE for more than 2^24 points in all: then say max_points. */
int metrics_read(struct db *db, const char *job_id, const struct metric_query *query,
                 struct metric_result *ret_result, struct error *err);
void metric_result_release(struct metric_result *result);

/* Changes when points are added: for ETags. */
int metrics_version(struct db *db, const char *job_id, int64_t *ret_version,
                    struct error *err);

#endif
