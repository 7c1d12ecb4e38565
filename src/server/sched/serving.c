/*
 * See serving.h.
 *
 * A `struct serving` is a model that somebody asks: it may wait for room (no worker yet),
 * have a worker that loads or is ready, or be leaving (nobody can ask it any more, its
 * worker is on the way out).
 */
#include "serving.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "blob_feed.h"
#include "payload.h"
#include "post_mortem.h"
#include "store/models.h"

#include <stdlib.h>
#include <string.h>

#define TASK_MAX_BYTES ((size_t)8 << 20)

struct serving {
    struct sched *sched;
    struct serving *next;
    char model[ID_SIZE];
    struct worker_process *worker; /* NULL: waits for room */
    bool ready;                    /* it has loaded the model */
    bool leaving;
    struct blob_feed feed;
    struct question *asked;  /* put to the worker, not answered */
    struct question *queue;  /* not put yet, oldest first */
    int64_t used_ns;         /* when it was last of use */
    struct loop_timer timer; /* until it is idle for too long, or has to be killed */
};

static void put_next(struct serving *serving);
static void start_waiting(struct sched *sched);

/* ---- questions ---- */

static void answer(struct question *question, int rc, const char *json, size_t length,
                   const struct error *err)
{
    struct sched *sched = question->sched;
    pthread_mutex_lock(&sched->lock);
    sched->asked--;
    sched->asked_bytes -= question->length;
    pthread_mutex_unlock(&sched->lock);
    question->done(question->context, rc, json, length, err);
    free(question->text);
    free(question);
}

/* Fails what was put to the worker, and with `all` what waits as well. */
static void fail_questions(struct serving *serving, bool all, const struct error *err)
{
    struct question *asked = serving->asked;
    serving->asked = NULL;
    if (asked)
        answer(asked, err->code, NULL, 0, err);
    while (all && serving->queue) {
        struct question *question = serving->queue;
        serving->queue = question->next;
        answer(question, err->code, NULL, 0, err);
    }
}

/* ---- leaving ---- */

static void serving_free(struct serving *serving)
{
    struct sched *sched = serving->sched;
    struct serving **at = &sched->servings;
    while (*at != serving)
        at = &(*at)->next;
    *at = serving->next;
    loop_cancel_timer(sched->loop, &serving->timer);
    worker_process_free(serving->worker);
    free(serving);
}

static void patience_over(struct loop_timer *timer)
{
    struct serving *serving = LOOP_OWNER(timer, struct serving, timer);
    worker_process_kill(serving->worker, WORKER_STOPPED, "it did not end when asked to");
}

/* No question is left or will come: the worker ends, kindly. */
static void leave(struct serving *serving)
{
    if (serving->leaving)
        return;
    serving->leaving = true;
    if (!serving->worker) {
        serving_free(serving);
        return;
    }
    worker_process_close_input(serving->worker);
    serving->timer.fire = patience_over;
    loop_set_timer(serving->sched->loop, &serving->timer,
                   clock_monotonic_ns() + WORKER_PATIENCE_NS);
}

static void idle_for_too_long(struct loop_timer *timer)
{
    leave(LOOP_OWNER(timer, struct serving, timer));
}

/* ---- what the worker says ---- */

static void became_idle(struct serving *serving)
{
    struct sched *sched = serving->sched;
    serving->used_ns = clock_monotonic_ns();
    worker_process_expect(serving->worker, false);
    serving->timer.fire = idle_for_too_long;
    loop_set_timer(sched->loop, &serving->timer,
                   serving->used_ns + sched->config.serving_idle_ns);
    start_waiting(sched); /* another model may want its place */
}

static int take_reply(struct serving *serving, const struct frame *frame,
                      struct error *err)
{
    struct question *question = serving->asked;
    if (!question)
        return error_set(err, ERR_PROTOCOL, "an answer that nobody waits for");
    serving->asked = NULL;
    answer(question, 0, (const char *)frame->payload, frame->length, NULL);
    put_next(serving);
    return 0;
}

static int take_piece(const struct serving *serving, const struct frame *frame,
                      struct error *err)
{
    const struct question *question = serving->asked;
    if (!question || !question->piece)
        return error_set(err, ERR_PROTOCOL, "a piece of an answer that nobody waits for");
    json_t *object = NULL;
    int rc = payload_object(frame, &object, err);
    json_decref(object);
    if (rc == 0 && !question->withdrawn)
        question->piece(question->context, (const char *)frame->payload, frame->length);
    return rc;
}

/* It cannot serve this model: all who ask for it are told why. */
static int take_failed(struct serving *serving, const struct frame *frame,
                       struct error *err)
{
    json_t *object = NULL;
    const char *code, *message;
    int rc = payload_object(frame, &object, err);
    if (rc == 0)
        rc = payload_string(object, "code", PAYLOAD_MAX_TYPE, &code, err);
    if (rc == 0)
        rc = payload_string(object, "message", PAYLOAD_MAX_MESSAGE, &message, err);
    if (rc == 0) {
        struct error reason = {0};
        bool memory = strcmp(code, "out_of_memory") == 0;
        error_set(&reason, memory ? ERR_NOMEM : ERR_INTERNAL,
                  "The model cannot be served: %s", message);
        fail_questions(serving, true, &reason);
        leave(serving);
    }
    json_decref(object);
    return rc;
}

static int take_frame(void *context, const struct frame *frame, struct error *err)
{
    struct serving *serving = context;
    if (serving->leaving || frame->type == MESSAGE_PROGRESS)
        return 0;
    if (frame->type == MESSAGE_READY) {
        serving->ready = true;
        put_next(serving);
        return 0;
    }
    if (frame->type == MESSAGE_REPLY)
        return take_reply(serving, frame, err);
    if (frame->type == MESSAGE_PIECE)
        return take_piece(serving, frame, err);
    if (frame->type == MESSAGE_FAILED)
        return take_failed(serving, frame, err);
    return error_set(err, ERR_PROTOCOL, "a %s message from a serving worker",
                     message_name(frame->type));
}

static void send_more(void *context)
{
    struct serving *serving = context;
    if (serving->feed.blob == 0)
        return;
    struct error err = {0};
    int rc = blob_feed_send(&serving->feed, serving->sched, serving->worker, &err);
    if (rc != 0 && rc != ERR_EOF) {
        serving->feed.blob = 0;
        serving->leaving = true;
        fail_questions(serving, true, &err);
        worker_process_kill(serving->worker, WORKER_STOPPED, err.text);
    }
}

static void worker_ended(void *context, const struct worker_end *end)
{
    struct serving *serving = context;
    struct sched *sched = serving->sched;
    sched_count_up(sched, &sched->stats.serving, -1);
    if (!serving->leaving) {
        struct error cause;
        char text[sizeof(cause.text)];
        free(post_mortem(end, 0, 0, NULL, &cause));
        log_event(LOG_WARN, "worker_crashed", "task=serve model=%s reason=%s",
                  serving->model, log_quote(cause.text, text, sizeof(text)));
        sched_count_total(sched, &sched->stats.crashed);
        /* One that never was ready would not be so the next time either. */
        fail_questions(serving, !serving->ready, &cause);
    }
    worker_process_free(serving->worker);
    serving->worker = NULL;
    if (serving->queue && !serving->leaving) {
        serving->ready = false; /* a successor for those who are still waiting */
        serving->feed = (struct blob_feed){0};
    } else {
        serving_free(serving);
    }
    start_waiting(sched);
}

/* ---- starting and asking ---- */

static int send_task(struct serving *serving, const struct model_row *row,
                     struct error *err)
{
    struct buffer task;
    buffer_init(&task, TASK_MAX_BYTES);
    buffer_printf(&task,
                  "{\"task\":\"serve\",\"model\":\"%s\",\"bytes\":%llu,\"spec\":%s,"
                  "\"preprocessing\":%s,\"facts\":%s}",
                  row->id, (unsigned long long)row->bytes, row->spec, row->preprocessing,
                  row->facts);
    int rc = buffer_status(&task);
    if (rc == 0) {
        serving->feed = (struct blob_feed){.blob = row->blob, .bytes = row->bytes};
        rc = worker_process_send(serving->worker, MESSAGE_TASK, task.data, task.length,
                                 err);
    }
    buffer_release(&task);
    return rc == 0 ? 0 : error_set(err, rc, "the model cannot be given to a worker");
}

static int read_model(struct sched *sched, const char *id, struct model_row *ret_row,
                      struct error *err)
{
    struct db *db = store_read_begin(sched->config.store, err);
    if (!db)
        return err->code;
    int rc = models_get(db, id, ret_row, err);
    store_read_end(sched->config.store, db);
    return rc;
}

static int start(struct serving *serving, struct error *err)
{
    struct sched *sched = serving->sched;
    struct model_row row = {0};
    int rc = read_model(sched, serving->model, &row, err);
    if (rc != 0)
        return rc;
    struct worker_handlers handlers = {.context = serving,
                                       .frame = take_frame,
                                       .drained = send_more,
                                       .ended = worker_ended};
    const struct worker_needs needs = {.memory_mb = sched->config.task_memory_mb};
    rc = worker_process_start(&sched->setting, &needs, &handlers, &serving->worker, err);
    if (rc == 0) {
        sched_count_up(sched, &sched->stats.serving, 1);
        sched_count_total(sched, &sched->stats.started);
        if (send_task(serving, &row, err) != 0) /* `ended` follows */
            worker_process_kill(serving->worker, WORKER_BROKE_PROTOCOL, err->text);
    }
    model_row_release(&row);
    return rc;
}

/* Puts the next question, if there is one and the worker is free. */
static void put_next(struct serving *serving)
{
    if (!serving->ready || serving->asked || serving->leaving)
        return;
    struct question *question = serving->queue;
    if (!question) {
        became_idle(serving);
        return;
    }
    serving->queue = question->next;
    serving->asked = question;
    loop_cancel_timer(serving->sched->loop, &serving->timer);
    worker_process_expect(serving->worker, true);
    struct error err = {0};
    int rc = worker_process_send(serving->worker, MESSAGE_REQUEST, question->text,
                                 question->length, &err);
    /* When it reads no more its end is near, and the question fails with that. */
    if (rc != 0 && rc != ERR_EOF)
        worker_process_kill(serving->worker, WORKER_BROKE_PROTOCOL, err.text);
}

/* The idle one that was of use the longest ago; NULL when all are busy. */
static struct serving *longest_unused(struct sched *sched)
{
    struct serving *found = NULL;
    for (struct serving *s = sched->servings; s; s = s->next) {
        bool idle = s->worker && s->ready && !s->asked && !s->queue && !s->leaving;
        if (idle && (!found || s->used_ns < found->used_ns))
            found = s;
    }
    return found;
}

/* Counts the workers there are, and of those the ones on their way out. */
static int live_workers(const struct sched *sched, int *ret_leaving)
{
    int live = 0, leaving = 0;
    for (const struct serving *s = sched->servings; s; s = s->next) {
        live += s->worker != NULL;
        leaving += s->leaving;
    }
    *ret_leaving = leaving;
    return live;
}

/* Starts workers for the models that wait, making room where it can: an idle worker is
 * asked to end for each model that waits, and its end brings us here again. */
static void start_waiting(struct sched *sched)
{
    int leaving;
    int live = live_workers(sched, &leaving);
    struct serving *next;
    for (struct serving *s = sched->servings; s; s = next) {
        next = s->next;
        if (s->worker || s->leaving)
            continue;
        if (live < sched->config.max_serving) {
            struct error err = {0};
            if (start(s, &err) == 0) {
                live++;
            } else {
                fail_questions(s, true, &err);
                serving_free(s);
            }
        } else if (leaving > 0) {
            leaving--;
        } else {
            struct serving *unused = longest_unused(sched);
            if (unused)
                leave(unused);
        }
    }
}

static struct serving *find(struct sched *sched, const char *model)
{
    struct serving *serving = sched->servings;
    while (serving && (serving->leaving || strcmp(serving->model, model) != 0))
        serving = serving->next;
    return serving;
}

void serving_ask(struct question *question)
{
    struct sched *sched = question->sched;
    struct serving *serving = find(sched, question->model);
    struct error err = {0};
    if (sched->stopping) {
        error_set(&err, ERR_CANCELLED, "The daemon is going down.");
        answer(question, err.code, NULL, 0, &err);
        return;
    }
    if (!serving)
        serving = mem_alloc(sizeof(*serving));
    if (!serving) {
        error_set(&err, ERR_NOMEM, "no memory to serve a model");
        answer(question, err.code, NULL, 0, &err);
        return;
    }
    if (!serving->sched) {
        serving->sched = sched;
        memcpy(serving->model, question->model, sizeof(serving->model));
        /* At the end: whoever waits longer is first. */
        struct serving **at = &sched->servings;
        while (*at)
            at = &(*at)->next;
        *at = serving;
    }
    struct question **last = &serving->queue;
    while (*last)
        last = &(*last)->next;
    question->next = NULL;
    *last = question;
    if (serving->worker)
        put_next(serving);
    else
        start_waiting(sched);
}

/* The worker may be at it for long: it is told. */
static void cut_short(struct serving *serving)
{
    static const char command[] = "{\"command\":\"cancel\"}";
    struct error err = {0};
    serving->asked->withdrawn = true;
    int rc = worker_process_send(serving->worker, MESSAGE_COMMAND, command,
                                 sizeof(command) - 1, &err);
    if (rc != 0 && rc != ERR_EOF)
        worker_process_kill(serving->worker, WORKER_BROKE_PROTOCOL, err.text);
}

void serving_withdraw(struct sched *sched, const char *model_id, uint64_t ticket)
{
    struct serving *serving = find(sched, model_id);
    if (!serving)
        return;
    if (serving->asked && serving->asked->ticket == ticket) {
        if (!serving->asked->withdrawn)
            cut_short(serving);
        return;
    }
    struct question **at = &serving->queue;
    while (*at && (*at)->ticket != ticket)
        at = &(*at)->next;
    struct question *question = *at;
    if (!question)
        return;
    *at = question->next;
    struct error err = {0};
    error_set(&err, ERR_CANCELLED, "The question was withdrawn.");
    answer(question, err.code, NULL, 0, &err);
}

void serving_forget(struct sched *sched, const char *model_id)
{
    struct serving *serving = find(sched, model_id);
    if (!serving)
        return;
    struct error err = {0};
    error_set(&err, ERR_NOT_FOUND, "The model was deleted.");
    fail_questions(serving, true, &err);
    leave(serving);
}

void serving_end_all(struct sched *sched)
{
    struct error err = {0};
    error_set(&err, ERR_CANCELLED, "The daemon is going down.");
    struct serving *next;
    for (struct serving *s = sched->servings; s; s = next) {
        next = s->next;
        fail_questions(s, true, &err);
        s->leaving = true;
        if (s->worker)
            worker_process_kill(s->worker, WORKER_STOPPED, "the daemon ends");
        else
            serving_free(s);
    }
}
