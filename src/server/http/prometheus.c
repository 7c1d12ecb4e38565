/*
 * GET /metrics for Prometheus. Everything is read at the moment of the scrape; what is
 * kept for it are counters alone.
 */
#include "prometheus.h"

#include "base/log.h"
#include "counters.h"
#include "exposition.h"
#include "health.h"
#include "hub.h"
#include "listener.h"
#include "reply.h"
#include "request_internal.h"
#include "route.h"
#include "tls.h"
#include "watch.h"

#include <stdio.h>

#define PAGE_MAX_BYTES ((size_t)4 << 20)

static void append_durations(struct buffer *text, const struct counters *counters,
                             int index)
{
    static const char *const classes[COUNTERS_CLASSES] = {"none", "1xx", "2xx",
                                                          "3xx",  "4xx", "5xx"};
    const struct route *route = index < 0 ? NULL : &route_table[index];
    for (int i = 0; i < COUNTERS_CLASSES; i++) {
        struct histogram_values values;
        counters_read(counters, index, i, &values);
        if (values.total == 0)
            continue; /* most routes have few classes */
        char labels[PROMETHEUS_LABELS_SIZE];
        snprintf(labels, sizeof(labels), "method=\"%s\",route=\"%s\",status=\"%s\"",
                 route ? route->method : "none", route ? route->pattern : "none",
                 classes[i]);
        exposition_histogram(text, "backpropd_http_request_duration_seconds", labels,
                             &values);
    }
}

static void append_problems(struct buffer *text, struct counters *counters)
{
    static const char name[] = "backpropd_http_problems_total";
    exposition_family(text, name, "counter",
                      "Requests that were refused or failed, by the code of the reply.");
    char code[COUNTERS_CODE_SIZE];
    int64_t count;
    for (int i = 0; counters_read_problem(counters, i, code, &count); i++) {
        char labels[PROMETHEUS_LABELS_SIZE];
        snprintf(labels, sizeof(labels), "code=\"%s\"", code);
        exposition_integer(text, name, labels, count);
    }
}

static void append_cuts(struct buffer *text, const struct watch *watch)
{
    static const char name[] = "backpropd_http_connections_cut_total";
    exposition_family(text, name, "counter",
                      "Connections that were cut because of their peer, by why.");
    for (int i = 0; i < WATCH_CUT_COUNT; i++) {
        char labels[PROMETHEUS_LABELS_SIZE];
        snprintf(labels, sizeof(labels), "reason=\"%s\"",
                 watch_cut_name((enum watch_cut)i));
        exposition_integer(text, name, labels, watch_cuts(watch, (enum watch_cut)i));
    }
}

static void append_connections(struct buffer *text, struct http_listener *listener)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    exposition_gauge(text, "backpropd_http_connections", "Connections that are open.",
                     info ? (int64_t)info->num_connections : 0);
    exposition_gauge(text, "backpropd_http_requests_open",
                     "Requests under way, event streams included.",
                     atomic_load(&listener->open));
    exposition_gauge(text, "backpropd_http_requests_waiting",
                     "Requests that wait for the store or a worker, without a thread.",
                     atomic_load(&listener->suspended));
    static const char expiry[] = "backpropd_tls_certificate_expiry_timestamp_seconds";
    int64_t expires_us = tls_expires_us(listener->tls);
    exposition_family(
        text, expiry, "gauge",
        "Until when the certificate is valid, since 1970; without TLS none.");
    if (expires_us > 0)
        exposition_integer(text, expiry, "", expires_us / 1000000);
    int streams, maximum;
    hub_count(listener->server->hub, &streams, &maximum);
    exposition_gauge(text, "backpropd_event_streams", "Live event streams.", streams);
    exposition_gauge(text, "backpropd_event_streams_max",
                     "Event streams that there may be.", maximum);
}

void prometheus_append_http(struct buffer *text, struct http_listener *listener)
{
    exposition_family(text, "backpropd_http_request_duration_seconds", "histogram",
                      "From the request line until the reply was ready to be sent, by "
                      "route and class of status; none: cut before a reply.");
    for (int i = 0; route_table[i].method; i++)
        append_durations(text, listener->counters, i);
    append_durations(text, listener->counters, -1);
    append_problems(text, listener->counters);
    exposition_counter(text, "backpropd_http_request_body_bytes_total",
                       "Bytes of request bodies that were received.",
                       counters_bytes_received(listener->counters));
    append_cuts(text, listener->watch);
    append_connections(text, listener);
}

/* Every reason by itself, so that an alert can name it. */
static void append_readiness(struct buffer *text, struct server *server)
{
    static const char name[] = "backpropd_not_ready";
    struct health health;
    health_check_readiness(server, &health);
    exposition_gauge(text, "backpropd_ready", "Whether /readyz says so: 1 or 0.",
                     health_is_well(&health));
    exposition_family(text, name, "gauge", "Whether this reason is in the way: 1 or 0.");
    for (int i = 0; i < HEALTH_REASON_COUNT; i++) {
        char labels[PROMETHEUS_LABELS_SIZE];
        snprintf(labels, sizeof(labels), "reason=\"%s\"",
                 health_reason_name((enum health_reason)i));
        exposition_integer(text, name, labels, health.has[i]);
    }
}

/* Threads, by how long they are busy with one thing. */
static void append_threads(struct buffer *text, const struct server *server)
{
    static const char name[] = "backpropd_thread_busy_seconds";
    struct sched_stats sched;
    sched_stats(server->sched, &sched);
    struct store_stats store;
    store_stats(server->store, &store);
    exposition_family(text, name, "gauge",
                      "For how long a thread is busy with what it does now; 0: it waits "
                      "for work. Of the HTTP threads the longest.");
    exposition_seconds(text, name, "thread=\"scheduler\"", sched.busy_ns);
    exposition_seconds(text, name, "thread=\"writer\"", store.writer.busy_ns);
    exposition_seconds(text, name, "thread=\"http\"",
                       pulses_longest_ns(&server->listener->pulses));
}

static void append_log(struct buffer *text)
{
    static const char name[] = "backpropd_log_lines_total";
    exposition_family(text, name, "counter", "Lines that were written to the log.");
    for (enum log_level level = LOG_DEBUG; level < LOG_LEVEL_COUNT; level++) {
        char labels[PROMETHEUS_LABELS_SIZE];
        snprintf(labels, sizeof(labels), "level=\"%s\"", log_level_name(level));
        exposition_integer(text, name, labels, log_count(level));
    }
}

void prometheus_handle_metrics(struct request *request)
{
    struct server *server = request_server(request);
    struct buffer text;
    buffer_init(&text, PAGE_MAX_BYTES);
    prometheus_append_process(&text, server);
    prometheus_append_http(&text, request->listener);
    prometheus_append_workers(&text, server);
    prometheus_append_store(&text, server);
    append_readiness(&text, server);
    append_threads(&text, server);
    append_log(&text);
    if (buffer_status(&text) == 0)
        reply_bytes(request, 200, EXPOSITION_CONTENT_TYPE, text.data, text.length);
    else
        reply_no_memory(request);
    buffer_release(&text);
}
