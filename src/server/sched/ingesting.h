/*
 * Ingest workers: at most so many at once, the others wait in the order of their asking.
 * Each gets its parts and the output file as descriptors and answers with facts. A
 * gradient check is such a short task too: it gets the dataset's file alone, answers with
 * a report, and may take a minute. An evaluation of a model, too, which gets the
 * parameters as well.
 */
#ifndef BACKPROP_SCHED_INGESTING_H
#define BACKPROP_SCHED_INGESTING_H

#include "sched_internal.h"

/* Ingests that wait or run; more are refused with ERR_BUSY. */
#define INGEST_MAX_PENDING 64

/* A copy of `job` whose descriptors it owns (from any thread). NULL without memory; then
 * they are closed. */
struct ingesting *ingesting_new(struct sched *sched, const struct ingest_job *job);

struct ingesting *ingesting_new_check(struct sched *sched, const struct check_job *job);

void ingesting_free(struct ingesting *ingesting);

/* From any thread: it takes its turn, is answered and freed. */
void ingesting_hand_over(struct ingesting *ingesting, uint64_t ticket);

/* On the scheduler's thread: nobody waits for that one any more. */
void ingesting_withdraw(struct sched *sched, uint64_t ticket);

/* The daemon is going: all end now, with ERR_CANCELLED. */
void ingesting_end_all(struct sched *sched);

#endif
