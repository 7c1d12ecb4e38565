/* How far the workers' sandbox goes on this machine: a worker is started and asked. */
#ifndef BACKPROP_SCHED_SANDBOX_PROBE_H
#define BACKPROP_SCHED_SANDBOX_PROBE_H

#include "base/error.h"

#define SANDBOX_LEVEL_SIZE 16

/*
 * Finds the level that workers reach under `policy` ("strict", "auto" or "none"; see
 * worker/sandbox.h) and logs what is missing. ERR_CONFLICT: strict, and it is not "full".
 * ERR_INVALID: another policy. ERR_INTERNAL or ERR_TIMEOUT: the program at `worker_path`
 * does not answer as a worker. Takes some milliseconds.
 */
int sandbox_probe(const char *worker_path, const char *policy,
                  char ret_level[SANDBOX_LEVEL_SIZE], struct error *err)
    __attribute__((warn_unused_result));

#endif
