/*
 * One attempt of a job.
 *
 *   STARTING   the worker is being started while the store takes the job out of the queue
 *   RUNNING    TASK was sent; frames become writes
 *   ENDING     the last write (finished, or back to the queue) is under way
 *
 * A worker that crashed sends its job back to the queue, where it waits for its next
 * attempt without a slot; the store knows how long, so that it outlives the daemon.
 *
 * The worker of a job that has ended may outlive it by WORKER_PATIENCE_NS, and the other
 * way round; the training is freed when both are over and no write is pending.
 */
#ifndef BACKPROP_SCHED_TRAINING_H
#define BACKPROP_SCHED_TRAINING_H

#include "blob_feed.h"
#include "blob_upload.h"
#include "payload.h"
#include "sched_internal.h"
#include "store/datasets.h"
#include "store/jobs.h"

#include <stdbool.h>

enum training_state { TRAINING_STARTING, TRAINING_RUNNING, TRAINING_ENDING };

/* What was asked of a job, the strongest last. */
enum training_wish { WISH_NONE, WISH_STOP, WISH_PAUSE, WISH_CANCEL };

/* So many checkpoints are tried; after that a job starts from scratch. */
#define TRAINING_MAX_UNUSABLE 4

struct training_report;

struct training {
    struct sched *sched;
    struct training *next;

    char id[ID_SIZE];
    char *name, *spec, *facts; /* owned; the latter two JSON texts */
    char file_sha256[DIGEST_HEX_SIZE];
    int slots;            /* that it takes */
    int64_t memory_bytes; /* that it is predicted to take */
    int attempt, max_attempts;
    int64_t memory_mb;          /* resources.memory_mb */
    int threads;                /* resources.threads */
    int keep_best, keep_latest; /* checkpoints */
    size_t checkpoint_bytes;    /* of the last one in this attempt; 0: none yet */
    int64_t lease;

    enum training_state state;
    enum training_wish wish;
    bool draining; /* the wish to pause is the daemon's, not the user's */
    bool over;     /* ENDING, and nothing is left to be written */
    bool holds_slots;
    bool is_suspect; /* the daemon has crashed while this job ran */
    struct worker_process *worker;
    struct loop_timer patience; /* until it is killed */
    bool crashed;     /* the worker is gone, or could not be started: `crash` says how */
    bool not_started; /* the latter, for lack of what comes back */
    bool was_stopped; /* it was the daemon that ended it */
    bool begins_anew; /* the worker is to be replaced within the same attempt */
    struct error crash; /* ERR_CORRUPT: trying again is of no use; ERR_NOMEM */
    char *crash_detail;

    /* Blobs of checkpoints that are passed over. */
    int64_t unusable[TRAINING_MAX_UNUSABLE];
    int unusable_count;
    int64_t checkpoint;    /* the blob that the worker was told to go on from, or 0 */
    struct blob_feed feed; /* what is still to be sent of it */

    struct training_report *report; /* gathered, not submitted */
    struct loop_timer report_timer;
    int writes;             /* under way */
    size_t unwritten_bytes; /* in those */
    char *last_progress;    /* JSON text, for a post-mortem */

    struct blob_upload *upload; /* being received */
    bool receives_model;        /* that is a model, and not a checkpoint */
    json_t *announced;          /* the CHECKPOINT's or MODEL's object */
    struct blob_upload *model;  /* received whole */
    json_t *model_object;
};

/* A queued job and its dataset as read from the store; takes over nothing. Starts a
 * worker and takes the job out of the queue; what goes wrong later is the job's own
 * affair. Without memory nothing happens but an error. */
int training_start(struct sched *sched, const struct job_row *job,
                   const struct dataset_row *dataset, int64_t memory_bytes,
                   struct error *err) __attribute__((warn_unused_result));

/* The training of a job, or NULL. */
struct training *training_find(struct sched *sched, const char *job_id);

/* Passes a wish on to the worker. Weaker wishes than an earlier one are ignored. */
void training_ask(struct training *training, enum training_wish wish);

/* The daemon is going (`stopping` is set): all jobs are to be back in the queue soon. */
void training_drain_some(struct sched *sched);

/* The daemon's time is up. */
void training_kill(struct training *training);

/* For the parts of this module: the worker's frames (training_frames.c). */
int training_take_frame(void *context, const struct frame *frame, struct error *err);

/* The worker is of no use any more: it has WORKER_PATIENCE_NS to end by itself. */
void training_dismiss_worker(struct training *training);

/* The worker's checkpoint could not be read or used: starts over with the one before. */
void training_pass_over_checkpoint(struct training *training, const char *why);

/* The second half of a start, when the store has taken the job out of the queue. */
void training_started(struct training *training, int rc, const struct error *err);

/* The worker is gone without the job's end: tries again, or gives the job up. */
void training_crashed(struct training *training);

/* Counts a write of `bytes` that was submitted, or is over. */
void training_write_submitted(void *context, size_t bytes);
void training_write_over(void *context, size_t bytes, int rc, const struct error *err);

#endif
