/*
 * GET /metrics in the text format of Prometheus (version 0.0.4): counters and gauges,
 * each with HELP and TYPE. Everything is read at the moment of the scrape; nothing is
 * kept for it but the request counters.
 */
#include "base/clock.h"
#include "counters.h"
#include "listener.h"
#include "reply.h"
#include "request_internal.h"
#include "route.h"
#include "store/jobs.h"

#include <inttypes.h>

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define PAGE_MAX_BYTES ((size_t)1 << 20)

static void append_head(struct buffer *text, const char *name, const char *type,
                        const char *help)
{
    buffer_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void append_gauge(struct buffer *text, const char *name, const char *help,
                         int64_t value)
{
    append_head(text, name, "gauge", help);
    buffer_printf(text, "%s %" PRId64 "\n", name, value);
}

static void append_counter(struct buffer *text, const char *name, const char *help,
                           int64_t value)
{
    append_head(text, name, "counter", help);
    buffer_printf(text, "%s %" PRId64 "\n", name, value);
}

/* Calls `append` for each row of the table, and for requests that fit none. */
static void each_route(struct buffer *text, const struct counters *counters,
                       void (*append)(struct buffer *text, const char *method,
                                      const char *route,
                                      const struct route_counts *counts))
{
    struct route_counts counts;
    for (int i = 0; route_table[i].method; i++) {
        counters_read(counters, i, &counts);
        append(text, route_table[i].method, route_table[i].pattern, &counts);
    }
    counters_read(counters, -1, &counts);
    append(text, "", "none", &counts);
}

static void append_requests(struct buffer *text, const char *method, const char *route,
                            const struct route_counts *counts)
{
    static const char *const classes[COUNTERS_CLASSES] = {"cut", "1xx", "2xx",
                                                          "3xx", "4xx", "5xx"};
    for (int i = 0; i < COUNTERS_CLASSES; i++)
        if (counts->requests[i] > 0)
            buffer_printf(text,
                          "backpropd_http_requests_total{method=\"%s\",route=\"%s\","
                          "status=\"%s\"} %" PRId64 "\n",
                          method, route, classes[i], counts->requests[i]);
}

static void append_seconds(struct buffer *text, const char *method, const char *route,
                           const struct route_counts *counts)
{
    if (counts->nanoseconds > 0)
        buffer_printf(text,
                      "backpropd_http_request_seconds_total{method=\"%s\",route=\"%s\"} "
                      "%.6f\n",
                      method, route, (double)counts->nanoseconds / 1e9);
}

static void append_http(struct buffer *text, const struct http_listener *listener)
{
    append_head(text, "backpropd_http_requests_total", "counter",
                "Requests by route and class of status.");
    each_route(text, listener->counters, append_requests);
    append_head(text, "backpropd_http_request_seconds_total", "counter",
                "Time from the request line to the end of the reply, summed.");
    each_route(text, listener->counters, append_seconds);
    append_gauge(text, "backpropd_http_requests_open", "Requests under way.",
                 atomic_load(&listener->open));
}

static void append_workers(struct buffer *text, struct sched *sched)
{
    struct sched_stats stats = {0};
    sched_stats(sched, &stats);
    append_gauge(text, "backpropd_slots", "Slots for training threads.", stats.slots);
    append_gauge(text, "backpropd_slots_used", "Slots in use.", stats.slots_used);
    append_head(text, "backpropd_workers", "gauge", "Live worker processes by task.");
    buffer_printf(text,
                  "backpropd_workers{task=\"train\"} %d\n"
                  "backpropd_workers{task=\"ingest\"} %d\n"
                  "backpropd_workers{task=\"serve\"} %d\n",
                  stats.training, stats.ingesting, stats.serving);
    append_counter(text, "backpropd_workers_started_total", "Worker processes started.",
                   stats.started);
    append_counter(text, "backpropd_workers_crashed_total",
                   "Worker processes that ended before their task did.", stats.crashed);
}

static void append_store(struct buffer *text, struct store *store)
{
    uint64_t bytes = 0;
    int schema = 0;
    if (store_info(store, &bytes, &schema) == 0)
        append_gauge(text, "backpropd_store_bytes", "Size of the database files.",
                     (int64_t)bytes);
    struct db *db = store_read_begin(store, NULL);
    if (!db)
        return;
    int64_t counts[JOB_STATUS_COUNT];
    if (jobs_count(db, counts, NULL) == 0) {
        append_head(text, "backpropd_jobs", "gauge", "Jobs by status.");
        for (int i = 0; i < JOB_STATUS_COUNT; i++)
            buffer_printf(text, "backpropd_jobs{status=\"%s\"} %" PRId64 "\n",
                          job_status_name((enum job_status)i), counts[i]);
    }
    store_read_end(store, db);
}

void prometheus_handle_metrics(struct request *request)
{
    struct server *server = request_server(request);
    struct buffer text;
    buffer_init(&text, PAGE_MAX_BYTES);
    append_head(&text, "backpropd_info", "gauge", "The version as a label; always 1.");
    buffer_printf(&text, "backpropd_info{version=\"%s\"} 1\n", BACKPROP_VERSION);
    append_gauge(&text, "backpropd_uptime_seconds", "Time since the start.",
                 (clock_wall_us() - server->started_us) / 1000000);
    append_http(&text, request->listener);
    append_workers(&text, server->sched);
    append_store(&text, server->store);
    reply_bytes(request, 200, CONTENT_TYPE, text.data, text.length);
    buffer_release(&text);
}
