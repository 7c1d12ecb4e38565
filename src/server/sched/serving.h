/*
 * Serving workers: one a model, started by the first question and kept warm for the next.
 * A worker is asked one thing at a time, so that a question that kills it takes no other
 * with it; the others are put to its successor.
 */
#ifndef BACKPROP_SCHED_SERVING_H
#define BACKPROP_SCHED_SERVING_H

#include "sched_internal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
    void (*piece)(void *context, const char *json, size_t length); /* may be NULL */
    sched_reply *done;
    void *context;
    uint64_t ticket;
    bool withdrawn; /* the worker was told to end */
};

/* On the scheduler's thread. Takes it over. */
void serving_ask(struct question *question);

/* The question of that ticket is not wanted any more: one that waits fails with
 * ERR_CANCELLED, one that is being answered is cut short. */
void serving_withdraw(struct sched *sched, const char *model_id, uint64_t ticket);

/* Its questions fail with ERR_NOT_FOUND, its worker ends. */
void serving_forget(struct sched *sched, const char *model_id);

/* The daemon is going: all end now, with ERR_CANCELLED. */
void serving_end_all(struct sched *sched);

#endif
