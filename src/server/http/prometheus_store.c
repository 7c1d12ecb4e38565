/* See prometheus.h: the store, the data folder's disk, and what is kept there. */
#include "base/clock.h"
#include "exposition.h"
#include "prometheus.h"
#include "store/totals.h"

#include <stdio.h>
#include <sys/statvfs.h>

static void append_writer(struct buffer *text, const struct writer_stats *stats)
{
    static const char writes[] = "backpropd_store_writes_total";
    static const char waits[] = "backpropd_store_write_duration_seconds";
    static const char commits[] = "backpropd_store_commit_duration_seconds";
    exposition_gauge(text, "backpropd_store_writes_waiting",
                     "Writes in the queue of the writer.", stats->waiting);
    exposition_family(text, writes, "counter", "Writes by their fate.");
    exposition_integer(text, writes, "result=\"committed\"", stats->committed);
    exposition_integer(text, writes, "result=\"failed\"", stats->failed);
    exposition_family(text, waits, "histogram",
                      "From the submission of a write until its fate was known.");
    exposition_histogram(text, waits, "", &stats->write);
    exposition_family(text, commits, "histogram",
                      "COMMIT of a group of writes, which waits for the disk.");
    exposition_histogram(text, commits, "", &stats->commit);
    exposition_counter(text, "backpropd_store_rollbacks_total",
                       "Groups of writes that failed as a whole.", stats->failed_groups);
    exposition_counter(text, "backpropd_store_checkpoints_total",
                       "Times that the WAL was copied into the database.",
                       stats->checkpoints);
}

static void append_jobs(struct buffer *text, const struct store_totals *totals)
{
    static const char name[] = "backpropd_jobs";
    exposition_family(text, name, "gauge", "Jobs by status.");
    for (int i = 0; i < JOB_STATUS_COUNT; i++) {
        char labels[PROMETHEUS_LABELS_SIZE];
        snprintf(labels, sizeof(labels), "status=\"%s\"",
                 job_status_name((enum job_status)i));
        exposition_integer(text, name, labels, totals->jobs[i]);
    }
    exposition_gauge(text, "backpropd_queue_length", "Jobs that wait for slots.",
                     totals->jobs[JOB_QUEUED]);
    int64_t oldest = totals->oldest_queued_us;
    int64_t age_us = oldest > 0 ? clock_wall_us() - oldest : 0;
    exposition_family(text, "backpropd_queue_oldest_seconds", "gauge",
                      "Age of the oldest job that is queued; 0: there is none.");
    exposition_seconds(text, "backpropd_queue_oldest_seconds", "",
                       age_us > 0 ? age_us * 1000 : 0);
}

static void append_objects(struct buffer *text, const struct store_totals *totals)
{
    exposition_gauge(text, "backpropd_datasets", "Datasets.", totals->datasets);
    exposition_gauge(text, "backpropd_dataset_bytes", "Size of the datasets' files.",
                     totals->dataset_bytes);
    exposition_gauge(text, "backpropd_models", "Models.", totals->models);
    exposition_gauge(text, "backpropd_model_bytes", "Size of the models' parameters.",
                     totals->model_bytes);
}

static void append_disk(struct buffer *text, const char *data_dir)
{
    struct statvfs disk;
    if (statvfs(data_dir, &disk) != 0)
        return;
    exposition_gauge(text, "backpropd_disk_free_bytes",
                     "Free space of the data folder's file system, for this user.",
                     (int64_t)(disk.f_bavail * disk.f_frsize));
    exposition_gauge(text, "backpropd_disk_size_bytes",
                     "Size of the data folder's file system.",
                     (int64_t)(disk.f_blocks * disk.f_frsize));
}

void prometheus_append_store(struct buffer *text, struct server *server)
{
    struct store_stats stats;
    store_stats(server->store, &stats);
    append_writer(text, &stats.writer);
    exposition_gauge(text, "backpropd_store_database_bytes", "Size of the database.",
                     (int64_t)stats.database_bytes);
    exposition_gauge(text, "backpropd_store_wal_bytes",
                     "Size of the WAL's file, which is used again and again.",
                     (int64_t)stats.wal_bytes);
    append_disk(text, server->config.data_dir);
    struct store_totals totals;
    struct db *db = store_read_begin(server->store, NULL);
    if (!db)
        return; /* what is not known is not said; /readyz says why */
    if (totals_read(db, &totals, NULL) == 0) {
        append_jobs(text, &totals);
        append_objects(text, &totals);
    }
    store_read_end(server->store, db);
}
