/*
 * The store: one SQLite file, one writer thread, read-only connections for readers.
 *
 * Writing: a `struct store_write` is a function to be run inside a transaction on the
 * writer thread, and one to be called after the COMMIT. The writer gathers what is queued
 * (at most STORE_GROUP_MAX writes or STORE_GROUP_MS milliseconds) into one transaction,
 * each write in a savepoint of its own, so that one that fails is rolled back alone.
 * `done` is called only when the fate is known: what it was told is durable
 * (synchronous=FULL).
 *
 * Reading: store_read_begin() lends a read-only connection with an open read transaction
 * to the calling thread; give it back soon with store_read_end().
 *
 * The functions of the table families (jobs.h, datasets.h, …) take a `struct db *` of
 * either kind. All SQL of the project is in this folder. Text and blobs that they return
 * are owned by the caller unless said otherwise.
 */
#ifndef BACKPROP_STORE_H
#define BACKPROP_STORE_H

#include "base/error.h"
#include "writer_stats.h"

#include <stdbool.h>
#include <stdint.h>

#define STORE_DATABASE "backpropd.db"
#define STORE_GROUP_MAX 256
#define STORE_GROUP_MS 5

struct store;
struct db;

/* Opens or makes DIR/backpropd.db, takes the lock file, applies missing migrations in one
 * transaction, starts the writer. ERR_BUSY when another process holds the store,
 * ERR_CORRUPT when the file is not ours or from a newer version. New object. */
int store_open(const char *dir, struct store **ret_store, struct error *err)
    __attribute__((warn_unused_result));

/* Runs what is queued, checkpoints the WAL, closes. */
void store_close(struct store *store);

/* Takes the lock of a data folder without opening its store; ERR_BUSY when somebody has
 * it. It goes with the descriptor. */
int store_lock(const char *dir, int *ret_fd, struct error *err)
    __attribute__((warn_unused_result));

struct store_write {
    /* On the writer thread, inside the transaction. A negative return rolls this write
     * back alone. Must not block. */
    int (*run)(struct db *db, struct store_write *write, struct error *err);
    /* On the writer thread after the COMMIT, or after the rollback; rc is run's, or the
     * commit's when that failed. May free the write. May submit others. May be NULL. */
    void (*done)(struct store_write *write, int rc, const struct error *err);
    struct store_write *next; /* the queue's */
    int64_t submitted_ns;     /* the writer's */
    int rc;                   /* the writer's */
    struct error error;       /* the writer's */
};

/* Queues a write, which must live until `done`. Writes run in the order of their
 * submission. After store_close() began, `done` is called with ERR_CANCELLED. */
void store_submit(struct store *store, struct store_write *write);

/* Submits and waits; `done` is called as well, if set. Not for the writer thread. */
int store_write_wait(struct store *store, struct store_write *write, struct error *err)
    __attribute__((warn_unused_result));

/* A read-only connection in a read transaction (a stable snapshot); NULL on failure. */
struct db *store_read_begin(struct store *store, struct error *err);
void store_read_end(struct store *store, struct db *db);

/* Size of the database files in bytes, and the schema version. */
int store_info(struct store *store, uint64_t *ret_bytes, int *ret_version);

/* For /metrics and /readyz. `wal_bytes` are of the file; it is used again and again and
 * shrinks only when it grew beyond measure. */
struct store_stats {
    struct writer_stats writer;
    uint64_t database_bytes, wal_bytes;
    bool damaged; /* something that was read or written showed it */
};
void store_stats(struct store *store, struct store_stats *ret_stats);

/* Tries to write, without waiting: what writer.last_failure says after a moment is true
 * then. A trial that is under way is not repeated. */
void store_try_write(struct store *store);

#endif
