/* What the jobs that run are predicted to take together, against the machine. */
#ifndef BACKPROP_SCHED_JOB_MEMORY_H
#define BACKPROP_SCHED_JOB_MEMORY_H

#include "sched_internal.h"
#include "store/datasets.h"
#include "store/jobs.h"

/*
 * True if the job's predicted memory fits beside that of the jobs that run. One that runs
 * alone always fits: that the machine has enough for it was checked when it was posted.
 * *ret_bytes is the prediction (0 where there is none), to be added to
 * sched->memory_used while it runs. The prediction of the last job is remembered, because
 * the head of the queue is asked for again and again.
 */
bool job_memory_fits(struct sched *sched, const struct job_row *job,
                     const struct dataset_row *dataset, int64_t *ret_bytes);

#endif
