/*
 * What a worker denies itself before it reads the first byte of its task: privileges,
 * core files, a right of way over the daemon, and outliving it; and, as far as it is told
 * to, memory and what it writes to files. The number of processes is none of it: that
 * limit counts all threads of a user, those of other workers, too, and the sandbox lets
 * no process be started anyway.
 */
#ifndef BACKPROP_WORKER_PROCESS_LIMITS_H
#define BACKPROP_WORKER_PROCESS_LIMITS_H

#include "base/error.h"

#include <stdint.h>

/* Negative: no limit. */
struct limits {
    int64_t memory_mb; /* MiB that its task may take; what any worker takes is added */
    int64_t threads;   /* that share a step; each adds to that */
    int64_t file_mb;   /* MiB that a file which it writes may have */
};

/* Before any thread is started, because threads inherit what they are born with. */
int limits_apply(const struct limits *limits, struct error *err)
    __attribute__((warn_unused_result));

/* Closes every descriptor from `first` on, but for `kept`: a launcher other than the
 * daemon may have left some open. */
int limits_close_descriptors(int first, int kept, struct error *err)
    __attribute__((warn_unused_result));

#endif
