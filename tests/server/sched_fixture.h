/*
 * A scheduler over a fresh store in a temporary folder, whose workers are fake_worker
 * with a script for each job; and ways to wait for what is committed.
 */
#ifndef BACKPROP_TESTS_SCHED_FIXTURE_H
#define BACKPROP_TESTS_SCHED_FIXTURE_H

#include "sched/sched.h"
#include "store/jobs.h"

#include <pthread.h>
#include <stdbool.h>

struct sched_fixture {
    char dir[64];
    struct store *store;
    struct sched *sched;
    struct sched_config config;
    char dataset[ID_SIZE];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    long changes; /* calls of on_change, and of other callbacks */
};

/* Opens the store and puts a dataset in; fixture->config may be changed before
 * fixture_start(). */
void fixture_init(struct sched_fixture *fixture);
void fixture_start(struct sched_fixture *fixture);

/* Stops the scheduler if it runs: with `patience_ns` for the workers. */
void fixture_stop(struct sched_fixture *fixture, int64_t patience_ns);
void fixture_release(struct sched_fixture *fixture);

/* For cmocka: *state is a new fixture that was initialised, not started. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* A job in the queue, with a script for its worker. Does not wake the scheduler. */
struct job_wish {
    const char *script;
    int priority, threads, max_attempts;
};
void fixture_queue_job(struct sched_fixture *fixture, const struct job_wish *wish,
                       char ret_id[ID_SIZE]);

/* The same with defaults, and wakes. */
void fixture_post_job(struct sched_fixture *fixture, const char *script,
                      char ret_id[ID_SIZE]);

/* A model without a job, of `bytes` bytes. */
void fixture_add_model(struct sched_fixture *fixture, const char *script, size_t bytes,
                       char ret_id[ID_SIZE]);

/* As the HTTP side does it: in the store, then to the scheduler. */
void fixture_act(struct sched_fixture *fixture, const char *id, enum job_action action);

/* Runs `run` as a write and waits; fails the test if it fails. */
void fixture_write(struct sched_fixture *fixture,
                   int (*run)(struct db *, struct store_write *, struct error *),
                   struct store_write *write);

/* The job as it is committed; to be released. */
void fixture_get_job(struct sched_fixture *fixture, const char *id,
                     struct job_row *ret_row);

/* Waits until the job has this status; the test fails when it ends with another, or never
 * comes to it. */
void fixture_wait(struct sched_fixture *fixture, const char *id, enum job_status status);

/* Waits for an event of this type; its message goes to a buffer. */
void fixture_wait_event(struct sched_fixture *fixture, const char *id, const char *type,
                        char *ret_message, size_t size);

/* How many events of a type there are. */
int fixture_count_events(struct sched_fixture *fixture, const char *id, const char *type);

/* Says that something changed, and waits until `is_so` holds. */
void fixture_notify(struct sched_fixture *fixture);
void fixture_wait_until(struct sched_fixture *fixture, bool (*is_so)(void *context),
                        void *context);

/* What a worker answered to an ingest or a question: how often, and with what. */
struct answer {
    struct sched_fixture *fixture;
    int calls, rc;
    char json[2048], text[512];
};

/* The callback, with the answer as its context. */
void answer_take(void *context, int rc, const char *json, size_t length,
                 const struct error *err);

/* For fixture_wait_until(). */
bool answer_is_there(void *context);

/* Fails the test unless `part` is in `text`. */
void fixture_expect_text(const char *text, const char *part);

#endif
