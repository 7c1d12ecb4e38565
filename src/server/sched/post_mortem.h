/* What can be said of a worker that ended without saying so itself. */
#ifndef BACKPROP_SCHED_POST_MORTEM_H
#define BACKPROP_SCHED_POST_MORTEM_H

#include "base/error.h"
#include "worker_process.h"

/*
 * Sets *ret_cause to one sentence (code ERR_NOMEM for want of memory, otherwise
 * ERR_WORKER) and returns the details as text: attempt, last progress (JSON text, may
 * be NULL), last lines on standard error. New string, NULL without memory. `attempt` 0
 * leaves the attempts out.
 */
char *post_mortem(const struct worker_end *end, int attempt, int max_attempts,
                  const char *progress, struct error *ret_cause);

#endif
