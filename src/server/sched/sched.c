/*
 * See sched.h. The functions here may be called from any thread: they hand a call over to
 * the scheduler's thread, which alone touches everything else.
 */
#include "sched.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "ingesting.h"
#include "job_queue.h"
#include "sched_internal.h"
#include "serving.h"
#include "training.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what the parts share ---- */

void sched_count_up(struct sched *sched, int *figure, int change)
{
    pthread_mutex_lock(&sched->lock);
    *figure += change;
    pthread_mutex_unlock(&sched->lock);
}

void sched_count_total(struct sched *sched, int64_t *figure)
{
    pthread_mutex_lock(&sched->lock);
    ++*figure;
    pthread_mutex_unlock(&sched->lock);
}

/* On the scheduler's thread again. */
static void write_is_back(struct loop_call *call)
{
    struct sched_write *write = LOOP_OWNER(call, struct sched_write, call);
    write->sched->pending_writes--;
    write->after(write);
}

/* On the writer's thread, after the commit. */
static void write_is_done(struct store_write *store_write, int rc,
                          const struct error *err)
{
    struct sched_write *write = (struct sched_write *)store_write;
    struct sched *sched = write->sched;
    write->rc = rc;
    error_clear(&write->err);
    if (rc != 0)
        error_set(&write->err, rc, "%s", err->text);
    if (rc == 0 && write->job[0] != '\0' && sched->config.on_change)
        sched->config.on_change(sched->config.context, write->job);
    write->call.run = write_is_back;
    loop_post(sched->loop, &write->call);
}

void sched_use_memory(struct sched *sched, int64_t change)
{
    pthread_mutex_lock(&sched->lock);
    sched->memory_used += change;
    sched->stats.memory_bytes = sched->memory_used;
    pthread_mutex_unlock(&sched->lock);
}

void sched_submit(struct sched *sched, struct sched_write *write)
{
    write->sched = sched;
    write->write.done = write_is_done;
    sched->pending_writes++;
    store_submit(sched->config.store, &write->write);
}

/* ---- the thread ---- */

static bool is_over(const struct sched *sched)
{
    return sched->stopping && !sched->trainings && !sched->ingestings &&
           !sched->servings && sched->pending_writes == 0;
}

static void *thread_main(void *argument)
{
    struct sched *sched = argument;
    job_queue_look(sched);
    while (!is_over(sched))
        loop_turn(sched->loop);
    return NULL;
}

/* Signals are for the main thread; and a worker that is gone must not end the daemon with
 * SIGPIPE. */
static int start_thread(struct sched *sched, struct error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&sched->thread, NULL, thread_main, sched);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return error_set_errno(err, failed, "cannot start the scheduler's thread");
    return 0;
}

/* ---- start and stop ---- */

struct recovery {
    struct store_write write;
    const char *crash;
    int count;
};

static int run_recovery(struct db *db, struct store_write *write, struct error *err)
{
    struct recovery *recovery = (struct recovery *)write;
    return jobs_recover(db, recovery->crash, clock_wall_us(), &recovery->count, err);
}

static void sched_free(struct sched *sched)
{
    loop_free(sched->loop);
    pthread_mutex_destroy(&sched->lock);
    free(sched->data_dir);
    free(sched->worker_path);
    free(sched);
}

static struct sched *sched_new(const struct sched_config *config)
{
    struct sched *sched = mem_alloc(sizeof(*sched));
    if (!sched)
        return NULL;
    sched->config = *config;
    sched->config.data_dir = sched->data_dir = mem_strdup(config->data_dir);
    sched->config.worker_path = sched->worker_path = mem_strdup(config->worker_path);
    pthread_mutex_init(&sched->lock, NULL);
    sched->stats.slots = config->slots;
    if (!sched->data_dir || !sched->worker_path) {
        sched_free(sched);
        return NULL;
    }
    return sched;
}

int sched_start(const struct sched_config *config, struct sched **ret_sched,
                struct error *err)
{
    if (config->slots < 1 || config->max_ingests < 1 || config->max_serving < 1)
        return error_set(err, ERR_INVALID,
                         "a scheduler needs at least one worker of each kind");
    if (access(config->worker_path, X_OK) != 0)
        return error_set_errno(err, errno, "cannot execute the worker");
    struct recovery recovery = {.write.run = run_recovery, .crash = config->crash};
    int rc = store_write_wait(config->store, &recovery.write, err);
    if (rc != 0)
        return rc;
    if (recovery.count > 0)
        log_event(LOG_INFO, "jobs_recovered", "count=%d", recovery.count);
    struct sched *sched = sched_new(config);
    if (!sched)
        return error_set(err, ERR_NOMEM, "no memory for the scheduler");
    rc = loop_new(&sched->loop, err);
    if (rc == 0) {
        sched->setting = (struct worker_setting){.loop = sched->loop,
                                                 .path = sched->config.worker_path,
                                                 .sandbox = config->sandbox,
                                                 .silence_ns = config->silence_ns,
                                                 .tallies = &sched->tallies};
        rc = start_thread(sched, err);
    }
    if (rc != 0) {
        sched_free(sched);
        return rc;
    }
    *ret_sched = sched;
    return 0;
}

static void deadline_passed(struct loop_timer *timer)
{
    struct sched *sched = LOOP_OWNER(timer, struct sched, deadline);
    for (struct training *t = sched->trainings; t; t = t->next)
        training_kill(t);
}

struct stop_call {
    struct loop_call call;
    struct sched *sched;
    int64_t deadline_ns;
};

static void run_stop(struct loop_call *call)
{
    struct stop_call *stop = LOOP_OWNER(call, struct stop_call, call);
    struct sched *sched = stop->sched;
    sched->stopping = true;
    loop_cancel_timer(sched->loop, &sched->look_again);
    sched->deadline.fire = deadline_passed;
    loop_set_timer(sched->loop, &sched->deadline, stop->deadline_ns);
    ingesting_end_all(sched);
    serving_end_all(sched);
    training_drain_some(sched);
}

void sched_stop(struct sched *sched, int64_t deadline_ns)
{
    struct stop_call stop = {
        .call.run = run_stop, .sched = sched, .deadline_ns = deadline_ns};
    loop_post(sched->loop, &stop.call);
    pthread_join(sched->thread, NULL);
    loop_run_calls(sched->loop); /* who asked in the last moment is answered too */
    sched_free(sched);
}

/* ---- calls without an answer ---- */

struct id_call {
    struct loop_call call;
    struct sched *sched;
    char id[ID_SIZE];
    enum job_action action;
};

/* Hands over a call about an ID. Without memory it is lost, which the log says. */
static void post_id(struct sched *sched, void (*run)(struct loop_call *), const char *id,
                    enum job_action action)
{
    struct id_call *call = mem_alloc(sizeof(*call));
    if (!call) {
        log_event(LOG_ERROR, "call_lost", "reason=out_of_memory");
        return;
    }
    call->call.run = run;
    call->sched = sched;
    snprintf(call->id, sizeof(call->id), "%s", id);
    call->action = action;
    loop_post(sched->loop, &call->call);
}

static void run_wake(struct loop_call *call)
{
    struct id_call *wake = LOOP_OWNER(call, struct id_call, call);
    job_queue_look(wake->sched);
    free(wake);
}

void sched_wake(struct sched *sched)
{
    post_id(sched, run_wake, "", JOB_ACTION_RESUME);
}

static void run_act(struct loop_call *call)
{
    static const enum training_wish wishes[] = {[JOB_ACTION_CANCEL] = WISH_CANCEL,
                                                [JOB_ACTION_STOP] = WISH_STOP,
                                                [JOB_ACTION_PAUSE] = WISH_PAUSE,
                                                [JOB_ACTION_RESUME] = WISH_NONE};
    struct id_call *act = LOOP_OWNER(call, struct id_call, call);
    struct training *training = training_find(act->sched, act->id);
    if (training)
        training_ask(training, wishes[act->action]);
    job_queue_look(act->sched);
    free(act);
}

void sched_act(struct sched *sched, const char *job_id, enum job_action action)
{
    post_id(sched, run_act, job_id, action);
}

static void run_forget(struct loop_call *call)
{
    struct id_call *forget = LOOP_OWNER(call, struct id_call, call);
    serving_forget(forget->sched, forget->id);
    free(forget);
}

void sched_forget_model(struct sched *sched, const char *model_id)
{
    post_id(sched, run_forget, model_id, JOB_ACTION_CANCEL);
}

void sched_stats(struct sched *sched, struct sched_stats *ret_stats)
{
    pthread_mutex_lock(&sched->lock);
    *ret_stats = sched->stats;
    pthread_mutex_unlock(&sched->lock);
    const struct tallies *tallies = &sched->tallies;
    ret_stats->start_failures = atomic_load(&tallies->start_failures);
    for (int i = 0; i < WORKER_EXIT_COUNT; i++)
        ret_stats->exits[i] = atomic_load(&tallies->exits[i]);
    for (int i = 0; i < END_REASON_COUNT; i++)
        ret_stats->ended[i] = atomic_load(&tallies->ended[i]);
    ret_stats->busy_ns = loop_busy_ns(sched->loop);
}

int sched_check_workers(struct sched *sched, struct error *err)
{
    if (access(sched->worker_path, X_OK) != 0)
        return error_set(err, ERR_IO, "the worker's program cannot be executed");
    return tallies_check_workers(&sched->tallies, err);
}

/* ---- calls with an answer ---- */

static uint64_t new_ticket(struct sched *sched)
{
    pthread_mutex_lock(&sched->lock);
    uint64_t ticket = ++sched->last_ticket;
    pthread_mutex_unlock(&sched->lock);
    return ticket;
}

/* Counts in and hands over what was made of a call; NULL: there was no memory. */
static int take_turn(struct sched *sched, struct ingesting *ingesting,
                     uint64_t *ret_ticket, struct error *err)
{
    pthread_mutex_lock(&sched->lock);
    bool room = sched->ingests < INGEST_MAX_PENDING;
    sched->ingests += room;
    pthread_mutex_unlock(&sched->lock);
    if (room && ingesting) {
        *ret_ticket = new_ticket(sched);
        ingesting_hand_over(ingesting, *ret_ticket);
        return 0;
    }
    if (ingesting)
        ingesting_free(ingesting);
    if (!room)
        return error_set(err, ERR_BUSY,
                         "%d datasets are being read already; try again soon",
                         INGEST_MAX_PENDING);
    sched_count_up(sched, &sched->ingests, -1);
    return error_set(err, ERR_NOMEM, "no memory to read a dataset");
}

/* Both of these take the descriptors. */
int sched_ingest(struct sched *sched, const struct ingest_job *job, uint64_t *ret_ticket,
                 struct error *err)
{
    return take_turn(sched, ingesting_new(sched, job), ret_ticket, err);
}

int sched_check(struct sched *sched, const struct check_job *job, uint64_t *ret_ticket,
                struct error *err)
{
    return take_turn(sched, ingesting_new_check(sched, job), ret_ticket, err);
}

static void run_ask(struct loop_call *call)
{
    serving_ask(LOOP_OWNER(call, struct question, call));
}

/* Counts a question in, if there is room for it. */
static bool admit(struct sched *sched, size_t length)
{
    pthread_mutex_lock(&sched->lock);
    bool room = sched->asked < SERVING_MAX_PENDING &&
                length <= SERVING_MAX_PENDING_BYTES - sched->asked_bytes;
    if (room) {
        sched->asked++;
        sched->asked_bytes += length;
    }
    pthread_mutex_unlock(&sched->lock);
    return room;
}

static struct question *question_new(struct sched *sched,
                                     const struct sched_question *asked)
{
    struct question *question = mem_alloc(sizeof(*question));
    size_t head = strlen(asked->verb) + 1;
    char *text = question ? mem_alloc_array(head + asked->length + 1, 1) : NULL;
    if (!text) {
        free(question);
        return NULL;
    }
    snprintf(text, head + 1, "%s\n", asked->verb);
    if (asked->length > 0)
        memcpy(text + head, asked->body, asked->length);
    question->call.run = run_ask;
    question->sched = sched;
    question->text = text;
    question->length = head + asked->length;
    question->piece = asked->piece;
    question->done = asked->done;
    question->context = asked->context;
    snprintf(question->model, sizeof(question->model), "%s", asked->model_id);
    return question;
}

int sched_ask(struct sched *sched, const struct sched_question *asked,
              uint64_t *ret_ticket, struct error *err)
{
    size_t whole = strlen(asked->verb) + 1 + asked->length;
    if (whole > message_max_payload(MESSAGE_REQUEST))
        return error_set(err, ERR_TOO_LARGE, "a request holds at most %zu bytes",
                         message_max_payload(MESSAGE_REQUEST));
    if (!admit(sched, whole))
        return error_set(err, ERR_BUSY,
                         "too many predictions are waiting; try again soon");
    struct question *question = question_new(sched, asked);
    if (!question) {
        pthread_mutex_lock(&sched->lock);
        sched->asked--;
        sched->asked_bytes -= whole;
        pthread_mutex_unlock(&sched->lock);
        return error_set(err, ERR_NOMEM, "no memory to ask a model");
    }
    question->ticket = new_ticket(sched);
    *ret_ticket = question->ticket;
    free(asked->body);
    loop_post(sched->loop, &question->call);
    return 0;
}

struct withdrawal {
    struct loop_call call;
    struct sched *sched;
    char model[ID_SIZE]; /* "": an ingest or a check */
    uint64_t ticket;
};

static void run_withdrawal(struct loop_call *call)
{
    struct withdrawal *withdrawal = LOOP_OWNER(call, struct withdrawal, call);
    if (withdrawal->model[0] != '\0')
        serving_withdraw(withdrawal->sched, withdrawal->model, withdrawal->ticket);
    else
        ingesting_withdraw(withdrawal->sched, withdrawal->ticket);
    free(withdrawal);
}

void sched_withdraw(struct sched *sched, const char *model_id, uint64_t ticket)
{
    struct withdrawal *withdrawal = mem_alloc(sizeof(*withdrawal));
    if (!withdrawal)
        return; /* the answer comes to its end then */
    withdrawal->call.run = run_withdrawal;
    withdrawal->sched = sched;
    withdrawal->ticket = ticket;
    snprintf(withdrawal->model, sizeof(withdrawal->model), "%s", model_id);
    loop_post(sched->loop, &withdrawal->call);
}

void sched_withdraw_task(struct sched *sched, uint64_t ticket)
{
    sched_withdraw(sched, "", ticket);
}
