/*
 * What the parts of the scheduler share: the scheduler itself, and its way of writing to
 * the store.
 *
 * A reading order: loop.h, launch.h, worker_process.h (one process), then what the three
 * kinds of worker are for: training.h (with training_report.h, training_writes.h,
 * blob_upload.h, blob_feed.h, post_mortem.h), ingesting.h, serving.h; job_queue.h decides
 * which job is next; sched.c is the door for other threads.
 */
#ifndef BACKPROP_SCHED_INTERNAL_H
#define BACKPROP_SCHED_INTERNAL_H

#include "loop.h"
#include "sched.h"
#include "store/store.h"
#include "tallies.h"
#include "worker_process.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* How long a worker may take to end once there is nothing left for it to do. */
#define WORKER_PATIENCE_NS (2 * CLOCK_NS_PER_SECOND)

struct training;
struct ingesting;
struct serving;

/* All fields but `stats` and those set before the thread starts belong to the thread. */
struct sched {
    struct sched_config config;   /* its strings are the two below */
    char *data_dir, *worker_path; /* owned */
    struct worker_setting setting;
    struct tallies tallies;
    struct loop *loop;
    pthread_t thread;

    struct training *trainings; /* every job that is not only a row of the store */
    int slots_used;
    int64_t memory_used;         /* bytes that the jobs which run are predicted to take */
    char predicted_job[ID_SIZE]; /* the job of the last prediction, see job_memory.h */
    int64_t predicted_bytes;
    bool start_under_way; /* jobs_next() still shows a job that is being started */
    struct loop_timer look_again; /* after the queue could not be read */
    struct ingesting *ingestings; /* oldest first; those without a process wait */
    struct serving *servings;
    int pending_writes; /* submitted, and not seen again */

    bool stopping;
    struct loop_timer deadline;

    pthread_mutex_t lock; /* of what follows */
    struct sched_stats stats;
    int asked;          /* questions to serving workers that were not answered */
    size_t asked_bytes; /* in those */
    uint64_t last_ticket;
    int ingests; /* that were not done */
};

/* Changes a figure of the statistics by `change`. */
void sched_count_up(struct sched *sched, int *figure, int change);
void sched_count_total(struct sched *sched, int64_t *figure);

/* Changes memory_used, and tells it in the statistics. */
void sched_use_memory(struct sched *sched, int64_t change);

/*
 * A write of the scheduler: embedded as the first member in one with its data.
 * `write.run` is called on the writer's thread; then, if it was committed and `job` is
 * not "", whoever watches the job is told; then `after` is called on the scheduler's
 * thread with rc and err set, and frees it.
 */
struct sched_write {
    struct store_write write;
    struct loop_call call;
    struct sched *sched;
    char job[ID_SIZE];
    int rc;
    struct error err;
    void (*after)(struct sched_write *write);
};
void sched_submit(struct sched *sched, struct sched_write *write);

#endif
