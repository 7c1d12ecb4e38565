/* See ingesting.h. */
#include "ingesting.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"
#include "blob_feed.h"
#include "payload.h"
#include "post_mortem.h"
#include "spec/facts.h"
#include "spec/json_parse.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_PARTS 8

static bool is_gradcheck(const json_t *report)
{
    return json_is_boolean(json_object_get(report, "passed")) &&
           json_is_array(json_object_get(report, "layers"));
}

static bool is_evaluation(const json_t *report)
{
    return json_is_integer(json_object_get(report, "rows")) &&
           json_is_object(json_object_get(report, "metrics"));
}

/* The short tasks that get a dataset's file and answer with a report. */
static const struct check_type {
    const char *name;
    int64_t max_ns;
    const char *overdue; /* said when it takes longer */
    bool (*is_report)(const json_t *report);
} check_types[] = {
    [CHECK_GRADIENTS] = {"gradcheck", 60 * CLOCK_NS_PER_SECOND,
                         "The check took longer than a minute; the network is too large "
                         "for it.",
                         is_gradcheck},
    [CHECK_EVALUATION] = {"evaluate", 600 * CLOCK_NS_PER_SECOND,
                          "The evaluation took longer than ten minutes.", is_evaluation},
};

struct ingesting {
    struct sched *sched;
    struct ingesting *next;
    struct loop_call call;
    uint64_t ticket;
    int part_count;
    char *part_names[MAX_PARTS];
    int fds[MAX_PARTS + 1]; /* the parts, then the output */
    char *options;
    char *task;                    /* of a check, whole; NULL: an ingest */
    const struct check_type *type; /* of a check */
    struct blob_feed feed;         /* of a check: parameters still to be sent */
    void (*done)(void *context, int rc, const char *json, size_t length,
                 const struct error *err); /* NULL once it was called */
    void *context;
    struct worker_process *worker;
    struct loop_timer patience;
};

static void start_waiting(struct sched *sched);

void ingesting_free(struct ingesting *ingesting)
{
    worker_process_free(ingesting->worker);
    for (int i = 0; i < ingesting->part_count; i++)
        free(ingesting->part_names[i]);
    for (int i = 0; i < MAX_PARTS + 1; i++)
        io_close(&ingesting->fds[i]);
    free(ingesting->options);
    free(ingesting->task);
    free(ingesting);
}

struct ingesting *ingesting_new(struct sched *sched, const struct ingest_job *job)
{
    struct ingesting *ingesting = mem_alloc(sizeof(*ingesting));
    if (!ingesting) {
        for (int i = 0; i < job->part_count; i++)
            close(job->part_fds[i]);
        close(job->output_fd);
        return NULL;
    }
    ingesting->sched = sched;
    ingesting->part_count = job->part_count;
    ingesting->done = job->done;
    ingesting->context = job->context;
    ingesting->options = mem_strdup(job->options);
    bool whole = ingesting->options != NULL;
    for (int i = 0; i < MAX_PARTS + 1; i++)
        ingesting->fds[i] = -1;
    for (int i = 0; i < job->part_count; i++) {
        ingesting->fds[i] = job->part_fds[i];
        ingesting->part_names[i] = mem_strdup(job->part_names[i]);
        whole = whole && ingesting->part_names[i];
    }
    ingesting->fds[job->part_count] = job->output_fd;
    if (!whole) {
        ingesting_free(ingesting);
        return NULL;
    }
    return ingesting;
}

struct ingesting *ingesting_new_check(struct sched *sched, const struct check_job *job)
{
    struct ingesting *ingesting = mem_alloc(sizeof(*ingesting));
    char *task = mem_strdup(job->task);
    if (!ingesting || !task) {
        free(ingesting);
        free(task);
        close(job->dataset_fd);
        return NULL;
    }
    ingesting->sched = sched;
    ingesting->done = job->done;
    ingesting->context = job->context;
    ingesting->task = task;
    ingesting->type = &check_types[job->kind];
    ingesting->feed = (struct blob_feed){.blob = job->blob, .bytes = job->bytes};
    for (int i = 0; i < MAX_PARTS + 1; i++)
        ingesting->fds[i] = -1;
    ingesting->fds[0] = job->dataset_fd;
    return ingesting;
}

/* Answers, once. */
static void answer(struct ingesting *ingesting, int rc, const char *json,
                   const struct error *err)
{
    if (!ingesting->done)
        return;
    ingesting->done(ingesting->context, rc, json, json ? strlen(json) : 0, err);
    ingesting->done = NULL;
    pthread_mutex_lock(&ingesting->sched->lock);
    ingesting->sched->ingests--;
    pthread_mutex_unlock(&ingesting->sched->lock);
}

static void answer_error(struct ingesting *ingesting, int code, const char *text)
{
    struct error err = {0};
    error_set(&err, code, "%s", text);
    answer(ingesting, code, NULL, &err);
}

static void leave(struct ingesting *ingesting)
{
    struct sched *sched = ingesting->sched;
    struct ingesting **at = &sched->ingestings;
    while (*at != ingesting)
        at = &(*at)->next;
    *at = ingesting->next;
    loop_cancel_timer(sched->loop, &ingesting->patience);
    ingesting_free(ingesting);
}

/* ---- what the worker says ---- */

static int take_report(struct ingesting *ingesting, const json_t *object,
                       struct error *err)
{
    const json_t *report = json_object_get(object, "report");
    if (!ingesting->type->is_report(report))
        return error_set(err, ERR_PROTOCOL, "a report that cannot be");
    char *text = payload_dump(report);
    if (!text)
        return error_set(err, ERR_NOMEM, "no memory for the report");
    answer(ingesting, 0, text, NULL);
    free(text);
    return 0;
}

static int take_facts(struct ingesting *ingesting, const json_t *object,
                      struct error *err)
{
    const json_t *facts = json_object_get(object, "facts");
    struct dataset_facts *parsed = NULL;
    struct error fault = {0};
    if (facts_parse(facts, &parsed, &fault) != 0)
        return error_set(err, ERR_PROTOCOL, "facts that cannot be: %s", fault.text);
    facts_free(parsed);
    char *text = payload_dump(facts);
    if (!text)
        return error_set(err, ERR_NOMEM, "no memory for the facts");
    answer(ingesting, 0, text, NULL);
    free(text);
    return 0;
}

/* The daemon's code for a worker's. */
static int code_of(const char *name)
{
    static const struct {
        const char *name;
        int code;
    } codes[] = {{"invalid_data", ERR_INVALID},   {"damaged", ERR_CORRUPT},
                 {"too_large", ERR_TOO_LARGE},    {"out_of_memory", ERR_NOMEM},
                 {"no_space", ERR_NO_SPACE},      {"disk_failure", ERR_IO},
                 {"internal_error", ERR_INTERNAL}};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strcmp(name, codes[i].name) == 0)
            return codes[i].code;
    return 0;
}

static int take_failed(struct ingesting *ingesting, const json_t *object,
                       struct error *err)
{
    const char *code, *message;
    int rc = payload_string(object, "code", PAYLOAD_MAX_TYPE, &code, err);
    if (rc == 0)
        rc = payload_string(object, "message", PAYLOAD_MAX_MESSAGE, &message, err);
    if (rc != 0)
        return rc;
    struct error reason = {0};
    if (code_of(code) == 0)
        return error_set(err, ERR_PROTOCOL, "failed with an unknown code");
    error_set(&reason, code_of(code), "%s", message);
    const json_t *violations = json_object_get(object, "violations");
    char *text = json_is_array(violations) ? payload_dump(violations) : mem_strdup("[]");
    if (!text)
        return error_set(err, ERR_NOMEM, "no memory for the violations");
    answer(ingesting, reason.code, text, &reason);
    free(text);
    return 0;
}

static void patience_over(struct loop_timer *timer)
{
    struct ingesting *ingesting = LOOP_OWNER(timer, struct ingesting, patience);
    worker_process_kill(ingesting->worker, WORKER_STOPPED, "it did not end");
}

static void check_overdue(struct loop_timer *timer)
{
    struct ingesting *ingesting = LOOP_OWNER(timer, struct ingesting, patience);
    answer_error(ingesting, ERR_TOO_LARGE, ingesting->type->overdue);
    worker_process_kill(ingesting->worker, WORKER_STOPPED, "it took too long");
}

static int take_done(struct ingesting *ingesting, const json_t *object, struct error *err)
{
    return ingesting->task ? take_report(ingesting, object, err)
                           : take_facts(ingesting, object, err);
}

static int take_frame(void *context, const struct frame *frame, struct error *err)
{
    struct ingesting *ingesting = context;
    bool is_end = frame->type == MESSAGE_DONE || frame->type == MESSAGE_FAILED;
    if (frame->type == MESSAGE_READY || frame->type == MESSAGE_PROGRESS)
        return 0; /* signs of life */
    if (!is_end)
        return error_set(err, ERR_PROTOCOL, "a %s message from a worker of a short task",
                         message_name(frame->type));
    json_t *object = NULL;
    int rc = payload_object(frame, &object, err);
    if (rc == 0)
        rc = frame->type == MESSAGE_DONE ? take_done(ingesting, object, err)
                                         : take_failed(ingesting, object, err);
    json_decref(object);
    if (rc == 0) {
        ingesting->patience.fire = patience_over;
        loop_set_timer(ingesting->sched->loop, &ingesting->patience,
                       clock_monotonic_ns() + WORKER_PATIENCE_NS);
    }
    return rc;
}

/* The parameters, a chunk whenever the one before is in the pipe. */
static void send_more(void *context)
{
    struct ingesting *ingesting = context;
    if (ingesting->feed.blob == 0 || !ingesting->worker)
        return;
    struct error err = {0};
    int rc = blob_feed_send(&ingesting->feed, ingesting->sched, ingesting->worker, &err);
    if (rc == 0 || rc == ERR_EOF)
        return;
    ingesting->feed.blob = 0;
    answer_error(ingesting, err.code, err.text);
    worker_process_kill(ingesting->worker, WORKER_STOPPED, err.text);
}

static void worker_ended(void *context, const struct worker_end *end)
{
    struct ingesting *ingesting = context;
    struct sched *sched = ingesting->sched;
    sched_count_up(sched, &sched->stats.ingesting, -1);
    if (ingesting->done) {
        struct error cause;
        char text[sizeof(cause.text)];
        char *detail = post_mortem(end, 0, 0, NULL, &cause);
        log_event(LOG_WARN, "worker_crashed", "task=%s reason=%s",
                  ingesting->task ? ingesting->type->name : "ingest",
                  log_quote(cause.text, text, sizeof(text)));
        sched_count_total(sched, &sched->stats.crashed);
        answer(ingesting, cause.code, NULL, &cause);
        free(detail);
    }
    leave(ingesting);
    start_waiting(sched);
}

/* ---- starting ---- */

static int send_task(struct ingesting *ingesting, struct error *err)
{
    if (ingesting->task)
        return worker_process_send(ingesting->worker, MESSAGE_TASK, ingesting->task,
                                   strlen(ingesting->task), err);
    json_t *options = json_parse_text(ingesting->options);
    json_t *parts = json_array();
    json_t *task = NULL;
    for (int i = 0; i < ingesting->part_count && parts; i++)
        json_array_append_new(parts, json_string(ingesting->part_names[i]));
    if (json_array_size(parts) == (size_t)ingesting->part_count &&
        json_is_object(options))
        task = json_pack("{s:s, s:O, s:O}", "task", "ingest", "parts", parts, "options",
                         options);
    char *text = task ? payload_dump(task) : NULL;
    json_decref(task);
    json_decref(parts);
    json_decref(options);
    if (!text)
        return error_set(err, ERR_INTERNAL, "the ingest task cannot be said in JSON");
    int rc =
        worker_process_send(ingesting->worker, MESSAGE_TASK, text, strlen(text), err);
    free(text);
    return rc;
}

static int start(struct ingesting *ingesting, struct error *err)
{
    struct sched *sched = ingesting->sched;
    struct worker_handlers handlers = {.context = ingesting,
                                       .frame = take_frame,
                                       .drained = send_more,
                                       .ended = worker_ended};
    const struct worker_needs needs = {.fds = ingesting->fds,
                                       .fd_count = ingesting->part_count + 1,
                                       .memory_mb = sched->config.task_memory_mb,
                                       .file_mb = sched->config.ingest_file_mb};
    int rc =
        worker_process_start(&sched->setting, &needs, &handlers, &ingesting->worker, err);
    if (rc != 0)
        return rc;
    sched_count_up(sched, &sched->stats.ingesting, 1);
    sched_count_total(sched, &sched->stats.started);
    for (int i = 0; i < MAX_PARTS + 1; i++)
        io_close(&ingesting->fds[i]);
    if (ingesting->task) {
        ingesting->patience.fire = check_overdue;
        loop_set_timer(sched->loop, &ingesting->patience,
                       clock_monotonic_ns() + ingesting->type->max_ns);
    }
    rc = send_task(ingesting, err);
    if (rc != 0) /* `ended` follows and frees it */
        worker_process_kill(ingesting->worker, WORKER_STOPPED, err->text);
    return 0;
}

static void start_waiting(struct sched *sched)
{
    int running = 0;
    struct ingesting *next;
    for (struct ingesting *i = sched->ingestings; i; i = next) {
        next = i->next;
        if (!i->worker && running < sched->config.max_ingests && !sched->stopping) {
            struct error err = {0};
            if (start(i, &err) != 0) {
                answer(i, err.code, NULL, &err);
                leave(i);
                continue;
            }
        }
        if (i->worker)
            running++;
    }
}

/* A worker that is killed is followed by `ended`, which frees. */
static void end(struct ingesting *ingesting, const char *text)
{
    answer_error(ingesting, ERR_CANCELLED, text);
    if (ingesting->worker)
        worker_process_kill(ingesting->worker, WORKER_STOPPED, text);
    else
        leave(ingesting);
}

void ingesting_end_all(struct sched *sched)
{
    struct ingesting *next;
    for (struct ingesting *i = sched->ingestings; i; i = next) {
        next = i->next;
        end(i, "The daemon is going down.");
    }
}

void ingesting_withdraw(struct sched *sched, uint64_t ticket)
{
    struct ingesting *ingesting = sched->ingestings;
    while (ingesting && ingesting->ticket != ticket)
        ingesting = ingesting->next;
    if (ingesting && ingesting->done)
        end(ingesting, "Nobody waits for it any more.");
}

static void enqueue(struct loop_call *call)
{
    struct ingesting *ingesting = LOOP_OWNER(call, struct ingesting, call);
    struct sched *sched = ingesting->sched;
    struct ingesting **at = &sched->ingestings;
    while (*at)
        at = &(*at)->next;
    *at = ingesting;
    if (sched->stopping)
        ingesting_end_all(sched);
    else
        start_waiting(sched);
}

void ingesting_hand_over(struct ingesting *ingesting, uint64_t ticket)
{
    ingesting->ticket = ticket;
    ingesting->call.run = enqueue;
    loop_post(ingesting->sched->loop, &ingesting->call);
}
