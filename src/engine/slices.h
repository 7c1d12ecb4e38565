/*
 * Slices: the threads of a training step. A fixed number of slices, one thread each (the
 * caller's is slice 0), run the same function on their part of the batch.
 *
 * With one slice no thread exists and a call costs nothing. Whoever waits spins a few
 * microseconds, then sleeps on a futex: with one busy process more than cores a purely
 * spinning barrier was seen to make a step 8 times slower.
 */
#ifndef BACKPROP_SLICES_H
#define BACKPROP_SLICES_H

#include "base/error.h"

#include <stddef.h>

struct slices;

/* Starts count - 1 threads. New object. */
int slices_new(int count, struct slices **ret_slices, struct error *err)
    __attribute__((warn_unused_result));

/* Ends the threads. NULL is allowed. */
void slices_free(struct slices *slices);

int slices_count(const struct slices *slices);

typedef void slice_function(void *context, int slice);

/* Runs function(context, s) for every slice s, 0 on the calling thread, and returns when
 * all have. One caller at a time. */
void slices_run(struct slices *slices, slice_function *function, void *context);

/* Inside of a function run by slices_run(): waits until all slices are here. What any
 * slice wrote before is seen by all after. */
void slices_barrier(struct slices *slices);

/* The part [*ret_first, *ret_first + *ret_count) of slice `slice` when `total` things are
 * cut in `count` parts whose sizes differ by at most one `grain`; first is a multiple of
 * grain. */
void slices_cut(size_t total, size_t grain, int slice, int count, size_t *ret_first,
                size_t *ret_count);

#endif
