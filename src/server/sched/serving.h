/*
 * Serving workers: one a model, started by the first question and kept warm for the next.
 * A worker is asked one thing at a time, so that a question that kills it takes no other
 * with it; the others are put to its successor.
 */
#ifndef BACKPROP_SCHED_SERVING_H
#define BACKPROP_SCHED_SERVING_H

#include "sched_internal.h"

#include <stddef.h>

/* Questions that wait for an answer, of all models; more are refused with ERR_BUSY. */
#define SERVING_MAX_PENDING 1024
#define SERVING_MAX_PENDING_BYTES ((size_t)256 << 20)

/* One question. The sched_reply is called once, then the question is freed. */
struct question {
    struct loop_call call; /* brings it to the scheduler's thread */
    struct sched *sched;
    struct question *next;
    char model[ID_SIZE];
    char *text; /* what goes into the REQUEST: verb, newline, body; owned */
    size_t length;
    sched_reply *done;
    void *context;
};

/* On the scheduler's thread. Takes it over. */
void serving_ask(struct question *question);

/* Its questions fail with ERR_NOT_FOUND, its worker ends. */
void serving_forget(struct sched *sched, const char *model_id);

/* The daemon is going: all end now, with ERR_CANCELLED. */
void serving_end_all(struct sched *sched);

#endif
