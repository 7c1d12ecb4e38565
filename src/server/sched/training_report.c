/* See training_report.h. */
#include "training_report.h"

#include "base/clock.h"
#include "base/memory.h"
#include "store/events.h"
#include "store/metrics.h"

#include <stdlib.h>
#include <string.h>

#define REPORT_DELAY_NS (50 * INT64_C(1000000))
#define REPORT_MAX_BYTES ((size_t)1 << 20) /* of frames; then it is submitted at once */

struct event_item {
    struct event_item *next;
    int64_t time_us;
    char *type, *message, *data;
};

struct training_report {
    struct sched_write base;
    struct training *training;
    int64_t lease;
    char *progress, *metrics; /* JSON texts; the last ones said */
    struct metric_batch *first_batch, **last_batch;
    struct event_item *first_event, **last_event;
    size_t bytes;
};

static void event_free(struct event_item *event)
{
    free(event->type);
    free(event->message);
    free(event->data);
    free(event);
}

static void report_free(struct training_report *report)
{
    if (!report)
        return;
    for (struct metric_batch *batch = report->first_batch, *next; batch; batch = next) {
        next = batch->next;
        metric_batch_free(batch);
    }
    for (struct event_item *event = report->first_event, *next; event; event = next) {
        next = event->next;
        event_free(event);
    }
    free(report->progress);
    free(report->metrics);
    free(report);
}

static int run_report(struct db *db, struct store_write *write, struct error *err)
{
    struct training_report *report = (struct training_report *)write;
    /* First, because it is refused when the lease is lost: then nothing is written. */
    int rc = jobs_report(db, report->base.job, report->lease, report->progress,
                         report->metrics, err);
    for (struct metric_batch *b = report->first_batch; b && rc == 0; b = b->next)
        rc = metrics_append(db, report->base.job, report->lease, b->rows, b->count, err);
    for (struct event_item *e = report->first_event; e && rc == 0; e = e->next) {
        int64_t sequence;
        rc = events_append(db, report->base.job, e->time_us, e->type, e->message, e->data,
                           &sequence, err);
    }
    return rc;
}

static void after_report(struct sched_write *write)
{
    struct training_report *report = (struct training_report *)write;
    struct training *training = report->training;
    size_t bytes = report->bytes;
    int rc = write->rc;
    struct error err = write->err;
    report_free(report);
    training_write_over(training, bytes, rc, &err);
}

static void delay_over(struct loop_timer *timer)
{
    training_report_flush(LOOP_OWNER(timer, struct training, report_timer));
}

/* The report under way, or a new one. */
static struct training_report *report_of(struct training *training, struct error *err)
{
    if (training->report)
        return training->report;
    struct training_report *report = mem_alloc(sizeof(*report));
    if (!report) {
        error_set(err, ERR_NOMEM, "no memory for a report");
        return NULL;
    }
    report->base.write.run = run_report;
    report->base.after = after_report;
    memcpy(report->base.job, training->id, sizeof(training->id));
    report->training = training;
    report->lease = training->lease;
    report->last_batch = &report->first_batch;
    report->last_event = &report->first_event;
    training->report = report;
    training->report_timer.fire = delay_over;
    loop_set_timer(training->sched->loop, &training->report_timer,
                   clock_monotonic_ns() + REPORT_DELAY_NS);
    return report;
}

static void add_bytes(struct training *training, size_t bytes)
{
    training->report->bytes += bytes;
    if (training->report->bytes >= REPORT_MAX_BYTES)
        training_report_flush(training);
}

int training_report_metrics(struct training *training, json_t *object, size_t bytes,
                            struct error *err)
{
    struct metric_batch *batch = NULL;
    int rc = payload_metrics(object, &batch, err);
    if (rc != 0)
        return rc;
    struct training_report *report = report_of(training, err);
    if (!report) {
        metric_batch_free(batch);
        return ERR_NOMEM;
    }
    *report->last_batch = batch;
    report->last_batch = &batch->next;
    add_bytes(training, bytes);
    return 0;
}

/* Puts `text` in the place of an older one. */
static void replace(char **place, char *text)
{
    if (!text)
        return;
    free(*place);
    *place = text;
}

int training_report_progress(struct training *training, const json_t *object,
                             size_t bytes, struct error *err)
{
    char *progress = NULL, *metrics = NULL, *copy = NULL;
    int rc = payload_progress(object, &progress, err);
    if (rc == 0 && json_object_get(object, "metrics"))
        rc = payload_object_text(object, "metrics", false, &metrics, err);
    if (rc != 0 || (!progress && !metrics)) {
        free(progress);
        return rc;
    }
    struct training_report *report = report_of(training, err);
    if (progress)
        copy = mem_strdup(progress);
    if (!report || (progress && !copy)) {
        free(progress);
        free(metrics);
        free(copy);
        return error_set(err, ERR_NOMEM, "no memory for a report");
    }
    replace(&training->last_progress, copy);
    replace(&report->progress, progress);
    replace(&report->metrics, metrics);
    add_bytes(training, bytes);
    return 0;
}

int training_report_event(struct training *training, const char *type,
                          const char *message, const char *data, struct error *err)
{
    struct training_report *report = report_of(training, err);
    struct event_item *event = report ? mem_alloc(sizeof(*event)) : NULL;
    if (!event)
        return error_set(err, ERR_NOMEM, "no memory for an event");
    event->time_us = clock_wall_us();
    event->type = mem_strdup(type);
    event->message = mem_strdup(message);
    event->data = mem_strdup(data);
    if (!event->type || !event->message || !event->data) {
        event_free(event);
        return error_set(err, ERR_NOMEM, "no memory for an event");
    }
    *report->last_event = event;
    report->last_event = &event->next;
    add_bytes(training, strlen(message) + strlen(data));
    return 0;
}

void training_report_flush(struct training *training)
{
    struct training_report *report = training->report;
    if (!report)
        return;
    loop_cancel_timer(training->sched->loop, &training->report_timer);
    training->report = NULL;
    training_write_submitted(training, report->bytes);
    sched_submit(training->sched, &report->base);
}

void training_report_drop(struct training *training)
{
    loop_cancel_timer(training->sched->loop, &training->report_timer);
    report_free(training->report);
    training->report = NULL;
}
