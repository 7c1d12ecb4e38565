/*
 * Jobs and their life.
 *
 *   queued -> running -> succeeded | failed
 *   queued -> cancelled                          running -> cancelling -> cancelled
 *   running -> pausing -> paused -> queued       running -> stopping -> succeeded
 *   running -> queued   (the daemon drained or restarted, or the worker died)
 *
 * A stop is remembered (`stop_requested`): a stopping job whose worker or daemon dies is
 * queued, and goes queued -> stopping when it is started again. So a job that waits or is
 * paused may be stopped, too, if it has run before.
 *
 * Every change of state is a guarded update: `… WHERE id = :id AND status = :from AND
 * lease = :lease`. A lease is a number that grows with each start of a job: a worker (its
 * supervisor, that is) that lost its lease gets ERR_CONFLICT and can write nothing.
 */
#ifndef BACKPROP_STORE_JOBS_H
#define BACKPROP_STORE_JOBS_H

#include "base/id.h"
#include "digest.h"
#include "owners.h"
#include "page.h"
#include "store.h"

#include <stdbool.h>

enum job_status {
    JOB_QUEUED,
    JOB_RUNNING,
    JOB_PAUSING,
    JOB_PAUSED,
    JOB_STOPPING,
    JOB_CANCELLING,
    JOB_SUCCEEDED,
    JOB_FAILED,
    JOB_CANCELLED,
    JOB_STATUS_COUNT
};

/* "queued" …; and back (JOB_STATUS_COUNT when unknown). */
const char *job_status_name(enum job_status status);
enum job_status job_status_parse(const char *name);
bool job_status_is_terminal(enum job_status status);

struct job_row {
    char id[ID_SIZE];
    char owner[OWNER_SIZE]; /* "" is OWNER_LOCAL for jobs_insert() */
    char *name;
    char dataset[ID_SIZE];
    enum job_status status;
    char *stop_reason; /* NULL until ended */
    int priority;
    int threads;
    int attempt; /* starts so far */
    int max_attempts;
    int64_t lease;       /* of the present or last start; 0 before the first */
    char *spec;          /* canonical JSON text */
    char *metadata;      /* JSON text, an object */
    char *progress;      /* JSON text or NULL */
    char *metrics;       /* JSON text {"latest", "best", "test"} or NULL */
    char *error;         /* JSON text {"code", "message", "detail"} or NULL */
    char model[ID_SIZE]; /* "" until weights can be had */
    char weights_sha256[DIGEST_HEX_SIZE];        /* "" until then */
    int64_t created_us, started_us, finished_us; /* 0: not yet */
    int64_t next_attempt_us;                     /* queued: not before; 0: at any time */
    bool stop_requested;
    int crashes; /* of the daemon while it ran, since its last checkpoint */
};

void job_row_release(struct job_row *row);

/* Idempotency: `key` may be NULL, and is the owner's: others may use the same.
 * `body_sha256` is the digest of the request's body. When the key was used before with
 * the same body, *ret_existing_id gets that job's ID and nothing is inserted; with
 * another body ERR_CONFLICT. Otherwise *ret_existing_id is "". Keys are kept for a day,
 * or as long as their job is there if that is shorter. Every change of state, this one
 * too, appends its "status" event {"from", "to", "stop_reason"}. */
int jobs_insert(struct db *db, const struct job_row *row, const char *key,
                const char *body_sha256, char ret_existing_id[ID_SIZE],
                struct error *err);

int jobs_get(struct db *db, const char *id, struct job_row *ret_row, struct error *err);

/* status: -1 for all. metadata_key/value: NULL for all. Newest first; `spec` is NULL. */
struct job_filter {
    int status;
    const char *metadata_key, *metadata_value;
};
int jobs_list(struct db *db, const struct page *page, const struct job_filter *filter,
              struct job_row **ret_rows, size_t *ret_count, bool *ret_has_more,
              struct error *err);

/* Jobs ahead of this one in the queue (priority, then age) plus one; 0 if not queued. */
int jobs_queue_position(struct db *db, const char *id, int64_t *ret_position,
                        struct error *err);

/* Counts by status, and queued jobs at all. */
int jobs_count(struct db *db, int64_t ret_counts[JOB_STATUS_COUNT], struct error *err);

/* The queued job that is next (highest priority, then oldest, without those that wait for
 * their next attempt); without `suspects` none that the daemon has crashed with.
 * ERR_NOT_FOUND if there is none. */
int jobs_next(struct db *db, int64_t now_us, bool suspects, struct job_row *ret_row,
              struct error *err);

/* When the first of the jobs that still wait then is to be tried; 0 when none waits. */
int jobs_next_attempt(struct db *db, int64_t now_us, int64_t *ret_us, struct error *err);

/* How long a job waits after this many attempts that failed: 0.2 s, four times as long
 * each time, 30 s at most. */
int64_t jobs_backoff_us(int attempts);

/* queued -> running, or stopping where that was asked for, with a new lease; counts the
 * attempt. ERR_CONFLICT if not queued. */
int jobs_start(struct db *db, const char *id, int64_t now_us, int64_t *ret_lease,
               struct error *err);

/* What the worker said; guarded by the lease. NULL leaves a column as it is. */
int jobs_report(struct db *db, const char *id, int64_t lease, const char *progress,
                const char *metrics, struct error *err);

/* A live job ends, guarded by the lease. `model` and `weights_sha256` may be NULL. */
struct job_end {
    enum job_status status; /* SUCCEEDED, FAILED, CANCELLED */
    const char *stop_reason;
    const char *error;   /* JSON text or NULL */
    const char *metrics; /* JSON text or NULL */
    const char *model, *weights_sha256;
    int64_t now_us;
};
int jobs_finish(struct db *db, const char *id, int64_t lease, const struct job_end *end,
                struct error *err);

/* running, stopping -> queued (or pausing -> paused, cancelling -> cancelled): the worker
 * is gone before the end. Guarded by the lease. */
struct job_release {
    bool count_attempt;      /* false gives it back: a drain is not the job's fault */
    int64_t next_attempt_us; /* of a queued job; 0: at any time */
    int64_t now_us;
};
int jobs_release(struct db *db, const char *id, int64_t lease,
                 const struct job_release *release, enum job_status *ret_status,
                 struct error *err);

/* What a user asked for. *ret_status is the status after. 0 when it was changed or was so
 * already (*ret_changed tells), ERR_CONFLICT when it is impossible, ERR_NOT_FOUND. */
enum job_action {
    JOB_ACTION_CANCEL,
    JOB_ACTION_STOP,
    JOB_ACTION_PAUSE,
    JOB_ACTION_RESUME
};
int jobs_act(struct db *db, const char *id, enum job_action action, int64_t now_us,
             enum job_status *ret_status, bool *ret_changed, struct error *err);

/* With metrics, events, checkpoints and its model. ERR_CONFLICT unless it has ended or is
 * queued or paused. */
int jobs_delete(struct db *db, const char *id, struct error *err);

/*
 * At start: every live job of an earlier daemon process goes the way of jobs_release().
 * That the daemon was stopped or lost its power is not the job's fault, so the attempt is
 * given back. With `crash` ("signal 11 (SIGSEGV)") the daemon fell over by itself,
 * perhaps because of one of them: the attempt counts, the job waits before the next one,
 * and after the last one it fails with that reason.
 */
int jobs_recover(struct db *db, const char *crash, int64_t now_us, int *ret_recovered,
                 struct error *err);

#endif
