/*
 * A blob on its way from the store to a worker, as BLOB frames: a checkpoint to resume
 * from, or parameters to serve. One chunk is read whenever the one before is in the pipe,
 * so that neither memory nor the scheduler's thread is taken by a large one. Every
 * chunk's digest is checked as it is read.
 */
#ifndef BACKPROP_SCHED_BLOB_FEED_H
#define BACKPROP_SCHED_BLOB_FEED_H

#include "sched_internal.h"

struct blob_feed {
    int64_t blob; /* 0: nothing is to be sent */
    uint64_t bytes, offset;
};

/* Sends the next chunk; after the last one BLOB_END, and blob becomes 0. ERR_CORRUPT when
 * the blob is damaged or gone. */
int blob_feed_send(struct blob_feed *feed, struct sched *sched,
                   struct worker_process *worker, struct error *err)
    __attribute__((warn_unused_result));

#endif
