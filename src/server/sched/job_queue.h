/* The queue's head and the slots: which job is started, and when. */
#ifndef BACKPROP_SCHED_JOB_QUEUE_H
#define BACKPROP_SCHED_JOB_QUEUE_H

#include "sched_internal.h"

/* Starts the head of the queue if its slots are free, and the memory that it is predicted
 * to take (job_memory.h). The head is not overtaken: a stream
 * of small jobs must not keep a large one from ever starting. A job that wants more slots
 * than there are takes them all. */
void job_queue_look(struct sched *sched);

/* The same after a while: the store had trouble. */
void job_queue_look_later(struct sched *sched);

/* How many slots a job with so many threads takes. */
int job_queue_slots(const struct sched *sched, int threads);

#endif
