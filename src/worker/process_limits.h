/*
 * What a worker denies itself before it reads the first byte of its task: privileges,
 * core files, a right of way over the daemon, and outliving it.
 */
#ifndef BACKPROP_WORKER_PROCESS_LIMITS_H
#define BACKPROP_WORKER_PROCESS_LIMITS_H

#include "base/error.h"

/* Before any thread is started, because threads inherit what they are born with. */
int limits_apply(struct error *err) __attribute__((warn_unused_result));

/* Closes every descriptor from `first` on, but for `kept`: a launcher other than the
 * daemon may have left some open. */
int limits_close_descriptors(int first, int kept, struct error *err)
    __attribute__((warn_unused_result));

#endif
