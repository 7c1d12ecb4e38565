/* See training.h. What the worker says is in training_frames.c, what is written to the
 * store in training_report.c and training_writes.c; here is the order of things. */
#include "training.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"
#include "job_queue.h"
#include "post_mortem.h"
#include "spec/json_parse.h"
#include "store/checkpoints.h"
#include "training_report.h"
#include "training_writes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Writes under way above the first figure keep a worker's frames in its pipe, until they
 * are below the second. */
#define HOLD_ABOVE_BYTES ((size_t)8 << 20)
#define LET_GO_BELOW_BYTES ((size_t)4 << 20)

/* Checkpoints that are written at the same time when the daemon goes. */
#define DRAIN_BYTES ((size_t)64 << 20)

/* Of the newest checkpoints: the last may turn out to be damaged. */
#define LEAST_LATEST 2

#define PUT_OFF_US                                                                       \
    INT64_C(1000000) /* until a worker is tried again that could not be started */
#define TASK_MAX_BYTES ((size_t)8 << 20)

static void worker_ended(void *context, const struct worker_end *end);
static void send_more(void *context);

struct training *training_find(struct sched *sched, const char *job_id)
{
    struct training *training = sched->trainings;
    while (training && strcmp(training->id, job_id) != 0)
        training = training->next;
    return training;
}

static void training_free(struct training *training)
{
    training_report_drop(training);
    loop_cancel_timer(training->sched->loop, &training->patience);
    worker_process_free(training->worker);
    blob_upload_let_go(training->upload);
    blob_upload_let_go(training->model);
    json_decref(training->announced);
    json_decref(training->model_object);
    free(training->name);
    free(training->spec);
    free(training->facts);
    free(training->last_progress);
    free(training->crash_detail);
    free(training);
}

static void release_slots(struct training *training)
{
    struct sched *sched = training->sched;
    if (!training->holds_slots)
        return;
    training->holds_slots = false;
    sched->slots_used -= training->slots;
    sched_use_memory(sched, -training->memory_bytes);
    sched_count_up(sched, &sched->stats.slots_used, -training->slots);
    job_queue_look(sched);
}

/* Something of it is over: frees it if that was all. */
static void settle(struct training *training)
{
    if (training->state != TRAINING_ENDING || training->worker)
        return;
    release_slots(training);
    if (!training->over || training->writes > 0)
        return;
    struct training **at = &training->sched->trainings;
    while (*at != training)
        at = &(*at)->next;
    struct sched *sched = training->sched;
    *at = training->next;
    training_free(training);
    if (sched->stopping)
        training_drain_some(sched);
}

void training_write_submitted(void *context, size_t bytes)
{
    struct training *training = context;
    training->writes++;
    training->unwritten_bytes += bytes;
    if (training->worker && training->unwritten_bytes > HOLD_ABOVE_BYTES)
        worker_process_hold(training->worker, true);
}

/* A write of the running job failed: the lease is lost, or the store is in trouble. */
static void write_failed(struct training *training, int rc, const struct error *err)
{
    char text[sizeof(err->text)];
    log_event(LOG_ERROR, "job_write_failed", "job=%s code=%s reason=%s", training->id,
              error_code_name(rc), log_quote(err->text, text, sizeof(text)));
    if (training->worker)
        worker_process_kill(training->worker, WORKER_STOPPED,
                            "what it said could not be stored");
    if (rc == ERR_CONFLICT || rc == ERR_NOT_FOUND) {
        /* The job belongs to somebody else now, or to nobody. */
        training_report_drop(training);
        training->state = TRAINING_ENDING;
        training->over = true;
        return;
    }
    training_write_failure(training, "internal_error",
                           training_error_json("internal_error",
                                               "The job's results could not be stored.",
                                               err->text, NULL));
}

void training_write_over(void *context, size_t bytes, int rc, const struct error *err)
{
    struct training *training = context;
    training->unwritten_bytes -= bytes;
    if (rc != 0 && training->state == TRAINING_RUNNING)
        write_failed(training, rc, err);
    /* Letting go may bring the worker's end; the write still
     * counted keeps the training. */
    if (training->worker && training->unwritten_bytes < LET_GO_BELOW_BYTES)
        worker_process_hold(training->worker, false);
    training->writes--;
    settle(training);
}

/* ---- starting ---- */

static int open_dataset(const struct training *training, int *ret_fd, struct error *err)
{
    struct buffer path;
    buffer_init(&path, 4096);
    buffer_printf(&path, "%s/datasets/%s", training->sched->config.data_dir,
                  training->file_sha256);
    int rc = buffer_status(&path);
    int fd = rc == 0 ? open(path.data, O_RDONLY | O_CLOEXEC) : -1;
    buffer_release(&path);
    if (rc != 0)
        return error_set(err, rc, "the data folder's path is too long");
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
        return error_set_errno(err, errno, "cannot open the dataset's file");
    if (fd < 0) /* trying again would not bring it back */
        return error_set(err, ERR_CORRUPT, "The dataset's file cannot be opened: %s.",
                         errno == ENOENT ? "it is gone" : "the system refuses");
    *ret_fd = fd;
    return 0;
}

/* Starts the process; a failure counts as a crash. */
static void launch(struct training *training)
{
    struct sched *sched = training->sched;
    struct worker_handlers handlers = {.context = training,
                                       .frame = training_take_frame,
                                       .drained = send_more,
                                       .ended = worker_ended};
    training->crashed = false;
    error_clear(&training->crash);
    free(training->crash_detail);
    training->crash_detail = NULL;
    int fd = -1;
    int rc = open_dataset(training, &fd, &training->crash);
    const struct worker_needs needs = {.fds = &fd,
                                       .fd_count = 1,
                                       .memory_mb = training->memory_mb,
                                       .threads = training->threads};
    if (rc == 0)
        rc = worker_process_start(&sched->setting, &needs, &handlers, &training->worker,
                                  &training->crash);
    io_close(&fd);
    training->crashed = rc != 0;
    /* The daemon lacks descriptors, processes or memory: not the job's fault. */
    training->not_started = rc == ERR_BUSY || rc == ERR_NOMEM;
    if (rc == 0) {
        sched_count_up(sched, &sched->stats.training, 1);
        sched_count_total(sched, &sched->stats.started);
    }
}

/* A member of an object of the spec; `fallback` where it does not say. */
static json_int_t number_in(const json_t *spec, const char *object, const char *key,
                            json_int_t fallback)
{
    const json_t *value = json_object_get(json_object_get(spec, object), key);
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

static int kept_checkpoints(const json_t *spec, const char *key)
{
    json_int_t count = number_in(spec, "checkpoint", key, 1);
    return count < 0 ? 0 : count > 1000 ? 1000 : (int)count;
}

static struct training *training_new(struct sched *sched, const struct job_row *job,
                                     const struct dataset_row *dataset)
{
    struct training *training = mem_alloc(sizeof(*training));
    json_t *spec = json_parse_text(job->spec);
    if (training && spec) {
        training->sched = sched;
        memcpy(training->id, job->id, sizeof(training->id));
        memcpy(training->file_sha256, dataset->file_sha256,
               sizeof(training->file_sha256));
        training->name = mem_strdup(job->name ? job->name : "");
        training->spec = mem_strdup(job->spec);
        training->facts = mem_strdup(dataset->facts);
        training->slots = job_queue_slots(sched, job->threads);
        training->attempt = job->attempt + 1;
        training->max_attempts = job->max_attempts;
        training->memory_mb = number_in(spec, "resources", "memory_mb", 0);
        training->threads = job->threads;
        training->wish = job->stop_requested ? WISH_STOP : WISH_NONE;
        training->is_suspect = job->crashes > 0;
        training->keep_best = kept_checkpoints(spec, "keep_best");
        training->keep_latest = kept_checkpoints(spec, "keep_latest");
        if (training->keep_latest < LEAST_LATEST)
            training->keep_latest = LEAST_LATEST;
    }
    json_decref(spec);
    bool whole = training && training->name && training->spec && training->facts;
    if (!whole && training && training->sched)
        training_free(training);
    else if (!whole)
        free(training);
    return whole ? training : NULL;
}

int training_start(struct sched *sched, const struct job_row *job,
                   const struct dataset_row *dataset, int64_t memory_bytes,
                   struct error *err)
{
    struct training *training = training_new(sched, job, dataset);
    if (!training)
        return error_set(err, ERR_NOMEM, "no memory to start a job");
    training->next = sched->trainings;
    sched->trainings = training;
    sched->start_under_way = true;
    training->holds_slots = true;
    sched->slots_used += training->slots;
    training->memory_bytes = memory_bytes;
    sched_use_memory(sched, memory_bytes);
    sched_count_up(sched, &sched->stats.slots_used, training->slots);
    int rc = training_write_start(training, err);
    if (rc != 0) { /* it goes without another word, and the queue is looked at later */
        training->state = TRAINING_ENDING;
        training->over = true;
        settle(training);
        sched->start_under_way = false;
        return rc;
    }
    /* The process starts up while the store commits: each takes milliseconds. */
    launch(training);
    return 0;
}

static bool is_unusable(const struct training *training, int64_t blob)
{
    for (int i = 0; i < training->unusable_count; i++)
        if (training->unusable[i] == blob)
            return true;
    return false;
}

/* The step of a "best" checkpoint is that of the best epoch; what it
 * holds may be later. */
static int say_resumed(struct training *training, const struct checkpoint_row *row,
                       struct error *err)
{
    char message[96], data[96];
    if (strcmp(row->kind, "latest") == 0)
        snprintf(message, sizeof(message), "Going on from the checkpoint at step %lld.",
                 (long long)row->step);
    else
        snprintf(message, sizeof(message), "Going on from the newest checkpoint.");
    snprintf(data, sizeof(data), "{\"checkpoint\":\"%s\",\"kind\":\"%s\"}", row->id,
             row->kind);
    return training_report_event(training, "resumed", message, data, err);
}

/* The checkpoint to go on from: the newest that was not found to be unusable. */
static int choose_checkpoint(struct training *training, struct error *err)
{
    training->checkpoint = 0;
    training->feed = (struct blob_feed){0};
    if (training->unusable_count == TRAINING_MAX_UNUSABLE)
        return 0;
    struct db *db = store_read_begin(training->sched->config.store, err);
    if (!db)
        return err->code;
    struct checkpoint_row *rows = NULL;
    size_t count = 0;
    int rc = checkpoints_list(db, training->id, &rows, &count, err);
    store_read_end(training->sched->config.store, db);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        if (training->checkpoint == 0 && !is_unusable(training, rows[i].blob)) {
            training->checkpoint = rows[i].blob;
            training->feed =
                (struct blob_feed){.blob = rows[i].blob, .bytes = rows[i].bytes};
            rc = say_resumed(training, &rows[i], err);
        }
        checkpoint_row_release(&rows[i]);
    }
    free(rows);
    return rc;
}

static int send_command(struct training *training, const char *command, struct error *err)
{
    char text[64];
    int length = snprintf(text, sizeof(text), "{\"command\":\"%s\"}", command);
    return worker_process_send(training->worker, MESSAGE_COMMAND, text, (size_t)length,
                               err);
}

static int send_task(struct training *training, struct error *err)
{
    int rc = choose_checkpoint(training, err);
    if (rc != 0)
        return rc;
    struct buffer task;
    buffer_init(&task, TASK_MAX_BYTES);
    buffer_printf(&task,
                  "{\"task\":\"train\",\"job\":\"%s\",\"attempt\":%d,\"resume\":%s,"
                  "\"file_sha256\":\"%s\",\"spec\":%s,\"facts\":%s}",
                  training->id, training->attempt,
                  training->feed.blob != 0 ? "true" : "false", training->file_sha256,
                  training->spec, training->facts);
    rc = buffer_status(&task);
    if (rc == 0)
        rc = worker_process_send(training->worker, MESSAGE_TASK, task.data, task.length,
                                 err);
    buffer_release(&task);
    return rc;
}

static void tell_wish(struct training *training)
{
    struct error err = {0};
    int rc = 0;
    if (training->wish == WISH_CANCEL) {
        rc = send_command(training, "cancel", &err);
        training_dismiss_worker(training);
    } else if (training->wish == WISH_PAUSE || training->draining) {
        rc = send_command(training, "pause", &err);
    } else if (training->wish == WISH_STOP) {
        rc = send_command(training, "stop", &err);
    }
    /* A worker that does not listen is on its way out, and its end is heard of. */
    if (rc != 0 && rc != ERR_EOF)
        worker_process_kill(training->worker, WORKER_STOPPED, err.text);
}

/* Gives the worker its task, and what was asked of the job meanwhile. */
static void begin(struct training *training)
{
    if (training->draining || training->wish >= WISH_PAUSE) {
        worker_process_kill(training->worker, WORKER_STOPPED,
                            "it is not wanted any more");
        return;
    }
    struct error err = {0};
    int rc = send_task(training, &err);
    if (rc != 0 && rc != ERR_EOF)
        worker_process_kill(training->worker, WORKER_STOPPED, err.text);
    else
        tell_wish(training);
}

/* The store did not take the job out of the queue. */
static void start_failed(struct training *training, int rc, const struct error *err)
{
    struct sched *sched = training->sched;
    bool users_doing = rc == ERR_CONFLICT || rc == ERR_NOT_FOUND;
    if (training->worker)
        worker_process_kill(training->worker, WORKER_STOPPED, "its job is gone");
    if (!users_doing)
        log_event(LOG_ERROR, "job_start_failed", "job=%s code=%s", training->id,
                  error_code_name(err->code));
    training->state = TRAINING_ENDING;
    training->over = true;
    if (!users_doing)
        job_queue_look_later(sched);
}

void training_started(struct training *training, int rc, const struct error *err)
{
    struct sched *sched = training->sched;
    sched->start_under_way = false;
    if (rc != 0) {
        start_failed(training, rc, err);
    } else {
        training->state = TRAINING_RUNNING;
        log_event(LOG_INFO, "job_started", "job=%s attempt=%d pid=%d", training->id,
                  training->attempt,
                  training->worker ? (int)worker_process_id(training->worker) : 0);
        if (training->crashed)
            training_crashed(training);
        else
            begin(training);
    }
    job_queue_look(sched);
}

/* The pipe is empty: the next part of the checkpoint. */
static void send_more(void *context)
{
    struct training *training = context;
    if (training->feed.blob == 0)
        return;
    struct error err = {0};
    int rc = blob_feed_send(&training->feed, training->sched, training->worker, &err);
    if (rc == ERR_CORRUPT)
        training_pass_over_checkpoint(training, err.text);
    else if (rc != 0 && rc != ERR_EOF)
        worker_process_kill(training->worker, WORKER_STOPPED, err.text);
}

void training_pass_over_checkpoint(struct training *training, const char *why)
{
    training->feed.blob = 0;
    training->unusable[training->unusable_count++] = training->checkpoint;
    training->begins_anew = true;
    struct error err = {0};
    char message[sizeof(err.text) + 128];
    snprintf(message, sizeof(message),
             "A checkpoint cannot be used: %s. Trying an older one, or starting anew.",
             why);
    if (training_report_event(training, "checkpoint_unusable", message, "{}", &err) != 0)
        log_event(LOG_ERROR, "event_lost", "job=%s", training->id);
    worker_process_kill(training->worker, WORKER_STOPPED, "its checkpoint is unusable");
}

/* ---- ending ---- */

static void patience_over(struct loop_timer *timer)
{
    struct training *training = LOOP_OWNER(timer, struct training, patience);
    if (training->worker)
        worker_process_kill(training->worker, WORKER_STOPPED,
                            "it did not end when asked to");
}

void training_dismiss_worker(struct training *training)
{
    if (!training->worker)
        return;
    training->patience.fire = patience_over;
    loop_set_timer(training->sched->loop, &training->patience,
                   clock_monotonic_ns() + WORKER_PATIENCE_NS);
}

static void worker_ended(void *context, const struct worker_end *end)
{
    struct training *training = context;
    struct sched *sched = training->sched;
    loop_cancel_timer(sched->loop, &training->patience);
    sched_count_up(sched, &sched->stats.training, -1);
    training->crashed = true;
    training->was_stopped = end->verdict == WORKER_STOPPED;
    training->crash_detail = post_mortem(end, training->attempt, training->max_attempts,
                                         training->last_progress, &training->crash);
    worker_process_free(training->worker);
    training->worker = NULL;
    if (training->state == TRAINING_ENDING) {
        settle(training);
    } else if (training->state == TRAINING_RUNNING && training->begins_anew) {
        training->begins_anew = false;
        launch(training);
        if (training->crashed)
            training_crashed(training);
        else
            begin(training);
    } else if (training->state == TRAINING_RUNNING) {
        training_crashed(training);
    }
}

static void tell_crash(struct training *training)
{
    struct sched *sched = training->sched;
    struct error err = {0};
    char data[64];
    char text[sizeof(training->crash.text)];
    sched_count_total(sched, &sched->stats.crashed);
    log_event(LOG_WARN, "worker_crashed", "job=%s attempt=%d reason=%s", training->id,
              training->attempt, log_quote(training->crash.text, text, sizeof(text)));
    snprintf(data, sizeof(data), "{\"attempt\":%d,\"max_attempts\":%d}",
             training->attempt, training->max_attempts);
    if (training_report_event(training, "worker_crashed", training->crash.text, data,
                              &err) != 0)
        log_event(LOG_ERROR, "event_lost", "job=%s", training->id);
}

static void put_off(struct training *training)
{
    char text[sizeof(training->crash.text)];
    log_event(LOG_WARN, "worker_not_started", "job=%s reason=%s", training->id,
              log_quote(training->crash.text, text, sizeof(text)));
    training_report_flush(training);
    training_write_release(training, false, PUT_OFF_US);
}

void training_crashed(struct training *training)
{
    if (training->not_started) {
        put_off(training);
        return;
    }
    blob_upload_abandon(training->upload);
    blob_upload_abandon(training->model);
    training->upload = training->model = NULL;
    bool asked = training->wish >= WISH_PAUSE || training->draining;
    bool crashed = !(training->was_stopped && asked);
    training->was_stopped = false;
    if (crashed)
        tell_crash(training);
    training_report_flush(training);
    if (asked) {
        training_write_release(training, crashed, 0);
    } else if (training->crash.code == ERR_CORRUPT ||
               training->attempt >= training->max_attempts) {
        const char *reason = training->crash.code == ERR_CORRUPT ? "internal_error"
                             : training->crash.code == ERR_NOMEM ? "out_of_memory"
                                                                 : "worker_crashed";
        training_write_failure(training, reason,
                               training_error_json(reason, training->crash.text,
                                                   training->crash_detail, NULL));
    } else {
        training_write_release(training, true, jobs_backoff_us(training->attempt));
    }
}

/* ---- what is asked ---- */

void training_ask(struct training *training, enum training_wish wish)
{
    if (wish <= training->wish)
        return;
    training->wish = wish;
    if (training->state == TRAINING_RUNNING && training->worker)
        tell_wish(training);
}

static void drain(struct training *training)
{
    training->draining = true;
    if (training->state == TRAINING_RUNNING && training->worker)
        tell_wish(training);
}

/* What the checkpoint of a drain may have: as much as the last one. Without one a job is
 * very young, or its checkpoints are so large that none could be afforded yet. */
static size_t drain_bytes(const struct training *training)
{
    if (training->state != TRAINING_RUNNING)
        return 0;
    return training->checkpoint_bytes > 0 ? training->checkpoint_bytes : DRAIN_BYTES;
}

/* Side by side, large checkpoints would all be late; so the others go on training until
 * it is their turn. */
void training_drain_some(struct sched *sched)
{
    for (;;) {
        size_t under_way = 0;
        struct training *next = NULL;
        for (struct training *t = sched->trainings; t; t = t->next) {
            if (t->draining)
                under_way += drain_bytes(t);
            else if (!next || drain_bytes(t) < drain_bytes(next))
                next = t;
        }
        if (!next || (under_way > 0 && under_way + drain_bytes(next) > DRAIN_BYTES))
            return;
        drain(next);
    }
}

void training_kill(struct training *training)
{
    training->draining = true;
    if (training->worker)
        worker_process_kill(training->worker, WORKER_STOPPED, "the daemon ends");
}
