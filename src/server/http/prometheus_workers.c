/* See prometheus.h: what the scheduler knows. */
#include "exposition.h"
#include "prometheus.h"

#include <stdio.h>

static void append_live(struct buffer *text, const struct sched_stats *stats)
{
    exposition_gauge(text, "backpropd_slots", "Slots for training threads.",
                     stats->slots);
    exposition_gauge(text, "backpropd_slots_used", "Slots in use.", stats->slots_used);
    exposition_family(text, "backpropd_workers", "gauge",
                      "Live worker processes by task.");
    exposition_integer(text, "backpropd_workers", "task=\"train\"", stats->training);
    exposition_integer(text, "backpropd_workers", "task=\"ingest\"", stats->ingesting);
    exposition_integer(text, "backpropd_workers", "task=\"serve\"", stats->serving);
}

void prometheus_append_workers(struct buffer *text, struct server *server)
{
    static const char exits[] = "backpropd_worker_exits_total";
    static const char ended[] = "backpropd_jobs_ended_total";
    struct sched_stats stats = {0};
    sched_stats(server->sched, &stats);
    append_live(text, &stats);
    exposition_gauge(text, "backpropd_job_memory_bytes",
                     "What the jobs that run are predicted to take together.",
                     stats.memory_bytes);
    exposition_gauge(text, "backpropd_job_memory_max_bytes",
                     "What jobs may take together.", server->config.memory_mb << 20);
    exposition_counter(text, "backpropd_worker_starts_total",
                       "Worker processes that were started.", stats.started);
    exposition_counter(text, "backpropd_worker_start_failures_total",
                       "Worker processes that could not be started.",
                       stats.start_failures);
    char labels[PROMETHEUS_LABELS_SIZE];
    exposition_family(text, exits, "counter", "Worker processes by how they ended.");
    for (int i = 0; i < WORKER_EXIT_COUNT; i++) {
        snprintf(labels, sizeof(labels), "reason=\"%s\"",
                 worker_exit_name((enum worker_exit)i));
        exposition_integer(text, exits, labels, stats.exits[i]);
    }
    exposition_family(text, ended, "counter",
                      "Jobs that ended after they had been started, by stop_reason.");
    for (int i = 0; i < END_REASON_COUNT; i++) {
        snprintf(labels, sizeof(labels), "reason=\"%s\"", end_reason_name(i));
        exposition_integer(text, ended, labels, stats.ended[i]);
    }
    exposition_family(text, "backpropd_sandbox_info", "gauge",
                      "How workers are confined, as a label; always 1.");
    snprintf(labels, sizeof(labels), "level=\"%.60s\"", server->config.sandbox);
    exposition_integer(text, "backpropd_sandbox_info", labels, 1);
}
