/*
 * GET /v1/jobs/{id}/metrics?names=&since_step=&max_points=: series as columns in JSON, or
 * one row a step in CSV. The ETag changes when points are added, so that a poll that
 * brings nothing new costs a 304.
 */
#include "store/metrics.h"

#include "base/clock.h"
#include "base/memory.h"
#include "entity_tag.h"
#include "job_view.h"
#include "json_text.h"
#include "list_reply.h"
#include "reply.h"
#include "route.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 256
#define POINTS_MAX INT64_C(1000000)
#define ETAG_SIZE 96

/* The wanted names, cut at commas out of a copy of the argument. */
struct wanted {
    char *text;
    const char *names[NAMES_MAX];
    size_t count;
};

static bool read_names(struct request *request, struct wanted *ret_wanted)
{
    *ret_wanted = (struct wanted){0};
    const char *argument = request_query(request, "names");
    if (!argument || argument[0] == '\0')
        return true;
    ret_wanted->text = mem_strdup(argument);
    if (!ret_wanted->text) {
        reply_no_memory(request);
        return false;
    }
    char *rest = ret_wanted->text;
    for (char *name; (name = strsep(&rest, ",")) != NULL;) {
        if (name[0] == '\0')
            continue;
        if (ret_wanted->count == NAMES_MAX) {
            free(ret_wanted->text);
            reply_problem(request, 400, "invalid_argument",
                          "names: expected at most %d names", NAMES_MAX);
            return false;
        }
        ret_wanted->names[ret_wanted->count++] = name;
    }
    return true;
}

static void
append_column(struct buffer *text, const char *name, const struct metric_series *series,
              void (*value)(struct buffer *, const struct metric_series *, size_t))
{
    json_text_name(text, name);
    buffer_append_char(text, '[');
    for (size_t i = 0; i < series->count; i++) {
        json_text_comma(text);
        value(text, series, i);
    }
    buffer_append_char(text, ']');
}

static void append_step(struct buffer *text, const struct metric_series *series, size_t i)
{
    buffer_printf(text, "%" PRId64, series->step[i]);
}

static void append_epoch(struct buffer *text, const struct metric_series *series,
                         size_t i)
{
    json_text_double(text, series->epoch[i]);
}

static void append_time(struct buffer *text, const struct metric_series *series, size_t i)
{
    char time[CLOCK_RFC3339_SIZE];
    clock_format(series->time_us[i], time);
    json_text_value(text, time);
}

static void append_value(struct buffer *text, const struct metric_series *series,
                         size_t i)
{
    json_text_double(text, series->value[i]);
}

static void view_json(struct buffer *text, const char *job,
                      const struct metric_result *result)
{
    buffer_append_char(text, '{');
    json_text_string(text, "object", "metrics");
    json_text_string(text, "job", job);
    json_text_name(text, "series");
    buffer_append_char(text, '[');
    for (size_t i = 0; i < result->count; i++) {
        const struct metric_series *series = &result->series[i];
        json_text_comma(text);
        buffer_append_char(text, '{');
        json_text_string(text, "name", series->name);
        append_column(text, "step", series, append_step);
        append_column(text, "epoch", series, append_epoch);
        append_column(text, "time", series, append_time);
        append_column(text, "value", series, append_value);
        buffer_append_char(text, '}');
    }
    buffer_append_char(text, ']');
    json_text_integer(text, "next_since_step", result->next_since_step);
    json_text_boolean(text, "sampled", result->sampled);
    json_text_integer(text, "total", (int64_t)result->total);
    buffer_append_char(text, '}');
}

/* A CSV cell: metric names may hold a user's layer names, so they are
 * quoted if need be. */
static void append_cell(struct buffer *text, const char *cell)
{
    if (strpbrk(cell, ",\"\r\n") == NULL) {
        buffer_append_string(text, cell);
        return;
    }
    buffer_append_char(text, '"');
    for (; *cell != '\0'; cell++) {
        if (*cell == '"')
            buffer_append_char(text, '"');
        buffer_append_char(text, *cell);
    }
    buffer_append_char(text, '"');
}

static void append_csv_value(struct buffer *text, double value)
{
    if (isfinite(value))
        json_text_double(text, value);
    else
        buffer_append_string(text, isnan(value) ? "NaN"
                                   : value > 0  ? "Infinity"
                                                : "-Infinity");
}

/* One row for the smallest step that is still ahead in some series. `at` holds how far
 * each series is. Returns false when all are at their end. */
static bool append_csv_row(struct buffer *text, const struct metric_result *result,
                           size_t *at)
{
    const struct metric_series *first = NULL;
    size_t index = 0;
    for (size_t i = 0; i < result->count; i++) {
        const struct metric_series *series = &result->series[i];
        if (at[i] < series->count &&
            (!first || series->step[at[i]] < first->step[index])) {
            first = series;
            index = at[i];
        }
    }
    if (!first)
        return false;
    int64_t step = first->step[index];
    append_step(text, first, index);
    buffer_append_char(text, ',');
    json_text_double(text, first->epoch[index]);
    buffer_append_char(text, ',');
    char time[CLOCK_RFC3339_SIZE];
    clock_format(first->time_us[index], time);
    buffer_append_string(text, time);
    for (size_t i = 0; i < result->count; i++) {
        const struct metric_series *series = &result->series[i];
        buffer_append_char(text, ',');
        if (at[i] < series->count && series->step[at[i]] == step)
            append_csv_value(text, series->value[at[i]++]);
    }
    buffer_append_string(text, "\r\n");
    return true;
}

static int view_csv(struct buffer *text, const struct metric_result *result)
{
    buffer_append_string(text, "step,epoch,time");
    for (size_t i = 0; i < result->count; i++) {
        buffer_append_char(text, ',');
        append_cell(text, result->series[i].name);
    }
    buffer_append_string(text, "\r\n");
    size_t *at = mem_alloc_array(result->count, sizeof(*at));
    if (!at)
        return ERR_NOMEM;
    while (buffer_status(text) == 0 && append_csv_row(text, result, at))
        continue;
    free(at);
    return buffer_status(text);
}

/* Reads and renders; 0 and an empty text when the client has this version already. */
static int read_metrics(struct request *request, struct db *db,
                        const struct metric_query *query, bool csv, struct buffer *text,
                        char etag[ETAG_SIZE], struct error *err)
{
    const char *job = request_param(request, 0);
    int64_t version;
    int rc = metrics_version(db, job, &version, err);
    if (rc != 0)
        return rc;
    snprintf(etag, ETAG_SIZE, "\"%s-%" PRId64 "\"", csv ? "csv" : "json", version);
    if (entity_tag_is_known(request_header(request, "If-None-Match"), etag))
        return 0;
    struct metric_result result = {0};
    rc = metrics_read(db, job, query, &result, err);
    if (rc != 0)
        return rc;
    if (csv)
        rc = view_csv(text, &result);
    else
        view_json(text, job, &result);
    if (rc == 0)
        rc = buffer_status(text);
    if (rc != 0)
        error_set(err, rc, "the series are too large for one reply; use max_points");
    metric_result_release(&result);
    return rc;
}

void job_handle_metrics(struct request *request)
{
    struct wanted wanted;
    int64_t since_step, max_points;
    if (!list_read_integer(request, "since_step", 0, INT64_MAX, 0, &since_step) ||
        !list_read_integer(request, "max_points", 4, POINTS_MAX, 0, &max_points) ||
        !read_names(request, &wanted))
        return;
    struct metric_query query = {.names = wanted.names,
                                 .name_count = wanted.count,
                                 .since_step = since_step,
                                 .max_points = (size_t)max_points};
    bool csv = request_accepts(request, "text/csv");
    struct store *store = request_server(request)->store;
    struct error err = {0};
    struct buffer text;
    char etag[ETAG_SIZE];
    buffer_init(&text, VIEW_MAX_BYTES);
    struct db *db = store_read_begin(store, &err);
    int rc = db ? read_metrics(request, db, &query, csv, &text, etag, &err) : err.code;
    if (db)
        store_read_end(store, db);
    if (rc != 0) {
        reply_error(request, &err);
    } else {
        reply_add_header(request, "ETag", etag);
        reply_add_header(request, "Cache-Control", "no-cache");
        reply_add_header(request, "Vary", "Accept");
        if (text.length == 0)
            reply_empty(request, 304);
        else if (csv)
            reply_bytes(request, 200, "text/csv; charset=utf-8", text.data, text.length);
        else
            reply_json_text(request, 200, text.data, text.length);
    }
    buffer_release(&text);
    free(wanted.text);
}
