/*
 * Workloads of bench_train: files in workloads/, embedded in the program. Each says how
 * many rows of which shape a dataset of random numbers has, and the job that learns them.
 *
 *   {"rows": 60000, "sample_shape": [784], "classes": 10, "epochs": 5, "flops": 1007104,
 *    "job": {…}}
 *
 *   {"rows": 480, "context_length": 128, "classes": 65, …}
 *
 * "classes" 0: one number to predict. With a "context_length" the dataset is a text of so
 * many windows over `classes` letters, and a sample is one token. "flops" are those of
 * one sample, forward and backward, a multiply-add counted as two. The job is a job spec
 * without a dataset.
 */
#ifndef BACKPROP_WORKLOAD_H
#define BACKPROP_WORKLOAD_H

#include "base/error.h"

#include <jansson.h>
#include <stdint.h>

struct workload {
    json_t *json; /* owned */
    const char *name;
    int64_t rows;
    int64_t samples_per_row; /* 1, but for texts: tokens of a window */
    int64_t classes;
    int64_t epochs;
    double flops;
};

/* The workload of that name ("W1"). ERR_NOT_FOUND. */
int workload_find(const char *name, struct workload *ret_workload, struct error *err)
    __attribute__((warn_unused_result));
void workload_release(struct workload *workload);

/* Writes the dataset file to `fd`, an empty file. */
int workload_write_dataset(const struct workload *workload, int fd, struct error *err)
    __attribute__((warn_unused_result));

/* The facts of that dataset, and the spec of the job on it. New references. */
json_t *workload_facts(const struct workload *workload);
json_t *workload_spec(const struct workload *workload, int threads, int64_t epochs);

#endif
