/*
 * Prefetching: a thread that makes the next batch while the present step runs.
 *
 * There are two buffers: the batch that a step works on, and the one being made. The
 * thread is started once, sleeps whenever it has nothing to do, and has no influence on
 * what a batch holds, only on when it is there.
 *
 *   prefetcher_new()     starts the thread
 *   prefetcher_begin()   it begins to make batches of these rows …
 *   prefetcher_take()    … and here is the next one; as often as there are batches
 *   prefetcher_end()     it is idle again: what it read may be changed
 *   prefetcher_free()
 *
 * All but the thread itself is called from one thread.
 */
#ifndef BACKPROP_PREFETCHER_H
#define BACKPROP_PREFETCHER_H

#include "base/error.h"
#include "stepper.h"

#include <stddef.h>

struct prefetcher;

/* Batches of `batch_rows` rows with `width` numbers and a target of `target_bytes` each,
 * filled by `source` (copied; its context is borrowed) on the thread. New object. */
int prefetcher_new(const struct batch_source *source, size_t batch_rows, size_t width,
                   size_t target_bytes, struct prefetcher **ret_prefetcher,
                   struct error *err) __attribute__((warn_unused_result));

/* Ends the thread, whatever it does. NULL is allowed. */
void prefetcher_free(struct prefetcher *prefetcher);

/* Rows [first, total) of the source from now on, the last batch with what is left. What
 * the source reads must not change before prefetcher_end(). */
void prefetcher_begin(struct prefetcher *prefetcher, size_t first, size_t total);

/* Waits for the next batch. The result counts rows from the batch's first, and is valid
 * until the next call of take or end. There must be a next batch. */
struct batch_source prefetcher_take(struct prefetcher *prefetcher);

/* Breaks off, and waits until the thread is idle. */
void prefetcher_end(struct prefetcher *prefetcher);

#endif
