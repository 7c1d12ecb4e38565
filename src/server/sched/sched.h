/*
 * The scheduler: one thread that owns every worker process.
 *
 * It starts queued jobs while slots are free (highest priority, then oldest; a job takes
 * as many slots as it has threads, and the head of the queue waits for its slots rather
 * than being overtaken), moves frames between workers and the store, and ends what is to
 * end. Ingest and serving workers have limits of their own and take no slot.
 *
 * All functions may be called from any thread. Callbacks come on the scheduler's or the
 * store's thread and must not block. It knows nothing of HTTP.
 */
#ifndef BACKPROP_SCHED_H
#define BACKPROP_SCHED_H

#include "base/error.h"
#include "base/id.h"
#include "store/jobs.h"
#include "store/store.h"
#include "tallies.h"

#include <stddef.h>
#include <stdint.h>

struct sched;

struct sched_config {
    struct store *store;
    const char *data_dir;    /* dataset files are in data_dir/datasets/<sha256> */
    const char *worker_path; /* the backprop-worker executable */
    int slots;               /* --workers */
    int64_t memory_mb;       /* for all jobs that run; 0: no limit */
    int max_ingests;         /* at once */
    int max_serving;         /* warm models at once; the longest unused one goes first */
    int64_t serving_idle_ns; /* a warm model that nobody asks ends after this */
    int64_t silence_ns;      /* a worker that says nothing for this long is killed */
    const char *sandbox;     /* of workers: "strict", "auto" or "none"; NULL: auto */
    int64_t task_memory_mb;  /* MiB of a worker that does not train; 0: no limit. Jobs say
                                in their spec how much they may take */
    int64_t ingest_file_mb;  /* MiB of the largest dataset file; 0: no limit */
    const char *crash; /* how an earlier daemon crashed, or NULL; see jobs_recover() */
    /* Something about this job changed and is committed: status, progress, events. */
    void (*on_change)(void *context, const char *job_id);
    void *context;
};

/* Copies the configuration's strings. Recovers jobs of an earlier process first. New
 * object. */
int sched_start(const struct sched_config *config, struct sched **ret_sched,
                struct error *err) __attribute__((warn_unused_result));

/* Ends new starts, asks running jobs to checkpoint and go back to the queue, kills what
 * has not ended by `deadline_ns` (clock_monotonic_ns), joins the thread, frees. */
void sched_stop(struct sched *sched, int64_t deadline_ns);

/* A job was queued (committed): look at the queue soon. */
void sched_wake(struct sched *sched);

/* Passes on what a user asked for, after jobs_act() committed it. */
void sched_act(struct sched *sched, const char *job_id, enum job_action action);

/* The model is deleted: its warm worker ends. */
void sched_forget_model(struct sched *sched, const char *model_id);

/* Figures for /v1/info and /metrics. */
struct sched_stats {
    int slots, slots_used;
    int64_t memory_bytes; /* that the jobs which run are predicted to take together */
    int training, ingesting, serving; /* live workers */
    int64_t started, crashed;         /* workers since the start */
    int64_t start_failures;           /* workers that could not be started */
    int64_t exits[WORKER_EXIT_COUNT]; /* workers by how they ended */
    int64_t ended[END_REASON_COUNT];  /* jobs by why they ended */
    int64_t busy_ns; /* the scheduler's thread, with what it does now; 0: it waits */
};
void sched_stats(struct sched *sched, struct sched_stats *ret_stats);

/* 0 unless workers cannot start: there is no program, or the last few did not get as far
 * as to speak (tallies.h). The text says which. */
int sched_check_workers(struct sched *sched, struct error *err)
    __attribute__((warn_unused_result));

/*
 * Ingest. Descriptors are taken over (closed) in every case. `done` is called once, with
 * the facts as JSON text (borrowed) and rc 0; with ERR_INVALID or ERR_TOO_LARGE and the
 * worker's violations as JSON text [{"pointer", "detail"}]; or with another error.
 * ERR_BUSY at once when too many are waiting. *ret_ticket is for sched_withdraw_task(),
 * set before `done` is called.
 */
struct ingest_job {
    int part_count;
    const char *part_names[8]; /* see data/ingest.h; copied */
    int part_fds[8];
    int output_fd;
    const char *options; /* JSON text: {"header", "delimiter", "missing", …}; copied */
    void (*done)(void *context, int rc, const char *json, size_t length,
                 const struct error *err);
    void *context;
};
int sched_ingest(struct sched *sched, const struct ingest_job *job, uint64_t *ret_ticket,
                 struct error *err) __attribute__((warn_unused_result));

enum check_kind { CHECK_GRADIENTS, CHECK_EVALUATION };

/*
 * A gradient check, or an evaluation, which needs the model's parameters, too: `task` is
 * the TASK's JSON text (copied), `dataset_fd` the dataset's file (taken over in every
 * case). It takes its turn among the ingests and may take a minute, an evaluation ten.
 * `done` is called once: with rc 0 and the report as JSON text (borrowed), or with an
 * error, ERR_INVALID when the spec does not fit the data.
 */
struct check_job {
    enum check_kind kind;
    int dataset_fd;
    const char *task;
    int64_t blob; /* the parameters in the store; 0: the task needs none */
    uint64_t bytes;
    void (*done)(void *context, int rc, const char *json, size_t length,
                 const struct error *err);
    void *context;
};
int sched_check(struct sched *sched, const struct check_job *job, uint64_t *ret_ticket,
                struct error *err) __attribute__((warn_unused_result));

/* Nobody wants the dataset or the report any more: its worker is killed, and `done` comes
 * with ERR_CANCELLED. One that was answered is passed over. */
void sched_withdraw_task(struct sched *sched, uint64_t ticket);

/*
 * Asks a serving worker for a model (started if none is warm): `verb` is "predict" or
 * "generate", `body` the user's JSON, taken over if 0 is returned. `done` is called once:
 * rc 0 with the worker's reply {"status": 200, "body": {…}} as JSON text (borrowed), or
 * an error. For an answer that comes in pieces `piece` is called for each before that,
 * with its JSON text (borrowed). *ret_ticket names the question for sched_withdraw(); it
 * is set before any callback comes.
 */
typedef void sched_reply(void *context, int rc, const char *json, size_t length,
                         const struct error *err);
struct sched_question {
    const char *model_id, *verb;
    char *body;
    size_t length;
    void (*piece)(void *context, const char *json, size_t length); /* NULL: none */
    sched_reply *done;
    void *context;
};
int sched_ask(struct sched *sched, const struct sched_question *question,
              uint64_t *ret_ticket, struct error *err)
    __attribute__((warn_unused_result));

/* Nobody wants the answer any more: it ends soon, and `done` comes as ever. A question
 * that was answered is passed over. */
void sched_withdraw(struct sched *sched, const char *model_id, uint64_t ticket);

#endif
