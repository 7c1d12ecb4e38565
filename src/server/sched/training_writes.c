/* See training_writes.h. */
#include "training_writes.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "job_queue.h"
#include "store/checkpoints.h"
#include "store/events.h"
#include "store/models.h"

#include <stdlib.h>
#include <string.h>

#define TRY_AGAIN_NS CLOCK_NS_PER_SECOND

/* ---- the start ---- */

struct start_write {
    struct sched_write base;
    struct training *training;
    int64_t lease;
};

static int run_start(struct db *db, struct store_write *write, struct error *err)
{
    struct start_write *start = (struct start_write *)write;
    return jobs_start(db, start->base.job, clock_wall_us(), &start->lease, err);
}

static void after_start(struct sched_write *write)
{
    struct start_write *start = (struct start_write *)write;
    struct training *training = start->training;
    int rc = write->rc;
    struct error err = write->err;
    if (rc == 0)
        training->lease = start->lease;
    free(start);
    training_started(training, rc, &err);
    training_write_over(training, 0, 0, NULL);
}

int training_write_start(struct training *training, struct error *err)
{
    struct start_write *start = mem_alloc(sizeof(*start));
    if (!start)
        return error_set(err, ERR_NOMEM, "no memory to start a job");
    start->base.write.run = run_start;
    start->base.after = after_start;
    memcpy(start->base.job, training->id, sizeof(training->id));
    start->training = training;
    training_write_submitted(training, 0);
    sched_submit(training->sched, &start->base);
    return 0;
}

/* ---- a checkpoint ---- */

struct checkpoint_write {
    struct sched_write base;
    struct training *training;
    struct blob_upload *upload;
    struct checkpoint_row row;
    int64_t lease;
    int keep;
};

static int run_checkpoint(struct db *db, struct store_write *write, struct error *err)
{
    struct checkpoint_write *c = (struct checkpoint_write *)write;
    int rc = blob_upload_seal(c->upload, db, err);
    c->row.blob = c->upload->blob;
    if (rc == 0)
        rc = checkpoints_insert(db, c->base.job, c->lease, &c->row, c->keep, err);
    return rc;
}

static void after_checkpoint(struct sched_write *write)
{
    struct checkpoint_write *c = (struct checkpoint_write *)write;
    struct training *training = c->training;
    int rc = write->rc;
    struct error err = write->err;
    if (rc == 0)
        blob_upload_let_go(c->upload);
    else
        blob_upload_abandon(c->upload);
    checkpoint_row_release(&c->row);
    free(c);
    training_write_over(training, 0, rc, &err);
}

int training_write_checkpoint(struct training *training, struct blob_upload *upload,
                              struct error *err)
{
    const json_t *object = training->announced; /* checked when it was announced */
    const char *kind = json_string_value(json_object_get(object, "kind"));
    char *metrics = NULL;
    int rc = payload_object_text(object, "metrics", true, &metrics, err);
    struct checkpoint_write *c = rc == 0 ? mem_alloc(sizeof(*c)) : NULL;
    if (!c) {
        blob_upload_abandon(upload);
        free(metrics);
        return rc != 0 ? rc : error_set(err, ERR_NOMEM, "no memory for a checkpoint");
    }
    bool best = strcmp(kind, "best") == 0;
    c->base.write.run = run_checkpoint;
    c->base.after = after_checkpoint;
    memcpy(c->base.job, training->id, sizeof(training->id));
    c->training = training;
    c->upload = upload;
    c->lease = training->lease;
    c->keep = best ? training->keep_best : training->keep_latest;
    id_make("ckpt", c->row.id);
    memcpy(c->row.kind, best ? "best" : "latest", best ? 5 : 7);
    c->row.step = json_integer_value(json_object_get(object, "step"));
    c->row.epoch = json_number_value(json_object_get(object, "epoch"));
    c->row.bytes = upload->announced;
    memcpy(c->row.sha256, upload->sha256, sizeof(c->row.sha256));
    c->row.metrics = metrics;
    c->row.created_us = clock_wall_us();
    training_write_submitted(training, 0);
    sched_submit(training->sched, &c->base);
    return 0;
}

/* ---- the end ---- */

struct end_write {
    struct sched_write base;
    struct training *training;
    struct loop_timer again;
    int64_t lease;
    bool releases;              /* otherwise it finishes */
    struct job_release release; /* how */
    struct job_end end;         /* its texts are `error`, `metrics` and the model's */
    char *stop_reason, *error, *metrics;
    struct blob_upload *upload; /* of a model, or NULL */
    struct model_row model;
    enum job_status status; /* what the job has become */
};

static void end_free(struct end_write *end)
{
    free(end->stop_reason);
    free(end->error);
    free(end->metrics);
    blob_upload_let_go(end->upload);
    model_row_release(&end->model);
    free(end);
}

/* True when the user has cancelled the job: a wish that came before the end. */
static int is_cancelling(struct db *db, const char *id, bool *ret_cancelling,
                         struct error *err)
{
    struct job_row row;
    int rc = jobs_get(db, id, &row, err);
    if (rc != 0)
        return rc;
    *ret_cancelling = row.status == JOB_CANCELLING;
    job_row_release(&row);
    return 0;
}

static int release_job(struct db *db, struct end_write *end, int64_t now,
                       struct error *err)
{
    if (end->upload) {
        int rc = blob_upload_discard(end->upload, db, err);
        if (rc != 0)
            return rc;
    }
    end->release.now_us = now;
    return jobs_release(db, end->base.job, end->lease, &end->release, &end->status, err);
}

static int run_end(struct db *db, struct store_write *write, struct error *err)
{
    struct end_write *end = (struct end_write *)write;
    const char *id = end->base.job;
    int64_t now = clock_wall_us();
    bool cancelling = false;
    int rc = end->releases ? 0 : is_cancelling(db, id, &cancelling, err);
    if (rc != 0)
        return rc;
    if (end->releases || cancelling) {
        rc = release_job(db, end, now, err);
    } else {
        if (end->upload) {
            rc = blob_upload_seal(end->upload, db, err);
            end->model.blob = end->upload->blob;
            end->model.created_us = now;
            if (rc == 0)
                rc = models_insert(db, &end->model, err);
        }
        end->end.now_us = now;
        end->status = end->end.status;
        if (rc == 0)
            rc = jobs_finish(db, id, end->lease, &end->end, err);
    }
    /* Nobody will go on from where it was. */
    if (rc == 0 && job_status_is_terminal(end->status))
        rc = checkpoints_delete_all(db, id, err);
    return rc;
}

static void submit_again(struct loop_timer *timer)
{
    struct end_write *end = LOOP_OWNER(timer, struct end_write, again);
    sched_submit(end->base.sched, &end->base);
}

/* The model cannot be kept: the job fails with what the store said. */
static void fail_instead(struct end_write *end, const struct error *err)
{
    struct training *training = end->training;
    blob_upload_abandon(end->upload);
    end->upload = NULL;
    end_free(end);
    training_write_failure(training, "internal_error",
                           training_error_json("internal_error",
                                               "The model could not be stored.",
                                               err->text, NULL));
    training_write_over(training, 0, 0, NULL);
}

static void after_end(struct sched_write *write)
{
    struct end_write *end = (struct end_write *)write;
    struct training *training = end->training;
    int rc = write->rc;
    struct error err = write->err;
    bool lost = rc == ERR_CONFLICT || rc == ERR_NOT_FOUND;
    if (rc != 0) {
        char text[sizeof(err.text)];
        log_event(LOG_ERROR, "job_end_failed", "job=%s code=%s reason=%s", training->id,
                  error_code_name(rc), log_quote(err.text, text, sizeof(text)));
    }
    if (rc != 0 && !lost && end->upload) {
        fail_instead(end, &err);
        return;
    }
    if (rc != 0 && !lost && !training->sched->stopping) {
        end->again.fire = submit_again;
        loop_set_timer(training->sched->loop, &end->again,
                       clock_monotonic_ns() + TRY_AGAIN_NS);
        return;
    }
    bool queued = rc == 0 && end->status == JOB_QUEUED;
    if (rc == 0) {
        const char *reason =
            end->status == JOB_CANCELLED ? "cancelled" : end->stop_reason;
        if (job_status_is_terminal(end->status))
            tallies_job_end(&training->sched->tallies, reason);
        log_event(LOG_INFO, "job_ended", "job=%s status=%s stop_reason=%s", training->id,
                  job_status_name(end->status), reason ? reason : "none");
    }
    end_free(end);
    if (queued) /* it was not when its slots became free */
        job_queue_look(training->sched);
    training->over = true;
    training_write_over(training, 0, 0, NULL);
}

/* A last write with what is common to all; the training is ENDING from here on. */
static struct end_write *end_new(struct training *training, const char *stop_reason)
{
    training->state = TRAINING_ENDING;
    if (!training->worker)
        loop_cancel_timer(training->sched->loop, &training->patience);
    struct end_write *end = mem_alloc(sizeof(*end));
    char *reason = stop_reason ? mem_strdup(stop_reason) : NULL;
    if (!end || (stop_reason && !reason)) {
        /* The job stays as it is in the store, and the next start of
         * the daemon finds it. */
        log_event(LOG_ERROR, "job_end_lost", "job=%s reason=out_of_memory", training->id);
        training->over = true;
        free(end);
        free(reason);
        return NULL;
    }
    end->base.write.run = run_end;
    end->base.after = after_end;
    memcpy(end->base.job, training->id, sizeof(training->id));
    end->training = training;
    end->lease = training->lease;
    end->stop_reason = reason;
    end->end.stop_reason = reason;
    return end;
}

static void submit_end(struct end_write *end)
{
    training_write_submitted(end->training, 0);
    sched_submit(end->training->sched, &end->base);
}

/* The row of the model that was received. */
static int describe_model(const struct training *training,
                          const struct blob_upload *upload, struct model_row *row,
                          struct error *err)
{
    const json_t *object = training->model_object;
    id_make("mdl", row->id);
    memcpy(row->job, training->id, sizeof(row->job));
    row->name = mem_strdup(training->name);
    row->bytes = upload->announced;
    memcpy(row->sha256, upload->sha256, sizeof(row->sha256));
    row->parameter_count = json_integer_value(json_object_get(object, "parameters"));
    row->spec = mem_strdup(training->spec);
    row->facts = mem_strdup(training->facts);
    if (!row->name || !row->spec || !row->facts)
        return error_set(err, ERR_NOMEM, "no memory for a model");
    int rc =
        payload_object_text(object, "preprocessing", false, &row->preprocessing, err);
    if (rc == 0)
        rc = payload_object_text(object, "formats", false, &row->formats, err);
    if (rc == 0)
        rc = payload_object_text(object, "metrics", true, &row->metrics, err);
    return rc;
}

void training_write_success(struct training *training, const char *stop_reason,
                            char *metrics)
{
    struct end_write *end = end_new(training, stop_reason);
    if (!end) {
        free(metrics);
        return;
    }
    struct error err = {0};
    end->metrics = metrics;
    end->upload = training->model;
    training->model = NULL;
    int rc = describe_model(training, end->upload, &end->model, &err);
    if (rc != 0) {
        training_write_submitted(training, 0);
        fail_instead(end, &err);
        return;
    }
    end->end.status = JOB_SUCCEEDED;
    end->end.metrics = metrics;
    end->end.model = end->model.id;
    end->end.weights_sha256 = end->model.sha256;
    submit_end(end);
}

void training_write_failure(struct training *training, const char *stop_reason,
                            char *error_json)
{
    struct end_write *end = end_new(training, stop_reason);
    if (!end) {
        free(error_json);
        return;
    }
    end->error = error_json;
    end->end.status = JOB_FAILED;
    end->end.error = error_json;
    submit_end(end);
}

void training_write_release(struct training *training, bool count_attempt,
                            int64_t wait_us)
{
    struct end_write *end = end_new(training, NULL);
    if (!end)
        return;
    end->releases = true;
    end->release.count_attempt = count_attempt;
    end->release.next_attempt_us = wait_us > 0 ? clock_wall_us() + wait_us : 0;
    submit_end(end);
}

char *training_error_json(const char *code, const char *message, const char *detail,
                          json_t *violations)
{
    json_t *json =
        json_pack("{s:s, s:s, s:s?}", "code", code, "message", message, "detail", detail);
    if (json && violations && json_object_set(json, "errors", violations) != 0) {
        json_decref(json);
        json = NULL;
    }
    char *text = json ? payload_dump(json) : NULL;
    json_decref(json);
    return text;
}
