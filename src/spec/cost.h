/*
 * What a job will take: memory of the worker and time, predicted from shapes alone.
 *
 * Memory, with P parameters of 4 bytes, M moment buffers of the optimizer, T threads and
 * B rows of a batch:
 *
 *     parameters      P (1 + T + M)     weights, a gradient a thread, moments
 *     kept weights    P                 the best epoch's
 *     checkpoint      P (2 + M)         one being written
 *     activations     T A(B / T)        of a slice of the batch; see cost_activations.h
 *     data            rows (F + W)      a table's features and targets; samples of arrays
 *                                       stay in the mapped file: only the targets count;
 *                                       a text of characters of several bytes has ids of
 *                                       2 bytes
 *     augmentation    2 B (F + W + 2)   batches made ahead, if training rows are
 *                                       augmented
 *     order           4 rows            shuffled row numbers and their inverse
 *     process         24 MiB, 1 a thread  code, stacks, input and output
 *
 * Time: 3 times the forward flops for each training row (backward costs twice the
 * forward), 1 time for each validation row, at the assumed speed, and a few microseconds
 * a step for the update. An estimate for people, not a limit.
 */
#ifndef BACKPROP_COST_H
#define BACKPROP_COST_H

#include "job_spec.h"

#include <stdint.h>

/* The predicted peak of a worker in bytes; INT64_MAX when it is more than that. */
int64_t cost_memory_bytes(const struct job_spec *spec, const struct dataset_facts *facts);

/* Seconds of the whole training on threads of `gflops` each. */
double cost_seconds(const struct job_spec *spec, double gflops);

#endif
