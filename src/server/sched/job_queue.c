/* See job_queue.h. The queue itself is in the store; one job is taken at a time, because
 * the store shows it as queued until the write that starts it is committed. */
#include "job_queue.h"

#include "base/clock.h"
#include "base/log.h"
#include "job_memory.h"
#include "store/datasets.h"
#include "store/jobs.h"
#include "training.h"

#define LOOK_AGAIN_NS CLOCK_NS_PER_SECOND

int job_queue_slots(const struct sched *sched, int threads)
{
    int slots = threads > 1 ? threads : 1;
    return slots < sched->config.slots ? slots : sched->config.slots;
}

/* Jobs that the daemon has crashed with run one at a time, so that the next crash tells
 * which of them it was. */
static bool has_suspect(const struct sched *sched)
{
    const struct training *training = sched->trainings;
    while (training && (!training->is_suspect || training->state == TRAINING_ENDING))
        training = training->next;
    return training != NULL;
}

/* ERR_NOT_FOUND when the queue is empty, ERR_BUSY when its head has to wait. */
static int start_head(struct sched *sched, struct db *db, struct error *err)
{
    struct job_row job;
    int rc = jobs_next(db, clock_wall_us(), !has_suspect(sched), &job, err);
    if (rc != 0)
        return rc;
    struct dataset_row dataset;
    if (job_queue_slots(sched, job.threads) > sched->config.slots - sched->slots_used) {
        rc = ERR_BUSY;
    } else {
        rc = datasets_get(db, job.dataset, &dataset, err);
        /* A job needs its dataset, so the store keeps it: this is
         * damage, not "no job". */
        rc = rc == ERR_NOT_FOUND ? ERR_CORRUPT : rc;
        if (rc == 0) {
            int64_t bytes;
            rc = job_memory_fits(sched, &job, &dataset, &bytes)
                     ? training_start(sched, &job, &dataset, bytes, err)
                     : ERR_BUSY;
            dataset_row_release(&dataset);
        }
    }
    job_row_release(&job);
    return rc;
}

static void look_again(struct loop_timer *timer)
{
    job_queue_look(LOOP_OWNER(timer, struct sched, look_again));
}

static void look_again_in(struct sched *sched, int64_t ns)
{
    sched->look_again.fire = look_again;
    loop_set_timer(sched->loop, &sched->look_again, clock_monotonic_ns() + ns);
}

void job_queue_look_later(struct sched *sched)
{
    look_again_in(sched, LOOK_AGAIN_NS);
}

/* Looks again when the next of the jobs that wait is due. One that is due already waits
 * for something else (slots, another suspect), whose end is a reason to look. */
static int wait_for_attempts(struct sched *sched, struct db *db, struct error *err)
{
    int64_t next_us = 0, now_us = clock_wall_us();
    int rc = jobs_next_attempt(db, now_us, &next_us, err);
    if (rc == 0 && next_us > now_us)
        look_again_in(sched, (next_us - now_us) * 1000);
    return rc;
}

void job_queue_look(struct sched *sched)
{
    if (sched->stopping || sched->start_under_way ||
        sched->slots_used >= sched->config.slots)
        return;
    struct error err = {0};
    struct db *db = store_read_begin(sched->config.store, &err);
    int rc = db ? start_head(sched, db, &err) : err.code;
    if (rc == ERR_NOT_FOUND || rc == ERR_BUSY)
        rc = wait_for_attempts(sched, db, &err);
    if (db)
        store_read_end(sched->config.store, db);
    if (rc == 0)
        return;
    char text[sizeof(err.text)];
    log_event(LOG_ERROR, "queue_unreadable", "reason=%s",
              log_quote(err.text, text, sizeof(text)));
    job_queue_look_later(sched);
}
