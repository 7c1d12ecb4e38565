/* See writer.h. The queue is a list through the writes themselves, so submitting cannot
 * fail for want of memory. */
#include "writer.h"

#include "base/clock.h"
#include "base/histogram.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/pulse.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

/* 16 MiB of WAL: the next gap between groups is used to copy it back. */
#define CHECKPOINT_PAGES 4096
/* 256 MiB: readers have kept the WAL growing; they are waited for. */
#define TRUNCATE_PAGES 65536
/* Without work the WAL is copied back this long after the last write. */
#define IDLE_NS CLOCK_NS_PER_SECOND
#define NS_PER_MS INT64_C(1000000)

/* Prepared before they are needed: what ends or takes back a transaction must not fail
 * for want of memory. */
static const char sql_begin[] = "BEGIN IMMEDIATE";
static const char sql_commit[] = "COMMIT";
static const char sql_rollback[] = "ROLLBACK";
static const char sql_savepoint[] = "SAVEPOINT write";
static const char sql_release[] = "RELEASE write";
static const char sql_rollback_to[] = "ROLLBACK TO write";
static const char sql_write_over[] =
    "INSERT INTO meta (key, value) VALUES ('failed_commits', '1')"
    " ON CONFLICT (key) DO UPDATE"
    " SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)";
static const char *const prepared_sql[] = {sql_begin,     sql_commit,  sql_rollback,
                                           sql_savepoint, sql_release, sql_rollback_to,
                                           sql_write_over};

struct queue {
    struct store_write *first, *last;
};

struct writer {
    struct db *db;
    pthread_t thread;
    pthread_mutex_t lock; /* guards queue and stopping */
    pthread_cond_t work;
    struct queue queue;
    int64_t waiting; /* writes in it */
    bool stopping;
    struct pulse pulse;
    struct histogram commit_times, write_times;
    _Atomic int64_t committed, failed, failed_groups, checkpoints;
    atomic_int last_failure;
    /* Of the present WAL, in the file already; the thread's own. */
    int checkpointed_pages;
    bool tail_in_doubt; /* see write_over_tail(); the thread's own */
};

static void push(struct queue *queue, struct store_write *write)
{
    write->next = NULL;
    if (queue->last)
        queue->last->next = write;
    else
        queue->first = write;
    queue->last = write;
}

static struct store_write *pop(struct queue *queue)
{
    struct store_write *write = queue->first;
    if (write) {
        queue->first = write->next;
        if (!queue->first)
            queue->last = NULL;
        write->next = NULL;
    }
    return write;
}

static struct store_write *take(struct writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    struct store_write *write = pop(&writer->queue);
    writer->waiting -= write != NULL;
    pthread_mutex_unlock(&writer->lock);
    return write;
}

static int pending_pages(const struct writer *writer)
{
    int pages = db_wal_pages(writer->db);
    /* Fewer pages than were copied: the WAL began anew. */
    return pages >= writer->checkpointed_pages ? pages - writer->checkpointed_pages
                                               : pages;
}

static void checkpoint(struct writer *writer)
{
    atomic_fetch_add(&writer->checkpoints, 1);
    bool truncate = db_wal_pages(writer->db) >= TRUNCATE_PAGES;
    int pages = 0;
    struct error err = {0};
    int rc = db_checkpoint(writer->db, truncate, &pages, &err);
    if (rc == 0)
        writer->checkpointed_pages = truncate ? 0 : pages;
    else if (rc !=
             ERR_BUSY) /* nothing is lost: the WAL holds it, and the next try comes */
        log_event(LOG_WARN, "store_checkpoint_failed", "code=%s", error_code_name(rc));
}

/* Waits on `work` for at most `ns`; the lock is held. True when the time is over. */
static bool wait_at_most(struct writer *writer, int64_t ns)
{
    int64_t end = clock_monotonic_ns() + ns;
    struct timespec until = {.tv_sec = (time_t)(end / CLOCK_NS_PER_SECOND),
                             .tv_nsec = (long)(end % CLOCK_NS_PER_SECOND)};
    return pthread_cond_timedwait(&writer->work, &writer->lock, &until) != 0;
}

/* The next write, or NULL when there will be none. An idle thread tidies up once. */
static struct store_write *wait_for_work(struct writer *writer)
{
    bool tidy = pending_pages(writer) == 0;
    pthread_mutex_lock(&writer->lock);
    while (!writer->queue.first && !writer->stopping) {
        if (tidy) {
            pthread_cond_wait(&writer->work, &writer->lock);
        } else if (wait_at_most(writer, IDLE_NS) && !writer->queue.first) {
            pthread_mutex_unlock(&writer->lock);
            pulse_begin(&writer->pulse);
            checkpoint(writer);
            pulse_end(&writer->pulse);
            tidy = true;
            pthread_mutex_lock(&writer->lock);
        }
    }
    struct store_write *write = pop(&writer->queue);
    writer->waiting -= write != NULL;
    pthread_mutex_unlock(&writer->lock);
    return write;
}

/* Takes back what a write has done. What cannot be taken back alone takes its whole group
 * with it: the caller looks whether there still is a transaction. */
static void undo_write(struct db *db)
{
    if (!db_in_transaction(db))
        return;
    if (db_run(db, sql_rollback_to, NULL) == 0 && db_run(db, sql_release, NULL) == 0)
        return;
    if (db_in_transaction(db) && db_run(db, sql_rollback, NULL) < 0)
        log_event(LOG_ERROR, "store_rollback_failed", "at=write");
}

/* Runs one write in a savepoint; it has its own result afterwards. */
static void run_write(struct db *db, struct store_write *write)
{
    error_clear(&write->error);
    write->rc = db_run(db, sql_savepoint, &write->error);
    if (write->rc < 0)
        return;
    write->rc = write->run(db, write, &write->error);
    assert(write->rc <= 0);
    if (write->rc == 0)
        write->rc = db_run(db, sql_release, &write->error);
    if (write->rc < 0) {
        error_set(&write->error, write->rc, "%s", error_code_name(write->rc));
        undo_write(db);
    }
}

/* Runs writes from `first` on until the group is full; they are added to *group. */
static int run_group(struct writer *writer, struct store_write *first,
                     struct queue *group, struct error *err)
{
    struct db *db = writer->db;
    int64_t end = clock_monotonic_ns() + STORE_GROUP_MS * NS_PER_MS;
    push(group, first);
    int rc = 0;
    if (db_in_transaction(db)) /* an earlier ROLLBACK failed */
        rc = db_run(db, sql_rollback, err);
    if (rc == 0)
        rc = db_run(db, sql_begin, err);
    if (rc < 0)
        return rc;
    struct store_write *write = first;
    for (int count = 1;; count++) {
        run_write(db, write);
        if (!db_in_transaction(db)) /* a full disk in the middle takes the whole group */
            return error_set(err, write->rc < 0 ? write->rc : ERR_INTERNAL, "%s",
                             write->error.text);
        if (count == STORE_GROUP_MAX || clock_monotonic_ns() >= end)
            break;
        write = take(writer);
        if (!write)
            break;
        push(group, write);
    }
    int64_t started = clock_monotonic_ns();
    rc = db_run(db, sql_commit, err);
    writer->tail_in_doubt = rc < 0;
    if (rc == 0)
        histogram_observe(&writer->commit_times, clock_monotonic_ns() - started);
    return rc;
}

/*
 * A COMMIT that failed at its sync has written all its frames to the WAL. No reader of
 * this process sees them, and the next COMMIT writes over them; but a process that dies
 * first would find them whole when it starts again, and what its user was told has failed
 * would be there. So a small transaction goes over them at once: frames are chained by
 * their checksums, and what follows another frame than before is no part of the WAL any
 * more. A failed sync is never just tried again: the kernel may have dropped the pages
 * and call the next sync of them a success. Whatever is committed next is written anew.
 */
static void write_over_tail(struct writer *writer)
{
    writer->tail_in_doubt = db_run(writer->db, sql_write_over, NULL) < 0;
}

/* True for what a write fails with because of the store and not because of itself. */
static bool is_of_store(int rc)
{
    return rc == ERR_NO_SPACE || rc == ERR_IO || rc == ERR_CORRUPT;
}

/* Notes the fate of a write, before it is told. */
static void count_write(struct writer *writer, const struct store_write *write)
{
    atomic_fetch_add(write->rc < 0 ? &writer->failed : &writer->committed, 1);
    histogram_observe(&writer->write_times, clock_monotonic_ns() - write->submitted_ns);
}

static void write_group(struct writer *writer, struct store_write *first)
{
    struct queue group = {0};
    struct error err = {0};
    int rc = run_group(writer, first, &group, &err);
    if (rc < 0 && db_in_transaction(writer->db) &&
        db_run(writer->db, sql_rollback, NULL) < 0)
        log_event(LOG_ERROR, "store_rollback_failed", "code=%s", error_code_name(rc));
    if (rc < 0)
        log_event(LOG_ERROR, "store_commit_failed", "code=%s", error_code_name(rc));
    if (rc < 0 && writer->tail_in_doubt && !db_in_transaction(writer->db))
        write_over_tail(writer);
    atomic_fetch_add(&writer->failed_groups, rc < 0);
    int failure = rc;
    for (const struct store_write *at = group.first; at && failure == 0; at = at->next)
        failure = is_of_store(at->rc) ? at->rc : 0;
    atomic_store(&writer->last_failure, failure);
    struct store_write *write;
    while ((write = pop(&group))) {
        if (rc < 0 && write->rc >= 0) {
            write->rc = rc;
            write->error = err;
        }
        count_write(writer, write);
        if (write->done)
            write->done(write, write->rc, &write->error);
    }
}

static void *writer_main(void *argument)
{
    struct writer *writer = argument;
    struct store_write *write;
    while ((write = wait_for_work(writer))) {
        pulse_begin(&writer->pulse);
        write_group(writer, write);
        if (pending_pages(writer) >= CHECKPOINT_PAGES)
            checkpoint(writer);
        pulse_end(&writer->pulse);
    }
    return NULL;
}

static int prepare_statements(struct db *db, struct error *err)
{
    int rc = 0;
    for (size_t i = 0; i < sizeof(prepared_sql) / sizeof(prepared_sql[0]) && rc == 0; i++)
        rc = db_prepare(db, prepared_sql[i], err);
    return rc;
}

int writer_start(struct db *db, struct writer **ret_writer, struct error *err)
{
    int rc = prepare_statements(db, err);
    if (rc < 0)
        return rc;
    struct writer *writer = mem_alloc(sizeof(*writer));
    if (!writer)
        return error_set(err, ERR_NOMEM, "out of memory starting the store's writer");
    writer->db = db;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->work, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&writer->lock, NULL);
    int failure = pthread_create(&writer->thread, NULL, writer_main, writer);
    if (failure != 0) {
        pthread_cond_destroy(&writer->work);
        pthread_mutex_destroy(&writer->lock);
        free(writer);
        return error_set_errno(err, failure, "cannot start the store's writer");
    }
    *ret_writer = writer;
    return 0;
}

void writer_stop(struct writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->stopping = true;
    pthread_cond_signal(&writer->work);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
}

void writer_free(struct writer *writer)
{
    pthread_cond_destroy(&writer->work);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}

void writer_submit(struct writer *writer, struct store_write *write)
{
    write->submitted_ns = clock_monotonic_ns();
    pthread_mutex_lock(&writer->lock);
    bool accepted = !writer->stopping;
    if (accepted) {
        push(&writer->queue, write);
        writer->waiting++;
        pthread_cond_signal(&writer->work);
    }
    pthread_mutex_unlock(&writer->lock);
    if (accepted)
        return;
    error_clear(&write->error);
    write->rc = error_set(&write->error, ERR_CANCELLED, "the store is closing");
    if (write->done)
        write->done(write, write->rc, &write->error);
}

bool writer_is_current(const struct writer *writer)
{
    return pthread_equal(pthread_self(), writer->thread) != 0;
}

void writer_stats(struct writer *writer, struct writer_stats *ret_stats)
{
    pthread_mutex_lock(&writer->lock);
    ret_stats->waiting = writer->waiting;
    pthread_mutex_unlock(&writer->lock);
    ret_stats->committed = atomic_load(&writer->committed);
    ret_stats->failed = atomic_load(&writer->failed);
    ret_stats->failed_groups = atomic_load(&writer->failed_groups);
    ret_stats->checkpoints = atomic_load(&writer->checkpoints);
    histogram_read(&writer->commit_times, &ret_stats->commit);
    histogram_read(&writer->write_times, &ret_stats->write);
    ret_stats->busy_ns = pulse_busy_ns(&writer->pulse);
    ret_stats->last_failure = atomic_load(&writer->last_failure);
}
